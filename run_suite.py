"""Which way of fine-tuning a pre-trained vision model learns each image domain and keeps what the model knew?

python run_suite.py                          all strategies on the embedded stream and backbone, one seed
python run_suite.py --stream dn4il --backbone clip:ViT-B-16/openai --device cuda --download
python run_suite.py ls                       streams, out-of-domain sets, backbones, strategies, orders
python run_suite.py check-data --stream X    is every image there and whole?
python run_suite.py report                   rebuild tables and figures from the results folder
python run_suite.py check mine.py:Mine       does a plugged-in strategy keep its promises?
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.arguments import add_results, add_stream, run_parser, stream_fields, suite_config
from benchmark.errors import UsageError, unknown
from benchmark.registry import entries
from benchmark.store import Store

if TYPE_CHECKING:
    from benchmark.suite import Plan
    from strategies.compute import Compute


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 all well, 1 a run or a check failed, 2 something in the request is wrong."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command, rest = (given[0], given[1:]) if given and not given[0].startswith("-") else ("run", given)
    try:
        if command not in COMMANDS:
            raise unknown("command", command, COMMANDS)
        parser, action = COMMANDS[command]
        return action(parser().parse_args(rest), given)
    except UsageError as error:
        print(f"run_suite.py: {error}", file=sys.stderr)
        return 2


def _ls_parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser("run_suite.py ls", description="List streams, backbones, strategies and orders.")


def _report_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("run_suite.py report", description="Rebuild tables and figures.")
    add_results(parser)
    return parser


def _check_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("run_suite.py check", description="Check a strategy, offline, in under a minute.")
    parser.add_argument("strategy", help="a name or FILE.py:CLASS")
    return parser


def _check_data_parser() -> argparse.ArgumentParser:
    text = "Read every image of a stream: missing, broken and duplicated files, classes without images."
    parser = argparse.ArgumentParser("run_suite.py check-data", description=text)
    add_stream(parser)
    parser.add_argument("--workers", type=int, default=4, help="files read at once (default: 4)")
    return parser


def _run(options: argparse.Namespace, given: list[str]) -> int:
    from rich.console import Console

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
        _write_report(store, console)
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


def _write_report(store: Store, console: Any) -> None:
    from benchmark.reporting import write_report
    from benchmark.reporting.terminal import show
    from benchmark.suite import defaults

    results, problems = store.results()
    for problem in problems:
        console.print(problem, style="yellow", highlight=False)
    board = write_report(results, store.root, defaults=defaults({result.spec.strategy["name"] for result in results}))
    show(board, console)
    console.print(f"tables and figures: {store.root}", highlight=False)


def _report(options: argparse.Namespace, given: list[str]) -> int:
    from rich.console import Console

    store = Store(options.results)
    if not Path(options.results).is_dir() or not store.results()[0]:
        raise UsageError(f"--results {options.results}: no finished run there; run `python run_suite.py` first")
    _write_report(store, Console())
    return 0


def _list(options: argparse.Namespace, given: list[str]) -> int:
    from benchmark.streams.prompted import TEMPLATE_SETS

    for kind in ("streams", "sources", "backbones", "strategies"):
        print("out-of-domain sets (--ood):" if kind == "sources" else f"{kind}:")
        for name, entry in entries(kind).items():
            label = f"{name}:{entry.argument}" if entry.argument else name
            print(f"  {label:<22} {entry.summary}")
    print("templates:")
    for name, summary in {"default": "the stream's own", **TEMPLATE_SETS}.items():
        print(f"  {name:<22} {summary}")
    print("orders:\n  default                the stream's own\n  reversed               the other way round")
    print("  a,b,c                  domains, separated by commas")
    return 0


def _check_data(options: argparse.Namespace, given: list[str]) -> int:
    from benchmark.data.check import check_data
    from benchmark.suite import SuiteConfig, whole_stream

    fields = stream_fields(options)
    # What is missing is to be listed here, not refused: the rule is for runs.
    data = dataclasses.replace(fields["data"], on_bad_image="skip")
    stream = whole_stream(SuiteConfig(**{**fields, "data": data}))
    report = check_data(stream, data, workers=options.workers)
    print(report)
    return 0 if report.passed else 1


def _check(options: argparse.Namespace, given: list[str]) -> int:
    from benchmark.registry import strategy_class
    from strategies.conformance import check_strategy

    report = check_strategy(strategy_class(options.strategy).cls)
    print(report)
    return 0 if report.passed else 1


COMMANDS = {
    "run": (lambda: run_parser(__doc__), _run),
    "ls": (_ls_parser, _list),
    "report": (_report_parser, _report),
    "check": (_check_parser, _check),
    "check-data": (_check_data_parser, _check_data),
}

if __name__ == "__main__":
    sys.exit(main())
