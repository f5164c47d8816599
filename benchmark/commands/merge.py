"""`run_suite.py merge DIR...`: results of several machines in one folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.arguments import add_results
from benchmark.errors import UsageError
from benchmark.store import Store
from benchmark.store_merge import Merged, merge, runs_folder


def parser() -> argparse.ArgumentParser:
    """From where, and to where."""
    text = "Copy finished runs of other results folders into --results; each run once, conflicts named."
    parser = argparse.ArgumentParser("run_suite.py merge", description=text)
    parser.add_argument("folders", nargs="+", metavar="DIR", help="a results folder, or its folder runs; only read")
    add_results(parser)
    return parser


def run(options: argparse.Namespace, given: list[str]) -> int:
    """0; 1 if a run has other figures in two places; UsageError for a folder that is none, or a full disk."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    target, sources = Store(options.results), []
    for folder in options.folders:
        place = runs_folder(Path(folder))
        if place.resolve() == (target.root / "runs").resolve():
            console.print(f"{folder}: is where results are merged to; nothing to copy from there", markup=False)
        elif place.resolve() not in [known.resolve() for known in sources]:
            sources.append(place)
    try:
        done = merge(sources, target, lambda text: console.print(text, markup=False))
    except OSError as error:
        raise UsageError(f"cannot copy: {error}; what was copied before is whole, call merge again") from error
    _say(done, options.results, console)
    return 1 if done.conflicts else 0


def _say(done: Merged, results: str, console: object) -> None:
    for problem in done.problems:
        console.print(problem, style="yellow", markup=False)
    for conflict in done.conflicts:
        console.print(f"conflict: {conflict}", style="bold red", markup=False)
    if done.unfinished:
        console.print(f"{len(done.unfinished)} unfinished runs were not copied", style="yellow", markup=False)
    if done.conflicts:
        console.print(f"{len(done.conflicts)} conflicts: remove the run that is wrong, and merge again", markup=False)
    if done.copied:
        console.print(f"now: python run_suite.py report --results {results}", markup=False)
