"""Tests between rows that are ranked together: which differences are more than noise.

Paired over runs: two rows are compared on the same seeds and orders only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from benchmark.reporting.rows import Row
from benchmark.reporting.statistics import ALPHA, holm, letters, paired, ranks, studentized_range

LARGEST = 50
"""Rows of a contest beyond which pairs are not tested: thousands of tests tell nobody anything."""
FEWEST_RUNS, FEWEST_ROWS = 5, 3
"""Below these a critical difference means nothing."""


@dataclass(frozen=True)
class PairTest:
    """Accuracy of `first` minus that of `second`, mean over the `n` runs that both have.

    half_width: of the 95 % interval (Student t). p: two-sided, corrected by Holm's method within the contest.
    verdict: better or worse (first against second), indistinguishable, or untested (fewer than two shared runs).
    """

    first: Row
    second: Row
    difference: float
    half_width: float | None
    p: float | None
    n: int
    verdict: str


@dataclass(frozen=True)
class Contest:
    """Rows ranked together, best first, and the tests between them.

    mean_ranks: place of each row, averaged over runs, best 1, in the order of `rows`; None without a diagram.
    critical_difference: of mean ranks, at 5 % (Nemenyi; Demsar, JMLR 7, 2006).
    runs: how many runs all rows share. reason: why there are no tests or no diagram.
    """

    rows: list[Row]
    tests: list[PairTest]
    mean_ranks: list[float] | None
    critical_difference: float | None
    runs: int
    reason: str = ""

    @property
    def stream(self) -> str:
        """Title of the stream."""
        return self.rows[0].stream

    @property
    def backbone(self) -> str:
        """Title of the backbone."""
        return self.rows[0].backbone

    @property
    def given(self) -> bool:
        """Whether the domain was given at test time."""
        return self.rows[0].given


def contest(rows: Sequence[Row]) -> Contest:
    """Test every pair of `rows` (best first), set their `letters`, and rank them run by run."""
    rows = list(rows)
    shared = sorted(frozenset.intersection(*(row.pairs for row in rows)))
    if len(rows) > LARGEST:
        reason = f"{len(rows)} rows; pairs are tested up to {LARGEST}"
        return Contest(rows, [], None, None, len(shared), reason)
    accuracies = [{entry.pair: float(entry.values["acc"] or 0.0) for entry in row.entries} for row in rows]
    tests = _tests(rows, accuracies)
    if any(test.p is not None for test in tests):
        places = combinations(range(len(rows)), 2)
        different = {pair for pair, test in zip(places, tests, strict=True) if test.verdict in ("better", "worse")}
        for row, text in zip(rows, letters(len(rows), different), strict=True):
            row.letters = text
    reason = _no_diagram(len(rows), len(shared))
    if reason:
        return Contest(rows, tests, None, None, len(shared), reason)
    table = np.array([[values[pair] for values in accuracies] for pair in shared])
    mean = np.mean([ranks(line) for line in table], axis=0)
    return Contest(rows, tests, mean.tolist(), _critical_difference(len(rows), len(shared)), len(shared))


def _tests(rows: Sequence[Row], accuracies: Sequence[dict]) -> list[PairTest]:
    places = list(combinations(range(len(rows)), 2))
    found = []
    for i, j in places:
        both = sorted(accuracies[i].keys() & accuracies[j].keys())
        found.append(paired([accuracies[i][pair] - accuracies[j][pair] for pair in both]))
    corrected = holm([test.p for test in found])
    return [
        PairTest(rows[i], rows[j], test.mean, test.half_width, p, test.n, _verdict(test.mean, p))
        for (i, j), test, p in zip(places, found, corrected, strict=True)
    ]


def _verdict(difference: float, p: float | None) -> str:
    if p is None:
        return "untested"
    if p >= ALPHA:
        return "indistinguishable"
    return "better" if difference > 0 else "worse"


def _no_diagram(rows: int, runs: int) -> str:
    if rows < FEWEST_ROWS:
        return f"{rows} rows; a critical-difference diagram needs {FEWEST_ROWS}"
    if runs < FEWEST_RUNS:
        return f"{runs} shared runs (seeds and orders); a critical-difference diagram needs {FEWEST_RUNS}"
    return ""


def _critical_difference(rows: int, runs: int) -> float:
    quantile = studentized_range(rows) / np.sqrt(2)
    return float(quantile * np.sqrt(rows * (rows + 1) / (6 * runs)))
