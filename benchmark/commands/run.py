"""Which way of fine-tuning a pre-trained vision model learns each image domain and keeps what the model knew?

python run_suite.py                          all strategies on the embedded stream and backbone, one seed
python run_suite.py --stream dn4il --backbone clip:ViT-B-16/openai --device cuda --download
python run_suite.py ls                       streams, out-of-domain sets, backbones, strategies, orders
python run_suite.py check-data --stream X    is every image there and whole?
python run_suite.py report                   rebuild tables, figures and report.html from the results folder
python run_suite.py check mine.py:Mine       does a plugged-in strategy keep its promises?
python run_suite.py compare A B              two strategies, results folders or commits: better, worse, or noise
python run_suite.py merge DIR...             join results of several machines
python run_suite.py metrics RUN --variants   every formula, and what other suites compute under the same names
python run_suite.py export                   TensorBoard and Weights & Biases
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

from benchmark.arguments import run_parser, suite_config
from benchmark.errors import UsageError
from benchmark.store import Store

if TYPE_CHECKING:
    from benchmark.suite import Plan
    from strategies.compute import Compute


def parser() -> argparse.ArgumentParser:
    """Options of a run."""
    return run_parser(__doc__)


def run(options: argparse.Namespace, given: list[str]) -> int:
    """Plan, execute what is not done, report; 1 if a run failed."""
    from rich.console import Console

    from benchmark.commands.report import write
    from benchmark.progress import TerminalProgress
    from benchmark.suite import execute, plan

    config, store, console = suite_config(options), Store(options.results), Console()
    if options.dry_run:
        _print_plan(plan(dataclasses.replace(config, download=False), allow_missing=True), store, console)
        return 0
    _check_compute(config.compute)
    suite = plan(config)
    if options.force:
        for run in suite.runs:
            store.forget(run.spec)
    pending = [run for run in suite.runs if not store.is_done(run.spec)]
    console.print(
        f"{len(suite.runs)} runs, {len(suite.runs) - len(pending)} done before; "
        f"order: {', '.join(suite.runs[0].spec.order)}",
        highlight=False,
    )
    if config.adapters and len(pending) < len(suite.runs):
        console.print(
            "--save-adapters: runs done before are not run again; add --force", style="yellow", highlight=False
        )
    if not suite.stream.ood:
        console.print(
            f"no out-of-domain set: what is kept outside the stream is not measured; add for example "
            f"--hold-out {suite.stream.domains[-1]} or --ood cifar100",
            style="yellow", highlight=False,
        )  # fmt: skip
    failures = 0
    if pending:
        from benchmark.environment import environment

        with TerminalProgress(console) as progress:
            failures = execute(suite, store, config, progress, environment(config.compute, given))
    if failures < len(suite.runs):
        write(store, console)
    if failures:
        console.print(f"{failures} of {len(pending)} runs failed; each left its error.txt in its folder", style="bold")
    return 1 if failures else 0


def _check_compute(compute: Compute) -> None:
    import multiprocessing

    if compute.workers and "fork" not in multiprocessing.get_all_start_methods():
        raise UsageError(f"--workers {compute.workers}: this system cannot fork processes; leave it at 0")
    if compute.device == "cpu":
        return
    import torch

    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    there = ["cpu", *(["cuda"] if cuda else []), *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]
    if compute.device not in there:
        raise UsageError(f"--device {compute.device}: not available here; expected one of: {', '.join(there)}")


def _print_plan(suite: Plan, store: Store, console: Any) -> None:
    from benchmark.estimate import show_cost

    for run in suite.runs:
        done = not suite.missing and store.is_done(run.spec)
        values = " ".join(f"{name}={value}" for name, value in run.spec.strategy["params"].items())
        folder = "" if suite.missing else f"  {store.folder(run.spec).name}"
        print(f"{'done  ' if done else 'to run'}  {run.spec.label}{folder}\n        {values}")
    show_cost(suite, console)
    if suite.missing:
        print(f"\n{suite.missing}")
