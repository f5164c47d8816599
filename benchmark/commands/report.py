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
    if not Path(options.results).is_dir():
        raise UsageError(f"--results {options.results}: no such folder; run `python run_suite.py` first")
    write(store, Console())
    return 0


def write(store: Store, console: Any) -> None:
    """Write every table, figure and the page, name what was left out, print the leaderboard."""
    from benchmark.reporting import write_report
    from benchmark.reporting.report import Report
    from benchmark.reporting.terminal import show

    report = Report.of(*store.results(), store)
    for problem in report.problems:
        console.print(problem, style="yellow", highlight=False)
    if not report.rows:
        raise UsageError(f"{store.root}: no finished run there; run `python run_suite.py` first")
    show(write_report(report, store.root), console)
    console.print(f"tables and figures: {store.root}", highlight=False)
