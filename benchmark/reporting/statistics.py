"""Mean, standard error and 95 % interval over runs that differ only in their seed."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

CONFIDENCE = 0.95


class Summary(NamedTuple):
    """Of n runs: mean, standard error of the mean, and half the width of the Student-t interval.

    The last two are None with one run: a single seed says nothing about spread.
    """

    mean: float
    standard_error: float | None
    half_width: float | None
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


@functools.cache
def _student_t(degrees: int) -> float:
    """Two-sided critical value of Student's t at CONFIDENCE."""
    from scipy.special import stdtrit  # scipy.stats has the same number and takes ten times as long to import

    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))
