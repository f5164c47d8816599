"""Bootstrap over images against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmark.bootstrap import accuracy_interval, paired_interval


def outcomes(*cells):
    """One domain: (both right, only first, only second, neither) -> the two runs' rows."""
    first = np.repeat([True, True, False, False], cells)
    return first, np.repeat([True, False, True, False], cells)


def paired(*domains):
    rows = [outcomes(*cells) for cells in domains]
    return [row[0] for row in rows], [row[1] for row in rows]


def test_interval_is_the_normal_one_for_many_images():
    # variance of the mean of two domains: (.8 * .2 / 2000 + .5 * .5 / 1000) / 4
    low, high = accuracy_interval([0.8, 0.5], [2000, 1000])
    error = math.sqrt((0.16 / 2000 + 0.25 / 1000) / 4)
    assert (low + high) / 2 == pytest.approx(0.65, abs=0.2 * error)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.06)


def test_interval_is_that_of_resampled_images():
    """The binomial draw against resampling the images themselves."""
    rng = np.random.default_rng(1)
    images = [np.arange(60) < 45, np.arange(25) < 5]
    drawn = np.mean([[row[rng.integers(0, len(row), len(row))].mean() for row in images] for _ in range(4000)], axis=1)
    assert accuracy_interval([0.75, 0.2], [60, 25]) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.012)


def test_interval_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(2)
    truth, counts, trials = np.array([0.9, 0.6, 0.75]), [150, 100, 200], 400
    hits = 0
    for found in rng.binomial(counts, truth, (trials, 3)) / counts:
        low, high = accuracy_interval(found, counts)
        hits += low <= truth.mean() <= high
    # standard error of the share: sqrt(.95 * .05 / 400) = .011
    assert 0.91 <= hits / trials <= 0.98


def test_interval_is_the_same_each_time_and_has_no_width_without_a_doubt():
    assert accuracy_interval([0.8, 0.7], [50, 60]) == accuracy_interval([0.8, 0.7], [50, 60])
    assert accuracy_interval([1.0, 0.0], [50, 60]) == (0.5, 0.5)
    for accuracies, counts in (([], []), ([0.5], [1, 2]), ([0.5], [0])):
        with pytest.raises(ValueError, match="count above 0"):
            accuracy_interval(accuracies, counts)


def test_paired_difference_by_hand():
    # domain 1: (10 - 30) / 100 = -.20; domain 2: (20 - 0) / 50 = .40; mean .10
    difference, low, high, p = paired_interval(*paired((50, 30, 10, 10), (20, 0, 20, 10)))
    assert difference == pytest.approx(0.10)
    # variances of the differences: .40 - .04 = .36 over 100, .40 - .16 = .24 over 50; of their mean: a fourth
    error = math.sqrt((0.36 / 100 + 0.24 / 50) / 4)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.07)
    assert (low + high) / 2 == pytest.approx(0.10, abs=0.2 * error)
    # two-sided normal: 2 (1 - Phi(.10 / error))
    assert p == pytest.approx(math.erfc(0.10 / error / math.sqrt(2)), abs=0.015)


def test_pairing_sees_what_two_intervals_would_not():
    """80 % against 82 % of 1,000 images: 20 of them gained and none lost is no chance."""
    difference, low, high, p = paired_interval(*paired((800, 0, 20, 180)))
    assert difference == pytest.approx(0.02)
    assert low > 0.01 and high < 0.03 and p < 0.001
    apart = [accuracy_interval([accuracy], [1000]) for accuracy in (0.80, 0.82)]
    assert apart[0][1] > apart[1][0]


def test_equal_runs_differ_by_nothing():
    rows = paired((5, 0, 0, 5), (7, 0, 0, 2))
    assert paired_interval(*rows) == (0.0, 0.0, 0.0, 1.0)
    # as many won as lost
    difference, low, high, p = paired_interval(*paired((5, 4, 4, 5)))
    assert (difference, p) == (0.0, 1.0) and low < 0.0 < high


@pytest.mark.parametrize("domains", [[(50, 30, 10, 10), (20, 0, 20, 10)], [(5, 3, 3, 5), (4, 2, 2, 1)], [(9, 1, 4, 2)]])
def test_the_other_way_round_only_the_sign_changes(domains):
    first, second = paired(*domains)
    difference, low, high, p = paired_interval(first, second)
    other = paired_interval(second, first)
    if difference == 0:
        assert (other[0], other[3]) == (0.0, p)
    else:
        assert other == (-difference, -high, -low, p)


def test_p_is_small_by_chance_about_5_times_in_100():
    rng = np.random.default_rng(3)
    runs = rng.random((400, 2, 2, 120)) < 0.7
    small = sum(paired_interval(list(first), list(second))[3] < 0.05 for first, second in runs)
    assert 0.025 <= small / 400 <= 0.085


def test_runs_on_other_images_are_refused():
    for first, second in (([], []), ([np.ones(3)], [np.ones(4)]), ([np.ones(0)], [np.ones(0)])):
        with pytest.raises(ValueError, match="on the same images"):
            paired_interval(first, second)
