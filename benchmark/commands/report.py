"""`run_suite.py report`: tables, figures and the page, rebuilt from the results folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmark.arguments import add_results
from benchmark.errors import UsageError
from benchmark.store import Store


def parser() -> argparse.ArgumentParser:
    """Where results are."""
    parser = argparse.ArgumentParser("run_suite.py report", description="Rebuild tables and figures.")
    add_results(parser)
    return parser


def run(options: argparse.Namespace, given: list[str]) -> int:
    """0; UsageError without a finished run."""
    from rich.console import Console

    store = Store(options.results)
    if not Path(options.results).is_dir() or not store.results()[0]:
        raise UsageError(f"--results {options.results}: no finished run there; run `python run_suite.py` first")
    write(store, Console())
    return 0


def write(store: Store, console: Any) -> None:
    """Write every table and figure, name what was left out, print the leaderboard."""
    from benchmark.reporting import write_report
    from benchmark.reporting.terminal import show
    from benchmark.suite import defaults

    results, problems = store.results()
    for problem in problems:
        console.print(problem, style="yellow", highlight=False)
    board = write_report(results, store.root, defaults=defaults({result.spec.strategy["name"] for result in results}))
    show(board, console)
    console.print(f"tables and figures: {store.root}", highlight=False)
