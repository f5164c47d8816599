"""Every built-in strategy keeps its promises; EWC, LwF and TAPS compute what their papers say."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

import selora
from benchmark.registry import entries, strategy_class
from strategies.base import Strategy, TrainConfig
from strategies.classifier import Classifier
from strategies.conformance import check_strategy
from strategies.ewc_plugin import EWCPlugin, importances
from strategies.finetune import Finetune
from strategies.label_spaces import LabelSpaces
from strategies.learner import Learner
from strategies.lwf_plugin import LwFPlugin, teacher_logits
from strategies.regularization import EWC
from strategies.taps import TAPS, DenseBlock
from tests.conftest import SIDE, tiny_vit


@pytest.mark.parametrize("name", entries("strategies"))
def test_built_in_strategies_conform(name):
    report = check_strategy(strategy_class(name).cls)
    assert report.passed, report
    assert report.seconds < 60


def failed(strategy):
    return {check.name.split(" (")[0] for check in check_strategy(strategy).checks if not check.passed}


@dataclass(frozen=True)
class MovesFrozenWeights(Strategy):
    def prepare(self, model):
        model.requires_grad_(False)
        model.tower.blocks[0].requires_grad_(True)

    def plugins(self):
        from strategies.avalanche_imports import SupervisedPlugin

        class Nudge(SupervisedPlugin):
            def after_update(self, strategy, **kwargs):
                strategy.model.tower.blocks[1].mlp.fc1.weight.data.mul_(1.001)

        return [Nudge()]


@dataclass(frozen=True)
class SecretlyUsesTheDomain(Strategy):
    def activate(self, model, task):
        model.tower.norm.bias.data.fill_(float(len(task or "")))


@dataclass(frozen=True)
class ForgetsItsState(Strategy):
    def plugins(self):
        from strategies.avalanche_imports import SupervisedPlugin

        class Drift(SupervisedPlugin):
            pull = 0.0

            def before_backward(self, strategy, **kwargs):
                strategy.loss = strategy.loss + self.pull * strategy.mb_output.square().mean()

            def after_training_exp(self, strategy, **kwargs):
                self.pull = 5.0

        return [Drift()]


@dataclass(frozen=True)
class KeepsTheOldBase(Strategy):
    needs_task_id: ClassVar[bool] = True  # but trains the shared weights


@dataclass(frozen=True)
class Broken(Strategy):
    def begin_task(self, model, task):
        raise KeyError("no such layer")


class NoDataclass(Strategy):
    pass


@pytest.mark.parametrize(
    ("strategy", "check"),
    [
        (MovesFrozenWeights, "keeps frozen what it says"),
        (SecretlyUsesTheDomain, "task identity"),
        (ForgetsItsState, "resumes exactly"),
        (KeepsTheOldBase, "task identity"),
        (Broken, "trains"),
        (NoDataclass, "is a frozen dataclass of plain values"),
    ],
)
def test_conformance_finds_broken_promises(strategy, check):
    assert check in failed(strategy)


def test_importances_are_single_images_squared_gradients():
    """A linear model's Fisher by hand: the gradient of cross-entropy is (p - onehot) x^T."""
    torch.manual_seed(0)
    model, x, y = nn.Linear(3, 2, bias=False), torch.randn(5, 3), torch.tensor([0, 1, 1, 0, 1])
    expected = torch.zeros(2, 3)
    for image, label in zip(x, y, strict=True):
        p = model(image).softmax(0).detach()
        expected += torch.outer(p - F.one_hot(label, 2), image).square() / 5
    measured = importances(model, TensorDataset(x, y), images=10, device=torch.device("cpu"))
    assert torch.allclose(measured["weight"], expected, atol=1e-6)


def test_importances_leave_frozen_parameters_out():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    model[0].requires_grad_(False)
    data = TensorDataset(torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))
    assert set(importances(model, data, 4, torch.device("cpu"))) == {"1.weight", "1.bias"}


