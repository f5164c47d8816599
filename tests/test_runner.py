"""Whole runs on the tiny stream: the matrix, the tracks, resuming after a kill, failures."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal

import numpy as np
import pytest

from benchmark.config import RunSpec
from benchmark.data.stream_data import StreamData
from benchmark.errors import UsageError
from benchmark.registry import strategy_class
from benchmark.runner import run
from benchmark.settings import apply_settings
from benchmark.store import Store
from benchmark.streams.hold_out import HoldOut
from benchmark.suite import require_banks
from strategies.base import TrainConfig
from tests.conftest import TinyBackbone, TinyStream

TRAIN = TrainConfig(epochs=2, batch_size=8, augment="shift")


def spec_for(name, stream, backbone, seed=0, order=None, **params):
    cls = strategy_class(name).cls
    strategy = cls(**params)
    identity = {"name": name, "version": cls.version, "params": {**cls.hyper_parameters(), **params}}
    return RunSpec(stream.identity(), order or stream.domains, backbone.identity(), identity, TRAIN, seed), strategy


def run_tiny(name, root, *, text=True, stream=None, on_step=None, order=None, **params):
    stream, source = stream or TinyStream(), TinyBackbone(text)
    spec, strategy = spec_for(name, stream, source, order=order, **params)
    backbone = source.load()
    data = StreamData(stream, backbone.image_size, backbone.interpolation, TRAIN)
    return run(spec, strategy, backbone, data, Store(root), on_step=on_step)


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("name", ["zero-shot", "finetune", "lora", "selora", "selora-merged"])
def test_a_run_fills_the_matrix(name, text, tmp_path):
    result = run_tiny(name, tmp_path, text=text)
    needs_id = name == "selora"
    assert set(result.tracks) == ({"given", "routed"} if needs_id else {"agnostic"})
    for track in result.tracks.values():
        assert track.stages == [0, 1, 2, 3]
        assert np.array(track.accuracy).shape == np.array(track.validation).shape == (4, 3)
        assert np.array(track.ood).shape == (4, 1)
    assert result.counts == {"north.west": 15, "north_east": 15, "south": 15, "unseen": 15}
    stored, problems = Store(tmp_path).results()
    assert problems == [] and stored[0].as_dict() == json.loads(json.dumps(result.as_dict()))


def test_zero_shot_with_a_text_head_trains_nothing(tmp_path):
    result = run_tiny("zero-shot", tmp_path)
    track = result.tracks["agnostic"]
    assert track.accuracy == [track.accuracy[0]] * 4 and track.ood == [track.ood[0]] * 4
    assert result.cost["trainable_parameters"] == result.cost["stored_parameters"] == 0
    assert result.history == []


def test_row_zero_is_the_same_pre_trained_model_for_every_strategy(tmp_path):
    rows = set()
    for name in ("zero-shot", "finetune", "joint", "lora", "taps", "selora"):
        for track in run_tiny(name, tmp_path).tracks.values():
            rows.add(json.dumps([track.accuracy[0], track.ood[0], track.validation[0]]))
    assert len(rows) == 1


def test_with_the_domain_given_nothing_learned_is_ever_lost(tmp_path):
    for name in ("selora", "taps"):
        matrix = np.array(run_tiny(name, tmp_path).tracks["given"].accuracy)
        for domain in range(3):
            assert (matrix[: domain + 1, domain] == matrix[0, domain]).all()  # base until it is learned
            assert (matrix[domain + 1 :, domain] == matrix[domain + 1, domain]).all()  # then its own, for good


def test_joint_learns_once_and_has_the_last_row_only(tmp_path):
    track = run_tiny("joint", tmp_path).tracks["agnostic"]
    assert track.stages == [0, 3] and len(track.accuracy) == 2


def test_training_learns_the_tiny_stream(tmp_path):
    track = run_tiny("finetune", tmp_path, stream=TinyStream(train=300), lr=3e-3).tracks["agnostic"]
    gained = [track.accuracy[i + 1][i] - track.accuracy[0][i] for i in range(3)]
    assert np.mean(gained) > 0.2


def test_predictions_are_stored_and_give_the_accuracies_back(tmp_path):
    result = run_tiny("selora", tmp_path)
    arrays = np.load(Store(tmp_path).folder(result.spec) / "predictions.npz")
    for name, track in result.tracks.items():
        for row, stage in enumerate(track.stages):
            for column, domain in enumerate(result.spec.order):
                found = (arrays[f"{name}/{stage}/{domain}/class"] == arrays[f"labels/{domain}"]).mean()
                assert found == pytest.approx(track.accuracy[row][column], abs=1e-12)
            unseen = (arrays[f"{name}/{stage}/unseen/class"] == arrays["labels/unseen"]).mean()
            assert unseen == pytest.approx(track.ood[row][0], abs=1e-12)
    assert arrays["given/3/unseen/class"].shape == (3, 15)  # with each of the three tasks' parameters
    assert arrays["ids/south"][0] == "south/test/0"


def test_masks_are_recorded_for_every_task(tmp_path):
    for name in ("selora", "selora-merged"):
        result = run_tiny(name, tmp_path, budget=0.25)
        assert len(result.blocks["names"]) == 8
        assert {task: sum(entry["active"]) for task, entry in result.blocks["tasks"].items()} == dict.fromkeys(
            result.spec.order, 2
        )
        assert result.cost["active_fraction"] == 0.25


def test_another_order_learns_in_that_order(tmp_path):
    order = ("south", "north.west")
    result = run_tiny("lora", tmp_path, order=order)
    assert [entry["task"] for entry in result.history[::2]] == list(order)
    assert np.array(result.tracks["agnostic"].accuracy).shape == (3, 2)


def test_held_out_domains_become_out_of_domain_sets(tmp_path):
    result = run_tiny("lora", tmp_path, stream=HoldOut(TinyStream(), ("south",)))
    assert result.spec.order == ("north.west", "north_east")
    assert result.ood_names == ["unseen", "south"]


def figures(result):
    """All that must not depend on interruptions."""
    data = result.as_dict()
    history = [{k: v for k, v in entry.items() if k != "images_per_second"} for entry in data["history"]]
    cost = {k: v for k, v in data["cost"].items() if not k.endswith(("seconds", "per_second", "mb"))}
    return {"tracks": data["tracks"], "blocks": data["blocks"], "history": history, "cost": cost}


def _killed_child(name, root, text):
    def on_step(event):
        if event["task"] == "north_east" and event["epoch"] == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    run_tiny(name, root, text=text, on_step=on_step)


@pytest.mark.parametrize(("name", "text"), [("ewc", False), ("lwf", True), ("taps", False), ("selora-merged", True)])
def test_a_killed_run_continues_and_ends_with_the_same_numbers(name, text, tmp_path):
    child = multiprocessing.get_context("spawn").Process(target=_killed_child, args=(name, tmp_path / "killed", text))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    store = Store(tmp_path / "killed")
    assert store.results() == ([], [])
    spec, _ = spec_for(name, TinyStream(), TinyBackbone(text))
    assert store.load_state(spec)[1]["learner"]["learned"] == ["north.west"]

    trained = []
    continued = run_tiny(name, tmp_path / "killed", text=text, on_step=lambda event: trained.append(event["task"]))
    assert set(trained) == {"north_east", "south"}  # the first domain is not learned again
    whole = run_tiny(name, tmp_path / "whole", text=text)
    assert figures(continued) == figures(whole)
    left, right = (np.load(Store(tmp_path / which).folder(spec) / "predictions.npz") for which in ("killed", "whole"))
    assert sorted(left.files) == sorted(right.files)
    assert all(np.array_equal(left[key], right[key]) for key in left.files)
    left_behind = sorted(path.name for path in store.folder(spec).iterdir())
    assert left_behind == ["gallery.json", "predictions.npz", "result.json", "samples.json"]


def test_the_same_seed_gives_the_same_figures_and_another_seed_others(tmp_path):
    first, again = run_tiny("lora", tmp_path / "1"), run_tiny("lora", tmp_path / "2")
    assert figures(first) == figures(again)
    stream, source = TinyStream(), TinyBackbone()
    spec, strategy = spec_for("lora", stream, source, seed=1)
    backbone = source.load()
    data = StreamData(stream, backbone.image_size, backbone.interpolation, TRAIN)
    other = run(spec, strategy, backbone, data, Store(tmp_path / "3"))
    assert figures(other)["history"] != figures(first)["history"]


def test_unreadable_results_are_named_and_left_out(tmp_path):
    result = run_tiny("zero-shot", tmp_path)
    good = Store(tmp_path).folder(result.spec)
    for name, text in (("half", '{"schema": 1, "sp'), ("old", '{"schema": 0}'), ("foreign", "[]"), ("empty", "")):
        folder = tmp_path / "runs" / name
        folder.mkdir()
        (folder / "result.json").write_text(text)
    copied = tmp_path / "runs" / "copied-000000000000"
    copied.mkdir()
    (copied / "result.json").write_text((good / "result.json").read_text())
    found, problems = Store(tmp_path).results()
    assert [r.spec.key for r in found] == [result.spec.key]
    assert len(problems) == 5 and all("left out" in line for line in problems)


def test_settings_take_the_types_of_the_fields():
    cls = strategy_class("selora").cls
    strategy = apply_settings("selora", cls, {"budget": "0.05", "rank": "4", "penalty": "2", "alpha": "none"})
    assert (strategy.budget, strategy.rank, strategy.penalty, strategy.alpha) == (0.05, 4, 2.0, None)


class WithAbsentClasses(TinyStream):
    """As DomainNet's painting: the first domain has no blue image to train on and no green one to test."""

    def load(self, name, split):
        images = super().load(name, split)
        absent = {"train": 2, "test": 1}[split] if name == self.domains[0] else None
        return images.part([index for index, label in enumerate(images.labels) if label != absent])


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("name", ["finetune", "joint", "selora", "ewc"])
def test_a_class_absent_from_a_split_breaks_nothing(name, text, tmp_path):
    result = run_tiny(name, tmp_path, text=text, stream=WithAbsentClasses())
    assert result.counts["north.west"] == 10
    for track in result.tracks.values():
        assert np.isfinite(np.array(track.accuracy)).all()


def test_k_nn_retention_is_kept_for_every_k(tmp_path):
    track = run_tiny("lora", tmp_path, text=False).tracks["agnostic"]
    assert set(track.ood_by_k) == {"10", "20", "100", "200"}
    assert track.ood_by_k["20"] == track.ood and len(track.ood_by_k["10"]) == 4
    assert track.ood_by_k["100"] == track.ood_by_k["200"]  # the bank has 30 images
    assert run_tiny("lora", tmp_path, text=True).tracks["agnostic"].ood_by_k is None


def test_an_out_of_domain_set_without_a_bank_is_refused_before_anything_is_run():
    class WithoutBank(TinyStream):
        def load(self, name, split):
            images = super().load(name, split)
            if (name, split) != ("unseen", "train"):
                return images
            return images.part([])

    with pytest.raises(UsageError, match="'unseen' has no training images, which the k-NN"):
        require_banks(StreamData(WithoutBank(), 16, "bicubic", TRAIN))
    require_banks(StreamData(TinyStream(), 16, "bicubic", TRAIN))
