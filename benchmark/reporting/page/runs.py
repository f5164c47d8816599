"""What the page of one run shows, from its result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from benchmark.reporting.page.pool import Pool
from benchmark.result import RunResult, Track

LOGGED = ("loss", "train_accuracy", "active_blocks")
"""Columns of the training history that are drawn."""


def finite(value: Any, digits: int = 4) -> float | None:
    """Rounded, None for what is no finite number: JSON has no other word for it."""
    if isinstance(value, float):  # nearly all of the many values are
        return round(value, digits) if math.isfinite(value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def readable(value: Any) -> Any:
    """The same, with words for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {name: readable(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [readable(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def run_record(result: RunResult, pools: Mapping[str, Pool]) -> dict[str, Any]:
    """Settings, environment, matrices, cost and history; numbers stand for values in `pools`."""
    spec = result.spec.as_dict()
    environment = {name: value for name, value in result.environment.items() if name != "command"}
    settings = {name: spec[name] for name in ("stream", "backbone", "strategy", "train")}
    return {
        "label": result.spec.label,
        "strategy": result.spec.strategy["name"],
        "seed": result.spec.seed,
        "order": pools["orders"].place(list(result.spec.order)),
        "settings": pools["settings"].place(readable(settings)),
        "environment": pools["environments"].place(readable(environment)),
        "command": str(result.environment.get("command") or ""),
        "ood": list(result.ood_names),
        "counts": pools["counts"].place(result.counts),
        "tracks": {name: _track(track) for name, track in result.tracks.items()},
        "cost": {name: finite(value) for name, value in result.cost.items()},
        "history": _history(result.history),
    }


def _track(track: Track) -> dict[str, Any]:
    return {
        "stages": list(track.stages),
        "accuracy": [_line(row) for row in track.accuracy],
        "ood": [_line(row) for row in track.ood],
        "router": None if track.router_accuracy is None else _line(track.router_accuracy),
    }


def _line(values: Sequence[float | None]) -> list[float | None]:
    """Fractions that were checked when the run was measured."""
    return [None if value is None else round(value, 4) for value in values]


def _history(epochs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Tasks with their number of epochs, and a column of values by epoch for each of LOGGED that was logged."""
    tasks = [[str(task), len(list(group))] for task, group in groupby(epochs, key=lambda epoch: epoch.get("task"))]
    columns = {name: [finite(epoch.get(name)) for epoch in epochs] for name in LOGGED}
    return {"tasks": tasks, **{name: values for name, values in columns.items() if any(x is not None for x in values)}}
