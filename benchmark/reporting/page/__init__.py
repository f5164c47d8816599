"""report.html: one self-contained page of everything that is known of a results folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmark.reporting.report import Report

SECTIONS = (
    ("matrix", "Matrices", "Accuracy matrices", "What each model knew after every domain, before the first one too."),
    (
        "stream",
        "Stream",
        "Accuracy along the stream",
        "Accuracy while one domain after another is learned.",
    ),
    (
        "pareto",
        "Trade-off",
        "Learning, keeping and storing",
        "What a strategy learns, keeps and stores.",
    ),
    ("masks", "Masks", "Mask explorer", "Which blocks each task switched on, and how far tasks share them."),
    ("cost", "Cost", "Cost", "Time, memory and parameters behind the accuracies."),
    ("classes", "Classes", "Accuracy by class", "Which classes gained and which lost over the stream."),
    ("calibration", "Calibration", "Calibration", "Whether the stated confidence is the share of right answers."),
    ("tests", "Tests", "What is more than noise", "Paired tests over runs with the same seed and order."),
)
"""Sections of plots in the order of the page: id, word in the navigation, heading, what it shows."""


def render(report: Report) -> str:
    """The whole page as HTML: libraries, data and pictures in one file, the same for the same runs."""
    from concurrent.futures import ThreadPoolExecutor

    from benchmark.reporting.page import assets

    with ThreadPoolExecutor(max_workers=1) as pool:
        # Compressing needs no interpreter: the rest of the page is made meanwhile.
        libraries = pool.submit(assets.libraries)
        return _page(report, libraries.result)


def _page(report: Report, libraries: Callable[[], dict[str, str]]) -> str:
    from benchmark.reporting.page import assets
    from benchmark.reporting.page.board import boards, column_notes, percent
    from benchmark.reporting.page.cite import citation
    from benchmark.reporting.page.payload import payload, plots_of
    from benchmark.reporting.page.published import difference, verdict_groups

    plots = plots_of(report)
    data = payload(report, plots)
    scripts = assets.scripts()
    drawn = {plot.section for plot in plots}
    return assets.template("page.html.j2").render(
        boards=boards(report),
        column_notes=column_notes(),
        summary=_summary(report),
        problems=report.problems,
        sections=[section for section in SECTIONS if section[0] in drawn],
        groups=verdict_groups(report),
        percent=percent,
        difference=difference,
        galleries=data["galleries"],
        cite=citation(report),
        css=assets.text("page.css"),
        library_css=assets.library_css(),
        scripts=scripts,
        policy=assets.policy(scripts),
        data=assets.packed_json(data),
        libraries=libraries(),
    )


def _summary(report: Report) -> dict[str, list[str] | int]:
    """What the header counts."""
    return {
        "runs": len({entry.key for row in report.rows for entry in row.entries}),
        "streams": sorted({row.stream for row in report.rows}),
        "backbones": sorted({row.backbone for row in report.rows}),
        "strategies": sorted({row.strategy for row in report.rows}),
    }