def with_one_space(model):
    model.spaces = LabelSpaces([1])
    return model


def ewc_loss(plugin, model):
    state = SimpleNamespace(model=model, loss=torch.tensor(0.0))
    plugin.before_backward(state)
    return float(state.loss.detach())


def after_task(plugin, model, data):
    state = SimpleNamespace(
        model=model, experience=SimpleNamespace(dataset=data), device=torch.device("cpu"), augmented=lambda x: x
    )
    plugin.after_training_exp(state)


@pytest.mark.parametrize(("mode", "terms"), [("separate", 2), ("online", 1)])
def test_ewc_penalty_by_hand(mode, terms):
    torch.manual_seed(0)
    model = with_one_space(nn.Linear(2, 2, bias=False))
    data = TensorDataset(torch.randn(3, 2), torch.tensor([0, 1, 1]))
    plugin = EWCPlugin(10.0, mode, decay=0.5, images=3)
    after_task(plugin, model, data)
    first, anchor1 = plugin.terms[0][0].view(2, 2).clone(), model.weight.detach().clone()
    assert ewc_loss(plugin, model) == 0.0
    with torch.no_grad():
        model.weight += 0.1
    after_task(plugin, model, data)
    second, anchor2 = importances(model, data, 3, torch.device("cpu"))["weight"], model.weight.detach().clone()
    with torch.no_grad():
        model.weight += 0.2
    now = model.weight.detach()
    if mode == "separate":
        expected = 5 * ((first * (now - anchor1) ** 2).sum() + (second * (now - anchor2) ** 2).sum())
    else:
        expected = 5 * ((0.5 * first + second) * (now - anchor2) ** 2).sum()
    assert len(plugin.terms) == terms
    assert ewc_loss(plugin, model) == pytest.approx(float(expected), rel=1e-5)
    other = EWCPlugin(10.0, mode, decay=0.5, images=3)
    other.load_state_dict(plugin.state_dict())
    assert ewc_loss(other, model) == ewc_loss(plugin, model)


def test_ewc_refuses_an_unknown_mode():
    with pytest.raises(ValueError, match="'separate' or 'online'"):
        EWC(mode="seperate")


def test_lwf_teacher_is_in_eval_mode_and_the_model_keeps_its_modes():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.9), nn.BatchNorm1d(4))
    model.train()
    model[2].eval()
    x = torch.randn(8, 4)
    teacher = {
        name: t.detach().clone()
        for name, t in {**dict(model.named_parameters()), **dict(model.named_buffers())}.items()
    }
    first, second = teacher_logits(model, teacher, x), teacher_logits(model, teacher, x)
    assert torch.equal(first, second) and not first.requires_grad
    assert model[1].training and not model[2].training


def test_lwf_loss_by_hand():
    torch.manual_seed(0)
    model = with_one_space(nn.Linear(3, 4))
    plugin = LwFPlugin(alpha=2.0, temperature=2.0)
    x = torch.randn(5, 3)
    clock = SimpleNamespace(train_exp_counter=0)
    state = SimpleNamespace(
        model=model, clock=clock, mb_x=x, mb_output=model(x), loss=torch.tensor(0.0), learned_spaces={0}
    )
    plugin.before_training_exp(state)
    plugin.before_backward(state)
    assert float(state.loss) == 0.0  # nothing to distil in the first task
    clock.train_exp_counter = 1
    plugin.before_training_exp(state)
    old = (model(x).detach() / 2).softmax(1)
    with torch.no_grad():
        model.weight.mul_(-1)
    state.mb_output = model(x)
    plugin.before_backward(state)
    new = (state.mb_output.detach() / 2).softmax(1)
    by_hand = 2.0 * 4.0 * (old * (old.log() - new.log())).sum(1).mean()
    assert float(state.loss.detach()) == pytest.approx(float(by_hand), rel=1e-5)


