"""Other suites' formulas: by hand, against their own code where it can be installed, and how they differ from ours."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmark import metrics
from benchmark.result import Track
from benchmark.variants import LAST, VARIANTS, compute

ORDER = ("a", "b", "c")
COUNTS = {"a": 100, "b": 200, "c": 300}
#          a     b     c
R = [
    [0.10, 0.20, 0.30],  # pre-trained
    [0.80, 0.95, 0.20],  # after a
    [0.90, 0.90, 0.60],  # after b
    [0.50, 0.70, 1.00],  # after c
]
OVER_IMAGES = 490 / 600  # (100 * .50 + 200 * .70 + 300 * 1.00) / 600
# t=1: .80; t=2: (100 * .90 + 200 * .90) / 300; t=3: as above
INCREMENTAL = (0.80 + 0.90 + 490 / 600) / 3
BY_HAND = {
    "mammoth/accuracy": 2.2 / 3,
    "mammoth/backward_transfer": -0.25,
    "mammoth/forward_transfer": 0.525,
    # a: max(.80, .90, .50) - .50 = .40; b: max(.95 before it was learned, .90, .70) - .70 = .25
    "mammoth/forgetting": 0.325,
    "pycil/average_accuracy": INCREMENTAL,
    # a: max(.80, .90, .50) - .50 = .40; b: max(.90, .70) - .70 = .20
    "pycil/forgetting": 0.30,
    "pilot/average_accuracy": INCREMENTAL,
    "pilot/forgetting": 0.30,
    "avalanche/stream_accuracy": OVER_IMAGES,
    "avalanche/bwt": -0.25,
    # a: .80 - .50; b: .90 - .70
    "avalanche/forgetting": 0.25,
    "avalanche/forward_transfer": 0.525,
    "continuum/accuracy": OVER_IMAGES,
    # .80 + (.90 + .90) + (.50 + .70 + 1.00) = 4.80, over 6 cells
    "continuum/accuracy_A": 0.80,
    "continuum/average_incremental_accuracy": INCREMENTAL,
    # of the 3 pairs only (3,a): .50 - .80
    "continuum/backward_transfer": -0.10,
    "continuum/positive_backward_transfer": 0.0,
    "continuum/remembering": 0.90,
    # (2,a) .90 + (3,a) .50 + (3,b) .70, over 3
    "continuum/forward_transfer": 0.70,
    # a alone, and its best of stage 1 alone: .80 - .50 = .30, over 2
    "continuum/forgetting": 0.15,
    "coda-prompt/accuracy": 2.2 / 3,
    # t=1: .80 - .90 = -.10; t=2: (.90 - .50 + .90 - .70) / 2 = .30
    "coda-prompt/forgetting": 0.10,
    "s-prompts/accuracy": OVER_IMAGES,
    "ranpac/accuracy": OVER_IMAGES,
    "ka-prompt/accuracy": 2.2 / 3,
    "ka-prompt/forgetting": 0.30,
    "zscl/last": 2.2 / 3,
    "zscl/avg": 6.55 / 9,
    "zscl/transfer": 0.675,
}


def track(rows, stages=None):
    stages = list(range(len(rows))) if stages is None else stages
    return Track(stages, [list(row) for row in rows], [], [[] for _ in rows])


def both(rows, counts=COUNTS, order=ORDER):
    return compute(track(rows), counts, order, ()), metrics.compute(track(rows), counts, order, ())


@pytest.mark.parametrize("name", VARIANTS)
def test_variant_by_hand(name):
    assert both(R)[0][name] == pytest.approx(BY_HAND[name], abs=1e-12)


def test_every_variant_names_its_suite_source_and_our_metric():
    assert set(VARIANTS) == set(BY_HAND)
    for name, variant in VARIANTS.items():
        assert name == f"{variant.suite}/{variant.name}"
        assert variant.source and variant.formula.text and variant.formula.cells
        assert variant.formula.ours in metrics.METRICS


def random_matrices(number=40, seed=0):
    """Right answers of up to six domains, of different sizes: (rows 0..T [T + 1, T], counts)."""
    rng = np.random.default_rng(seed)
    for _ in range(number):
        size = int(rng.integers(2, 7))
        counts = rng.integers(5, 40, size)
        yield rng.integers(0, counts + 1, (size + 1, size)) / counts, dict(zip("abcdef", counts.tolist(), strict=False))


def test_the_same_formula_gives_the_same_number_and_another_one_another():
    differ = set()
    for rows, counts in random_matrices():
        theirs, ours = both(rows.tolist(), counts, tuple(counts))
        for name, variant in VARIANTS.items():
            same = theirs[name] == pytest.approx(ours[variant.formula.ours], abs=1e-12)
            if not variant.formula.difference:
                assert same, name
            elif not same:
                differ.add(name)
    assert differ == {name for name, variant in VARIANTS.items() if variant.formula.difference}


def test_a_gain_is_no_forgetting_where_the_end_counts_as_best():
    # a: .80, .80, .90; b: .60, .70: ours is -.10 for both
    theirs, ours = both([[0.1, 0.2, 0.3], [0.8, 0.1, 0.1], [0.8, 0.6, 0.1], [0.9, 0.7, 1.0]])
    assert ours["forgetting"] == pytest.approx(-0.10)
    assert theirs["pilot/forgetting"] == theirs["pycil/forgetting"] == theirs["mammoth/forgetting"] == 0.0
    assert theirs["avalanche/forgetting"] == pytest.approx(-0.10)
    # continuum: a alone: .80 - .90, over 2
    assert theirs["continuum/forgetting"] == pytest.approx(-0.05)


def test_cells_that_a_suite_never_measures_do_not_count():
    spoiled = np.array(R)
    spoiled[0] = 0.99
    spoiled[1, 1:] = spoiled[2, 2] = 0.99
    before, after = both(R)[0], both(spoiled.tolist())[0]
    for name, variant in VARIANTS.items():
        if variant.formula.cells in ("lower triangle", LAST):
            assert after[name] == before[name], name


def test_an_offline_run_has_only_what_its_end_says():
    offline = compute(track([R[0], R[3]], [0, 3]), COUNTS, ORDER, ())
    known = {name for name, value in offline.items() if value is not None}
    assert known == {name for name in BY_HAND if name.split("/")[1] in ("accuracy", "stream_accuracy", "last")}
    assert offline["s-prompts/accuracy"] == pytest.approx(OVER_IMAGES)


def test_one_domain_has_no_transfer_elsewhere_either():
    one = compute(track([[0.3], [0.9]]), {"a": 10}, ("a",), ())
    assert {name.split("/")[1] for name, value in one.items() if value is None} == {
        "backward_transfer", "forward_transfer", "forgetting", "bwt", "positive_backward_transfer", "remembering",
        "transfer",
    }  # fmt: skip
    assert {value for value in one.values() if value is not None} == {0.9}


@pytest.fixture
def continuum(monkeypatch):
    """Its metrics without its package, which would import every data set's dependencies."""
    found = importlib.util.find_spec("continuum")
    if found is None:
        pytest.skip("continuum is not installed (pip install --no-deps continuum==1.2.7)")
    folder = Path(found.origin).parent
    package = types.ModuleType("continuum")
    package.__path__ = [str(folder)]
    for name in [name for name in sys.modules if name.split(".")[0] == "continuum"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "continuum", package)
    yield importlib.import_module("continuum.metrics")
    for name in [name for name in sys.modules if name.startswith("continuum.")]:
        del sys.modules[name]


