"""`run_suite.py compare A B`: what got better or worse from A to B, and whether that is noise."""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from typing import TYPE_CHECKING

from benchmark.arguments import add_results
from benchmark.comparison import BETTER, IDENTICAL, NOISE, UNTESTED, WORSE, Compared, Comparison, Line, compare
from benchmark.comparison_sides import FORMS, Side, sides
from benchmark.errors import UsageError
from benchmark.reporting.columns import decimals, unit
from benchmark.reporting.rows import Row

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLUMNS = (
    "stream", "backbone", "a", "b", "track_a", "track_b", "runs", "metric", "unit", "value_a", "value_b", "difference",
    "low", "high", "p", "verdict", "reason",
)  # fmt: skip
"""Of --csv. Rows that are refused, or on one side only, have no metric."""
STYLES = {BETTER: "green", WORSE: "red"}


def parser() -> argparse.ArgumentParser:
    """What is compared, and how it is shown."""
    text = "Compare two strategies, results folders or commits: better, worse, or noise?"
    parser = argparse.ArgumentParser("run_suite.py compare", description=text)
    parser.add_argument("a", metavar="A", help=f"{FORMS}; a strategy's name or a row's label")
    parser.add_argument("b", metavar="B", help="the same; differences are B - A")
    parser.add_argument("--csv", action="store_true", help="lines for machines: " + ",".join(COLUMNS))
    add_results(parser)
    return parser


def run(options: argparse.Namespace, given: list[str]) -> int:
    """0; UsageError where nothing can be compared."""
    from rich.console import Console

    first, second = sides((options.a, options.b), options.results)
    found = compare(first, second)
    if not found.compared:
        raise UsageError(_nothing(first, second, found))
    if options.csv:
        _write_csv(found)
    else:
        _show(first, second, found, Console(highlight=False))
    return 0


def _nothing(first: Side, second: Side, found: Comparison) -> str:
    if found.refused:
        pair, more = found.refused[0], len(found.refused) - 1
        said = f" (and {more} more pairs)" if more else ""
        return f"nothing to compare: {_name(pair.first)} and {_name(pair.second)}: {pair.reason}{said}"
    return f"nothing to compare. A has {_there(first)}. B has {_there(second)}"


def _there(side: Side) -> str:
    names = [f"{_name(row)} on {row.stream}, {row.backbone}" for row in side.rows]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return "; ".join(names[:3]) + more


def _name(row: Row) -> str:
    return f"{row.label} ({row.track})"


def _pair(first: Row, second: Row) -> str:
    return _name(first) if _name(first) == _name(second) else f"{_name(first)} -> {_name(second)}"


def _write_csv(found: Comparison) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for pair in found.compared:
        for line in pair.lines:
            exact = ["" if x is None else f"{x + 0.0:.{decimals(line.metric)}f}" for x in line[1:6]]
            p = "" if line.p is None else f"{line.p:.6g}"
            figures = [pair.runs, line.metric, unit(line.metric), *exact, p, line.verdict, "; ".join(pair.notes)]
            writer.writerow([*_identity(pair.first, pair.second), *figures])
    empty = [""] * (COLUMNS.index("verdict") - COLUMNS.index("runs"))
    for refused in found.refused:
        writer.writerow([*_identity(refused.first, refused.second), *empty, "refused", refused.reason])
    for row in found.only_first:
        writer.writerow([row.stream, row.backbone, row.label, "", row.track, "", *empty, "only in A", ""])
    for row in found.only_second:
        writer.writerow([row.stream, row.backbone, "", row.label, "", row.track, *empty, "only in B", ""])


def _identity(first: Row, second: Row) -> list[str]:
    return [first.stream, first.backbone, first.label, second.label, first.track, second.track]


