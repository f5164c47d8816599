"""Figures of report.html: hand-worked values, valid plotly figures, limits, contrast."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmark.reporting.page.plots import all_plots
from benchmark.reporting.page.plots.contests import joined
from benchmark.reporting.page.plots.masks import jaccard
from benchmark.reporting.page.plots.palette import BOUND, COLOURS
from benchmark.reporting.page.plots.pareto import front
from benchmark.reporting.report import Report
from tests.synthetic import STRATEGIES, predictions_of, store_of, synthetic
from tests.test_reporting import run


def results():
    return [synthetic(name, seed) for seed in range(5) for name in ("finetune", "lora", "selora", "joint")]


def luminance(colour):
    """Relative luminance of WCAG 2: linear RGB, weighted."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("page", ["#ffffff", "#15181d"])
def test_every_colour_shows_on_both_pages(page):
    for colour in (*COLOURS, BOUND):
        low, high = sorted((luminance(colour), luminance(page)))
        assert (high + 0.05) / (low + 0.05) >= 3, colour


def test_plotly_accepts_every_figure_and_runs_in_any_order_give_the_same(tmp_path):
    graph_objects = pytest.importorskip("plotly.graph_objects")
    runs = results()
    store = store_of(tmp_path, runs, predictions=True)
    plots = all_plots(Report.of(runs, store=store))
    for plot in plots:
        graph_objects.Figure(json.loads(json.dumps(plot.figure)))  # a copy: it empties what it is given
        assert plot.alt and plot.caption and all(len(line) == len(plot.header) for line in plot.cells)
    sections = {plot.section for plot in plots}
    assert sections >= {"matrix", "stream", "pareto", "masks", "cost", "calibration", "tests"}
    assert len({(plot.section, plot.part, plot.choice) for plot in plots}) == len(plots)
    again = all_plots(Report.of(runs[::-1], store=store))
    assert [json.dumps(plot.figure, allow_nan=False) for plot in plots] == [json.dumps(p.figure) for p in again]


def test_matrix_holds_the_means_with_a_gap_before_other_sets():
    runs = [synthetic("lora", seed) for seed in (0, 1)]
    plot, change = all_plots(Report.of(runs))[:2]
    z, tracks = plot.figure["data"][0]["z"], [run.tracks["agnostic"] for run in runs]
    assert z[3][2] == pytest.approx(50 * sum(track.accuracy[3][2] for track in tracks), abs=0.006)
    assert [line[6] for line in z] == [None] * 7
    assert z[6][7] == pytest.approx(50 * sum(track.ood[6][0] for track in tracks), abs=0.006)
    assert change.figure["data"][0]["z"][0][:6] == [0.0] * 6
    assert change.figure["data"][0]["z"][6][0] == pytest.approx(z[6][0] - z[0][0], abs=0.011)


def test_front_overlap_and_bars_by_hand():
    assert front([(1, 3), (2, 2), (1, 2), (3, 1)]) == [(1, 3), (2, 2), (3, 1)]
    assert jaccard([1, 1, 0, 0], [1, 0, 1, 0]) == 1 / 3
    assert jaccard([0, 0], [0, 0]) is None
    assert joined([1.0, 1.8, 2.5, 4.0], 1.0) == [(0, 1), (1, 2)]
    assert joined([1.0, 2.0], 1.0) == []


def test_calibration_error_is_that_of_all_images(tmp_path):
    run = synthetic("lora")
    store = store_of(tmp_path, [run], predictions=True)
    plots = [plot for plot in all_plots(Report.of([run], store=store)) if plot.section == "calibration"]
    plot, along = plots
    assert [one.choice for one in plots] == ["at the end", "along the stream"]
    arrays, size = predictions_of(run), len(run.spec.order)
    sure = np.concatenate([arrays[f"agnostic/{size}/{d}/confidence"][0] for d in run.spec.order]).astype(float)
    right = np.concatenate([arrays[f"agnostic/{size}/{d}/class"][0] == arrays[f"labels/{d}"] for d in run.spec.order])
    places = np.ceil(sure * 15)
    gaps = [abs((sure - right)[places == place].sum()) for place in range(1, 16)]
    assert plot.cells == [("lora", pytest.approx(100 * sum(gaps) / len(sure), abs=0.02))]
    errors = [store.samples(run.spec)["tracks"]["agnostic"]["sets"][domain]["ece"] for domain in run.spec.order]
    expected = [100 * sum(stage) / size for stage in zip(*errors, strict=True)]
    assert list(along.cells[0][1:]) == along.figure["data"][0]["y"] == pytest.approx(expected, abs=0.01)


def test_many_configurations_are_cut_and_named():
    plots = all_plots(Report.of([synthetic(name, rank=r) for name in STRATEGIES[:5] for r in range(1, 21)]))
    (stream,) = [plot for plot in plots if (plot.section, plot.choice) == ("stream", "all domains")]
    assert len(stream.figure["data"]) == 24
    assert "The best 24 of 100 are drawn" in stream.caption and "and 68 more" in stream.caption
    assert len(json.dumps([plot.figure for plot in plots])) < 3_000_000


def only(plots, section, choice=None):
    (plot,) = [plot for plot in plots if plot.section == section and choice in (None, plot.choice)]
    return plot


def test_figures_of_two_runs_by_hand():
    # R = [.5 .5], [a .5], [a a] with a = .8 and .9; t(.975, 1) = 12.7062, error .05; out of domain .8 -> .4
    plots = all_plots(Report.of([run("lora", 0, 0.8), run("lora", 1, 0.9)]))
    half = 100 * 12.7062 * 0.05
    learned = only(plots, "stream", "the domains learned so far").figure["data"][0]
    assert learned["y"] == [85.0, 85.0]
    assert learned["error_y"]["array"] == pytest.approx([half, half], abs=0.01)
    whole = only(plots, "stream", "all domains").figure["data"][0]
    assert whole["y"] == [50.0, 67.5, 85.0]
    assert whole["error_y"]["array"] == pytest.approx([0.0, half / 2, half], abs=0.01)
    (point,) = [trace for trace in only(plots, "pareto").figure["data"] if trace.get("name") == "lora"]
    assert (point["x"], point["y"]) == ([50.0], [85.0])
    assert point["error_y"]["array"] == pytest.approx([half], abs=0.01)
    cost = only(plots, "cost", "training (s)").figure["data"][0]
    assert cost["x"] == [10.5]  # 10 and 11 seconds
    assert cost["error_x"]["array"] == pytest.approx([12.7062 * 0.5], abs=0.01)
    assert cost["error_x"]["arrayminus"] == pytest.approx([12.7062 * 0.5], abs=0.01)
    assert cost["marker"]["color"][0] == learned["line"]["color"], "one colour for a strategy everywhere"


def test_one_run_has_no_intervals_and_says_so():
    plots = all_plots(Report.of([run("lora", 0, 0.8)]))
    line = only(plots, "stream", "all domains")
    assert "error_y" not in line.figure["data"][0] and "one run" in line.caption
    assert "One run" in only(plots, "matrix", "lora: accuracy").caption


def test_marker_areas_are_those_of_stored_parameters():
    big = run("ewc", 0, 0.7, cost={**run().cost, "stored_parameters": 4800})
    traces = {t.get("name"): t for t in only(all_plots(Report.of([run(), big])), "pareto").figure["data"]}
    sizes = [traces[name]["marker"]["size"] for name in ("lora", "ewc")]  # 1200 and 4800 parameters: twice as wide
    sizes = [size[0] if isinstance(size, list) else size for size in sizes]
    assert sizes[1] == pytest.approx(2 * sizes[0], rel=0.01)