def continuum_log(module, rows, counts):
    """Its logger after every stage of the stream was tested on the domains learned so far."""
    log = module.Logger(list_subsets=["test"])
    for stage in range(1, len(rows)):
        if stage > 1:  # it counts a task that has ended and has no tests yet
            log.end_task()
        for place, n in enumerate(list(counts.values())[:stage]):
            wrong = np.arange(n) >= round(rows[stage][place] * n)
            log.add([wrong.astype(int), np.zeros(n, int), np.full(n, place)], subset="test")
    return log


def test_continuum_agrees(continuum):
    for rows, counts in random_matrices():
        log = continuum_log(continuum, rows, counts)
        ours = both(rows.tolist(), counts, tuple(counts))[0]
        for name in [name for name in VARIANTS if name.startswith("continuum/")]:
            assert getattr(log, VARIANTS[name].name) == pytest.approx(ours[name], abs=1e-12), name


def test_where_continuum_departs_from_the_papers_it_names(continuum):
    log, ours = continuum_log(continuum, R, COUNTS), both(R)[1]
    # Diaz-Rodriguez et al.: (.10 - .30 - .20) / 3; its loop sees -.30 only
    assert (ours["bwt_all"], log.backward_transfer) == (pytest.approx(-0.4 / 3), pytest.approx(-0.10))
    # GEM: before a domain is learned; here after it, and nothing is subtracted
    assert (ours["fwt"], log.forward_transfer) == (pytest.approx(0.525), pytest.approx(0.70))
    # RWalk: .40 and .20; its loops see .80 - .50 only
    assert (ours["forgetting"], log.forgetting) == (pytest.approx(0.30), pytest.approx(0.15))


