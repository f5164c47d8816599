"""The leaderboard as the page shows it: cells with their text, their order when sorted, and an interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from benchmark.metrics import METRICS
from benchmark.result import AGNOSTIC, GIVEN, ROUTED

if TYPE_CHECKING:
    from benchmark.reporting.report import Report
    from benchmark.reporting.rows import Row
    from benchmark.reporting.statistics import Summary

MINUS = "\N{MINUS SIGN}"
TRACKS = {AGNOSTIC: "", GIVEN: "domain given", ROUTED: "with router"}
UNRANKED = 1_000_000
"""Sorts rows without a rank after all others."""


def percent(value: float) -> str:
    """One decimal of a fraction as a percentage: ``81.5``."""
    return f"{100 * value:.1f}".replace("-0.0", "0.0").replace("-", MINUS)


def signed(value: float) -> str:
    """`percent` with its sign: ``+1.2``; zero has none."""
    text = percent(value)
    return f"+{text}" if text != "0.0" and not text.startswith(MINUS) else text


def large(value: float) -> str:
    """Three digits and a letter: ``197 k``, ``1.25 M``."""
    for limit, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= limit * 0.9995:
            scaled = value / limit
            return f"{scaled:.{0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2}f}{letter}"
    return f"{value:.0f}"


def duration(seconds: float) -> str:
    """``32 s``, ``5.1 min`` or ``2.0 h``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


@dataclass(frozen=True)
class Column:
    """A metric or cost: its id, the head of its column, how a value is written; bar: drawn as a share of 1."""

    id: str
    head: str
    show: Callable[[float], str]
    explanation: str = ""
    bar: bool = False

    @property
    def meaning(self) -> str:
        """One sentence."""
        if self.id not in METRICS:
            return self.explanation
        return (METRICS[self.id].function.__doc__ or "").splitlines()[0].replace("None", "undefined")

    @property
    def formula(self) -> str:
        """Empty for a cost."""
        return METRICS[self.id].formula if self.id in METRICS else ""

    @property
    def source(self) -> str:
        """Where the formula is from; empty for a cost."""
        return METRICS[self.id].source if self.id in METRICS else ""

    @property
    def help(self) -> str:
        """All of these."""
        return f"{self.meaning} {self.formula}. Source: {self.source}." if self.formula else self.meaning


COLUMNS = (
    Column("acc", "accuracy", percent, bar=True),
    Column("bwt", "bwt", signed),
    Column("forgetting", "forgetting", percent),
    Column("fwt", "fwt", signed),
    Column("plasticity", "plasticity", percent),
    Column("ood_retention", "OOD kept", percent, bar=True),
    Column("zero_shot_drop", "zero-shot drop", percent),
    Column("router_accuracy", "router accuracy", percent),
    Column("active_fraction", "active blocks", percent, "Active blocks of all gated blocks, at the end."),
    Column("trainable_parameters", "trainable", large, "Parameters that are trained for one domain."),
    Column("stored_parameters", "stored", large, "Parameters that differ from the pre-trained model's, or were added."),
    Column("train_seconds", "train time", duration, "Seconds spent in training, without evaluation."),
)


@dataclass(frozen=True)
class Cell:
    """One figure: text, half its 95 % interval ("" with one run), order when sorted, filled percentage of its bar."""

    text: str
    half: str
    order: str
    bar: str


@dataclass(frozen=True)
class Line:
    """One row of a table; `number` is its place in the report."""

    number: int
    row: Row
    cells: list[Cell]

    @property
    def rank_order(self) -> int:
        """Sort key of the rank."""
        return self.row.rank if self.row.rank is not None else UNRANKED

    @property
    def track(self) -> str:
        """What to add to the strategy's name."""
        return TRACKS.get(self.row.track, self.row.track)

    @property
    def differs(self) -> str:
        """What tells the row from others of its strategy."""
        return self.row.label.removeprefix(self.row.strategy).strip()

    @property
    def settings(self) -> str:
        """The other settings."""
        told = set(self.differs.split(" "))
        return " ".join(pair for pair in self.row.settings.split(" ") if pair not in told)

    @property
    def runs(self) -> str:
        """Number of runs, seeds and orders."""
        seeds, orders = len(self.row.seeds), len(self.row.orders)
        return f"{seeds} seed{'s' * (seeds > 1)}, {orders} order{'s' * (orders > 1)} of domains"


