"""Means, intervals and tests over runs. Runs differ in their seed and order; differences are paired by both."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
"""A difference with a corrected p below this is called one."""


class Summary(NamedTuple):
    """Of n runs: mean, standard error of the mean, and half the width of the Student-t interval.

    The last two are None with one run: a single seed says nothing about spread.
    """

    mean: float
    standard_error: float | None
    half_width: float | None
    n: int


class Paired(NamedTuple):
    """Of n paired differences: mean, half the width of the Student-t interval, two-sided p (None below two)."""

    mean: float
    half_width: float | None
    p: float | None
    n: int


def summarize(values: Sequence[float]) -> Summary:
    """Summary of at least one finite value; the same for every order of `values`."""
    n = len(values)
    if n == 0 or not all(math.isfinite(value) for value in values):
        raise ValueError(f"expected at least one value and only finite ones, got {list(values)}")
    mean = math.fsum(values) / n
    if n == 1:
        return Summary(mean, None, None, n)
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    error = math.sqrt(variance / n)
    return Summary(mean, error, error * _student_t(n - 1), n)


def paired(differences: Sequence[float]) -> Paired:
    """Student's paired t-test of at least one finite difference; differences that are all zero have p = 1."""
    from scipy.special import stdtr

    mean, error, half_width, n = summarize(differences)
    if error is None:
        return Paired(mean, None, None, n)
    # Equal differences leave nothing to divide by: rounding errors must not make them significant or not.
    if error <= 1e-12:
        return Paired(mean, half_width, 1.0 if abs(mean) <= 1e-12 else 0.0, n)
    return Paired(mean, half_width, float(2 * stdtr(n - 1, -abs(mean / error))), n)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Corrected p values (Holm, 1979), None where there was none: the smallest times m, the next times m - 1, ..."""
    tested = sorted((p, place) for place, p in enumerate(values) if p is not None)
    corrected: list[float | None] = [None] * len(values)
    largest = 0.0
    for step, (p, place) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - step) * p))
        corrected[place] = largest
    return corrected


def ranks(values: Sequence[float]) -> np.ndarray:
    """Places float64 [N], the highest value first; equal values share the mean of their places."""
    table = np.asarray(values, dtype=np.float64)
    return (table[None] > table[:, None]).sum(axis=1) + ((table[None] == table[:, None]).sum(axis=1) + 1) / 2


def studentized_range(k: int) -> float:
    """Value that the range of k standard normal numbers exceeds with probability ALPHA.

    ``P(range <= q) = k * integral of pdf(z) (cdf(z + q) - cdf(z))^(k - 1) dz`` over the smallest number z, solved
    for q. scipy.stats has the same (`studentized_range.ppf(CONFIDENCE, k, inf)`, our test's oracle), and loading it
    takes longer than a small report.
    """
    from scipy.special import ndtr

    step = 0.005
    z = np.arange(-9.0, 9.0, step)
    density, below = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi), ndtr(z)
    low, high = 0.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        reached = k * step * float((density * (ndtr(z + middle) - below) ** (k - 1)).sum())
        low, high = (middle, high) if reached < CONFIDENCE else (low, middle)
    return (low + high) / 2


def letters(n: int, different: Collection[tuple[int, int]]) -> list[str]:
    """A compact letter display for rows 0..n-1: two rows share a letter exactly if they are not in `different`.

    Insert and absorb (Piepho, J. Comput. Graph. Stat. 13, 2004): every group of rows that differ is split until none
    does; what is within another group is dropped.
    """
    groups = [(1 << n) - 1]  # sets of rows as bits
    for i, j in sorted(different):
        pair = 1 << i | 1 << j
        kept = [group for group in groups if group & pair != pair]
        split = {group & ~(1 << row) for group in groups if group & pair == pair for row in (i, j)}
        groups = kept + [part for part in sorted(split) if not any(part & other == part for other in kept)]
    members = sorted([row for row in range(n) if group >> row & 1] for group in groups)
    return ["".join(_letter(place) for place, rows in enumerate(members) if row in rows) for row in range(n)]


def _letter(index: int) -> str:
    """a, b, ..., z, a1, b1, ..."""
    return chr(ord("a") + index % 26) + (str(index // 26) if index >= 26 else "")


@functools.cache
def _student_t(degrees: int) -> float:
    """Two-sided critical value of Student's t at CONFIDENCE."""
    from scipy.special import stdtrit  # scipy.stats has the same number and takes ten times as long to import

    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))
