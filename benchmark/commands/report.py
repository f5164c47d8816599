"""`run_suite.py report`: tables, figures and the page, rebuilt from the results folder."""

from __future__ import annotations

import argparse
import gc
from typing import Any

from benchmark.arguments import add_results
from benchmark.errors import UsageError
from benchmark.store import Store


def parser() -> argparse.ArgumentParser:
    """Where results are, and whether to draw."""
    text = "Rebuild tables and report.html from the results folder."
    parser = argparse.ArgumentParser("run_suite.py report", description=text)
    add_results(parser)
    parser.add_argument("--figures", action="store_true", help="also draw figures/*.png, for a paper or a slide")
    return parser


def run(options: argparse.Namespace, given: list[str]) -> int:
    """0; UsageError without a finished run."""
    from rich.console import Console

    write(Store(options.results), Console(), options.figures)
    return 0


def write(store: Store, console: Any, figures: bool = False) -> None:
    """Write every table and the page, name what was left out, print the leaderboard."""
    from benchmark.reporting import write_report
    from benchmark.reporting.report import Report
    from benchmark.reporting.terminal import show

    gc.disable()  # nearly all stays until the end: looking through it again and again takes a fifth of the time
    results, problems = store.results()
    report = Report.of(results, problems, store)
    for problem in report.problems:
        console.print(problem, style="yellow", highlight=False)
    if not report.rows:
        raise UsageError(f"--results {store.root}: no finished run there; run `python run_suite.py` first")
    show(write_report(report, store.root, figures), console)
    console.print(f"tables and figures: {store.root}", highlight=False)
