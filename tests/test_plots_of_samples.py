"""Figures of report.html that need stored predictions: hand-worked tables, limits, missing and damaged files."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from benchmark.reporting.page.plots import classes
from benchmark.reporting.page.plots.class_tables import unique
from benchmark.reporting.report import Report
from benchmark.result import AGNOSTIC, Track
from benchmark.samples import summarize
from benchmark.store import Store
from tests.synthetic import store_of, synthetic

ORDER = ("clipart", "sketch")
LABELS = {"clipart": [0, 0, 0, 0, 1, 1, 2, 2], "sketch": [0, 0, 1, 1]}
BEFORE = {"clipart": [0, 0, 0, 0, 1, 1, 0, 0], "sketch": [1, 0, 1, 1]}
AFTER = {"clipart": [0, 0, 0, 1, 1, 2, 2, 0], "sketch": [0, 0, 1, 0]}
NAMES = ["ant", "bee", "cat"]


def small(strategy, seed=0):
    """A run on two domains and nothing outside them."""
    run = synthetic(strategy, seed, ORDER, stream="small")
    track = Track([0, 1, 2], [[0.5, 0.5]] * 3, [[0.5, 0.5]] * 3, [[], [], []])
    changed = {"ood_names": [], "counts": {name: len(LABELS[name]) for name in ORDER}, "tracks": {AGNOSTIC: track}}
    return dataclasses.replace(run, blocks=None, **changed)


def arrays(after=AFTER, ids=None):
    """Predictions of `small`: BEFORE at first, `after` at the end."""
    found = {}
    for name, labels in LABELS.items():
        found[f"labels/{name}"] = np.array(labels, np.int16)
        found[f"ids/{name}"] = np.array(ids or [f"{name}-{k}" for k in range(len(labels))])[: len(labels)]
        for stage, answers in ((0, BEFORE), (1, after), (2, after)):
            found[f"{AGNOSTIC}/{stage}/{name}/class"] = np.array([answers[name]], np.int16)
            found[f"{AGNOSTIC}/{stage}/{name}/confidence"] = np.full((1, len(labels)), 0.5, np.float16)
    return found


def made(folder, answers, names=NAMES):
    """Plots of runs by strategy, each with its arrays, by choice."""
    store, runs = Store(folder), [small(strategy) for strategy in answers]
    for run in runs:
        called = {name: names for name in ORDER} if names else None
        store.save_result(run, answers[run.spec.strategy["name"]], called)
    return {plot.choice: plot for plot in classes.plots(Report.of(runs, store=store).rows, store)}


def test_change_by_class_is_after_minus_before_with_the_largest_loss_on_top(tmp_path):
    plot = made(tmp_path, {"lora": arrays()})["lora: change"]
    (trace,) = plot.figure["data"]
    # ant: clipart 4/4 -> 3/4, sketch 1/2 -> 2/2, all 5/6 -> 5/6; bee: 2/2 -> 1/2 twice; cat: 0/2 -> 1/2
    assert plot.figure["layout"]["yaxis"]["ticktext"] == ["bee", "ant", "cat"]
    assert plot.figure["layout"]["xaxis"]["ticktext"] == ["clipart", "sketch", "all domains"]
    assert plot.figure["layout"]["xaxis"]["tickvals"] == [0, 1, 3]
    assert trace["z"] == [[-50.0, -50.0, None, -50.0], [-25.0, 50.0, None, 0.0], [50.0, None, None, 50.0]]
    assert trace["text"][1][0] == "ant, clipart<br>before 100.0 %, after 75.0 %, 4 images"
    assert (trace["zmin"], trace["zmax"]) == (-50.0, 50.0)
    assert ("bee", "all domains", 100.0, 50.0, 4) in plot.cells and len(plot.cells) == 8
    assert "1 of 3 classes lost accuracy and 1 gained" in plot.alt and "bee -50.0, cat +50.0" in plot.alt


def test_few_classes_are_a_matrix_in_percent_of_the_class(tmp_path):
    plot = made(tmp_path, {"lora": arrays()})["lora: mistakes"]
    clipart, sketch = plot.figure["data"]
    assert clipart["x"] == clipart["y"] == NAMES
    assert clipart["z"] == [[75.0, 25.0, None], [None, 50.0, 50.0], [50.0, None, 50.0]]
    assert sketch["z"] == [[100.0, None, None], [50.0, 50.0, None], [None, None, None]]
    assert sketch["visible"] is False and "visible" not in clipart
    (menu,) = plot.figure["layout"]["updatemenus"]
    assert [(b["label"], b["args"]) for b in menu["buttons"]] == [
        ("clipart", ["visible", [True, False]]),
        ("sketch", ["visible", [False, True]]),
    ]
    assert plot.cells[-1] == ("sketch", "bee", "ant", 1)
    assert plot.alt.startswith("lora: 4 of 12 images are wrong at the end")
    assert "Rare pairs" not in plot.caption


def test_agreement_is_over_the_same_images_and_says_who_is_right(tmp_path):
    order = [3, 1, 0, 2, 7, 6, 5, 4]
    other = arrays({"clipart": [0, 0, 1, 1, 1, 1, 2, 2], "sketch": [0, 0, 0, 0]})
    for key in [key for key in other if key.endswith(("/clipart", "/clipart/class", "/clipart/confidence"))]:
        other[key] = other[key][..., order]  # the same images, stored in another order
    plot = made(tmp_path, {"lora": arrays(), "ewc": other})["agreement between strategies"]
    # clipart and sketch: same 5/8, 3/4; both right 4/8, 2/4; only lora 1/8, 1/4; only ewc 2/8, 0; neither 1/8, 1/4
    assert plot.cells[0][:7] == ("ewc", "lora", 68.8, 50.0, 12.5, 18.8, 18.8)
    assert plot.figure["data"][0]["z"] == [[None, 68.8], [68.8, None]]


def test_other_images_or_one_run_give_no_agreement(tmp_path):
    strangers = arrays(ids=[f"x{k}" for k in range(8)])
    assert "agreement between strategies" not in made(tmp_path / "a", {"lora": arrays(), "ewc": strangers})
    assert "agreement between strategies" not in made(tmp_path / "b", {"lora": arrays()})


def test_classes_without_names_show_their_number_and_equal_names_are_told_apart(tmp_path):
    plot = made(tmp_path, {"lora": arrays()}, names=None)["lora: change"]
    assert plot.figure["layout"]["yaxis"]["ticktext"] == ["class 1", "class 0", "class 2"]
    assert unique(["crane", "ant", "crane"], 4) == ["crane (0)", "ant", "crane (2)", "class 3"]


def samples_of_many(run, size):
    """Class k of `size` classes has 100 images, loses k of them, each taken for the next class."""
    labels = np.repeat(np.arange(size), 100)
    lost = np.tile(np.arange(100), size) < labels
    found = {}
    for name in run.spec.order:
        found |= {f"labels/{name}": labels, f"ids/{name}": np.arange(len(labels))}
        for stage, answers in ((0, labels), (1, labels), (2, np.where(lost, (labels + 1) % size, labels))):
            found[f"{AGNOSTIC}/{stage}/{name}/class"] = answers[None]
            found[f"{AGNOSTIC}/{stage}/{name}/confidence"] = np.full((1, len(labels)), 0.5)
    return summarize(found, {AGNOSTIC: [0, 1, 2]}, run.spec.order, (), None)


def test_of_many_classes_the_most_changed_are_drawn_and_mistakes_become_bars(tmp_path):
    run = small("lora")
    store = store_of(tmp_path, [run])
    (store.folder(run.spec) / "samples.json").write_text(json.dumps(samples_of_many(run, 50)))
    change, mistakes = classes.plots(Report.of([run], store=store).rows, store)
    names = change.figure["layout"]["yaxis"]["ticktext"]
    assert names == [f"class {k}" for k in range(49, 9, -1)]
    assert "The 40 of 50 classes that changed most." in change.caption
    bars = mistakes.figure["data"][0]
    assert bars["type"] == "bar" and len(bars["x"]) == 20
    assert (bars["y"][0], bars["x"][0], bars["customdata"][0]) == ("class 49 → class 0", 49, 100)
    assert len(mistakes.cells) == 20 and "the 20 most frequent pairs" in mistakes.caption


def test_a_matrix_says_how_many_mistakes_are_not_kept(tmp_path):
    run = small("lora")
    samples = samples_of_many(run, 10)
    for part in samples["tracks"][AGNOSTIC]["sets"].values():
        part["confusion"] = part["confusion"][:1]  # 9 of 0 + 1 + ... + 9 = 45 mistakes
    store = store_of(tmp_path, [run])
    (store.folder(run.spec) / "samples.json").write_text(json.dumps(samples))
    _, mistakes = classes.plots(Report.of([run], store=store).rows, store)
    assert "20 % of the mistakes are shown" in mistakes.caption


@pytest.mark.parametrize("text", ["{}", "[]", '{"tracks": {"agnostic": {"sets": {"clipart": 3}}}, "classes": null}'])
def test_samples_of_another_form_are_left_out(text, tmp_path):
    run = small("lora")
    store = store_of(tmp_path, [run])
    (store.folder(run.spec) / "samples.json").write_text(text)
    assert classes.plots(Report.of([run], store=store).rows, store) == []


def test_damaged_predictions_are_left_out_of_the_agreement(tmp_path):
    answers = {"lora": arrays(), "ewc": arrays(), "lwf": arrays()}
    made(tmp_path, answers)
    runs = [small(name) for name in answers]
    store = Store(tmp_path)
    (store.folder(runs[2].spec) / "predictions.npz").write_bytes(b"PK")
    plot = classes.plots(Report.of(runs, store=store).rows, store)[-1]
    assert len(plot.cells) == 1 and plot.cells[0][2] == 100.0
    assert "Without predictions of this run: lwf." in plot.caption


def test_plotly_accepts_the_figures_and_runs_in_any_order_give_the_same(tmp_path):
    graph_objects = pytest.importorskip("plotly.graph_objects")
    runs = [synthetic(name, seed) for seed in (0, 1) for name in ("lora", "selora", "joint")]
    store = store_of(tmp_path, runs, predictions=True)
    plots = classes.plots(Report.of(runs, store=store).rows, store)
    assert len({plot.choice for plot in plots}) == len(plots) == 2 * 4 + 1  # selora is there with and without a router
    for plot in plots:
        graph_objects.Figure(json.loads(json.dumps(plot.figure, allow_nan=False)))
        assert plot.alt and plot.caption and all(len(line) == len(plot.header) for line in plot.cells)
    again = classes.plots(Report.of(runs[::-1], store=store).rows, store)
    assert [dataclasses.asdict(plot) for plot in plots] == [dataclasses.asdict(plot) for plot in again]
    assert classes.plots(Report.of(runs).rows, None) == []


def test_only_the_best_rows_are_drawn_and_the_others_named(tmp_path):
    runs = [synthetic("lora", rank=rank) for rank in range(1, 26)]
    store = store_of(tmp_path, runs, predictions=True)
    plots = classes.plots(Report.of(runs, store=store).rows, store)
    assert len(plots) == 2 * classes.ROWS + 1
    assert "The best 12 of 25 are drawn" in plots[0].caption
    assert "The best 20 of 25 are drawn" in plots[-1].caption and len(plots[-1].cells) == 190
    assert len(json.dumps([plot.figure for plot in plots])) < 500_000
