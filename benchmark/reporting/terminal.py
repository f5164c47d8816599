"""The leaderboard on a terminal: as much as its width holds, readable without colour."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from benchmark.result import ROUTED

if TYPE_CHECKING:
    import pandas as pd

Cells = dict[str, object]
"""One row of the leaderboard, by column."""


def show(frame: pd.DataFrame, console: Console | None = None) -> None:
    """Print `leaderboard`'s frame: a part for each stream, backbone and order, the two protocols apart in each."""
    console = console or Console()
    console.print(view(frame, console.width))


def view(frame: pd.DataFrame, width: int = 110) -> Group:
    """What `show` prints, as a rich renderable for `width` columns."""
    rows: list[Cells] = frame.astype(object).where(frame.notna(), None).to_dict("records")
    parts: list[object] = []
    for name in dict.fromkeys((row["stream"], row["backbone"], row["order"]) for row in rows):
        members = [row for row in rows if (row["stream"], row["backbone"], row["order"]) == name]
        parts += _part(*map(str, name), members, width)
    parts.append(_legend(rows))
    return Group(*parts)


def picture(frame: pd.DataFrame, width: int = 110) -> str:
    """What `show` prints, as an SVG for a README or a slide; without the web fonts that rich would load."""
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(view(frame, width))
    svg = console.export_svg(title="python run_suite.py", unique_id="leaderboard")
    return re.sub(r"@font-face\s*{[^}]*}", "", svg)


class _Column(NamedTuple):
    """A column of figures; where the terminal is narrow, those with the lowest `worth` are left out first."""

    title: str
    text: Callable[[Cells], str]
    worth: int


def _part(stream: str, backbone: str, order: str, rows: list[Cells], width: int) -> list[object]:
    """Heading, one table a section, and the notes of one stream, backbone and order."""
    parts: list[object] = [Text(f"{stream}, {backbone}", style="bold"), Text(f"order: {order}", style="dim")]
    widths = _fit(rows, width)
    ranked = [row for row in rows if row["upper_bound"] == "no"]
    sections = {
        "Domain not given at test time": [row for row in ranked if row["domain_given"] == "no"],
        "Domain given at test time": [row for row in ranked if row["domain_given"] == "yes"],
        "Upper bound: all domains at once, not ranked": [row for row in rows if row["upper_bound"] == "yes"],
    }
    parts += [_table(title, members, widths) for title, members in sections.items() if members]
    notes = [Text(f"note: {_name(row)}{_protocol(row)}: {row['note']}") for row in rows if row["note"]]
    return [*parts, *notes, Text()]


def _table(title: str, rows: list[Cells], widths: dict[_Column, int]) -> Padding:
    """Every section is given the same widths, so that columns stand below each other."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for column, width in widths.items():
        name = column.title == "strategy"
        table.add_column(column.title, justify="left" if name else "right", width=width, no_wrap=not name)
    for row in rows:
        table.add_row(*(Text(column.text(row), overflow="fold") for column in widths))
    return Padding(table, (1, 0, 0, 0))


def _fit(rows: list[Cells], width: int) -> dict[_Column, int]:
    """The columns that have something to say and fit `width`, with the room each needs."""
    room = {}
    for column in _COLUMNS:
        texts = [column.text(row) for row in rows]
        if any(text != "-" for text in texts):
            widest = max(map(len, (column.title, *texts)))
            room[column] = min(widest, 28) if column.title == "strategy" else widest
    while sum(room.values()) + len(room) > width and min(column.worth for column in room) < 9:
        del room[min(room, key=lambda column: column.worth)]
    return room


def _name(row: Cells) -> str:
    behind = "+ router" if row["track"] == ROUTED else ""
    return " ".join(filter(None, (str(row["strategy"]), str(row["settings"] or ""), behind)))


def _protocol(row: Cells) -> str:
    return " (domain given)" if row["domain_given"] == "yes" else ""


def _percent(value: object, half_width: object, signed: bool = False) -> str:
    if not isinstance(value, float):
        return "-"
    rounded = round(100 * value, 1) + 0.0  # no "-0.0"
    text = f"{rounded:+.1f}" if signed and rounded else f"{rounded:.1f}"
    return f"{text} ±{100 * half_width:.1f}" if isinstance(half_width, float) else text


def _amount(value: object) -> str:
    """``950``, ``12.3k``, ``4.5M``: at most six characters below a thousand billion."""
    if not isinstance(value, float):
        return "-"
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.1f}{unit}"
    return f"{value:.1f}" if 0 < abs(value) < 100 and value != int(value) else f"{value:.0f}"


def _figure(title: str, name: str, worth: int, signed: bool = False) -> _Column:
    return _Column(title, lambda row: _percent(row[name], row[f"{name}_ci95"], signed), worth)


_COLUMNS = (
    _Column("#", lambda row: "-" if row["rank"] is None else str(row["rank"]), 9),
    _Column("group", lambda row: str(row["rank_group"] or "-"), 6),
    _Column("strategy", _name, 9),
    _figure("accuracy", "acc", 9),
    _figure("bwt", "bwt", 8, signed=True),
    _figure("forgets", "forgetting", 1),
    _figure("fwt", "fwt", 2, signed=True),
    _figure("OOD kept", "ood_retention", 8),
    _Column("router", lambda row: _percent(row["router_accuracy"], None), 5),
    _Column("active", lambda row: _percent(row["active_fraction"], None), 4),
    _Column("stored", lambda row: _amount(row["stored_parameters"]), 6),
    _Column("train s", lambda row: _amount(row["train_seconds"]), 3),
    _Column("n", lambda row: str(row["runs"]), 7),
)


def _legend(rows: list[Cells]) -> Text:
    said = [
        "percent. bwt, fwt: change of earlier domains and of those to come; OOD kept: share of the pre-trained model's "
        "accuracy left outside the stream; stored: parameters; n: runs"
    ]
    if any(row["acc_ci95"] is not None for row in rows):
        said.append("±: 95 % interval over them")
    if any(row["rank_group"] for row in rows):
        said.append("group: rows that share a letter cannot be told apart (paired t-tests, Holm's correction, 5 %)")
    return Text("; ".join(said), style="dim")
