"""Every figure of report.html, in plotly.js form; plotly itself is not needed to build them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.reporting.page.plots import calibration, classes, contests, cost, masks, matrix, pareto, stream
from benchmark.reporting.page.plots.base import Plot

if TYPE_CHECKING:
    from benchmark.reporting.report import Report

__all__ = ["Plot", "all_plots"]


def all_plots(report: Report) -> list[Plot]:
    """By section and part, the same for the same runs."""
    return [
        *matrix.plots(report.by_order),
        *stream.plots(report.by_order),
        *pareto.plots(report.rows),
        *masks.plots(report.by_order),
        *cost.plots(report.rows),
        *classes.plots(report.rows, report.store),
        *calibration.plots(report.rows, report.store),
        *contests.plots(report.contests, report.rows),
    ]
