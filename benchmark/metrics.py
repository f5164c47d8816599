"""Every continual-learning figure that follows from a track's accuracy matrix. Numpy only.

``R[i, j]`` is the accuracy on domain j after learning i domains (i = 0..T, row 0 is the pre-trained model;
j = 1..T); ``O[i, d]`` is the accuracy on out-of-domain set d. All are fractions in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import NamedTuple

import numpy as np

from benchmark.result import Track


@dataclass(frozen=True)
class Matrix:
    """A track's accuracies as arrays in which every cell has been checked.

    R: float64 [rows, T]; rows are stages 0..T, or 0 and T of an offline run.
    O: float64 [rows, D]; D may be 0.
    images: float64 [T], test images of each domain.
    complete: whether there is a row for every stage.
    validation: mean accuracy on the validation splits at the end.
    router: fraction of test images that the router sent to their own domain at the end; None without a router.
    joint: float64 [T], final row of a run that saw all domains at once; None if there is none.
    """

    R: np.ndarray
    O: np.ndarray  # noqa: E741 - the letter of the formulas
    images: np.ndarray
    complete: bool
    router: float | None = None
    validation: float | None = None
    joint: np.ndarray | None = None

    @property
    def domains(self) -> int:
        """T."""
        return self.R.shape[1]

    @property
    def learned(self) -> np.ndarray:
        """R[j,j], float64 [T]: each domain right after it was learned."""
        return self.R[1:].diagonal()

    @property
    def retained(self) -> np.ndarray | None:
        """O[i,d] / O[0,d], float64 [rows, D]; None without sets, or if the pre-trained model scores 0 on one."""
        if self.O.shape[1] == 0 or not self.O[0].all():
            return None
        return self.O / self.O[0]


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
    formula: str, source: str, *, higher: bool = True, needs_steps: bool = True
) -> Callable[[Callable[[Matrix], Value]], Callable[[Matrix], Value]]:
    """Enter a function into METRICS under its own name and complete its docstring."""

    def register(function: Callable[[Matrix], Value]) -> Callable[[Matrix], Value]:
        METRICS[function.__name__] = Metric(formula, source, higher, needs_steps, function)
        function.__doc__ = f"{function.__doc__}\n\n``{formula}``; source: {source}."
        return function

    return register


@_metric("mean_j R[T,j]", "GEM, arXiv 1706.08840; 'Last' in MTIL", needs_steps=False)
def acc(m: Matrix) -> Value:
    """Accuracy at the end, averaged over domains."""
    return float(m.R[-1].mean())


@_metric("sum_j n_j R[T,j] / sum_j n_j", "GEM's acc over images, n_j = test images of domain j", needs_steps=False)
def acc_micro(m: Matrix) -> Value:
    """Accuracy at the end, averaged over images: large domains weigh more."""
    return float(m.R[-1] @ m.images / m.images.sum())


@_metric("mean_t mean_{j<=t} R[t,j]", "iCaRL, arXiv 1611.07725")
def acc_avg_incremental(m: Matrix) -> Value:
    """Accuracy on the domains learned so far, averaged over the stream."""
    return float(np.mean([m.R[t, :t].mean() for t in range(1, m.domains + 1)]))


@_metric("mean_{j<T} (R[T,j] - R[j,j])", "GEM, arXiv 1706.08840")
def bwt(m: Matrix) -> Value:
    """Backward transfer: what later domains did to earlier ones; None for one domain."""
    if m.domains < 2:
        return None
    return float((m.R[-1] - m.learned)[:-1].mean())


@_metric("sum_{i>j} (R[i,j] - R[j,j]) / (T(T-1)/2)", "Diaz-Rodriguez et al., arXiv 1810.13166")
def bwt_all(m: Matrix) -> Value:
    """Backward transfer over every later stage, not only the last; None for one domain."""
    if m.domains < 2:
        return None
    change = np.tril(m.R[1:] - m.learned, -1)
    return float(change.sum() / (m.domains * (m.domains - 1) / 2))


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


@_metric("mean_{j>=2} (R[j-1,j] - R[0,j])", "GEM, arXiv 1706.08840, with b_j = R[0,j]")
def fwt(m: Matrix) -> Value:
    """Forward transfer: gain on a domain, before learning it, over the pre-trained model; None for one domain."""
    if m.domains < 2:
        return None
    return float((m.R.diagonal() - m.R[0])[1:].mean())


@_metric("mean_{j<T} (max_{j<=l<=T-1} R[l,j] - R[T,j])", "RWalk, arXiv 1801.10112", higher=False)
def forgetting(m: Matrix) -> Value:
    """Loss from the best earlier accuracy since a domain was learned; below 0 if the end is best; None for one."""
    if m.domains < 2:
        return None
    best = [m.R[j : m.domains, j - 1].max() for j in range(1, m.domains)]
    return float((best - m.R[-1, :-1]).mean())


@_metric("mean_j R[j,j]", "learning accuracy of MER, arXiv 1810.11910")
def plasticity(m: Matrix) -> Value:
    """Accuracy on each domain right after learning it."""
    return float(m.learned.mean())


@_metric("mean_j (Rjoint[j] - R[j,j])", "RWalk, arXiv 1801.10112", higher=False)
def intransigence(m: Matrix) -> Value:
    """What learning one domain at a time costs against learning all at once; None without a joint row."""
    return None if m.joint is None else float((m.joint - m.learned).mean())


@_metric("mean_{j>=2} mean_{1<=i<j} R[i,j]", "MTIL of ZSCL, arXiv 2303.06628")
def transfer(m: Matrix) -> Value:
    """Accuracy on domains that are still to come; None for one domain."""
    if m.domains < 2:
        return None
    return float(np.mean([m.R[1:j, j - 1].mean() for j in range(2, m.domains + 1)]))


@_metric("mean_{i>=1} mean_j R[i,j]", "MTIL of ZSCL, arXiv 2303.06628")
def avg(m: Matrix) -> Value:
    """Accuracy over all domains and all stages after the first domain."""
    return float(m.R[1:].mean())


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
    table = _table("out-of-domain accuracy", "set", track.stages, track.ood, ood_names)
    return {name: float(change) for name, change in zip(ood_names, table[-1] - table[0], strict=True)}


def matrix(
    track: Track,
    counts: Mapping[str, int],
    order: Sequence[str],
    ood_names: Sequence[str],
    joint: Sequence[float] | None = None,
) -> Matrix:
    """The track as checked arrays; arguments and errors as `compute`."""
    steps = list(range(len(order) + 1))
    if not order or list(track.stages) not in (steps, [0, len(order)]):
        raise ValueError(f"stages {list(track.stages)} of {len(order)} domains; expected {steps} or [0, {len(order)}]")
    images = [counts.get(name, 0) for name in order]
    if min(images) < 1:
        raise ValueError(f"no test images counted for domain '{order[int(np.argmin(images))]}'")
    return Matrix(
        R=_table("accuracy", "domain", track.stages, track.accuracy, order),
        O=_table("out-of-domain accuracy", "set", track.stages, track.ood, ood_names),
        images=np.array(images, dtype=np.float64),
        complete=list(track.stages) == steps,
        router=_final_router(track),
        validation=float(np.mean(track.validation[-1])) if track.validation else None,
        joint=None if joint is None else np.array(_row("joint accuracy", "domain", len(order), joint, order)),
    )


def _table(
    what: str, column: str, stages: Sequence[int], rows: Sequence[Sequence[float]], names: Sequence[str]
) -> np.ndarray:
    """Float64 [stages, names], or a ValueError that names the cell at fault."""
    if len(rows) != len(stages):
        raise ValueError(f"{what} has {len(rows)} rows for stages {list(stages)}")
    cells = [_row(what, column, stage, row, names) for stage, row in zip(stages, rows, strict=True)]
    return np.array(cells, dtype=np.float64).reshape(len(stages), len(names))


def _row(what: str, column: str, stage: int, row: Sequence[float], names: Sequence[str]) -> list[float]:
    if len(row) < len(names):
        raise ValueError(f"{what} at stage {stage} has no cell for {column} '{names[len(row)]}'")
    if len(row) > len(names):
        raise ValueError(f"{what} at stage {stage} has {len(row)} cells for {len(names)} {column}s")
    return [_fraction(f"{what} at stage {stage}, {column} '{name}'", x) for name, x in zip(names, row, strict=True)]


def _fraction(what: str, value: object) -> float:
    # The comparison is false for NaN too.
    if not (isinstance(value, Real) and 0.0 <= value <= 1.0):
        raise ValueError(f"{what} is {value!r}, expected a fraction in [0, 1]")
    return float(value)


def _final_router(track: Track) -> float | None:
    if track.router_accuracy is None:
        return None
    if len(track.router_accuracy) != len(track.stages):
        raise ValueError(f"router accuracy has {len(track.router_accuracy)} cells for stages {list(track.stages)}")
    checked = [
        None if value is None else _fraction(f"router accuracy at stage {stage}", value)
        for stage, value in zip(track.stages, track.router_accuracy, strict=True)
    ]
    return checked[-1]
