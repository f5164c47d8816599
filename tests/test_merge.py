"""`merge`: each run once, conflicts named, nothing half-copied that looks done, sources untouched."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import pytest

from benchmark import store_merge
from benchmark.store import Store
from benchmark.store_merge import first_difference, merge, runs_folder
from run_suite import main
from tests.synthetic import DOMAINS, store_of, synthetic


def tree(root):
    """Every file below `root` and its bytes."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def elsewhere(result, **environment):
    """The same run on another machine: other times, memory, versions and commit."""
    return replace(
        result,
        cost=result.cost | {"train_seconds": 1.0, "peak_memory_mb": 9.0},
        history=[entry | {"images_per_second": 1.0} for entry in result.history],
        environment=result.environment | {"device": "H100", "commit": "ffff", "torch": "9"} | environment,
    )


def changed(result, value, track="agnostic", stage=2, column=1):
    """The run with one other accuracy."""
    data = json.loads(json.dumps(result.as_dict()))
    data["tracks"][track]["accuracy"][stage][column] = value
    return type(result).from_dict(data)


def test_whole_folders_are_copied_and_sources_untouched(tmp_path):
    first = store_of(tmp_path / "a", [synthetic("lora"), synthetic("selora", 1)], predictions=True)
    store_of(tmp_path / "b", [synthetic("ewc", 2)])
    adapters = first.folder(synthetic("lora").spec) / "adapters" / "real"
    adapters.mkdir(parents=True)
    (adapters / "adapter.safetensors").write_bytes(b"weights")
    before = tree(tmp_path / "a"), tree(tmp_path / "b")
    out = tmp_path / "out"
    assert main(["merge", str(tmp_path / "a"), str(tmp_path / "b" / "runs"), "--results", str(out)]) == 0
    assert tree(out) == before[0] | before[1]
    assert (tree(tmp_path / "a"), tree(tmp_path / "b")) == before
    results, problems = Store(out).results()
    assert len(results) == 3 and problems == []


def test_the_same_run_of_another_machine_is_one_run_and_the_first_stays(tmp_path, capsys):
    run = synthetic("lora")
    store_of(tmp_path / "a", [run, synthetic("ewc")])
    store_of(tmp_path / "b", [elsewhere(run), synthetic("lwf")])
    out = str(tmp_path / "out")
    assert main(["merge", str(tmp_path / "a"), str(tmp_path / "b"), "--results", out]) == 0
    (kept,) = [result for result in Store(out).results()[0] if result.spec.key == run.spec.key]
    assert kept.environment["device"] == "cpu"
    text = capsys.readouterr().out
    assert f"{tmp_path / 'a' / 'runs'}: 2 runs copied, 0 there already" in text
    assert f"{tmp_path / 'b' / 'runs'}: 1 runs copied, 1 there already" in text
    assert f"now: python run_suite.py report --results {out}" in text
    before = tree(tmp_path / "out")
    assert main(["merge", str(tmp_path / "b"), "--results", out]) == 0
    assert "0 runs copied, 2 there already" in capsys.readouterr().out
    assert tree(tmp_path / "out") == before


def test_other_figures_are_a_conflict_and_neither_replaces_the_other(tmp_path, capsys):
    run = synthetic("lora")
    other = changed(run, 0.123)
    here = store_of(tmp_path / "out", [run])
    there = store_of(tmp_path / "b", [other, synthetic("ewc")])
    before = (here.folder(run.spec) / "result.json").read_bytes()
    assert main(["merge", str(tmp_path / "b"), "--results", str(tmp_path / "out")]) == 1
    text = capsys.readouterr().out
    old = run.tracks["agnostic"].accuracy[2][1]
    assert (
        f"conflict: run {run.spec.key}: track agnostic: accuracy on '{DOMAINS[1]}' after 2 domains is {old} in "
        f"{here.folder(run.spec)}, which stays, 0.123 in {there.folder(run.spec)}"
    ) in text
    assert (here.folder(run.spec) / "result.json").read_bytes() == before
    assert len(here.results()[0]) == 2  # what does not conflict was copied