def _show(first: Side, second: Side, found: Comparison, console: Console) -> None:
    for name, side in (("A", first), ("B", second)):
        console.print(f"{name}: {_said(side)}", markup=False)
    for problem in dict.fromkeys([*first.problems, *second.problems]):
        console.print(problem, style="yellow", markup=False)
    if len(found.compared) > 1:
        console.print(_overview(found))
    for pair in found.compared:
        _show_pair(pair, console)
    for refused in found.refused:
        names = f"{_pair(refused.first, refused.second)} on {refused.first.stream}"
        console.print(f"not compared: {names}: {refused.reason}", style="yellow", markup=False)
    for name, rows in (("A", found.only_first), ("B", found.only_second)):
        if rows:
            console.print(f"only in {name}: {', '.join(f'{_name(row)} on {row.stream}' for row in rows)}", markup=False)
    console.print(_totals(found), style="bold", markup=False)
    console.print(
        "Differences are B - A over the same seeds and orders, in percentage points for accuracies. "
        "95 % interval: not corrected. p: paired, corrected by Holm's method over the metrics of a pair, "
        "and over its costs. noise: p >= 0.05.",
        style="dim", markup=False,
    )  # fmt: skip


def _said(side: Side) -> str:
    what = f", {side.strategy}" if side.strategy else ""
    runs = len({entry.key for row in side.rows for entry in row.entries})
    return f"{side.store.root}{what}: {runs} runs, commit {', '.join(side.commits) or 'unknown'}"


def _totals(found: Comparison) -> str:
    """``acc: better in 1, noise in 2 of 3``."""
    counted = Counter(pair.lines[0].verdict for pair in found.compared)
    words = [f"{name} in {counted[name]}" for name in (BETTER, WORSE, NOISE, IDENTICAL, UNTESTED) if counted[name]]
    return f"acc: {', '.join(words)} of {len(found.compared)} compared"


def _overview(found: Comparison) -> Table:
    """Final accuracy of every pair."""
    table = _table("acc of every pair", "rows", "A", "B", "B - A", "verdict")
    several = len({(pair.first.stream, pair.first.backbone) for pair in found.compared}) > 1
    for pair in found.compared:
        line = pair.lines[0]
        where = f"{pair.first.stream}, {pair.first.backbone}: " if several else ""
        cells = (_figure(line, line.first), _figure(line, line.second), _figure(line, line.difference, sign="+"))
        table.add_row(_text(where + _pair(pair.first, pair.second)), *cells, _verdict(line))
    return table


def _show_pair(pair: Compared, console: Console) -> None:
    title = f"{pair.first.stream}, {pair.first.backbone}: {_pair(pair.first, pair.second)}"
    console.print(f"\n{title}; {pair.runs} shared run{'s' if pair.runs > 1 else ''}", style="bold", markup=False)
    for note in pair.notes:
        console.print(f"  {note}", markup=False)
    table = _table("", "figure", "A", "B", "B - A", "95 % interval", "p", "verdict")
    for line in pair.lines:
        table.add_row(
            line.metric, _figure(line, line.first), _figure(line, line.second), _figure(line, line.difference, "+"),
            _interval(line), _p(line.p), _verdict(line),
        )  # fmt: skip
    console.print(table)


def _table(title: str, *columns: str) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        text = column in ("rows", "figure", "verdict")
        table.add_column(column, justify="left" if text else "right", no_wrap=column != "rows", overflow="fold")
    return table


def _text(text: str) -> object:
    from rich.text import Text

    return Text(text)


def _verdict(line: Line) -> object:
    from rich.text import Text

    return Text(line.verdict, style=STYLES.get(line.verdict, ""))


def _interval(line: Line) -> str:
    if line.low is None or line.high is None or line.verdict == IDENTICAL:
        return ""
    return f"[{_figure(line, line.low, '+')}, {_figure(line, line.high, '+')}]"


def _p(value: float | None) -> str:
    return "" if value is None else "<.001" if value < 0.001 else f"{value:.3f}"


def _figure(line: Line, value: float, sign: str = "") -> str:
    """Fractions in percent; others with three digits, thousands and more as k, M or G."""
    if unit(line.metric) == "fraction":
        return f"{round(100 * value, 2) + 0.0:{sign}.2f}"  # adding zero turns -0.0 into 0.0
    scale, letter = next(((s, x) for s, x in ((1e9, "G"), (1e6, "M"), (1e4, "k")) if abs(value) >= s), (1.0, ""))
    shown = value / (1e3 if letter == "k" else scale)
    return f"{shown + 0.0:{sign}.{2 if abs(shown) < 10 else 1 if abs(shown) < 100 else 0}f}{letter}"
