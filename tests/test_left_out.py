"""Result files that are damaged, of another version or of something else: named, left out, never counted."""

from __future__ import annotations

import copy
import json
import math
import random
import shutil

import pytest

import run_suite
from benchmark.reporting.report import Report
from benchmark.reporting.tables import leaderboard_of, runs_of
from benchmark.store import Store
from tests.synthetic import STRATEGIES, store_of, synthetic

RESULTS = [synthetic(strategy, seed) for strategy in ("lora", "selora", "joint") for seed in (0, 1)]


def spoil(store, result, change):
    """Replace a result's text by what `change` makes of it."""
    path = store.folder(result.spec) / "result.json"
    path.write_text(change(path.read_text()))
    return path


def older(text):
    data = json.loads(text)
    return json.dumps(data | {"schema": 1, "spec": data["spec"] | {"schema": 1}})


def with_nan(text):
    data = json.loads(text)
    data["tracks"]["agnostic"]["accuracy"][2][1] = math.nan
    return json.dumps(data)


def other_key(text):
    data = json.loads(text)
    data["spec"]["seed"] = 99
    return json.dumps(data)


BAD = {
    "empty": (lambda text: "", "Expecting value"),
    "half-written": (lambda text: text[: len(text) // 2], ""),
    "binary": (lambda text: "\x00\x01PK", "Expecting value"),
    "older": (older, "schema 1, this version reads 2"),
    "newer": (lambda text: text.replace('"schema": 2}', '"schema": 3}'), "schema 3, this version reads 2"),
    "foreign": (lambda text: json.dumps({"accuracy": 0.9, "model": "resnet"}), "it is no result of this suite"),
    "a list": (lambda text: "[1, 2, 3]", "it is no result of this suite"),
    "a missing part": (
        lambda text: json.dumps({"schema": 2, "spec": {}}),
        "spec.stream is missing",
    ),
    "nan": (with_nan, "accuracy at stage 2, domain 'infograph' is nan"),
    "another key": (other_key, "the folder another"),
    "very deep": (lambda text: "[" * 100_000, ""),
}


def board(results):
    return leaderboard_of(Report.of(results).rows)


@pytest.mark.parametrize("name", BAD)
def test_it_is_named_and_left_out(name, tmp_path, capsys):
    change, reason = BAD[name]
    bad = synthetic("lora", 7)
    store = store_of(tmp_path, [*RESULTS, bad])
    path = spoil(store, bad, change)
    results, problems = store.results()
    report = Report.of(results, problems, store)
    (problem,) = report.problems
    assert "left out" in problem and reason in problem
    assert bad.spec.key in problem, "the folder or the run is named"
    assert leaderboard_of(report.rows).equals(board(RESULTS))
    assert run_suite.main(["report", "--results", str(tmp_path)]) == 0
    assert "left out" in capsys.readouterr().out
    assert path.exists(), "nothing is removed"


def test_a_copied_folder_is_counted_once(tmp_path):
    store = store_of(tmp_path, RESULTS)
    folder = store.folder(RESULTS[0].spec)
    shutil.copytree(folder, folder.with_name(f"copy-{RESULTS[0].spec.key}"))
    results, problems = store.results()
    assert len(results) == len(RESULTS)
    assert len(problems) == 1 and "is there twice" in problems[0]


def test_only_bad_results_are_a_clear_error(tmp_path, capsys):
    store = store_of(tmp_path, RESULTS[:1])
    spoil(store, RESULTS[0], older)
    assert run_suite.main(["report", "--results", str(tmp_path)]) == 2
    found = capsys.readouterr()
    assert "schema 1" in found.out and "no finished run there" in found.err


def places(value, place=()):
    """Every place in a JSON value."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*place, key))


def changed(data, place, value):
    data = copy.deepcopy(data)
    part = data
    for key in place[:-1]:
        part = part[key]
    if value is KeyError:
        del part[place[-1]]
    else:
        part[place[-1]] = value
    return data


def test_no_single_change_of_a_result_is_fatal(tmp_path):
    """Every kind of wrong value in (a sample of) every place: the report is made, and the other runs are in it."""
    good = json.loads(json.dumps(synthetic("selora", 0).as_dict()))
    good["history"], good["blocks"]["names"] = good["history"][:1], good["blocks"]["names"]
    rng = random.Random(0)
    every = [place for place in places(good) if place]
    shallow = [place for place in every if len(place) <= 3]
    chosen = shallow + rng.sample([place for place in every if len(place) > 3], 150)
    folder = tmp_path / "runs" / f"x-{good['key']}"
    folder.mkdir(parents=True)
    others = store_of(tmp_path, [synthetic(name) for name in STRATEGIES[:4]])
    for place in chosen:
        value = rng.choice([None, "x", -1, 2.5, [], {}, [None], {"x": None}, math.nan, True, KeyError])
        (folder / "result.json").write_text(json.dumps(changed(good, place, value)))
        results, problems = Store(others.root).results()
        report = Report.of(results, problems)
        seen = {row.strategy for row in report.rows}
        assert set(STRATEGIES[:4]) <= seen, (place, value)
        assert len(report.rows) + len(report.problems) >= 5, (place, value)
        leaderboard_of(report.rows), runs_of(report.rows)


def test_damaged_predictions_cost_a_run_its_samples_and_nothing_else(tmp_path):
    """Bytes overwritten anywhere in predictions.npz, before anything was derived from it."""
    results = [synthetic("lora"), synthetic("ewc")]
    store = store_of(tmp_path, results, predictions=True)
    path = store.folder(results[0].spec) / "predictions.npz"
    good, unread = path.read_bytes(), 0
    for seed in range(60):
        rng, spoiled = random.Random(seed), bytearray(good)
        for _ in range(rng.choice([1, 3, 40])):
            spoiled[rng.randrange(len(spoiled))] ^= rng.randrange(1, 256)
        path.write_bytes(spoiled)
        (path.parent / "samples.json").unlink(missing_ok=True)
        unread += store.samples(results[0].spec) is None
        if seed % 20 == 2:
            assert run_suite.main(["report", "--results", str(tmp_path)]) == 0
            assert len(board(results)) == len(Report.of(*store.results()).rows) == 2
    assert unread > 20
