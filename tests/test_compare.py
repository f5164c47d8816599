"""`compare`: runs are paired, differences tested, and what cannot be compared is refused with the reason."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from benchmark.bootstrap import paired_interval
from benchmark.comparison import MACHINE, compare
from benchmark.comparison_sides import sides
from benchmark.errors import UsageError
from benchmark.result import AGNOSTIC, Track
from run_suite import main
from tests.synthetic import DOMAINS, predictions_of, store_of, synthetic

ORDER = DOMAINS[:2]


def scored(seed=0, gain=0.0, strategy="lora", commit="aaaa1111", **params):
    """Final accuracies .7 + 2 gain and .9, learned at .8 and .9; 100 images of each set."""
    result = synthetic(strategy, seed, ORDER, **params)
    rows = [[0.5, 0.5], [0.8, 0.5], [0.7 + 2 * gain, 0.9]]
    track = Track([0, 1, 2], rows, rows, [[0.8, 0.8], [0.8, 0.8], [0.4, 0.8]])
    return replace(
        result,
        tracks=dict.fromkeys(result.tracks, track),
        counts=dict.fromkeys(result.counts, 100),
        cost=result.cost | {"train_seconds": 10.0, "eval_seconds": 1.0},
        environment=result.environment | {"commit": commit},
    )


def lines_of(tmp_path, first, second, predictions=False):
    store_of(tmp_path / "a", first, predictions)
    store_of(tmp_path / "b", second, predictions)
    return compare(*sides((str(tmp_path / "a"), str(tmp_path / "b")), "results"))


def only(comparison):
    (pair,) = comparison.compared
    return {line.metric: line for line in pair.lines}, pair


def test_differences_of_three_runs_by_hand(tmp_path):
    """Gains 1, 2, 3 points: t = .02 / (.01 / sqrt 3) = sqrt 12, and with two degrees p = 1 - t / sqrt(t^2 + 2)."""
    gains = (0.01, 0.02, 0.03)
    found = lines_of(tmp_path, [scored(n) for n in range(3)], [scored(n, gain) for n, gain in enumerate(gains)])
    lines, pair = only(found)
    p = 1 - np.sqrt(12 / 14)
    half = 4.302652729911275 * 0.01 / np.sqrt(3)
    acc = lines["acc"]
    assert pair.runs == 3
    assert (acc.first, acc.second, acc.difference) == pytest.approx((0.8, 0.82, 0.02))
    assert (acc.low, acc.high) == pytest.approx((0.02 - half, 0.02 + half))
    # acc, acc_avg_incremental, bwt and forgetting are tested: Holm takes the smallest p four times
    assert acc.p == pytest.approx(4 * p)
    assert [lines[name].difference for name in ("acc_avg_incremental", "bwt", "forgetting")] == pytest.approx(
        [0.01, 0.04, -0.04]
    )
    assert {lines[name].verdict for name in ("acc", "acc_avg_incremental", "bwt", "forgetting")} == {"noise"}
    assert lines["bwt"].first == pytest.approx(-0.1)
    assert {lines[name].verdict for name in ("plasticity", "ood_retention", "zero_shot_drop")} == {"identical"}
    assert lines["plasticity"].p is None and lines["ood_retention"].first == pytest.approx(0.75)


def test_costs_do_not_weaken_the_tests_of_metrics(tmp_path):
    def timed(seed, gain, seconds):
        run = scored(seed, gain)
        return replace(run, cost=run.cost | {"train_seconds": seconds})

    first = [timed(n, 0.0, 10.0) for n in range(3)]
    lines, _ = only(lines_of(tmp_path, first, [timed(n, (n + 1) / 100, 11.0 + n) for n in range(3)]))
    p = 1 - np.sqrt(12 / 14)
    assert (lines["acc"].p, lines["train_seconds"].p) == pytest.approx((4 * p, p))


def test_direction_decides_what_is_better(tmp_path):
    """Gains 1.0, 1.1, 1.2 points: t^2 = 363, four times p = .011."""
    gains = (0.010, 0.011, 0.012)
    many, more = [scored(n) for n in range(3)], [scored(n, gain) for n, gain in enumerate(gains)]
    lines, _ = only(lines_of(tmp_path / "up", many, more))
    assert lines["acc"].p == pytest.approx(4 * (1 - np.sqrt(363 / 365)))
    assert (lines["acc"].verdict, lines["forgetting"].verdict) == ("better", "better")
    assert lines["forgetting"].difference < 0
    lines, _ = only(lines_of(tmp_path / "down", more, many))
    assert (lines["acc"].verdict, lines["forgetting"].verdict, lines["bwt"].verdict) == ("worse", "worse", "worse")


def test_one_run_is_tested_over_its_images(tmp_path):
    found = lines_of(tmp_path, [scored()], [scored(gain=0.05)], predictions=True)
    lines, pair = only(found)
    right = [np.arange(100) < n for n in (70, 90)], [np.arange(100) < n for n in (80, 90)]
    assert lines["acc"][3:7] == pytest.approx(paired_interval(*right))
    assert (lines["acc"].verdict, lines["bwt"].verdict) == ("better", "untested")
    assert lines["bwt"].p is None and lines["bwt"].low is None
    assert "bootstrap" in pair.notes[-1]


def test_images_are_matched_by_their_ids(tmp_path):
    straight, _ = only(lines_of(tmp_path / "straight", [scored()], [scored(gain=0.05)], predictions=True))
    other = scored(gain=0.05)
    arrays = predictions_of(other)
    shuffled = np.random.default_rng(1).permutation(100)
    for name in list(arrays):
        if "clipart" in name:
            arrays[name] = arrays[name][..., shuffled]
    store_of(tmp_path / "a", [scored()], True)
    store = store_of(tmp_path / "b", [])
    store.save_result(other, arrays)
    lines, _ = only(compare(*sides((str(tmp_path / "a"), str(tmp_path / "b")), "results")))
    assert lines["acc"] == straight["acc"]

    arrays["ids/clipart"] = np.char.replace(arrays["ids/clipart"], "clipart/", "other/")
    store.save_result(other, arrays)
    lines, pair = only(compare(*sides((str(tmp_path / "a"), str(tmp_path / "b")), "results")))
    assert lines["acc"].verdict == "untested"
    assert "the test images of clipart are not the same" in pair.notes[-1]


@pytest.mark.parametrize("damage", ["missing", "cut", "overwritten", "of another shape", "of another result"])
def test_without_good_predictions_one_run_is_not_tested(tmp_path, damage):
    store_of(tmp_path / "a", [scored()], True)
    store = store_of(tmp_path / "b", [scored(gain=0.05)], True)
    path = store.folder(scored().spec) / "predictions.npz"
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif damage == "overwritten":
        with zipfile.ZipFile(path) as archive:  # the array's first compressed bytes: an end of block that is none
            start = archive.getinfo("ids/clipart.npy").header_offset + 30 + len("ids/clipart.npy") + 20
        data = path.read_bytes()
        path.write_bytes(data[:start] + b"\xff" * 8 + data[start + 8 :])
    elif damage == "of another shape":
        arrays = predictions_of(scored(gain=0.05))
        np.savez(path, **arrays | {"agnostic/2/clipart/class": arrays["agnostic/2/clipart/class"][:, :50]})
    else:
        np.savez(path, **predictions_of(scored(gain=0.02)))
    lines, pair = only(compare(*sides((str(tmp_path / "a"), str(tmp_path / "b")), "results")))
    assert lines["acc"].verdict == "untested" and lines["acc"].p is None
    said = {
        "missing": "B has no predictions",
        "cut": "B has no predictions",
        "overwritten": "the predictions of a run are damaged",
        "of another shape": "the predictions of B are not one class for each image of clipart",
        "of another result": "the results 0.05",
    }
    assert said[damage] in pair.notes[-1]


def test_identical_folders_are_identical(tmp_path, capsys):
    runs = [synthetic(name, seed) for name in ("lora", "selora") for seed in (0, 1)]
    found = lines_of(tmp_path, runs, runs)
    assert len(found.compared) == 3  # lora, and both tracks of selora
    assert {line.verdict for pair in found.compared for line in pair.lines} == {"identical"}
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert "acc: identical in 3 of 3 compared" in capsys.readouterr().out


def test_two_strategies_meet_under_one_protocol(tmp_path):
    """A routed model is not told the domain, like lora; with the domain given selora has no rival here."""
    store_of(tmp_path, [synthetic("lora"), synthetic("selora")])
    found = compare(*sides(("lora", "selora"), str(tmp_path)))
    _, pair = only(found)
    assert (pair.first.track, pair.second.track) == (AGNOSTIC, "routed")
    assert [(row.strategy, row.track) for row in found.only_second] == [("selora", "given")]
    assert found.only_first == [] and found.refused == []


def test_what_differs_in_data_or_budget_is_refused_and_the_rest_goes_on(tmp_path):
    ours, theirs = scored(), scored(strategy="ewc")
    spec = replace(theirs.spec, train=replace(theirs.spec.train, epochs=9))
    other_data = replace(ours, environment=ours.environment | {"data_fingerprint": "d2"})
    found = lines_of(tmp_path / "x", [ours, theirs, scored(strategy="lwf")], [other_data, replace(theirs, spec=spec),
                                                                     scored(strategy="lwf")])  # fmt: skip
    assert [pair.first.strategy for pair in found.compared] == ["lwf"]
    reasons = {refused.first.strategy: refused.reason for refused in found.refused}
    assert reasons == {"ewc": "training epochs 4 against 9", "lora": "data fingerprint d1 against d2"}
    assert found.only_first == [] and found.only_second == []

    with_ood = replace(ours, ood_names=["letters", "signs"], counts=ours.counts | {"signs": 100})
    (refused,) = lines_of(tmp_path / "y", [ours], [with_ood]).refused
    assert refused.reason == "out-of-domain sets letters symbols against letters signs"


def test_runs_that_are_not_shared_are_left_out_and_said(tmp_path):
    found = lines_of(tmp_path, [scored(0), scored(1, 0.1), scored(2)], [scored(0), scored(2), scored(5)])
    lines, pair = only(found)
    assert pair.runs == 2 and lines["acc"].verdict == "identical"
    assert pair.notes[:2] == ["left out, only in A: seed 1", "left out, only in B: seed 5"]


def test_no_shared_run_is_an_error_when_nothing_else_is_there(tmp_path, capsys):
    store_of(tmp_path / "a", [scored(0)])
    store_of(tmp_path / "b", [scored(1)])
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    error = capsys.readouterr().err
    assert "nothing to compare" in error and "no shared run: A has seed 0, B has seed 1" in error


def test_another_version_of_a_strategy_is_said(tmp_path):
    newer = scored(gain=0.05, commit="bbbb")
    newer = replace(newer, spec=replace(newer.spec, strategy=newer.spec.strategy | {"version": 2}))
    store_of(tmp_path, [scored(), newer])
    found = compare(*sides(("@aaaa", "@bbbb"), str(tmp_path)))
    _, pair = only(found)
    assert "version of lora: 1 against 2" in pair.notes
    assert "commit aaaa1111 against bbbb" in pair.notes


def test_costs_of_other_machines_are_shown_and_not_judged(tmp_path):
    slower = [replace(scored(n), cost=scored(n).cost | {"train_seconds": 20.0, "stored_parameters": 7}) for n in (0, 1)]
    lines, pair = only(lines_of(tmp_path / "same", [scored(0), scored(1)], slower))
    assert (lines["train_seconds"].verdict, lines["stored_parameters"].verdict) == ("worse", "better")
    moved = [replace(run, environment=run.environment | {"device": "H100"}) for run in slower]
    lines, pair = only(lines_of(tmp_path / "other", [scored(0), scored(1)], moved))
    assert (lines["train_seconds"].verdict, lines["train_seconds"].p) == ("not judged", None)
    assert lines["train_seconds"].difference == 10.0
    assert lines["stored_parameters"].verdict == "better"  # no clock is needed to count parameters
    assert "times and memory are not judged: device cpu against H100" in pair.notes
    # only runs that are compared count: seed 2 of another machine changes nothing
    apart = [*slower, replace(scored(2), environment=scored().environment | {"device": "H100"})]
    assert MACHINE[0] == "device"
    lines, pair = only(lines_of(tmp_path / "more", [scored(0), scored(1)], apart))
    assert lines["train_seconds"].verdict == "worse" and pair.notes == ["left out, only in B: seed 2"]


@pytest.mark.parametrize(
    ("text", "strategies", "runs"),
    [
        ("lora", {"lora"}, 3),
        ("lora rank=4", {"lora"}, 1),
        ("lora@aaaa", {"lora"}, 2),
        ("{other}", {"ewc", "lora"}, 2),
        ("{other}:ewc", {"ewc"}, 1),
        ("{other}:ewc@cc", {"ewc"}, 1),
        ("{other}@cc", {"ewc", "lora"}, 2),
        ("@bbbb", {"ewc", "lora"}, 2),
        ("@bbbb2", {"ewc", "lora"}, 2),
    ],
)
def test_every_way_to_say_a_side(tmp_path, text, strategies, runs):
    here, other = tmp_path / "here", tmp_path / "a:b"  # a folder's name may hold a colon
    store_of(here, [scored(0), scored(1, rank=4), scored(2, commit="bbbb2"), scored(strategy="ewc", commit="bbbb2")])
    store_of(other, [scored(commit="cccc"), scored(strategy="ewc", commit="cccc")])
    texts = (text.format(other=other),) * 2
    side, _ = sides(texts, str(here))
    assert {row.strategy for row in side.rows} == strategies
    assert sum(len(row.entries) for row in side.rows) == runs


def test_a_label_means_the_same_row_where_nothing_else_has_its_name(tmp_path):
    """There the row is called `lora`: both folders are read, and rank 4 meets rank 4."""
    store_of(tmp_path / "a", [scored(rank=4), scored(rank=8)])
    store_of(tmp_path / "b", [scored(gain=0.05, rank=4)])
    for b in ("b", "b:lora rank=4", "b:lora"):
        lines, pair = only(compare(*sides((f"{tmp_path}/a:lora rank=4", f"{tmp_path}/{b}"), "results")))
        assert pair.first.label == "lora rank=4" and pair.second.label == "lora"
        assert lines["acc"].difference == pytest.approx(0.05)
    with pytest.raises(UsageError, match="unknown strategy or results folder 'lora rank=16'"):
        sides((f"{tmp_path}/b:lora rank=16", f"{tmp_path}/a"), "results")


def test_a_label_may_hold_a_colon_and_a_slash(tmp_path):
    runs = [scored(), scored(strategy="ewc")]
    for source in ("x:y/z", "w"):
        strategy = runs[0].spec.strategy
        strategy = strategy | {"params": strategy["params"] | {"source": source}}
        runs.append(replace(runs[0], spec=replace(runs[0].spec, strategy=strategy)))
    store_of(tmp_path, runs)
    side, _ = sides(("lora source=x:y/z", "ewc"), str(tmp_path))
    assert [row.label for row in side.rows] == ["lora source=x:y/z"]


def test_a_whole_commit_is_not_its_dirty_sibling(tmp_path):
    store_of(tmp_path, [scored(0), scored(1, commit="aaaa1111-dirty")])
    clean, dirty = sides(("@aaaa1111", "lora@aaaa1111-dirty"), str(tmp_path))
    assert [entry.seed for row in clean.rows for entry in row.entries] == [0]
    assert [entry.seed for row in dirty.rows for entry in row.entries] == [1]


def test_a_side_without_a_strategy_takes_the_others(tmp_path):
    store_of(tmp_path, [scored(), scored(strategy="ewc"), scored(1, commit="bbbb"), scored(1, strategy="ewc")])
    first, second = sides(("lora@aaaa", "@bbbb"), str(tmp_path))
    assert (first.strategy, second.strategy) == ("lora", "lora")
    assert [row.strategy for row in second.rows] == ["lora"]


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (
            "lroa",
            "ewc",
            "unknown strategy or results folder 'lroa'; did you mean 'lora'?",
        ),
        ("nowhere:lora", "ewc", "nowhere: no results folder"),
        ("@dddd", "ewc", "unknown commit 'dddd'"),
        ("@a", "ewc", "commit 'a' could be aaaa1111 or abbb; give more of it"),
        ("lora@", "ewc", "says nothing to compare"),
        ("", "ewc", "says nothing to compare"),
        ("lora", "ewc", "'lora' means several rows; say which: 'lora rank=4', 'lora rank=8'"),
        ("lora rank=4", "joint", "unknown strategy"),
    ],
)
def test_wrong_names_are_told(tmp_path, a, b, message):
    store_of(tmp_path, [scored(rank=4), scored(rank=8), scored(strategy="ewc", commit="abbb")])
    with pytest.raises(UsageError) as error:
        compare(*sides((a, b), str(tmp_path)))
    assert message in str(error.value)


def test_no_folder_and_an_empty_one_are_told(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        sides(("lora", "ewc"), str(tmp_path / "none"))
    with pytest.raises(UsageError, match="no finished run there"):
        sides(("lora", "ewc"), str(tmp_path))


def test_the_terminal_shows_80_columns_and_names_what_is_left_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    big = [replace(scored(n, gain), cost=scored(n).cost | {"stored_parameters": 85_800_000, "peak_memory_mb": 20000.5})
           for n, gain in enumerate((0.01, 0.02, 0.05))]  # fmt: skip
    store_of(tmp_path / "a", [scored(n) for n in range(3)] + [scored(strategy="ewc")])
    store_of(tmp_path / "b", [*big, scored(strategy="taps")])
    bad = tmp_path / "b" / "runs" / "broken-000000000000"
    bad.mkdir()
    (bad / "result.json").write_text("{")
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and max(len(line) for line in out.splitlines()) <= 80
    assert "broken-000000000000" in out.replace("\n", "")
    assert "only in A: ewc (agnostic) on domainnet" in out
    assert "85.8M" in out and "20.0k" in out and "…" not in out
    shown = next(line for line in out.splitlines() if line.strip().startswith("acc "))
    assert shown.split()[:4] == ["acc", "80.00", "82.67", "+2.67"]
    assert shown.split()[-1] == "noise"


def test_csv_holds_figures_refusals_and_what_is_alone(tmp_path, capsys):
    other = scored(strategy="ewc")
    refused = replace(other, environment=other.environment | {"data_fingerprint": "d2"})
    store_of(tmp_path / "a", [scored(0), scored(1), other])
    store_of(tmp_path / "b", [scored(0, 0.01), scored(1, 0.02), refused, scored(strategy="lwf")])
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    acc = next(row for row in rows if row["metric"] == "acc")
    assert (acc["runs"], acc["unit"], acc["value_a"], acc["value_b"]) == ("2", "fraction", "0.800000", "0.815000")
    assert float(acc["difference"]) == 0.015 and acc["verdict"] == "noise"
    by_verdict = {row["verdict"]: row for row in rows}
    assert by_verdict["refused"]["reason"] == "data fingerprint d1 against d2"
    assert (by_verdict["only in B"]["a"], by_verdict["only in B"]["b"]) == ("", "lwf [d1]")
