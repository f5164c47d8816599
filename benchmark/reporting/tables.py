"""The leaderboard and the long table of all runs, as data frames and as CSV.

`leaderboard.csv` has one row for each configuration and track, `runs.csv` one for each run, track and metric.
Their columns, in order, are LEADERBOARD and RUNS. Accuracies are fractions with six decimals; an empty cell is
an undefined value. Both files depend on the set of runs only, not on their order.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from benchmark.reporting.report import Report
from benchmark.reporting.rows import Row
from benchmark.result import RunResult

SUMMARIZED = (
    "acc",
    "acc_micro",
    "acc_avg_incremental",
    "bwt",
    "forgetting",
    "fwt",
    "plasticity",
    "ood_retention",
    "zero_shot_drop",
    "active_fraction",
    "trainable_parameters",
    "stored_parameters",
    "train_seconds",
    "eval_seconds",
    "peak_memory_mb",
    "router_accuracy",
    "oracle_gap",
)
"""Metrics and costs of the leaderboard: NAME is the mean over seeds, NAME_ci95 half its 95 % interval."""

IDENTITY = (
    "stream",
    "backbone",
    "order",
    "strategy",
    "track",
    "domain_given",
    "upper_bound",
    "settings",
    "rank",
    "seeds",
)
LEADERBOARD = (*IDENTITY, *(column for name in SUMMARIZED for column in (name, f"{name}_ci95")), "note")
RUNS = ("key", "stream", "backbone", "order", "strategy", "settings", "track", "seed", "metric", "value")

_DECIMALS = {
    "trainable_parameters": 1,
    "stored_parameters": 1,
    "train_seconds": 2,
    "eval_seconds": 2,
    "images_per_second": 2,
    "peak_memory_mb": 1,
}


def leaderboard(results: Sequence[RunResult]) -> pd.DataFrame:
    """One row per configuration and track, best first within a stream, backbone and order; columns LEADERBOARD.

    domain_given: 'yes' or 'no'; the two are never ranked together. upper_bound: 'yes' for a strategy that sees all
    domains at once: listed last, without a rank. seeds: number of runs. note: what hinders comparison.
    Bad runs are left out, as `Report.of` says.
    """
    return leaderboard_of(Report.of(results).rows)


def runs(results: Sequence[RunResult]) -> pd.DataFrame:
    """Long form, one row per run, track and defined metric or cost; columns RUNS."""
    return runs_of(Report.of(results).rows)


def leaderboard_of(rows: Sequence[Row]) -> pd.DataFrame:
    """`leaderboard` of rows that are already grouped."""
    frame = pd.DataFrame([_cells(row) for row in rows], columns=list(LEADERBOARD))
    numbers = [column for column in LEADERBOARD if column not in IDENTITY and column != "note"]
    return frame.astype({"rank": "Int64", "seeds": "int64", **dict.fromkeys(numbers, "float64")})


def runs_of(rows: Sequence[Row]) -> pd.DataFrame:
    """`runs` of rows that are already grouped."""
    lines: list[tuple[object, ...]] = []
    for row in rows:
        for entry in row.entries:
            order = " > ".join(entry.pair[0])
            run = (entry.key, row.stream, row.backbone, order, row.strategy, row.settings, row.track, entry.seed)
            lines += [(*run, name, _rounded(name, x)) for name, x in entry.values.items() if x is not None]
    return pd.DataFrame(lines, columns=list(RUNS)).astype({"seed": "int64", "value": "float64"})


def to_csv(frame: pd.DataFrame) -> bytes:
    """UTF-8, fixed decimals, ``\\n`` line ends: equal frames give equal bytes."""
    text = frame.copy()
    if "metric" in text:
        text["value"] = [_fixed(name, value) for name, value in zip(text["metric"], text["value"], strict=True)]
    for column in text.select_dtypes("float64").columns:
        text[column] = [_fixed(column.removesuffix("_ci95"), value) for value in text[column]]
    return text.to_csv(index=False, lineterminator="\n").encode()


def _order(row: Row) -> str:
    return " | ".join(" > ".join(order) for order in row.orders)


def _rounded(name: str, value: float) -> float:
    # Adding zero turns -0.0 into 0.0: no "-0.000000" for a transfer that is exactly nothing.
    return round(value, _DECIMALS.get(name, 6)) + 0.0


def _fixed(name: str, value: float) -> str:
    return "" if pd.isna(value) else f"{value:.{_DECIMALS.get(name, 6)}f}"


def _cells(row: Row) -> list[object]:
    cells: list[object] = [row.stream, row.backbone, _order(row), row.strategy, row.track]
    cells += ["yes" if row.given else "no", "yes" if row.upper_bound else "no", row.settings]
    cells += [row.rank, len(row.entries)]
    for name in SUMMARIZED:
        summary = row.summary(name)
        cells.append(None if summary is None else _rounded(name, summary.mean))
        width = None if summary is None else summary.half_width
        cells.append(None if width is None else _rounded(name, width))
    cells.append("; ".join(row.notes))
    return cells
