"""`run_suite.py export`: stored runs for TensorBoard and Weights & Biases."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.arguments import add_results
from benchmark.errors import UsageError
from benchmark.lookup import find
from benchmark.store import Store

if TYPE_CHECKING:
    from benchmark.result import RunResult


def parser() -> argparse.ArgumentParser:
    """Which runs, and where to."""
    text = "Export finished runs to TensorBoard or Weights & Biases, through Avalanche's loggers."
    parser = argparse.ArgumentParser("run_suite.py export", description=text)
    parser.add_argument("runs", nargs="*", metavar="RUN", help="key, folder or label of a run (default: all)")
    parser.add_argument("--tensorboard", metavar="DIR", help="write event files to DIR, a folder for each run")
    parser.add_argument("--wandb", metavar="PROJECT", help="W&B project; WANDB_MODE=offline keeps runs on disk")
    parser.add_argument("--wandb-dir", metavar="DIR", default=".", help="where W&B makes its folder wandb (default: .)")
    add_results(parser)
    return parser


def run(options: argparse.Namespace, given: list[str]) -> int:
    """0; UsageError without a target, for a run that is not there, or a package that is not installed."""
    from rich.console import Console

    from benchmark.reporting.measured import measure

    if not options.tensorboard and not options.wandb:
        raise UsageError("nothing to export to; add --tensorboard DIR, --wandb PROJECT, or both")
    console = Console(highlight=False, soft_wrap=True)
    chosen, beside, problems = _chosen(options)
    _check_installed(options)
    measured, bad = measure(beside)
    for problem in [*problems, *bad]:
        console.print(problem, style="yellow", markup=False)
    values = {run.key: run.values for run in measured}
    runs = [(result, values[result.spec.key]) for result in chosen if result.spec.key in values]
    if not runs:
        raise UsageError("no run to export: none has figures that can be computed")
    if options.tensorboard:
        _tensorboard(runs, Store(options.results), Path(options.tensorboard), console)
    if options.wandb:
        _wandb(runs, Store(options.results), options.wandb, Path(options.wandb_dir), console)
    return 0


def _chosen(options: argparse.Namespace) -> tuple[list[RunResult], list[RunResult], list[str]]:
    """Runs that were asked for, all runs that bear on their figures, and what cannot be read."""
    if options.runs:
        found = [find(options.results, text) for text in options.runs]
        chosen = {result.spec.key: result for result, _ in found}
        beside = {result.spec.key: result for _, others in found for result in others}
        return list(chosen.values()), list({**beside, **chosen}.values()), []
    store = Store(options.results)
    results, problems = store.results()
    if not results:
        raise UsageError(f"--results {store.root}: no finished run there; run `python run_suite.py` first")
    return results, results, problems


def _check_installed(options: argparse.Namespace) -> None:
    from importlib.util import find_spec

    for name, asked in (("tensorboard", options.tensorboard), ("wandb", options.wandb)):
        if asked and find_spec(name) is None:
            raise UsageError(f"--{name}: the package {name} is not installed; pip install {name}")


def _tensorboard(runs: list, store: Store, folder: Path, console: object) -> None:
    from benchmark.exports import to_tensorboard

    for result, values in runs:
        to_tensorboard(result, values, folder / store.folder(result.spec).name)
    console.print(f"{len(runs)} runs in {folder}; see them with: tensorboard --logdir {folder}", markup=False)


def _wandb(runs: list, store: Store, project: str, folder: Path, console: object) -> None:
    from wandb.errors import Error

    from benchmark.exports import to_wandb, wandb_mode

    try:
        mode = wandb_mode()
        for result, values in runs:
            to_wandb(result, values, store.folder(result.spec).name, project, folder, mode)
    except Error as error:
        raise UsageError(f"--wandb {project}: {error}; WANDB_MODE=offline keeps runs on disk") from error
    if mode == "offline":
        here = folder / "wandb"
        console.print(
            f"{len(runs)} runs kept offline in {here} (WANDB_MODE is offline, or no key is configured); "
            f"upload them with: wandb sync {here}/offline-run-*",
            markup=False,
        )
    else:
        console.print(f"{len(runs)} runs exported to W&B project {project}, mode {mode}", markup=False)