@dataclass(frozen=True)
class Table:
    """Rows that are ranked together, or the upper bounds; `context`: domains and what else is theirs alone."""

    title: str
    context: str
    ranked: bool
    lines: list[Line]


@dataclass(frozen=True)
class Board:
    """The tables of one stream and backbone."""

    stream: str
    backbone: str
    columns: list[Column]
    tables: list[Table]

    @property
    def strategies(self) -> list[str]:
        """For the filter."""
        return sorted({line.row.strategy for table in self.tables for line in table.lines})


def boards(report: Report) -> list[Board]:
    """One for each stream and backbone, in the report's order."""
    numbered = list(enumerate(report.rows))
    parts = groupby(numbered, key=lambda item: (item[1].stream, item[1].backbone))
    return [_board(stream, backbone, list(rows)) for (stream, backbone), rows in parts]


def column_notes() -> list[tuple[str, str, str, str]]:
    """Head, meaning, formula and source of every column; the last two are empty for what is no metric."""
    own = [
        ("rank", "Place by accuracy among rows of the same data, weights, budget and protocol."),
        ("group", "Rows that share a letter cannot be told apart: paired t-tests over runs, Holm-corrected, 5 %."),
        ("\N{PLUS-MINUS SIGN}", "Half the 95 % interval over runs (Student t); absent with one run."),
    ]
    known = [(column.head, column.meaning, column.formula, column.source) for column in COLUMNS]
    return [*((head, meaning, "", "") for head, meaning in own), *known]


def _board(stream: str, backbone: str, rows: Sequence[tuple[int, Row]]) -> Board:
    columns = [column for column in COLUMNS if any(row.summary(column.id) for _, row in rows)]
    families = list(dict.fromkeys(row.family for _, row in rows))
    tables = []
    for family in families:
        members = [(number, row) for number, row in rows if row.family == family]
        context = _context(members[0][1], families)
        for title, ranked, wanted in (
            ("Domain not given at test time", True, [item for item in members if _protocol(item[1]) == "free"]),
            ("Domain given at test time", True, [item for item in members if _protocol(item[1]) == "given"]),
            ("Upper bound: all domains at once", False, [item for item in members if _protocol(item[1]) == "bound"]),
        ):
            if wanted:
                tables.append(Table(title, context, ranked, list(_lines(wanted, columns))))
    return Board(stream, backbone, columns, tables)


def _protocol(row: Row) -> str:
    return "bound" if row.upper_bound else "given" if row.given else "free"


def _context(row: Row, families: Sequence[tuple[str, ...]]) -> str:
    """Order or domains of the table, and its number where other data or another budget have tables of their own."""
    orders = row.orders
    domains = " > ".join(orders[0]) if len(orders) == 1 else f"{len(orders)} orders of {', '.join(sorted(orders[0]))}"
    place = f" (group {families.index(row.family) + 1} of {len(families)}: not comparable with the others)"
    return domains + (place if len(families) > 1 else "")


def _lines(rows: Iterable[tuple[int, Row]], columns: Sequence[Column]) -> Iterable[Line]:
    for number, row in rows:
        yield Line(number, row, [_cell(column, row.summary(column.id)) for column in columns])


def _cell(column: Column, summary: Summary | None) -> Cell:
    if summary is None:
        return Cell("\N{EN DASH}", "", "", "")
    # Parameters are the same in every run as a rule: no interval of nothing beside them.
    exact = column.show is large and not summary.half_width
    half = "" if summary.half_width is None or exact else column.show(summary.half_width)
    bar = f"{100 * min(max(summary.mean, 0.0), 1.0):.1f}" if column.bar else ""
    return Cell(column.show(summary.mean), half.removeprefix("+"), f"{summary.mean:.6g}", bar)