def test_of_two_sources_in_conflict_the_first_stays(tmp_path):
    run = synthetic("lora")
    store_of(tmp_path / "a", [changed(run, 0.123)])
    store_of(tmp_path / "b", [run])
    assert main(["merge", str(tmp_path / "a"), str(tmp_path / "b"), "--results", str(tmp_path / "out")]) == 1
    (kept,) = Store(tmp_path / "out").results()[0]
    assert kept.tracks["agnostic"].accuracy[2][1] == 0.123


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda run: elsewhere(run), None),
        (lambda run: elsewhere(run, data_fingerprint="d2"), ("data fingerprint", '"d1"', '"d2"')),
        (lambda run: replace(run, counts=run.counts | {"real": 9}), ("count of 'real'", "520", "9")),
        (lambda run: changed(run, 0.0, "routed", 6, 0), "track routed: accuracy on 'clipart' after 6 domains"),
        (lambda run: replace(run, tracks={"given": run.tracks["given"]}), "tracks"),
        (lambda run: replace(run, ood_names=["letters", "signs"]), "out-of-domain sets"),
        (
            lambda run: replace(run, tracks={n: replace(t, router_accuracy=None) for n, t in run.tracks.items()}),
            "track routed: router_accuracy",
        ),
        (
            lambda run: replace(run, blocks={"names": [], "tasks": {n: {"active": []} for n in run.spec.order}}),
            "active blocks of 'clipart'",
        ),
        (lambda run: replace(run, blocks=None), ("active blocks of 'clipart'", "there", "missing")),
    ],
)
def test_what_makes_two_results_of_one_key_differ(change, what):
    run = synthetic("selora")
    found = first_difference(run, change(run))
    assert found == what if what is None or isinstance(what, tuple) else found[0] == what


