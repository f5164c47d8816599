"""A track's accuracy matrix, with every cell checked. Numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real

import numpy as np

from benchmark.result import Track


@dataclass(frozen=True)
class Matrix:
    """A track's accuracies as arrays in which every cell has been checked.

    R: float64 [rows, T]; rows are stages 0..T, or 0 and T of an offline run.
    O: float64 [rows, D]; D may be 0.
    images: float64 [T], test images of each domain.
    weights: float64 [T], what each domain weighs in a mean over domains: 1, or its images.
    complete: whether there is a row for every stage.
    validation: mean accuracy on the validation splits at the end.
    router: fraction of test images that the router sent to their own domain at the end; None without a router.
    joint: float64 [T], final row of a run that saw all domains at once; None if there is none.
    """

    R: np.ndarray
    O: np.ndarray  # noqa: E741 - the letter of the formulas
    images: np.ndarray
    weights: np.ndarray
    complete: bool
    router: float | None = None
    validation: float | None = None
    joint: np.ndarray | None = None

    @property
    def domains(self) -> int:
        """T."""
        return self.R.shape[1]

    @cached_property
    def by_image(self) -> Matrix:
        """The same accuracies, with means over images instead of domains."""
        return replace(self, weights=self.images)

    def mean(self, values: np.ndarray, first: int = 0) -> float:
        """Weighted mean over domains; `values` [n] are those of the n domains from number `first` on, from 0."""
        weights = self.weights[first : first + len(values)]
        return float(values @ weights / weights.sum())

    @property
    def learned(self) -> np.ndarray:
        """R[j,j], float64 [T]: each domain right after it was learned."""
        return self.R[1:].diagonal()

    @cached_property
    def retained(self) -> np.ndarray | None:
        """O[i,d] / O[0,d], float64 [rows, D]; None without sets, or if the pre-trained model scores 0 on one."""
        if self.O.shape[1] == 0 or not self.O[0].all():
            return None
        return self.O / self.O[0]


def matrix(
    track: Track,
    counts: Mapping[str, int],
    order: Sequence[str],
    ood_names: Sequence[str],
    joint: Sequence[float] | None = None,
) -> Matrix:
    """The track as checked arrays; arguments and errors as `metrics.compute`."""
    steps = list(range(len(order) + 1))
    if not order or list(track.stages) not in (steps, [0, len(order)]):
        raise ValueError(f"stages {list(track.stages)} of {len(order)} domains; expected {steps} or [0, {len(order)}]")
    images = [counts.get(name, 0) for name in order]
    if min(images) < 1:
        raise ValueError(f"no test images counted for domain '{order[int(np.argmin(images))]}'")
    return Matrix(
        R=table("accuracy", "domain", track.stages, track.accuracy, order),
        O=table("out-of-domain accuracy", "set", track.stages, track.ood, ood_names),
        images=np.array(images, dtype=np.float64),
        weights=np.ones(len(order)),
        complete=list(track.stages) == steps,
        router=_final_router(track),
        validation=float(np.mean(track.validation[-1])) if track.validation else None,
        joint=None if joint is None else np.array(_row("joint accuracy", "domain", len(order), joint, order)),
    )


def table(
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
    # The comparison is false for NaN too. float first: asking whether something is a Real takes much longer.
    if not (isinstance(value, (float, Real)) and 0.0 <= value <= 1.0):
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
