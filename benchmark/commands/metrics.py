"""`run_suite.py metrics RUN`: a run's accuracy matrix, every figure with its formula, other suites' beside ours."""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from benchmark import variants
from benchmark.arguments import add_results
from benchmark.errors import UsageError
from benchmark.lookup import find
from benchmark.metrics import METRICS
from benchmark.reporting.measured import OOD_CHANGE, measure
from benchmark.result import AGNOSTIC, GIVEN, ROUTED, RunResult, Track
from benchmark.variants import VARIANTS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLUMNS = ("run", "track", "id", "value", "formula", "source", "ours", "difference")
"""Of --csv: `ours` and `difference` are of another suite's figure; value is a fraction, empty where undefined."""
PROTOCOLS = {
    AGNOSTIC: "one model, domain not given",
    GIVEN: "domain given at test time",
    ROUTED: "a router picks the domain",
}
MICRO = {name.removesuffix("_micro"): name for name in METRICS if name.endswith("_micro")}
"""Id of a mean over domains -> id of the same over images."""
Values = Mapping[str, float | None]


def parser() -> argparse.ArgumentParser:
    """Which run, and how it is shown."""
    parser = argparse.ArgumentParser("run_suite.py metrics", description="Show every figure of a run, with formulas.")
    parser.add_argument("run", metavar="RUN", help="key, beginning of a key, folder, or label of a finished run")
    parser.add_argument("--variants", action="store_true", help="beside it what other suites compute under these names")
    parser.add_argument("--csv", action="store_true", help="lines for machines: " + ",".join(COLUMNS))
    add_results(parser)
    return parser


def run(options: argparse.Namespace, given: list[str]) -> int:
    """0; UsageError for a run that is not there, is not one, or has a bad cell."""
    result, beside = find(options.results, options.run)
    # Only joint training bears on another run's figures: intransigence is measured against it.
    bounds = [other for other in beside if other.traits.get("offline") and other.spec.key != result.spec.key]
    measured, problems = measure([*bounds, result])
    if not measured or measured[-1].key != result.spec.key:
        raise UsageError(problems[-1])
    if options.csv:
        _write_csv(result, measured[-1].values, options.variants)
    else:
        from rich.console import Console

        _show(result, measured[-1].values, options.variants, Console(highlight=False))
    return 0


def _formulas(result: RunResult, values: Values) -> Iterator[tuple[str, float | None, str, str]]:
    """Id, value, formula and source of every figure of one track."""
    for name, metric in METRICS.items():
        yield name, values[name], metric.formula, metric.source
    for name in result.ood_names:
        change = OOD_CHANGE.format(name)
        yield change, values[change], "O[T,d] - O[0,d]", "selora-bench"
    if "oracle_gap" in values:
        yield "oracle_gap", values["oracle_gap"], "acc with the domain given - acc with the router", "selora-bench"


def _others(result: RunResult, track: Track) -> dict[str, float | None]:
    return variants.compute(track, result.counts, result.spec.order, result.ood_names)


def _write_csv(result: RunResult, values: Mapping[str, Values], with_variants: bool) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, track in result.tracks.items():
        rows: list[tuple[str, float | None, str, str, str, str]] = []
        for letter, columns, cells in (("R", result.spec.order, track.accuracy), ("O", result.ood_names, track.ood)):
            for stage, row in zip(track.stages, cells, strict=True):
                what = f"accuracy after {stage} domains"
                rows += [(f"{letter}[{stage},{c}]", x, what, "", "", "") for c, x in zip(columns, row, strict=True)]
        rows += [(*figure, "", "") for figure in _formulas(result, values[name])]
        if with_variants:
            for id, value in _others(result, track).items():
                formula = VARIANTS[id].formula
                rows.append((id, value, formula.text, VARIANTS[id].source, formula.ours, formula.difference))
        for id, value, *rest in rows:
            writer.writerow([result.spec.key, name, id, "" if value is None else f"{value + 0.0:.6f}", *rest])


