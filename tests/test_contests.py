"""Which differences between rows are called differences: tests, letters and mean ranks, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from benchmark.reporting.report import Report
from benchmark.reporting.statistics import holm, letters, paired, ranks, studentized_range
from tests.synthetic import DOMAINS, STRATEGIES, synthetic
from tests.test_reporting import run


def test_paired_by_hand_and_against_scipy():
    # mean 2, deviations -1 0 1: error 1 / sqrt(3), t = 2 sqrt(3) = 3.4641 with 2 degrees: p = 0.0742
    found = paired([1.0, 2.0, 3.0])
    assert (found.mean, found.n) == (2.0, 3)
    assert found.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert found.p == pytest.approx(0.0741799, abs=1e-6)
    values = np.random.default_rng(0).normal(0.3, 1.0, 12).tolist()
    assert paired(values).p == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue)
    assert paired([0.25]) == (0.25, None, None, 1)
    assert paired([0.0, 0.0, 0.0]).p == 1.0
    assert paired([0.1 + 0.2, 0.3]).p == 0.0, "equal but for rounding, and not zero"


def test_holm_by_hand():
    # sorted .01 .02 .04: .01 * 3, .02 * 2, .04 * 1; a later value is never below an earlier one
    assert holm([0.04, 0.01, None, 0.02]) == pytest.approx([0.04, 0.03, None, 0.04])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == [] and holm([None]) == [None]


@pytest.mark.parametrize("rows", [2, 3, 10, 50])
def test_studentized_range_is_scipys(rows):
    assert studentized_range(rows) == pytest.approx(stats.studentized_range.ppf(0.95, rows, np.inf), abs=1e-5)


def test_ranks_by_hand():
    assert ranks([0.9, 0.7, 0.9, 0.8]).tolist() == [1.5, 4.0, 1.5, 3.0]


@pytest.mark.parametrize(
    ("n", "different", "expected"),
    [
        (3, set(), ["a", "a", "a"]),
        (3, {(0, 1), (0, 2), (1, 2)}, ["a", "b", "c"]),
        (3, {(0, 2)}, ["a", "ab", "b"]),
        (4, {(0, 2), (0, 3), (1, 3)}, ["a", "ab", "bc", "c"]),
        (1, set(), ["a"]),
    ],
)
def test_letters_by_hand(n, different, expected):
    assert letters(n, different) == expected


def test_rows_share_a_letter_exactly_when_they_do_not_differ():
    rng = np.random.default_rng(0)
    for n in (5, 8, 11):
        pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
        different = {pair for pair in pairs if rng.random() < 0.5}
        found = [set(text.replace("1", "")) for text in letters(n, different)]
        for i, j in pairs:
            assert bool(found[i] & found[j]) == ((i, j) not in different)


def test_verdicts_and_letters_of_a_contest():
    # lora beats ewc by .1 in every run and differs from finetune by +.1, -.1, 0
    noise = (0.1, -0.1, 0.0)
    results = [run("lora", seed, 0.8) for seed in range(3)]
    results += [run("ewc", seed, 0.7) for seed in range(3)]
    results += [run("finetune", seed, 0.8 + shift) for seed, shift in enumerate(noise)]
    report = Report.of(results)
    (contest,) = report.contests
    assert [row.strategy for row in contest.rows] == ["finetune", "lora", "ewc"]
    verdicts = {(t.first.strategy, t.second.strategy): t for t in contest.tests}
    assert verdicts["finetune", "lora"].verdict == "indistinguishable"
    assert verdicts["lora", "ewc"].verdict == "better"
    assert verdicts["lora", "ewc"].difference == pytest.approx(0.1)
    assert (verdicts["lora", "ewc"].n, verdicts["lora", "ewc"].p) == (3, 0.0)
    # finetune - ewc is .2 0 .1: t = sqrt(3), p = .2254 before the correction
    assert verdicts["finetune", "ewc"].p == pytest.approx(2 * 0.2254033, abs=1e-6)
    assert [row.letters for row in contest.rows] == ["ab", "a", "b"]
    assert contest.mean_ranks is None and contest.reason.startswith("3 shared runs")


def test_one_run_each_is_not_tested():
    (contest,) = Report.of([run(), run("ewc", last=0.1)]).contests
    assert [(t.verdict, t.p, t.half_width, t.n) for t in contest.tests] == [("untested", None, None, 1)]
    assert [row.letters for row in contest.rows] == ["", ""]


def test_only_shared_runs_are_compared():
    """The second run of ewc has no partner, and would turn the difference round."""
    results = [run(name, seed, last) for seed in (0, 1) for name, last in (("lora", 0.8), ("finetune", 0.1))]
    results += [run("ewc", seed, last) for seed, last in ((0, 0.7), (1, 0.7), (2, 1.0), (3, 1.0))]
    (contest,) = Report.of(results).contests
    test = contest.tests[0]
    assert test.second.strategy == "lora"
    assert (test.first.strategy, test.n) == ("ewc", 2)
    assert test.difference == pytest.approx(-0.1) and test.verdict == "worse"


def test_mean_ranks_and_critical_difference_by_hand():
    # a always first, b second, c third: 6 runs; q(.05, 3, inf) / sqrt 2 = 2.343, times sqrt(3 * 4 / (6 * 6)) = 1.3529
    results = [run(name, seed, last) for seed in range(6) for name, last in (("a", 0.9), ("b", 0.8), ("c", 0.7))]
    (contest,) = Report.of(results).contests
    assert contest.mean_ranks == [1.0, 2.0, 3.0]
    assert contest.critical_difference == pytest.approx(2.3437 * math.sqrt(1 / 3), abs=1e-3)
    assert (contest.runs, contest.reason) == (6, "")


def test_orders_and_seeds_are_both_runs():
    back = DOMAINS[::-1]
    results = [synthetic(s, seed, order) for s in STRATEGIES for seed in (0, 1) for order in (DOMAINS, back)]
    contests = {contest.given: contest for contest in Report.of(results).contests}
    assert contests[True].runs == contests[False].runs == 4
    assert {row.strategy for row in contests[True].rows} == {"taps", "selora"}
    assert all(not row.upper_bound for contest in contests.values() for row in contest.rows)
