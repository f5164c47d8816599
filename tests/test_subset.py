"""Parts of a stream, other prompts, and the estimate of what a run costs."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from benchmark.errors import UsageError
from benchmark.estimate import Cost, decoding_rate, estimate, forward_operations
from benchmark.evaluation import Evaluator
from benchmark.registry import strategy_class
from benchmark.streams.hold_out import HoldOut
from benchmark.streams.prompted import Prompted
from benchmark.streams.subset import Subset
from strategies.base import TrainConfig
from tests.conftest import TinyStream, tiny_vit
from tests.test_runner import run_tiny


def test_a_part_has_so_many_images_of_each_class_and_larger_parts_contain_it():
    stream = TinyStream()
    small, large = Subset(stream, per_class=2), Subset(stream, per_class=5)
    few, more = small.load("south", "train"), large.load("south", "train")
    assert Counter(few.labels.tolist()) == {0: 2, 1: 2, 2: 2}
    assert set(few.ids) < set(more.ids) and len(more) == 15
    assert few.load(1).tobytes() == stream.load("south", "train").load(int(few.ids[1].split("/")[-1])).tobytes()
    assert len(small.load("south", "test")) == 15 and small.count("south", "train") == 6


def test_another_seed_takes_other_images_and_the_identity_says_so():
    stream = TinyStream()
    parts = [Subset(stream, fraction=0.3, seed=seed) for seed in (0, 1)]
    ids = [part.load("south", "train").ids for part in parts]
    assert len(ids[0]) == len(ids[1]) == 9 and ids[0] != ids[1]
    assert parts[0].identity() == {"name": "tiny", "version": 1, "subset": {"fraction": 0.3, "seed": 0}}
    assert parts[0].identity() != parts[1].identity()


def test_fraction_and_test_images():
    part = Subset(TinyStream(), fraction=0.01, test_per_class=1)
    assert len(part.load("south", "train")) == 3  # at least one of each class
    assert len(part.load("south", "test")) == 3
    whole = TinyStream()
    assert Subset(whole, per_class=1000).load("south", "train").ids == whole.load("south", "train").ids


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_class": 0}, "--per-class 0: expected at least 1"),
        ({"test_per_class": -1}, "--test-per-class -1: expected at least 1"),
        ({"fraction": 1.5}, "--fraction 1.5: expected a number above 0 and up to 1"),
        ({"fraction": 0.5, "per_class": 3}, "exclude each other"),
    ],
)
def test_impossible_parts_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        Subset(TinyStream(), **options)


def test_template_sets():
    stream = TinyStream()
    assert Prompted(stream, "simple").prompts("south") == ("a photo of a {}.",)
    many = Prompted(stream, "openai-80")
    assert len(many.templates) == 80 and "a bad photo of a {}." in many.templates
    assert len(Prompted(stream, "openai-7").templates) == 7
    assert many.identity()["templates"].startswith("openai-80 ")
    with pytest.raises(UsageError, match="unknown template set 'openai80'; did you mean 'openai-80'"):
        Prompted(stream, "openai80")


def test_orders_leave_held_out_domains_out():
    held = HoldOut(TinyStream(), ("south",))
    assert held.orders["reversed"] == ("north_east", "north.west")


TRAIN = TrainConfig(epochs=2, val_fraction=0.1)


@pytest.mark.parametrize(
    ("name", "text", "training", "evaluated", "passes"),
    [
        # 3 domains of 30 training (3 of them validation) and 15 test images, one unseen set of 30 and 15, 2 epochs
        ("finetune", True, 162, 4 * (54 + 15), 3),
        ("finetune", False, 162, 4 * (54 + 45), 3),
        ("lwf", True, 162, 4 * (54 + 15), 4),
        ("zero-shot", True, 0, 54 + 15, 1),
        ("zero-shot", False, 162, 4 * (54 + 45), 1),
        ("joint", True, 162, 2 * (54 + 15), 3),
        ("selora", True, 162, 4 * 69 + 2 * 54 + 4 * 15 + (54 + 15 + 81), 3),
    ],
)
def test_cost_by_hand(name, text, training, evaluated, passes):
    stream, strategy = TinyStream(), strategy_class(name).cls()
    cost = estimate(stream, stream.domains, strategy, TRAIN, forward=10.0, text_head=text)
    assert cost == Cost(training, evaluated, 10.0 * (passes * training + evaluated))
    assert Cost(0, 0, 312e12 * 0.4 * 3600).gpu_hours == pytest.approx(1.0)


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("name", ["zero-shot", "joint", "lora", "selora"])
def test_a_run_evaluates_as_many_images_as_were_estimated(name, text, tmp_path, monkeypatch):
    seen = []
    forward = Evaluator._forward
    monkeypatch.setattr(Evaluator, "_forward", lambda *a: seen.append(len(a[2])) or forward(*a))
    result = run_tiny(name, tmp_path, text=text)
    stream, train = TinyStream(), result.spec.train
    cost = estimate(stream, stream.domains, strategy_class(name).cls(), train, forward=1.0, text_head=text)
    assert sum(seen) == cost.evaluated


def test_operations_of_a_vit_by_hand():
    """Two blocks of width 32, five tokens: twice the multiply-adds of every matrix product."""
    with torch.device("meta"):
        tower = tiny_vit()
    patches, tokens, width = 4, 5, 32
    embed = patches * (3 * 8 * 8) * width
    block = tokens * width * (3 * width + width + 8 * width) + 2 * tokens * tokens * width
    assert forward_operations(tower, 16) == 2 * (embed + 2 * block)


def test_the_decoding_rate_is_measured_on_real_images_only():
    assert decoding_rate(TinyStream(), "south", 16) > 0

    class Absent(TinyStream):
        def load(self, name, split):
            raise UsageError("not here")

    assert decoding_rate(Absent(), "south", 16) is None
