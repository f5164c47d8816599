"""Streams whose tasks have classes of their own: one head, each image among the classes of its own list."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.streams.base import ImageSet, Stream
from benchmark.streams.label_space import DomainSpaces
from strategies.label_spaces import LabelSpaces
from strategies.lwf_plugin import LwFPlugin
from tests.conftest import SIDE, TinyStream
from tests.test_runner import run_tiny


class TwoTasks(Stream):
    """Colours, then shades of grey: three and two classes, prompts of their own."""

    name = "two-tasks"
    augment = "shift"
    domains = ("colours", "greys")
    ood = ()

    def classes(self, name):
        return {"colours": ("red", "green", "blue"), "greys": ("dark", "bright")}[name]

    def prompts(self, name):
        return {"colours": ("a {} thing.",), "greys": ("a {} grey.",)}[name]

    def load(self, name, split):
        classes, count = self.classes(name), 40 if split == "train" else 20
        rng = np.random.default_rng([len(classes), split == "test"])
        labels = np.arange(count) % len(classes)
        pixels = rng.integers(0, 40, (count, SIDE, SIDE, 3), dtype=np.uint8)
        for image, label in zip(pixels, labels, strict=True):
            if name == "colours":
                image[:, :, label] += 200
            else:
                image[:] += np.uint8(40 + 160 * label)
        ids = tuple(f"{name}/{split}/{index}" for index in range(count))
        return ImageSet(name, split, labels, ids, lambda index: Image.fromarray(pixels[index]))


def test_loss_by_hand():
    spaces = LabelSpaces([2, 3])
    logits = torch.tensor([[1.0, 2.0, 9.0, 9.0, 9.0], [9.0, 9.0, 0.0, 1.0, 0.0]])
    labels = torch.tensor([0, 3])
    first = -math.log(math.exp(1) / (math.exp(1) + math.exp(2)))
    second = -math.log(math.exp(1) / (math.exp(1) + 2))
    assert float(spaces(logits, labels)) == pytest.approx((first + second) / 2, rel=1e-6)
    assert spaces.candidates(logits, labels).argmax(1).tolist() == [1, 3]
    assert spaces.span(1) == slice(2, 5) and spaces.of([0, 4, 4]) == {0, 1} and spaces.of([1]) == {0}


def test_one_space_is_plain_cross_entropy():
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    assert torch.equal(LabelSpaces([3])(logits, labels), torch.nn.functional.cross_entropy(logits, labels))


def test_domains_with_the_same_classes_share_a_space():
    tiny, two = TinyStream(), TwoTasks()
    assert DomainSpaces(tiny, tiny.domains).sizes == (3,)
    spaces = DomainSpaces(two, ("greys", "colours"))
    assert spaces.sizes == (2, 3)
    assert spaces.span("greys") == slice(0, 2) and spaces.span("colours") == slice(2, 5)


@pytest.mark.parametrize("text", [True, False], ids=["text-head", "linear-head"])
@pytest.mark.parametrize("name", ["finetune", "joint", "ewc", "lwf", "lora", "taps", "selora", "selora-merged"])
def test_every_strategy_learns_tasks_with_classes_of_their_own(name, text, tmp_path):
    result = run_tiny(name, tmp_path, text=text, stream=TwoTasks())
    for track in result.tracks.values():
        assert np.array(track.accuracy).shape == (2 if name == "joint" else 3, 2)
    entries = [entry for entry in result.history if entry["epoch"] == 2]
    assert all(0 <= entry["train_accuracy"] <= 1 and math.isfinite(entry["loss"]) for entry in result.history)
    assert len(entries) == (1 if name == "joint" else 2)


def test_fine_tuning_masters_both_tasks(tmp_path):
    track = run_tiny("finetune", tmp_path, text=False, stream=TwoTasks(), lr=3e-3).tracks["agnostic"]
    assert track.accuracy[1][0] >= 0.9  # colours, right after learning them
    assert track.accuracy[2][1] >= 0.9  # greys
    assert max(track.accuracy[0]) < 0.9  # an untrained head knows neither


def test_lwf_distils_over_the_classes_learned_before_only():
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 5)
    model.spaces = LabelSpaces([2, 3])
    x, plugin = torch.randn(6, 3), LwFPlugin(alpha=1.0, temperature=1.0)
    clock = SimpleNamespace(train_exp_counter=1)
    state = SimpleNamespace(model=model, clock=clock, mb_x=x, loss=torch.tensor(0.0), learned_spaces={0})
    plugin.before_training_exp(state)
    old = model(x).detach()[:, :2].softmax(1)
    with torch.no_grad():
        model.weight.mul_(-2)
    state.mb_output = model(x)
    plugin.before_backward(state)
    new = state.mb_output.detach()[:, :2].softmax(1)
    assert float(state.loss.detach()) == pytest.approx(float((old * (old / new).log()).sum(1).mean()), rel=1e-5)
