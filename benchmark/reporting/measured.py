"""Runs with every figure computed; a run with a bad cell is named and left out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark import metrics
from benchmark.reporting.identity import Identity
from benchmark.result import GIVEN, ROUTED, RunResult

COSTS = (
    "active_fraction",
    "trainable_parameters",
    "stored_parameters",
    "train_seconds",
    "eval_seconds",
    "images_per_second",
    "peak_memory_mb",
)
"""Entries of RunResult.cost that the tables show."""

OOD_CHANGE = "ood_change[{}]"
"""Id of the change on one out-of-domain set, in the long table only."""

Values = dict[str, float | None]
"""Metric or cost by id; None where it is undefined."""


@dataclass(frozen=True)
class Measured:
    """One run with its figures: track -> id -> value."""

    identity: Identity
    key: str
    values: Mapping[str, Values]

    @property
    def result(self) -> RunResult:
        """The run."""
        return self.identity.result


def measure(results: Sequence[RunResult]) -> tuple[list[Measured], list[str]]:
    """Every run whose figures can be computed, in the order given, and a line for each that is left out.

    Left out are runs with a cell that is missing, not finite or no fraction, and a run that is given again.
    """
    measured: dict[str, Measured] = {}
    problems: list[str] = []
    joint: dict[tuple[object, ...], list[list[float]]] = defaultdict(list)
    # Joint training first: intransigence of the others is measured against it.
    for result in sorted(results, key=lambda result: not result.traits.get("offline")):
        key = result.spec.key
        try:
            if key in measured:
                raise ValueError("it is there twice")
            identity = Identity.of(result)
            run = (*identity.family(pool_orders=False), result.spec.seed)
            bounds = joint[run]
            values = {track: _values(result, track, bounds[0] if len(bounds) == 1 else None) for track in result.tracks}
            if result.traits.get("offline"):
                joint[run] += [track.accuracy[-1] for track in result.tracks.values()]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            problems.append(f"run {key} ({result.spec.label}): left out, {_reason(error)}")
        else:
            measured[key] = Measured(identity, key, values)
    order = {id(result): place for place, result in enumerate(results)}
    return sorted(measured.values(), key=lambda run: order[id(run.result)]), problems


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"


def _values(result: RunResult, track: str, joint: Sequence[float] | None) -> Values:
    """Metrics, changes on out-of-domain sets, and costs of one track."""
    data = result.tracks[track]
    try:
        values = metrics.compute(data, result.counts, result.spec.order, result.ood_names, joint)
        changes = metrics.ood_changes(data, result.ood_names)
    except ValueError as error:
        raise ValueError(f"track {track}: {error}") from error
    values.update({OOD_CHANGE.format(name): change for name, change in changes.items()})
    for name in COSTS:
        value = result.cost.get(name)
        if value is not None and not math.isfinite(value):
            raise ValueError(f"cost {name} is {value}, expected a finite number")
        values[name] = None if value is None else float(value)
    if track == ROUTED and GIVEN in result.tracks:
        oracle = result.tracks[GIVEN].accuracy[-1]
        values["oracle_gap"] = math.fsum(oracle) / len(oracle) - values["acc"]
    return values
