"""Every formula against a 3x3 matrix worked by hand, and what is refused."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from benchmark.metrics import METRICS, compute, ood_changes
from benchmark.result import Track

ORDER = ("a", "b", "c")
SETS = ("x", "y")
COUNTS = {"a": 100, "b": 200, "c": 300, "x": 10, "y": 10}
#          a     b     c
R = [
    [0.10, 0.20, 0.30],  # pre-trained
    [0.80, 0.95, 0.20],  # after a
    [0.90, 0.90, 0.60],  # after b
    [0.50, 0.70, 1.00],  # after c
]
#          x     y
O = [[0.80, 0.50], [0.80, 0.40], [0.60, 0.50], [0.40, 0.45]]  # noqa: E741 - the letter of the formulas

BY_HAND = {
    # (.50 + .70 + 1.00) / 3
    "acc": 2.2 / 3,
    # (100 * .50 + 200 * .70 + 300 * 1.00) / 600
    "acc_micro": 490 / 600,
    # t=1: .80; t=2: (100 * .90 + 200 * .90) / 300 = .90; t=3: 490 / 600; mean
    "acc_avg_incremental_micro": (1.70 + 490 / 600) / 3,
    # (100 * -.30 + 200 * -.20) / 300
    "bwt_micro": -0.7 / 3,
    # pairs of a weigh 100 each, of b 200: 100 * (.10 - .30) + 200 * -.20 = -60, over 100 + 100 + 200
    "bwt_all_micro": -0.15,
    # (200 * .75 + 300 * .30) / 500
    "fwt_micro": 0.48,
    # (100 * .40 + 200 * .20) / 300
    "forgetting_micro": 0.8 / 3,
    # (100 * .80 + 200 * .90 + 300 * 1.00) / 600
    "plasticity_micro": 560 / 600,
    # (100 * .10 + 200 * -.10 + 300 * -.03) / 600
    "intransigence_micro": -19 / 600,
    # (200 * .95 + 300 * .40) / 500
    "transfer_micro": 0.62,
    # a: 2.20 / 3, b: 2.55 / 3, c: 1.80 / 3; (100 * 2.20 + 200 * 2.55 + 300 * 1.80) / (3 * 600)
    "avg_micro": 1270 / 1800,
    # t=1: .80; t=2: (.90 + .90) / 2 = .90; t=3: 2.2 / 3; mean (1.70 + .7333) / 3
    "acc_avg_incremental": (0.80 + 0.90 + 2.2 / 3) / 3,
    # a: .50 - .80 = -.30; b: .70 - .90 = -.20; mean
    "bwt": -0.25,
    # (2,a): .90 - .80 = .10; (3,a): -.30; (3,b): -.20; sum -.40 over 3 * 2 / 2 = 3 pairs
    "bwt_all": -0.4 / 3,
    # 1 - .1333
    "rem": 1 - 0.4 / 3,
    # max(-.1333, 0)
    "bwt_plus": 0.0,
    # b: .95 - .20 = .75; c: .60 - .30 = .30; mean
    "fwt": 0.525,
    # a: max(.80, .90) - .50 = .40; b: .90 - .70 = .20 (the .95 came before b was learned); mean
    "forgetting": 0.30,
    # (.80 + .90 + 1.00) / 3
    "plasticity": 0.90,
    # joint (.90, .80, .97): (.10 - .10 - .03) / 3
    "intransigence": -0.01,
    # b: .95; c: (.20 + .60) / 2 = .40; mean
    "transfer": 0.675,
    # rows 1..3: 1.95 + 2.40 + 2.20 = 6.55, over 9 cells
    "avg": 6.55 / 9,
    # x: .40 / .80 = .50; y: .45 / .50 = .90; mean
    "ood_retention": 0.70,
    "ood_retention_min": 0.50,
    # t=1: (1 + .8) / 2 = .90; t=2: (.75 + 1) / 2 = .875; t=3: .70; mean 2.475 / 3
    "ood_retention_avg": 0.825,
    # x: .80 - .40 = .40; y: .50 - .45 = .05; mean
    "zero_shot_drop": 0.225,
    "router_accuracy": 0.75,
    # last row of V: (.25 + .50 + .75) / 3
    "val_acc": 0.5,
}
NEEDS_STEPS = {
    "acc_avg_incremental", "bwt", "bwt_all", "rem", "bwt_plus", "fwt", "forgetting", "plasticity", "intransigence",
    "transfer", "avg", "ood_retention_avg",
}  # fmt: skip
NEEDS_STEPS |= {f"{name}_micro" for name in NEEDS_STEPS if f"{name}_micro" in BY_HAND}


V = [[0.1, 0.2, 0.3], [0.25, 0.5, 0.75]]


def track(accuracy=R, ood=O, stages=None, router=(None, 1.0, 0.5, 0.75)):
    stages = list(range(len(accuracy))) if stages is None else stages
    router = None if router is None else list(router)
    return Track(stages, [list(row) for row in accuracy], V, [list(row) for row in ood], router)


def values(*args, order=ORDER, sets=SETS, joint=(0.90, 0.80, 0.97), **kwargs):
    return compute(track(*args, **kwargs), COUNTS, order, sets, joint)


@pytest.mark.parametrize("name", METRICS)
def test_formula_by_hand(name):
    assert values()[name] == pytest.approx(BY_HAND[name], abs=1e-12)


def test_every_metric_says_what_it_is():
    assert set(values()) == set(METRICS) == set(BY_HAND)
    for metric in METRICS.values():
        assert metric.formula and metric.source
        assert metric.formula in metric.function.__doc__
    lower = {name for name, metric in METRICS.items() if not metric.higher_is_better}
    twice = {"forgetting", "intransigence"}
    assert lower == {*twice, *(f"{name}_micro" for name in twice), "zero_shot_drop"}


def test_domains_of_one_size_weigh_the_same_either_way():
    even = compute(track(), {"a": 70, "b": 70, "c": 70}, ORDER, SETS, (0.9, 0.8, 0.97))
    for name in [name for name in METRICS if name.endswith("_micro")]:
        assert even[name] == pytest.approx(even[name.removesuffix("_micro")], abs=1e-12)


def test_gains_are_not_clipped():
    # a: .80 at first, .90 at the end; b: .60 -> .70
    gained = values([[0.1, 0.2, 0.3], [0.8, 0.1, 0.1], [0.8, 0.6, 0.1], [0.9, 0.7, 1.0]])
    assert gained["forgetting"] == pytest.approx(-0.10)
    assert gained["bwt"] == pytest.approx(0.10)
    # (2,a): 0; (3,a): .10; (3,b): .10; over 3 pairs
    assert gained["bwt_plus"] == pytest.approx(0.2 / 3)
    assert gained["rem"] == 1.0


def test_an_offline_run_has_no_metric_of_the_steps_between():
    offline = values([R[0], R[3]], [O[0], O[3]], stages=[0, 3], router=None)
    assert {name for name, value in offline.items() if value is None} == NEEDS_STEPS | {"router_accuracy"}
    assert offline["acc"] == pytest.approx(2.2 / 3)
    assert offline["ood_retention"] == pytest.approx(0.70)


def test_one_domain_has_no_transfer():
    one = compute(track([[0.3], [0.9]], O[:2], router=None), COUNTS, ("a",), SETS)
    undefined = {"bwt", "bwt_all", "rem", "bwt_plus", "fwt", "forgetting", "transfer", "intransigence"}
    undefined |= {f"{name}_micro" for name in undefined if f"{name}_micro" in METRICS}
    assert {name for name, value in one.items() if value is None} == undefined | {"router_accuracy"}
    assert one["acc"] == one["plasticity"] == one["avg"] == one["acc_avg_incremental"] == 0.9


def test_retention_is_undefined_from_zero_and_without_sets():
    from_zero = values(ood=[[0.8, 0.0], [0.8, 0.4], [0.6, 0.5], [0.4, 0.4]])
    without = values(ood=[[]] * 4, sets=())
    for name in ("ood_retention", "ood_retention_min", "ood_retention_avg"):
        assert from_zero[name] is None and without[name] is None
    assert from_zero["zero_shot_drop"] == pytest.approx(0.0)  # (.40 - .40) / 2
    assert without["zero_shot_drop"] is None


def test_change_of_each_set():
    assert ood_changes(track(), SETS) == {"x": pytest.approx(-0.40), "y": pytest.approx(-0.05)}


@pytest.mark.parametrize("bad", [math.nan, -0.01, 1.01, math.inf, None, "0.5"])
def test_a_bad_cell_is_named(bad):
    spoiled = [list(row) for row in R]
    spoiled[2][1] = bad
    with pytest.raises(ValueError, match=r"^accuracy at stage 2, domain 'b' is .*expected a fraction in \[0, 1\]"):
        values(spoiled)
    with pytest.raises(ValueError, match="out-of-domain accuracy at stage 3, set 'x'"):
        values(ood=[*O[:3], [bad, 0.1]])
    with pytest.raises(ValueError, match="joint accuracy at stage 3, domain 'c'"):
        values(joint=[0.9, 0.8, bad])


def test_a_ragged_matrix_is_refused():
    with pytest.raises(ValueError, match="accuracy at stage 1 has no cell for domain 'c'"):
        values([R[0], R[1][:2], R[2], R[3]])
    with pytest.raises(ValueError, match="accuracy at stage 3 has 4 cells for 3 domains"):
        values([*R[:3], [*R[3], 0.5]])
    with pytest.raises(ValueError, match=r"accuracy has 3 rows for stages \[0, 1, 2, 3\]"):
        values(R[:3], stages=[0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"stages \[0, 1, 2\] of 3 domains; expected"):
        values(R[:3], O[:3])
    with pytest.raises(ValueError, match=r"router accuracy at stage 2 is nan"):
        values(router=[None, 1.0, math.nan, 1.0])
    with pytest.raises(ValueError, match="no test images counted for domain 'z'"):
        values(order=("a", "b", "z"))


def test_importing_metrics_loads_nothing_heavy():
    code = "import sys, benchmark.metrics; print([m for m in ('torch', 'pandas', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
