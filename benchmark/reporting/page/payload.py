"""The data of the page: plots, the lines of the table of runs, and what the page of a run shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark.reporting.page import SECTIONS
from benchmark.reporting.page.gallery import BUDGET, galleries
from benchmark.reporting.page.pool import Pool
from benchmark.reporting.page.runs import finite, run_record
from benchmark.reporting.page.samples import short_samples

if TYPE_CHECKING:
    from benchmark.reporting.page.plots import Plot
    from benchmark.reporting.report import Report

SHOWN = ("acc", "bwt", "ood_retention")
"""Figures of each run in the table of runs."""


def plots_of(report: Report) -> list[Plot]:
    """All plots of the report's sections."""
    from benchmark.reporting.page.plots import all_plots

    return all_plots(report)


def payload(report: Report, plots: Sequence[Plot]) -> dict[str, Any]:
    """JSON-ready; values that runs share are places in `shared`."""
    pools = {name: Pool() for name in ("environments", "settings", "orders", "counts", "classes")}
    results = {entry.key: entry.result for row in report.rows for entry in row.entries}
    store = report.store
    shown = galleries(store, results, BUDGET) if store else {}
    runs = {}
    for key, result in results.items():
        record = run_record(result, pools)
        samples = short_samples(store.samples(result.spec), pools) if store else None
        if samples:
            record["samples"] = samples
        if key in shown:
            record["gallery"] = shown[key]
        runs[key] = record
    return {
        "rows": [
            [row.label, row.strategy, row.settings, row.track, row.stream, row.backbone, row.upper_bound]
            for row in report.rows
        ],
        "lines": [
            [entry.key, number, entry.seed, runs[entry.key]["order"], *(finite(entry.values.get(x)) for x in SHOWN)]
            for number, row in enumerate(report.rows)
            for entry in row.entries
        ],
        "runs": runs,
        "shared": {name: pool.values for name, pool in pools.items()},
        "plots": {section[0]: [_plot(plot) for plot in plots if plot.section == section[0]] for section in SECTIONS},
        "galleries": {
            "runs": len(shown),
            "shortened": sorted(key for key, gallery in shown.items() if 0 < len(gallery["items"]) < gallery["total"]),
            "left_out": sorted(key for key, gallery in shown.items() if not gallery["items"]),
        },
    }


def _plot(plot: Plot) -> dict[str, Any]:
    return {
        "part": plot.part,
        "choice": plot.choice,
        "title": plot.title,
        "caption": plot.caption,
        "figure": plot.figure,
        "alt": plot.alt,
        "header": list(plot.header),
        "cells": [list(line) for line in plot.cells],
    }