def test_bad_results_are_named_and_unfinished_runs_counted(tmp_path, capsys):
    store = store_of(tmp_path / "a", [synthetic("lora"), synthetic("ewc"), synthetic("lwf"), synthetic("taps")])
    folders = {name: store.folder(synthetic(name).spec) for name in ("ewc", "lwf", "taps")}
    (folders["ewc"] / "result.json").write_text('{"schema": 1}')
    (folders["lwf"] / "result.json").unlink()
    (folders["lwf"] / "state.json").write_text("{}")
    (folders["taps"] / "result.json").rename(folders["taps"] / "result.json.part")
    (folders["taps"] / "error.txt").write_text("it failed")
    foreign = tmp_path / "a" / "runs" / "foreign"
    foreign.mkdir()
    (foreign / "result.json").write_text("[1, 2]")
    renamed = shutil.copytree(store.folder(synthetic("lora").spec), tmp_path / "a" / "runs" / "lora-0123456789ab")
    assert main(["merge", str(tmp_path / "a"), "--results", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert f"{folders['ewc'] / 'result.json'}: left out, schema 1, this version reads 2" in text
    assert f"{foreign / 'result.json'}: left out, it is no result of this suite" in text
    assert f"{renamed / 'result.json'}: left out, its specification has key" in text
    assert "2 unfinished runs were not copied" in text
    assert [result.spec.strategy["name"] for result in Store(tmp_path / "out").results()[0]] == ["lora"]
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 1


def test_a_finished_run_takes_the_place_of_a_half_finished_one(tmp_path):
    run = synthetic("lora")
    store_of(tmp_path / "a", [run], predictions=True)
    out = Store(tmp_path / "out")
    place = out.save_error(run.spec, "it failed").parent
    (place / "state.json").write_text("{}")
    (place / "state-1.safetensors").write_bytes(b"old")
    assert main(["merge", str(tmp_path / "a"), "--results", str(tmp_path / "out")]) == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "a")


def test_state_and_errors_beside_a_result_stay_behind(tmp_path):
    run = synthetic("lora")
    store = store_of(tmp_path / "a", [run])
    (store.folder(run.spec) / "state-5.safetensors").write_bytes(b"killed between result and clean-up")
    (store.folder(run.spec) / "gallery.json.part").write_bytes(b"half")
    main(["merge", str(tmp_path / "a"), "--results", str(tmp_path / "out")])
    assert [path.name for path in Store(tmp_path / "out").folder(run.spec).iterdir()] == ["result.json"]


@pytest.mark.parametrize("step", range(4))
def test_a_kill_leaves_no_run_that_looks_done(tmp_path, monkeypatch, step):
    """A run has three files here: whenever the copying stops, the result is there only if all are."""
    run = synthetic("lora")
    store_of(tmp_path / "a", [run], predictions=True)
    out, calls, replace_file = Store(tmp_path / "out"), [], os.replace

    def killed(*names):
        if len(calls) == step:
            raise KeyboardInterrupt
        calls.append(names)
        replace_file(*names)

    monkeypatch.setattr(store_merge.os, "replace", killed)
    if step < 3:
        with pytest.raises(KeyboardInterrupt):
            merge([runs_folder(tmp_path / "a")], out)
        assert not out.is_done(run.spec) and out.results() == ([], [])
    monkeypatch.setattr(store_merge.os, "replace", replace_file)
    merge([runs_folder(tmp_path / "a")], out)
    assert tree(tmp_path / "out") == tree(tmp_path / "a")


def test_a_full_disk_is_one_line(tmp_path, monkeypatch, capsys):
    store_of(tmp_path / "a", [synthetic("lora")])

    def full(*names):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_merge.os, "replace", full)
    assert main(["merge", str(tmp_path / "a"), "--results", str(tmp_path / "out")]) == 2
    assert "No space left on device" in capsys.readouterr().err


def test_a_run_under_another_label_is_not_copied_twice(tmp_path):
    run = synthetic("lora")
    store = store_of(tmp_path / "out", [run])
    store.folder(run.spec).rename(tmp_path / "out" / "runs" / f"mine-{run.spec.key}")
    store_of(tmp_path / "a", [run])
    assert main(["merge", str(tmp_path / "a"), "--results", str(tmp_path / "out")]) == 0
    assert store.results()[1] == [] and len(store.results()[0]) == 1


def test_an_unreadable_result_in_the_target_is_never_overwritten(tmp_path, capsys):
    run = synthetic("lora")
    store_of(tmp_path / "a", [run])
    path = store_of(tmp_path / "out", [run]).folder(run.spec) / "result.json"
    path.write_text("half")
    assert main(["merge", str(tmp_path / "a"), "--results", str(tmp_path / "out")]) == 1
    assert path.read_text() == "half" and "cannot be read and stays" in capsys.readouterr().out


def test_merging_a_folder_with_itself_changes_nothing(tmp_path, capsys):
    store_of(tmp_path / "out", [synthetic("lora")])
    (tmp_path / "link").symlink_to(tmp_path / "out")
    before = tree(tmp_path / "out")
    assert main(["merge", str(tmp_path / "link"), "--results", str(tmp_path / "out")]) == 0
    assert "nothing to copy from there" in capsys.readouterr().out and tree(tmp_path / "out") == before


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_a_folder_that_is_none_is_told_before_anything_is_copied(tmp_path, capsys, kind):
    store_of(tmp_path / "a", [synthetic("lora")])
    wrong = tmp_path / "wrong"
    if kind == "empty":
        wrong.mkdir()
    elif kind == "file":
        wrong.write_text("")
    assert main(["merge", str(tmp_path / "a"), str(wrong), "--results", str(tmp_path / "out")]) == 2
    assert f"{wrong}: no " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