def _show(result: RunResult, values: Mapping[str, Values], with_variants: bool, console: Console) -> None:
    spec = result.spec
    console.print(f"run {spec.key}: {spec.label}", style="bold", markup=False)
    console.print(f"order: {' > '.join(spec.order)}", markup=False)
    for name, track in result.tracks.items():
        console.print(f"\ntrack {name}: {PROTOCOLS.get(name, name)}", style="bold", markup=False)
        for table in _matrix(result, track, console.width):
            console.print(table)
        console.print(_figures(result, values[name]))
        if with_variants:
            console.print(_side_by_side(values[name], _others(result, track)))
    console.print(
        "percent. R[i,j]: accuracy on domain j after i domains, row 0 the pre-trained model; O[i,d]: on out-of-domain "
        "set d; T domains. _micro: the same with domain j weighted by its test images n_j.\n"
        "-: the run lacks what the formula needs: the stages between, a second domain, a joint run, a router, sets.",
        style="dim",
        markup=False,
    )


def _table(title: str, *columns: str) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        number = column in ("value", "_micro")
        table.add_column(column, justify="right" if number else "left", no_wrap=number, overflow="fold")
    return table


def _matrix(result: RunResult, track: Track, width: int) -> Iterator[Table]:
    """The accuracies in tables of as many columns as fit; out-of-domain sets are marked with a star."""
    from rich.text import Text

    names = [*result.spec.order, *(f"*{name}" for name in result.ood_names)]
    rows = [[*row, *other] for row, other in zip(track.accuracy, track.ood, strict=True)]
    learned = [f"{stage} {result.spec.order[stage - 1]}"[:14] if stage else "0 (before)" for stage in track.stages]
    tables = math.ceil(len(names) / max((width - 18) // 7, 1))
    share = math.ceil(len(names) / tables)
    for first in range(0, len(names), share):
        table = _table("" if first else "accuracy, percent (*: out of domain)", "learned")
        table.columns[0].no_wrap = True
        for name in names[first : first + share]:
            table.add_column(Text(name), justify="right", overflow="fold", width=min((width - 18) // share - 1, 10))
        for stage, row in zip(learned, rows, strict=True):
            table.add_row(Text(stage), *(_percent(value, 1) for value in row[first : first + share]))
        yield table


def _figures(result: RunResult, values: Values) -> Table:
    """One row for a formula; its value over images beside that over domains."""
    from rich.text import Text

    table = _table("figures", "id", "value", "_micro", "formula", "source")
    table.columns[0].min_width = 20
    for id, value, formula, source in _formulas(result, values):
        if id not in MICRO.values():
            micro = _percent(values[MICRO[id]]) if id in MICRO else ""
            table.add_row(Text(id), _percent(value), micro, Text(formula), Text(source))
    return table


def _side_by_side(values: Values, others: Values) -> Table:
    """Ours, and below each what others call the same, why it is not, and where their code was read."""
    from rich.text import Text

    table = _table("the same ideas in other suites", "id", "value", "formula, difference, source")
    table.columns[0].min_width = 28
    for ours, metric in METRICS.items():
        same = [id for id, variant in VARIANTS.items() if variant.formula.ours == ours]
        if same:
            table.add_row(Text(ours, style="bold"), _percent(values[ours]), Text(metric.formula, style="bold"))
        for id in same:
            formula = VARIANTS[id].formula
            words = Text(formula.text)
            words.append(f"\n{formula.difference or 'the same formula'}")
            words.append(f"\n{VARIANTS[id].source}", style="dim")
            table.add_row(Text(f" {id}"), _percent(others[id]), words)
    return table


def _percent(value: float | None, decimals: int = 2) -> str:
    # Adding zero turns -0.0 into 0.0.
    return "-" if value is None else f"{round(100 * value, decimals) + 0.0:.{decimals}f}"
