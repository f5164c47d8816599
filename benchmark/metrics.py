"""Every continual-learning figure that follows from a track's accuracy matrix. Numpy only.

``R[i, j]`` is the accuracy on domain j after learning i domains (i = 0..T, row 0 is the pre-trained model;
j = 1..T); ``O[i, d]`` is the accuracy on out-of-domain set d. All are fractions in [0, 1]. An id that ends in
``_micro`` is the same formula with domain j weighted by n_j, its test images; without it all domains weigh the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmark.matrix import Matrix, matrix, table
from benchmark.result import Track

Value = float | None


class Metric(NamedTuple):
    """What an id means; ``needs_steps``: undefined for an offline run, which has only stages 0 and T."""

    formula: str
    source: str
    higher_is_better: bool
    needs_steps: bool
    function: Callable[[Matrix], Value]


METRICS: dict[str, Metric] = {}
"""Id -> formula, source and direction of every value that `compute` returns."""


def _metric(
    formula: str, source: str, *, higher: bool = True, needs_steps: bool = True, micro: bool = False
) -> Callable[[Callable[[Matrix], Value]], Callable[[Matrix], Value]]:
    """Enter a function into METRICS under its own name and complete its docstring; micro: and over images."""

    def register(function: Callable[[Matrix], Value]) -> Callable[[Matrix], Value]:
        METRICS[function.__name__] = Metric(formula, source, higher, needs_steps, function)
        if micro:
            weighted = _over_images(function)
            weighed = f"{formula}, domain j weighted by n_j"
            METRICS[weighted.__name__] = Metric(weighed, f"{source}; over images", higher, needs_steps, weighted)
            weighted.__doc__ = f"{function.__doc__} Over images.\n\n``{weighed}``; source: {source}."
        function.__doc__ = f"{function.__doc__}\n\n``{formula}``; source: {source}."
        return function

    return register


def _over_images(function: Callable[[Matrix], Value]) -> Callable[[Matrix], Value]:
    def weighted(m: Matrix) -> Value:
        return function(m.by_image)

    weighted.__name__ = f"{function.__name__}_micro"
    return weighted


@_metric("mean_j R[T,j]", "GEM, arXiv 1706.08840; 'Last' in MTIL", needs_steps=False, micro=True)
def acc(m: Matrix) -> Value:
    """Accuracy at the end, averaged over domains."""
    return m.mean(m.R[-1])


@_metric("mean_t mean_{j<=t} R[t,j]", "iCaRL, arXiv 1611.07725", micro=True)
def acc_avg_incremental(m: Matrix) -> Value:
    """Accuracy on the domains learned so far, averaged over the stream."""
    return float(np.mean([m.mean(m.R[t, :t]) for t in range(1, m.domains + 1)]))


@_metric("mean_{j<T} (R[T,j] - R[j,j])", "GEM, arXiv 1706.08840", micro=True)
def bwt(m: Matrix) -> Value:
    """Backward transfer: what later domains did to earlier ones; None for one domain."""
    if m.domains < 2:
        return None
    return m.mean((m.R[-1] - m.learned)[:-1])


@_metric("sum_{i>j} (R[i,j] - R[j,j]) / (T(T-1)/2)", "Diaz-Rodriguez et al., arXiv 1810.13166", micro=True)
def bwt_all(m: Matrix) -> Value:
    """Backward transfer over every later stage, not only the last; None for one domain."""
    if m.domains < 2:
        return None
    change = np.tril(m.R[1:] - m.learned, -1).sum(axis=0)
    later = np.arange(m.domains)[::-1]
    return float(change @ m.weights / (later @ m.weights))


@_metric("1 - abs(min(bwt_all, 0))", "Diaz-Rodriguez et al., arXiv 1810.13166")
def rem(m: Matrix) -> Value:
    """Remembering: 1 when nothing was lost."""
    value = bwt_all(m)
    return None if value is None else 1.0 - abs(min(value, 0.0))


@_metric("max(bwt_all, 0)", "Diaz-Rodriguez et al., arXiv 1810.13166")
def bwt_plus(m: Matrix) -> Value:
    """Positive backward transfer: what later domains gave to earlier ones."""
    value = bwt_all(m)
    return None if value is None else max(value, 0.0)


@_metric("mean_{j>=2} (R[j-1,j] - R[0,j])", "GEM, arXiv 1706.08840, with b_j = R[0,j]", micro=True)
def fwt(m: Matrix) -> Value:
    """Forward transfer: gain on a domain, before learning it, over the pre-trained model; None for one domain."""
    if m.domains < 2:
        return None
    return m.mean((m.R.diagonal() - m.R[0])[1:], first=1)


@_metric("mean_{j<T} (max_{j<=l<=T-1} R[l,j] - R[T,j])", "RWalk, arXiv 1801.10112", higher=False, micro=True)
def forgetting(m: Matrix) -> Value:
    """Loss from the best earlier accuracy since a domain was learned; below 0 if the end is best; None for one."""
    if m.domains < 2:
        return None
    best = [m.R[j : m.domains, j - 1].max() for j in range(1, m.domains)]
    return m.mean(best - m.R[-1, :-1])


@_metric("mean_j R[j,j]", "learning accuracy of MER, arXiv 1810.11910", micro=True)
def plasticity(m: Matrix) -> Value:
    """Accuracy on each domain right after learning it."""
    return m.mean(m.learned)


@_metric("mean_j (Rjoint[j] - R[j,j])", "RWalk, arXiv 1801.10112", higher=False, micro=True)
def intransigence(m: Matrix) -> Value:
    """What learning one domain at a time costs against learning all at once; None without a joint row."""
    return None if m.joint is None else m.mean(m.joint - m.learned)


@_metric("mean_{j>=2} mean_{1<=i<j} R[i,j]", "MTIL of ZSCL, arXiv 2303.06628", micro=True)
def transfer(m: Matrix) -> Value:
    """Accuracy on domains that are still to come; None for one domain."""
    if m.domains < 2:
        return None
    return m.mean(np.array([m.R[1:j, j - 1].mean() for j in range(2, m.domains + 1)]), first=1)


@_metric("mean_{i>=1} mean_j R[i,j]", "MTIL of ZSCL, arXiv 2303.06628", micro=True)
def avg(m: Matrix) -> Value:
    """Accuracy over all domains and all stages after the first domain."""
    return m.mean(m.R[1:].mean(axis=0))


@_metric("mean_d O[T,d] / O[0,d]", "selora-bench; no standard exists", needs_steps=False)
def ood_retention(m: Matrix) -> Value:
    """Share of out-of-domain accuracy left at the end; None without sets or if a set starts at 0."""
    return None if m.retained is None else float(m.retained[-1].mean())


@_metric("min_d O[T,d] / O[0,d]", "selora-bench; no standard exists", needs_steps=False)
def ood_retention_min(m: Matrix) -> Value:
    """Retention of the set that lost most; None where `ood_retention` is."""
    return None if m.retained is None else float(m.retained[-1].min())


@_metric("mean_{t>=1} mean_d O[t,d] / O[0,d]", "selora-bench; no standard exists")
def ood_retention_avg(m: Matrix) -> Value:
    """Retention averaged over the stream; None where `ood_retention` is."""
    return None if m.retained is None else float(m.retained[1:].mean())


@_metric(
    "mean_d (O[0,d] - O[T,d])", "Selective LoRA's zero-shot columns, arXiv 2501.15377", higher=False, needs_steps=False
)
def zero_shot_drop(m: Matrix) -> Value:
    """Out-of-domain accuracy lost by the end, absolute; None without sets."""
    return None if m.O.shape[1] == 0 else float((m.O[0] - m.O[-1]).mean())


@_metric("images routed to their own domain / images, after T domains", "selora-bench", needs_steps=False)
def router_accuracy(m: Matrix) -> Value:
    """How often the router picks the right domain at the end; None without a router."""
    return m.router


@_metric("mean_j V[T,j]", "the validation split: for choosing hyper-parameters, never ranked", needs_steps=False)
def val_acc(m: Matrix) -> Value:
    """Validation accuracy at the end, averaged over domains."""
    return m.validation


def compute(
    track: Track,
    counts: Mapping[str, int],
    order: Sequence[str],
    ood_names: Sequence[str],
    joint: Sequence[float] | None = None,
) -> dict[str, float | None]:
    """Every metric of METRICS, by id; None where it is undefined.

    counts: test images of each domain. order, ood_names: the columns of the track's rows.
    joint: accuracies [T], in `order`, of a run that saw all domains at once.
    ValueError, with stage and domain, for a cell that is missing or not a fraction.
    """
    m = matrix(track, counts, order, ood_names, joint)
    return {
        name: metric.function(m) if m.complete or not metric.needs_steps else None for name, metric in METRICS.items()
    }


def ood_changes(track: Track, ood_names: Sequence[str]) -> dict[str, float]:
    """O[T,d] - O[0,d] of each out-of-domain set; ValueError as `compute`."""
    cells = table("out-of-domain accuracy", "set", track.stages, track.ood, ood_names)
    return {name: float(change) for name, change in zip(ood_names, cells[-1] - cells[0], strict=True)}