def test_taps_gradients():
    """METHODS: dL/ddelta = I g and dL/ds = <g, delta>, g the gradient of the adapted weight."""
    torch.manual_seed(0)
    base = nn.Linear(3, 2)
    layer = selora.TaskLinear(base, DenseBlock)
    layer.add("t")
    layer.active = "t"
    block = layer.child("t")
    block.weight.data.normal_()
    x = torch.randn(6, 3)
    for score, gate in ((0.15, 1.0), (0.05, 0.0)):
        layer.zero_grad()
        block.score.data.fill_(score)
        out = layer(x)
        out.square().sum().backward()
        g = (2 * out).T.detach() @ x
        assert torch.allclose(block.weight.grad, gate * g, atol=1e-5)
        assert torch.allclose(block.score.grad, (g * block.weight).sum(), atol=1e-4)


def test_taps_gives_every_task_its_own_normalisation():
    model = Classifier(tiny_vit(num_classes=8), nn.Linear(8, 3), (0.5,) * 3, (0.5,) * 3)
    strategy = TAPS()
    strategy.prepare(model)
    strategy.begin_task(model, "a")
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert {"tower.blocks.0.norm1", "tower.norm", "head"} <= {name.split(".children_by_task")[0] for name in trained}
    assert not any(".base." in name for name in trained)


class Pixels(torch.utils.data.Dataset):
    def __init__(self, count, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.randint(0, 256, (count, 3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
        self.targets = (torch.arange(count) % 3).tolist()

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return self.images[index], self.targets[index]


def learner(strategy, epochs=2, tasks=("a", "b")):
    torch.manual_seed(0)
    model = Classifier(tiny_vit(), nn.Linear(32, 3), (0.5,) * 3, (0.5,) * 3)
    data = {task: Pixels(40, seed) for seed, task in enumerate(tasks)}
    return Learner(strategy, model, data, TrainConfig(epochs=epochs, batch_size=16), seed=0)


def test_the_optimiser_holds_just_the_trainable_parameters_of_each_task():
    frozen = learner(strategy_class("selora").cls())
    for task in ("a", "b"):
        frozen.learn(task)
        held = {id(p) for group in frozen.template.optimizer.param_groups for p in group["params"]}
        own = {id(p) for n, p in frozen.model.named_parameters() if f"task_{task}" in n and not n.endswith("score")}
        assert own and own <= held
        assert not any(id(p) in held for n, p in frozen.model.named_parameters() if ".base." in n)


def test_the_schedule_warms_up_and_ends_at_zero():
    trained = learner(Finetune(lr=0.01), epochs=4)
    trained.learn("a")  # 4 epochs of 3 steps
    assert trained.template.schedule.last_epoch == 12
    assert trained.template.optimizer.param_groups[0]["lr"] == pytest.approx(0.0, abs=1e-12)


def test_history_has_an_entry_for_each_epoch_and_the_selection():
    trained = learner(strategy_class("selora").cls(budget=0.25))
    trained.learn("a")
    assert [entry["epoch"] for entry in trained.template.history] == [1, 2]
    assert trained.template.history[-1]["active_blocks"] == 2
    assert sum(trained.blocks["a"]["active"]) == 2 and len(trained.blocks["a"]["scores"]) == 8


def test_stored_parameters_count_what_differs_from_the_pre_trained_model():
    whole = learner(Finetune())
    assert whole.stored_parameters() == 0
    whole.learn("a")
    assert whole.stored_parameters() == sum(p.numel() for p in whole.model.parameters())
    selective = learner(strategy_class("selora").cls(budget=0.25, rank=2))
    selective.learn("a")
    blocks = selora.task_blocks(selective.model, "a").values()
    head = 32 * 3 + 3
    assert len(blocks) == 2
    assert selective.stored_parameters() == head + sum(p.numel() for block in blocks for p in block.parameters())
