"""`export`: TensorBoard's and Weights & Biases' own files say what the result says."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import pytest

from benchmark.exports import points
from benchmark.reporting.measured import measure
from run_suite import main
from tests.synthetic import DOMAINS, store_of, synthetic

BLOCK = 32768
"""Bytes of a block in the log format of LevelDB, which W&B's files have after a header of seven bytes."""


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")


def tensorboard_of(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return events


def wandb_of(path):
    """Config and rows of history, by step, of a W&B file."""
    from wandb.proto.wandb_internal_pb2 import Record

    config, rows = {}, {}
    for data in wandb_records(path.read_bytes()):
        record = Record.FromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            config["id"], config["name"] = record.run.run_id, record.run.display_name
            config["project"] = record.run.project
            config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        elif kind == "history":
            row = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
            rows.setdefault(record.history.step.num, {}).update(row)
        elif kind == "exit":
            config["exit"] = record.exit.exit_code
    return config, rows


def wandb_records(data):
    assert data[:4] == b":W&B"
    place, whole = 7, b""
    while place + 7 <= len(data):
        if BLOCK - place % BLOCK < 7:
            place += BLOCK - place % BLOCK
        _, length, kind = struct.unpack_from("<IHB", data, place)
        if kind == 0:
            break
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


def test_curves_of_a_run_by_hand():
    """Four epochs a domain: the row after two domains stands at step 8, row 0 at step 0."""
    run = synthetic("selora", order=DOMAINS[:3])
    found = points(run, measure([run])[0][0].values)
    assert [point.step for point in found] == sorted(point.step for point in found)
    where = {(point.name, point.step): point.value for point in found}
    for stage in range(4):
        for place, domain in enumerate(DOMAINS[:3]):
            assert where[f"accuracy/given/{domain}", 4 * stage] == run.tracks["given"].accuracy[stage][place]
        assert where["ood/routed/letters", 4 * stage] == run.tracks["routed"].ood[stage][0]
        assert where["domains_learned/given", 4 * stage] == stage
    assert where["train/loss", 2] == 0.5  # the second epoch's, 1 / epoch
    assert where["train/loss", 12] == 0.25
    assert ("router_accuracy/routed", 0) not in where and where["router_accuracy/routed", 4] == 0.9
    last = run.tracks["given"].accuracy[-1]
    assert where["final/given/acc", 12] == pytest.approx(sum(last) / 3)
    assert where["final/stored_parameters", 12] == 7_000_000
    assert not any("task" in name or "epoch" in name or "intransigence" in name for name, _ in where)


def test_joint_training_and_runs_without_epochs_have_their_steps():
    joint = synthetic("joint", order=DOMAINS[:3])
    joint = replace(joint, history=[{"task": "all domains", "epoch": n, "loss": 1.0} for n in (1, 2, 3, 4)])
    steps = {p.step for p in points(joint, {}) if p.name.startswith("accuracy/")}
    assert steps == {0, 4}
    still = replace(synthetic("zero-shot", order=DOMAINS[:3]), history=[])
    assert {p.step for p in points(still, {}) if p.name.startswith("accuracy/")} == {0, 1, 2, 3}


def test_tensorboard_reads_every_point_back(tmp_path, capsys):
    run = synthetic("selora", order=DOMAINS[:3])
    store = store_of(tmp_path / "results", [run, synthetic("lora", order=DOMAINS[:3])])
    to = tmp_path / "tb"
    assert main(["export", "--results", str(tmp_path / "results"), "--tensorboard", str(to)]) == 0
    assert f"2 runs in {to}" in capsys.readouterr().out
    events = tensorboard_of(to / store.folder(run.spec).name)
    expected = points(run, measure([run])[0][0].values)
    scalars = {(tag, e.step): e.value for tag in events.Tags()["scalars"] for e in events.Scalars(tag)}
    assert scalars.keys() == {(point.name, point.step) for point in expected}
    for point in expected:
        assert scalars[point.name, point.step] == pytest.approx(point.value, rel=1e-6)
    (text,) = events.Tensors("settings/text_summary")
    assert run.spec.key in text.tensor_proto.string_val[0].decode()


def test_a_second_export_doubles_nothing(tmp_path):
    run = synthetic("lora", order=DOMAINS[:2])
    store = store_of(tmp_path / "results", [run])
    folder = tmp_path / "tb" / store.folder(run.spec).name
    command = ["export", run.spec.key, "--results", str(tmp_path / "results"), "--tensorboard", str(tmp_path / "tb")]
    for _ in range(2):
        assert main(command) == 0
    assert len(list(folder.iterdir())) == 1
    assert [event.step for event in tensorboard_of(folder).Scalars("train/loss")] == list(range(1, 9))


def test_wandb_offline_files_hold_settings_and_history(tmp_path, offline, capsys):
    run = synthetic("selora", order=DOMAINS[:3])
    store = store_of(tmp_path / "results", [run])
    command = ["export", "--results", str(tmp_path / "results"), "--wandb", "study", "--wandb-dir", str(tmp_path / "w")]
    assert main(command) == 0
    assert "1 runs kept offline" in capsys.readouterr().out
    (path,) = (tmp_path / "w" / "wandb").glob(f"offline-run-*-{run.spec.key}/run-{run.spec.key}.wandb")
    config, rows = wandb_of(path)
    assert (config["id"], config["name"], config["project"]) == (
        run.spec.key, store.folder(run.spec).name, "study")  # fmt: skip
    assert config["exit"] == 0  # finished: a run that is not would be shown as crashed
    assert config["strategy"]["params"] == {"lr": 0.001, "rank": 8} and config["seed"] == 0
    assert config["environment"]["backbone_fingerprint"] == "b1"
    assert sorted(rows) == list(range(13))
    for point in points(run, measure([run])[0][0].values):
        assert rows[point.step][point.name] == point.value


def test_without_a_key_wandb_stays_offline(tmp_path, monkeypatch, capsys):
    import wandb

    run = synthetic("lora", order=DOMAINS[:2])
    store_of(tmp_path / "results", [run])
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(wandb, "login", lambda prompt: False)
    monkeypatch.chdir(tmp_path)
    assert main(["export", run.spec.key[:6], "--results", str(tmp_path / "results"), "--wandb", "study"]) == 0
    assert "no key is configured" in capsys.readouterr().out
    assert list((tmp_path / "wandb").glob(f"offline-run-*-{run.spec.key}"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to export to; add --tensorboard DIR, --wandb PROJECT, or both"),
        (["ffffffff", "--tensorboard", "tb"], "no run 'ffffffff'"),
        (["--results", "nowhere", "--tensorboard", "tb"], "no finished run there"),
    ],
)
def test_wrong_requests_are_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    store_of(tmp_path / "results", [synthetic("lora")])
    monkeypatch.chdir(tmp_path)
    assert main(["export", *arguments]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "tb").exists()


def test_a_run_with_a_bad_cell_is_named_and_left_out(tmp_path, capsys):
    good, bad = synthetic("lora", order=DOMAINS[:2]), synthetic("ewc", order=DOMAINS[:2])
    bad.tracks["agnostic"].accuracy[1][0] = 1.5
    store_of(tmp_path / "results", [good, bad])
    assert main(["export", "--results", str(tmp_path / "results"), "--tensorboard", str(tmp_path / "tb")]) == 0
    assert bad.spec.key in capsys.readouterr().out
    assert [path.name.split("-")[1] for path in (tmp_path / "tb").iterdir()] == ["lora"]


def test_a_package_that_is_not_there_is_named(tmp_path, monkeypatch, capsys):
    store_of(tmp_path, [synthetic("lora")])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["export", "--results", str(tmp_path), "--wandb", "study"]) == 2
    assert "pip install wandb" in capsys.readouterr().err


def test_what_wandb_refuses_is_one_line(tmp_path, monkeypatch, capsys):
    store_of(tmp_path / "results", [synthetic("lora", order=DOMAINS[:2])])
    command = ["export", "--results", str(tmp_path / "results"), "--wandb", "a/b", "--wandb-dir", str(tmp_path)]
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "--wandb a/b: " in error and "WANDB_MODE=offline keeps runs on disk" in error
