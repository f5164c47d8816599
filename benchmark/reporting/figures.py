"""Every figure of a report, as file names and PNG bytes. Matplotlib is loaded when the first is drawn."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmark.reporting import curves, heatmaps, style
from benchmark.reporting.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("matrix", "stream", "retention", "blocks")
"""First word of every file name: KIND-STREAM-BACKBONE.png."""


def draw(rows: Sequence[Row]) -> Iterator[tuple[str, bytes]]:
    """File name and PNG of each figure: one of each kind per stream, backbone, order and training budget.

    Blocks are drawn for strategies with gates, retention where there are out-of-domain sets.
    """
    import matplotlib

    looks = style.looks(rows)
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.family].append(row)
    slugs = _slugs(groups)
    for family, members in groups.items():
        heading = _heading(members, rows)
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(style.RC)
            for kind, figure in _figures(members, looks, heading):
                yield f"{kind}-{slugs[family]}.png", style.png(figure)


def _figures(rows: Sequence[Row], looks: dict[str, style.Look], heading: str) -> Iterator[tuple[str, Figure]]:
    yield "matrix", heatmaps.matrices(rows, heading)
    yield "stream", curves.over_stream(rows, looks, heading)
    retention = curves.against_retention(rows, looks, heading)
    if retention is not None:
        yield "retention", retention
    # The gates are those of training: the same on every track of a run.
    gated = {row.label: row for row in rows if all(entry.result.blocks for entry in row.entries)}
    if gated:
        yield "blocks", heatmaps.blocks(list(gated.values()), heading)


def _slugs(groups: dict[tuple[str, ...], list[Row]]) -> dict[tuple[str, ...], str]:
    """Names fit for a file; groups that would share one are told apart by a hash of what they are."""
    plain = {
        family: re.sub(r"[^A-Za-z0-9._]+", "-", f"{rows[0].stream}-{rows[0].backbone}").strip("-.")[:80]
        for family, rows in groups.items()
    }
    names = [slug.lower() for slug in plain.values()]  # some file systems ignore case
    return {
        family: slug
        if names.count(slug.lower()) == 1
        else f"{slug}-{hashlib.sha256(repr(family).encode()).hexdigest()[:6]}"
        for family, slug in plain.items()
    }


def _heading(rows: Sequence[Row], everything: Sequence[Row]) -> str:
    """Stream and backbone, and the order where there are several."""
    own = rows[0]
    heading = ", ".join((style.short(own.stream, 40), style.short(own.backbone, 40)))
    orders = {row.order for row in everything if (row.stream, row.backbone) == (own.stream, own.backbone)}
    return heading if len(orders) == 1 else f"{heading}, order {style.wrap(' > '.join(own.order), 48, 1)}"
