"""Every table of the results, as data frames and as CSV; their columns are those of `benchmark.reporting.columns`.

Accuracies are fractions with six decimals; an empty cell is an undefined value. The files depend on the set of runs
only, not on their order.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from benchmark.bootstrap import accuracy_interval
from benchmark.metrics import METRICS
from benchmark.reporting.columns import (
    COMPARABILITY,
    DOMAIN,
    IDENTITY,
    IMAGE_INTERVAL,
    LEADERBOARD,
    MATRIX,
    MEASURED,
    METRIC_TABLE,
    OOD,
    OTHER_K,
    RUN,
    RUNS,
    SUMMARIZED,
    decimals,
    unit,
)
from benchmark.reporting.comparability import COMPARABLE, verdicts_of
from benchmark.reporting.report import Report
from benchmark.reporting.rows import Entry, Row
from benchmark.result import RunResult

K = 20
"""Neighbours of the k-NN accuracy that metrics are made of (`Track.ood`)."""


def leaderboard(results: Sequence[RunResult]) -> pd.DataFrame:
    """One row per configuration and track, best first within a stream and backbone; columns LEADERBOARD.

    domain_given: 'yes' or 'no'; the two are never ranked together. upper_bound: 'yes' for a strategy that sees all
    domains at once: listed last, without a rank. Bad runs are left out, as `Report.of` says.
    """
    return leaderboard_of(Report.of(results).rows)


def runs(results: Sequence[RunResult]) -> pd.DataFrame:
    """Long form, one row per run, track and defined metric or cost; columns RUNS."""
    return runs_of(Report.of(results).rows)


def leaderboard_of(rows: Sequence[Row]) -> pd.DataFrame:
    """`leaderboard` of rows that are already grouped."""
    comparable: dict[int, list[str]] = {id(row): [] for row in rows}
    for verdict in verdicts_of(rows):
        if verdict.verdict == COMPARABLE:
            comparable[id(verdict.row)].append(verdict.published.id)
    lines = [
        [*_identity(row), *_figures(row), *_image_interval(row), "; ".join(comparable[id(row)]), "; ".join(row.notes)]
        for row in rows
    ]
    frame = pd.DataFrame(lines, columns=list(LEADERBOARD))
    numbers = [column for column in LEADERBOARD if column not in (*IDENTITY, "comparable", "note")]
    whole = dict.fromkeys(("orders", "seeds", "runs"), "int64")
    return frame.astype({"rank": "Int64", **whole, **dict.fromkeys(numbers, "float64")})


def runs_of(rows: Sequence[Row]) -> pd.DataFrame:
    """`runs` of rows that are already grouped."""
    lines = [
        (*run, name, _rounded(name, value))
        for run, entry in _entries(rows)
        for name, value in entry.values.items()
        if value is not None
    ]
    return pd.DataFrame(lines, columns=list(RUNS)).astype({"seed": "int64", "value": "float64"})


def matrix_of(rows: Sequence[Row]) -> pd.DataFrame:
    """The accuracy matrix of every run and track, one row for each stage and set; columns MATRIX.

    Out-of-domain accuracies by k-NN are there for every k that was measured.
    """
    lines: list[tuple[Any, ...]] = []
    for run, entry in _entries(rows):
        counts, k = entry.result.counts, None if entry.data.ood_by_k is None else K
        for stage, after, kind, name, accuracy, by in _cells(entry, k):
            lines.append((*run, stage, after, kind, name, _rounded("", accuracy), counts[name], by))
    frame = pd.DataFrame(lines, columns=list(MATRIX))
    return frame.astype({"seed": "int64", "stage": "int64", "accuracy": "float64", "images": "int64", "k": "Int64"})


def metrics_table() -> pd.DataFrame:
    """What the id of every metric and cost means; columns METRIC_TABLE. ``SET`` stands for an out-of-domain set."""
    lines = [
        (name, metric.formula, metric.source, _yes(metric.higher_is_better), _yes(metric.needs_steps), unit(name))
        for name, metric in METRICS.items()
    ]
    lines += [
        (name, figure.formula, figure.source, _yes(figure.higher_is_better), "no", figure.unit)
        for name, figure in MEASURED.items()
    ]
    return pd.DataFrame(lines, columns=list(METRIC_TABLE))


def comparability_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Each row beside each published result of its stream; columns COMPARABILITY."""
    lines = []
    for verdict in verdicts_of(rows):
        row, result = verdict.row, verdict.published
        ours, difference = ((None if x is None else _rounded("", x)) for x in (verdict.ours, verdict.difference))
        lines.append(
            (
                *(row.stream, row.backbone, order_text(row), row.strategy, row.settings, row.track),
                *(result.id, result.source, result.table, result.name_there, _yes(verdict.same_strategy)),
                *(verdict.verdict, verdict.column, ours, result.value, difference),
                *("; ".join(verdict.differs), "; ".join(verdict.unknown)),
            )
        )
    frame = pd.DataFrame(lines, columns=list(COMPARABILITY))
    return frame.astype(dict.fromkeys(("ours", "theirs", "difference"), "float64"))