def avalanche_strategy(experience, right, n):
    origin = SimpleNamespace(name="test")
    return SimpleNamespace(
        experience=SimpleNamespace(current_experience=experience, task_labels=[0], origin_stream=origin),
        mb_y=torch.zeros(n, dtype=torch.long),
        mb_output=(torch.arange(n) >= right).long(),
        clock=SimpleNamespace(train_iterations=0),
        is_eval=True,
        eval_every=0,
    )


def avalanche_figures(module, rows, counts):
    """Results of its plug-in metrics after they saw every stage's evaluation of the whole stream."""
    found = {
        "forgetting": module.StreamForgetting(),
        "bwt": module.StreamBWT(),
        "forward_transfer": module.StreamForwardTransfer(),
    }
    accuracy = module.StreamAccuracy()
    for stage, row in enumerate(rows):
        accuracy.reset()
        tests = [avalanche_strategy(i, round(row[i] * n), n) for i, n in enumerate(counts.values())]
        for metric in found.values():
            if stage:
                metric.before_training_exp(tests[stage - 1])
            # Before any training only forward transfer is told: the others would take it for a first result.
            if stage or metric is found["forward_transfer"]:
                metric.before_eval(tests[0])
                for test in tests:
                    metric.before_eval_exp(test)
                    metric.after_eval_iteration(test)
                    metric.after_eval_exp(test)
                metric.after_eval(tests[-1])
        for test in tests:
            accuracy.update(test)
    return {name: metric.result() for name, metric in found.items()} | {"stream_accuracy": accuracy.result()}


def test_avalanche_agrees():
    module = pytest.importorskip("avalanche.evaluation.metrics", reason="avalanche-lib is not installed")
    for rows, counts in random_matrices(10):
        theirs, ours = avalanche_figures(module, rows, counts), both(rows.tolist(), counts, tuple(counts))[0]
        for name, value in theirs.items():
            assert value == pytest.approx(ours[f"avalanche/{name}"], abs=1e-6), name
    by_hand = avalanche_figures(module, R, COUNTS)
    ours = both(R)[1]
    # Its forgetting is from the accuracy right after learning: .25, where RWalk's, from the best before, is .30
    assert (by_hand["forgetting"], ours["forgetting"]) == (pytest.approx(0.25), pytest.approx(0.30))
    # Its stream accuracy weighs c, with 300 of 600 images, as half
    assert (by_hand["stream_accuracy"], ours["acc"]) == (pytest.approx(490 / 600), pytest.approx(2.2 / 3))
