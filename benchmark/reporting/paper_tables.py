"""What the tables for a paper hold: rows of equal data and budget, the best accuracy of each protocol, notes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmark.reporting.report import Report
from benchmark.reporting.rows import Row
from benchmark.reporting.tables import order_text
from benchmark.result import ROUTED

PLAIN, TIED, BEST = range(3)
"""How an accuracy is set: neither best nor tied with it, not distinguishable from the best of its protocol, best."""


class Column(NamedTuple):
    """A figure of the tables; `metric` is its formula's id, values are divided by `scale`."""

    title: str
    metric: str
    scale: float = 0.01
    signed: bool = False
    decimals: int = 1


COLUMNS = (
    Column("Accuracy", "acc"),
    Column("Incremental", "acc_avg_incremental"),
    Column("BWT", "bwt", signed=True),
    Column("FWT", "fwt", signed=True),
    Column("OOD kept", "ood_retention"),
)
MILLIONS = Column("Stored (M)", "stored_parameters", 1e6, decimals=2)
THOUSANDS = Column("Stored (k)", "stored_parameters", 1e3)


class Cell(NamedTuple):
    """A figure's mean and half its interval as text; both are empty where it is undefined."""

    mean: str
    half_width: str = ""
    style: int = PLAIN


@dataclass(frozen=True)
class Line:
    """One row of a table; `marks` are the numbers of its notes."""

    strategy: str
    marks: tuple[int, ...]
    runs: int
    cells: list[Cell]


@dataclass(frozen=True)
class PaperTable:
    """Rows that were run on the same data with the same budget, by protocol."""

    title: str
    caption: list[str]
    columns: list[Column]
    sections: list[tuple[str, list[Line]]]
    notes: list[str]


def paper_tables(report: Report) -> list[PaperTable]:
    """A table for each stream, backbone, data and budget, in the order of the leaderboard."""
    families = itertools.groupby(report.rows, key=lambda row: (row.stream, row.backbone, row.family))
    return [_table(list(rows)) for _, rows in families]


def _table(rows: Sequence[Row]) -> PaperTable:
    columns = _columns(rows)
    ranked = [row for row in rows if not row.upper_bound]
    sections = {
        "Domain not given at test time": [row for row in ranked if not row.given],
        "Domain given at test time": [row for row in ranked if row.given],
        "Upper bound: all domains at once": [row for row in rows if row.upper_bound],
    }
    notes = list(dict.fromkeys(note for row in rows for note in _notes(row, columns)))
    lines = [(title, [_line(row, members, columns, notes) for row in members]) for title, members in sections.items()]
    return PaperTable(
        title=f"{rows[0].stream}, {rows[0].backbone}",
        caption=_caption(rows, columns),
        columns=columns,
        sections=[(title, members) for title, members in lines if members],
        notes=notes,
    )


def _columns(rows: Sequence[Row]) -> list[Column]:
    """Those with a figure in any run; parameters in the larger unit if there are many."""
    values = [entry.values for row in rows for entry in row.entries]
    columns = [column for column in COLUMNS if any(run.get(column.metric) is not None for run in values)]
    stored = [row.summary(MILLIONS.metric) for row in rows]
    most = max((summary.mean for summary in stored if summary), default=0.0)
    return [*columns, MILLIONS if most >= 1e5 else THOUSANDS] if most else columns


def _notes(row: Row, columns: Sequence[Column]) -> list[str]:
    """What is said of the row, but for figures that the table does not show."""
    shown = {column.metric for column in columns}
    found = []
    for note in row.notes:
        names, undefined, runs = note.partition(" undefined with ")
        named = [name for name in names.split(", ") if name in shown]
        if not undefined:
            found.append(note)
        elif named:
            found.append(f"{', '.join(named)}{undefined}{runs}")
    return found


def _line(row: Row, rivals: Sequence[Row], columns: Sequence[Column], notes: Sequence[str]) -> Line:
    marks = tuple(1 + notes.index(note) for note in _notes(row, columns))
    cells = [_cell(row, column, _style(row, rivals) if column.metric == "acc" else PLAIN) for column in columns]
    return Line(row.label + (" + router" if row.track == ROUTED else ""), marks, len(row.entries), cells)


def _cell(row: Row, column: Column, style: int) -> Cell:
    summary = row.summary(column.metric)
    if summary is None:
        return Cell("")
    digits = column.decimals
    mean = round(summary.mean / column.scale, digits) + 0.0  # no "-0.0"
    # What is stored is counted, not estimated.
    width = None if column in (MILLIONS, THOUSANDS) else summary.half_width
    text = f"{mean:+.{digits}f}" if column.signed and mean else f"{mean:.{digits}f}"
    return Cell(text, "" if width is None else f"{width / column.scale:.{digits}f}", style)


def _style(row: Row, rivals: Sequence[Row]) -> int:
    if row.rank is None:
        return PLAIN
    if row.rank == 1:
        return BEST
    best = {letter for rival in rivals if rival.rank == 1 for letter in _letters(rival)}
    return TIED if best & _letters(row) else PLAIN


def _letters(row: Row) -> set[str]:
    """``a1b`` has the letters a1 and b."""
    return set(re.findall(r"[a-z]\d*", row.letters))


def _caption(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """Sentences."""
    train = rows[0].entries[0].result.spec.train
    orders = list(dict.fromkeys(order_text(row) for row in rows))
    tested = any(row.letters for row in rows)
    several = any(len(row.entries) > 1 for row in rows)
    percent = ", ".join(column.title for column in columns if column.scale == 0.01)
    return [
        f"Order: {orders[0]}." if len(orders) == 1 else f"Orders: {'; '.join(orders)}.",
        f"Budget: {train.epochs} {'epochs' if train.epochs > 1 else 'epoch'} a domain, batches of {train.batch_size}.",
        f"{percent} in percent"
        + ("; mean and half the 95% interval over n runs (Student t)." if several else "; one run of each strategy."),
        "Best accuracy of a protocol: BEST"
        + (
            "; not distinguishable from it (paired t-tests, Holm's correction, 5%): TIED."
            if tested
            else "; differences are not tested, which takes two runs of each."
        ),
        f"Formulas (metrics.csv): {', '.join(f'{column.title}: {column.metric}' for column in columns)}.",
    ]