def to_csv(frame: pd.DataFrame) -> bytes:
    """UTF-8, fixed decimals, ``\\n`` line ends: equal frames give equal bytes."""
    columns = [_texts(frame, column) for column in frame.columns]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(frame.columns)
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue().encode()


def order_text(row: Row) -> str:
    """``a > b``, or ``2 orders: a > b | b > a``."""
    text = " | ".join(" > ".join(order) for order in row.orders)
    return text if len(row.orders) == 1 else f"{len(row.orders)} orders: {text}"


def _texts(frame: pd.DataFrame, column: str) -> list[Any]:
    values = frame[column].tolist()
    if column == "value" and "metric" in frame:
        return [_fixed(x, decimals(name)) for name, x in zip(frame["metric"].tolist(), values, strict=True)]
    if frame[column].dtype == "float64":
        digits = decimals(column)
        return [_fixed(x, digits) for x in values]
    return ["" if x is pd.NA else x for x in values]


def _fixed(value: float, digits: int) -> str:
    return "" if value != value else f"{value:.{digits}f}"  # NaN alone differs from itself


def _rounded(name: str, value: float) -> float:
    # Adding zero turns -0.0 into 0.0: no "-0.000000" for a transfer that is exactly nothing.
    return round(value, decimals(name)) + 0.0


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _identity(row: Row) -> list[Any]:
    """Cells of IDENTITY."""
    return [
        *(row.stream, row.backbone, order_text(row), len(row.orders), row.strategy, row.track),
        *(_yes(row.given), _yes(row.upper_bound), row.settings, row.rank, row.letters, row.apart),
        *(len(row.seeds), len(row.entries)),
    ]


def _figures(row: Row) -> list[float | None]:
    """Mean, half interval and standard error of every figure in SUMMARIZED."""
    cells: list[float | None] = []
    for name in SUMMARIZED:
        summary = row.summary(name)
        parts = (None, None, None) if summary is None else (summary.mean, summary.half_width, summary.standard_error)
        cells += [None if part is None else _rounded(name, part) for part in parts]
    return cells


def _image_interval(row: Row) -> tuple[float | None, ...]:
    """Of the acc of a single run, over its test images; several runs have an interval over runs."""
    if len(row.entries) != 1:
        return (None,) * len(IMAGE_INTERVAL)
    entry = row.entries[0]
    counts = [entry.result.counts[name] for name in entry.pair[0]]
    return tuple(_rounded("", bound) for bound in accuracy_interval(entry.data.accuracy[-1], counts))


def _entries(rows: Sequence[Row]) -> Iterable[tuple[tuple[Any, ...], Entry]]:
    """Every run on every track, with the cells of RUN."""
    for row in rows:
        for entry in row.entries:
            order = " > ".join(entry.pair[0])
            run = (entry.key, row.stream, row.backbone, order, row.strategy, row.settings, row.track, entry.seed)
            assert len(run) == len(RUN)
            yield run, entry


def _cells(entry: Entry, k: int | None) -> Iterable[tuple[int, str, str, str, float, int | None]]:
    """(stage, after, kind, set, accuracy, k) of one run and track."""
    order, sets, data = entry.pair[0], entry.result.ood_names, entry.data
    others = {int(by): table for by, table in (data.ood_by_k or {}).items() if int(by) != k}
    for place, stage in enumerate(data.stages):
        after = "pre-trained" if stage == 0 else order[stage - 1]
        if stage and entry.result.traits.get("offline"):
            after = "all domains"
        for name, accuracy in zip(order, data.accuracy[place], strict=True):
            yield stage, after, DOMAIN, name, accuracy, None
        for name, accuracy in zip(sets, data.ood[place], strict=True):
            yield stage, after, OOD, name, accuracy, k
        for by in sorted(others):
            for name, accuracy in zip(sets, others[by][place], strict=True):
                yield stage, after, OTHER_K, name, accuracy, by
