"""Which way of fine-tuning a pre-trained vision model learns each image domain and keeps what the model knew?

python run_suite.py                          all strategies on the embedded stream and backbone, one seed
python run_suite.py --stream folder:PATH --backbone timm:NAME@FILE --image-size 96
python run_suite.py ls                       streams, backbones, strategies, orders
python run_suite.py report                   rebuild tables and figures from the results folder
python run_suite.py check mine.py:Mine       does a plugged-in strategy keep its promises?
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import UsageError, unknown
from benchmark.registry import entries
from benchmark.store import Store

if TYPE_CHECKING:
    from benchmark.suite import Plan, SuiteConfig


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


def _run_parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("run_suite.py", description=__doc__, formatter_class=raw, allow_abbrev=False)
    add = parser.add_argument
    add("--stream", default="digits", help="NAME or folder:PATH (default: digits)")
    add("--backbone", default="glyphclip", help="NAME or timm:NAME[@FILE] (default: glyphclip)")
    add("--strategies", nargs="+", metavar="S", help="names or FILE.py:CLASS (default: all built in)")
    add("--seeds", nargs="+", type=int, default=[0], metavar="N", help="one run of each strategy a seed (default: 0)")
    add("--order", default="default", help="a named order, or domains separated by commas")
    add("--hold-out", nargs="+", default=[], metavar="DOMAIN", help="keep domains unseen, as out-of-domain sets")
    add("--set", nargs="+", action="extend", default=[], metavar="S.FIELD=V", help="e.g. selora.budget=0.05")
    add("--epochs", type=int, help="passes over each domain (default: 4)")
    add("--batch-size", type=int, help="images in a training step (default: 32)")
    add("--image-size", type=int, help="input side in pixels (default: the backbone's)")
    add("--augment", help="none, shift or crop-flip (default: the stream's)")
    add("--device", default="cpu", help="cpu, cuda, cuda:N or mps (default: cpu)")
    _add_results(parser)
    add("--dry-run", action="store_true", help="show the runs and stop")
    add("--force", action="store_true", help="run again what is done")
    return parser


def _ls_parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser("run_suite.py ls", description="List streams, backbones, strategies and orders.")


def _report_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("run_suite.py report", description="Rebuild tables and figures.")
    _add_results(parser)
    return parser


def _check_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("run_suite.py check", description="Check a strategy, offline, in under a minute.")
    parser.add_argument("strategy", help="a name or FILE.py:CLASS")
    return parser


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", default="results", metavar="DIR", help="results folder (default: results)")


def _config(options: argparse.Namespace) -> SuiteConfig:
    from benchmark.settings import parse_settings
    from benchmark.suite import ALL_STRATEGIES, SuiteConfig

    fields = {"epochs": options.epochs, "batch_size": options.batch_size, "augment": options.augment}
    return SuiteConfig(
        stream=options.stream,
        backbone=options.backbone,
        strategies=tuple(dict.fromkeys(options.strategies or ALL_STRATEGIES)),
        seeds=tuple(dict.fromkeys(options.seeds)),
        order=options.order,
        hold_out=tuple(options.hold_out),
        image_size=options.image_size,
        train={name: value for name, value in fields.items() if value is not None},
        settings=parse_settings(options.set),
        device=options.device,
    )


def _run(options: argparse.Namespace, given: list[str]) -> int:
    from rich.console import Console

    from benchmark.progress import TerminalProgress
    from benchmark.suite import execute, plan

    config = _config(options)
    _check_device(config.device)
    suite, store, console = plan(config), Store(options.results), Console()
    if options.dry_run:
        _print_plan(suite, store, console)
        return 0
    if options.force:
        for run in suite.runs:
            store.forget(run.spec)
    pending = [run for run in suite.runs if not store.is_done(run.spec)]
    console.print(
        f"{len(suite.runs)} runs, {len(suite.runs) - len(pending)} done before; "
        f"order: {', '.join(suite.runs[0].spec.order)}",
        highlight=False,
    )
    failures = 0
    if pending:
        from benchmark.environment import environment

        with TerminalProgress(console) as progress:
            failures = execute(suite, store, config, progress, environment(config.device, given))
    if failures < len(suite.runs):
        _write_report(store, console)
    if failures:
        console.print(f"{failures} of {len(pending)} runs failed; each left its error.txt in its folder", style="bold")
    return 1 if failures else 0


def _check_device(device: str) -> None:
    kind = device.partition(":")[0]
    if kind == "cpu":
        return
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(kind, False):
        there = ", ".join(["cpu", *(name for name, is_there in available.items() if is_there)])
        raise UsageError(f"--device {device}: not available here; expected one of: {there}")


def _print_plan(suite: Plan, store: Store, console: Any) -> None:
    from rich.table import Table

    table = Table("strategy", "seed", "state", "folder", "hyper-parameters", title="runs")
    for run in suite.runs:
        state = "done" if store.is_done(run.spec) else "to run"
        values = " ".join(f"{name}={value}" for name, value in run.spec.strategy["params"].items())
        table.add_row(run.spec.strategy["name"], str(run.spec.seed), state, store.folder(run.spec).name, values)
    console.print(table)


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
    for kind in ("streams", "backbones", "strategies"):
        print(f"{kind}:")
        for name, entry in entries(kind).items():
            label = f"{name}:{entry.argument}" if entry.argument else name
            print(f"  {label:<20} {entry.summary}")
    print("orders:\n  default              the stream's own\n  reversed             the other way round")
    print("  a,b,c                domains, separated by commas")
    return 0


def _check(options: argparse.Namespace, given: list[str]) -> int:
    from benchmark.registry import strategy_class
    from strategies.conformance import check_strategy

    report = check_strategy(strategy_class(options.strategy).cls)
    print(report)
    return 0 if report.passed else 1


COMMANDS = {
    "run": (_run_parser, _run),
    "ls": (_ls_parser, _list),
    "report": (_report_parser, _report),
    "check": (_check_parser, _check),
}

if __name__ == "__main__":
    sys.exit(main())
