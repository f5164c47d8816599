"""What all plots share: the form of a plot, parts of the page, names, rounding."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.reporting.rows import Row
from benchmark.reporting.style import TRACKS

MOST = 24
"""Rows of one part that are drawn; captions name how many are left out."""


@dataclass(frozen=True)
class Plot:
    """One figure of report.html, with the same facts as text and as a table.

    section: id of the page's section. part: what its first select switches; choice: its second, "" if there is one.
    figure: {"data", "layout"} of plotly.js, JSON-ready, without colours of the theme.
    alt: text alternative. header, cells: the figure as a table.
    """

    section: str
    part: str
    choice: str
    title: str
    caption: str
    figure: dict[str, Any]
    alt: str
    header: tuple[str, ...] = ()
    cells: list[tuple[Any, ...]] = field(default_factory=list)


def parts(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Rows of one family together, under a title of their own: stream, backbone and what else tells them apart."""
    families: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        families[row.family].append(row)
    plain = Counter(f"{members[0].stream}, {members[0].backbone}" for members in families.values())
    found, taken = [], Counter()
    for members in families.values():
        name = f"{members[0].stream}, {members[0].backbone}"
        if plain[name] > 1:
            name += f", {' > '.join(members[0].order)}"
        taken[name] += 1
        found.append((name if taken[name] == 1 else f"{name} ({taken[name]})", members))
    return found


def name_of(row: Row) -> str:
    """The row's label with its track, where there are several."""
    track = TRACKS.get(row.track)
    return f"{row.label} ({track})" if track else row.label


def percent(value: float | None) -> float | None:
    """A fraction as percent with two decimals; None for what is no number."""
    return None if value is None or not math.isfinite(value) else round(100 * float(value), 2) + 0.0


def left_out(rows: Sequence[Row], most: int = MOST) -> str:
    """A sentence for the caption on rows beyond `most`; empty if there are none."""
    rest = [name_of(row) for row in rows[most:]]
    if not rest:
        return ""
    more = f" and {len(rest) - 8} more" if len(rest) > 8 else ""
    return f" The best {most} of {len(rows)} are drawn; not drawn: {', '.join(rest[:8])}{more}."


def bars(rows: Sequence[Row]) -> str:
    """What error bars are, for the caption; empty where there are none."""
    return "; bars: 95 % intervals over runs" if any(len(row.entries) > 1 for row in rows) else ", one run"


def layout(**fields: Any) -> dict[str, Any]:
    """A layout that fits a phone: small margins that grow with the labels, the legend below."""
    base = {
        "margin": {"l": 48, "r": 12, "t": 12, "b": 48},
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
    }
    return base | fields


def axis(title: str, **fields: Any) -> dict[str, Any]:
    """An axis with a title and room for its labels."""
    return {"title": {"text": title}, "automargin": True} | fields
