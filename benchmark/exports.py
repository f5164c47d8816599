"""Stored runs as TensorBoard and Weights & Biases show them, written by Avalanche's own loggers.

The step is the number of epochs trained so far: a domain's accuracies stand where its last epoch does.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.reporting.measured import COSTS, Values
from benchmark.result import RunResult

if TYPE_CHECKING:
    from avalanche.logging import BaseLogger

NOT_LOGGED = ("task", "epoch")
"""Entries of the history that say where an epoch belongs."""


class Point(NamedTuple):
    """One value of a curve."""

    name: str
    value: float
    step: int


def points(result: RunResult, values: Mapping[str, Values]) -> list[Point]:
    """Every curve of a run, by step: train/ID of each epoch, accuracy and ood/TRACK/SET of each stage, final/TRACK/ID.

    values: track -> id -> value, as `benchmark.reporting.measured` computes them; costs are at final/ID.
    """
    found = [*_epochs(result), *_stages(result)]
    last = max((point.step for point in found), default=0)
    for track, figures in values.items():
        found += [Point(f"final/{track}/{name}", v, last) for name, v in figures.items()
                  if v is not None and name not in COSTS]  # fmt: skip
    found += [Point(f"final/{name}", result.cost[name], last) for name in COSTS if result.cost.get(name) is not None]
    # Weights & Biases takes steps in ascending order only.
    return sorted((point._replace(value=float(point.value)) for point in found), key=lambda point: point.step)


def settings(result: RunResult) -> dict[str, Any]:
    """The run's specification, key and environment: what a table of runs filters by."""
    return {"key": result.spec.key, **result.spec.as_dict(), "environment": result.environment}


def to_tensorboard(result: RunResult, values: Mapping[str, Values], folder: Path) -> None:
    """Event files of one run in `folder`; those of an earlier export are removed once the new ones are whole."""
    old = sorted(folder.glob("events.out.tfevents.*"))
    logger = _loggers().TensorboardLogger(folder)
    _log(logger, result, values)
    text = json.dumps(settings(result), indent=1, sort_keys=True)
    logger.writer.add_text("settings", "\n".join(f"    {line}" for line in text.splitlines()))  # markdown: code
    logger.writer.close()
    for path in old:
        path.unlink()


def wandb_mode() -> str:
    """What WANDB_MODE says, else offline if no key is configured, else online."""
    import wandb

    said = os.environ.get("WANDB_MODE")
    return said or ("online" if wandb.login(prompt=False) else "offline")


def to_wandb(result: RunResult, values: Mapping[str, Values], name: str, project: str, folder: Path, mode: str) -> None:
    """One W&B run with the run's key as its id, finished. folder: W&B makes its folder ``wandb`` in there."""
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    # The machine that exports is not the one that trained: its git state and load have no place in the run.
    foreign = {"disable_git": True, "x_disable_meta": True, "x_disable_stats": True, "x_disable_machine_info": True}
    quiet = wandb.Settings(silent=True, console="off", **foreign)
    logger = _wandb_logger()(
        project, name, save_code=False, config=settings(result), dir=str(folder),
        params={"id": result.spec.key, "mode": mode, "settings": quiet},
    )  # fmt: skip
    try:
        _log(logger, result, values)
    finally:
        logger.wandb.finish()


def _loggers() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of solvers that no logger needs
        from avalanche import logging
    return logging


def _wandb_logger() -> type[BaseLogger]:
    class NumbersToWandB(_loggers().WandBLogger):
        """Avalanche 0.6 looks for wandb.viz at every value; wandb 0.31 has no such module, and numbers need none."""

        def log_single_metric(self, name: str, value: float, x_plot: int) -> None:
            """Log one number at a step."""
            self.step = x_plot
            self.wandb.log({name: value}, step=x_plot)

    return NumbersToWandB


def _log(logger: BaseLogger, result: RunResult, values: Mapping[str, Values]) -> None:
    for point in points(result, values):
        logger.log_single_metric(point.name, point.value, point.step)


def _epochs(result: RunResult) -> Iterator[Point]:
    for place, entry in enumerate(result.history):
        for name, value in entry.items():
            if name not in NOT_LOGGED and isinstance(value, (int, float)):
                yield Point(f"train/{name}", value, place + 1)


def _stages(result: RunResult) -> Iterator[Point]:
    for track_name, track in result.tracks.items():
        tables = {"accuracy": (result.spec.order, track.accuracy), "ood": (result.ood_names, track.ood)}
        for row, stage in enumerate(track.stages):
            step = _step(result, stage)
            for kind, (names, cells) in tables.items():
                yield from (Point(f"{kind}/{track_name}/{name}", cell, step)
                            for name, cell in zip(names, cells[row], strict=True))  # fmt: skip
            router = track.router_accuracy and track.router_accuracy[row]
            if router is not None:
                yield Point(f"router_accuracy/{track_name}", router, step)
            yield Point(f"domains_learned/{track_name}", stage, step)


def _step(result: RunResult, stage: int) -> int:
    """Epochs trained when `stage` domains were learned; without a history the stage itself."""
    if not result.history:
        return stage
    if stage == len(result.spec.order):
        return len(result.history)
    learned = result.spec.order[:stage]
    return sum(entry.get("task") in learned for entry in result.history)
