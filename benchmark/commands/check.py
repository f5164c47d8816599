"""`run_suite.py check STRATEGY`: the promises that a plugged-in strategy must keep."""

from __future__ import annotations

import argparse


def parser() -> argparse.ArgumentParser:
    """The strategy."""
    parser = argparse.ArgumentParser("run_suite.py check", description="Check a strategy, offline, in under a minute.")
    parser.add_argument("strategy", help="a name or FILE.py:CLASS")
    return parser


def run(options: argparse.Namespace, given: list[str]) -> int:
    """0 if every promise is kept, else 1."""
    from benchmark.registry import strategy_class
    from strategies.conformance import check_strategy

    report = check_strategy(strategy_class(options.strategy).cls)
    print(report)
    return 0 if report.passed else 1
