"""check_strategy(): what the suite relies on in every strategy, checked offline on a tiny model in seconds."""

from __future__ import annotations

import dataclasses
import json
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.utils.data import Dataset

from strategies.avalanche_imports import SupervisedPlugin
from strategies.base import Strategy, TrainConfig
from strategies.classifier import Classifier, TextHead
from strategies.learner import Learner

CLASSES, SIDE, WIDTH = 4, 16, 32
TASKS = ("first.domain", "second")


@dataclass(frozen=True)
class Check:
    """One promise: its name, whether it was kept, and what was seen."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Report:
    """All checks of one strategy."""

    strategy: str
    checks: tuple[Check, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        return all(check.passed for check in self.checks)

    def __str__(self) -> str:
        lines = [f"  {'ok    ' if c.passed else 'FAILED'} {c.name}: {c.detail}" for c in self.checks]
        verdict = "passes" if self.passed else "does not pass"
        return "\n".join([f"{self.strategy} {verdict} ({self.seconds:.0f} s)", *lines])


def check_strategy(strategy: type[Strategy] | Strategy) -> Report:
    """Train `strategy` on two tiny tasks, with a trained and with a text head, and check its promises.

    It is a frozen dataclass of plain values; it trains; what it declares frozen stays to the bit; a run
    restored from its saved state ends as the uninterrupted one; without `needs_task_id` the domain's identity
    changes no output, and with it the model without a task is the pre-trained one.
    """
    start = time.perf_counter()
    cls = strategy if isinstance(strategy, type) else type(strategy)
    form = _form(cls)
    checks = [form]
    if form.passed:
        instance = strategy() if isinstance(strategy, type) else strategy
        for head in ("linear head", "text head"):
            trial = _Trial(instance, head)
            for name, check in (
                ("trains", trial.trains),
                ("keeps frozen what it says", trial.keeps_frozen),
                ("resumes exactly", trial.resumes),
                ("task identity", trial.task_identity),
            ):
                checks.append(_checked(f"{name} ({head})", check))
    return Report(cls.__name__, tuple(checks), time.perf_counter() - start)


def _checked(name: str, check: Callable[[], tuple[bool, str]]) -> Check:
    try:
        return Check(name, *check())
    except Exception as error:  # whatever the strategy raises is the finding
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Check(name, False, f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})")


def _form(cls: type) -> Check:
    name = "is a frozen dataclass of plain values"
    if not issubclass(cls, Strategy):
        return Check(name, False, "it must derive from strategies.base.Strategy")
    if "__dataclass_params__" not in vars(cls) or not cls.__dataclass_params__.frozen:
        return Check(name, False, "decorate it with @dataclass(frozen=True)")
    required = [f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]
    if required:
        return Check(name, False, f"every hyper-parameter needs a plain default: {', '.join(required)}")
    try:
        json.dumps(cls.hyper_parameters())
    except TypeError as error:
        return Check(name, False, f"a default is no plain value: {error}")
    return Check(name, True, ", ".join(cls.hyper_parameters()))


class _Images(Dataset):
    """Noise with a class-dependent patch whose place depends on the domain."""

    def __init__(self, seed: int, count: int = 96) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.arange(count) % CLASSES
        self.images = torch.randint(0, 256, (count, 3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
        for image, label in zip(self.images, self.labels, strict=True):
            image[:, 8 * seed : 8 * seed + 8, :8] = 80 * int(label)
        self.targets = self.labels.tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.images[index], self.targets[index]


class _FrozenWatch(SupervisedPlugin):
    """Compares what is frozen during a task's training with what it was before."""

    def __init__(self) -> None:
        super().__init__()
        self.changed: list[str] = []
        self.watched = 0

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Remember everything that is not declared trainable."""
        self.before = {n: p.detach().clone() for n, p in strategy.model.named_parameters() if not p.requires_grad}

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Name what moved."""
        now = dict(strategy.model.named_parameters())
        self.watched += len(self.before)
        self.changed += [n for n, old in self.before.items() if n not in now or not torch.equal(old, now[n])]


class _Trial:
    """The strategy on two tiny tasks with one kind of head."""

    def __init__(self, strategy: Strategy, head: str) -> None:
        self.strategy, self.head = strategy, head
        self.data = {task: _Images(seed) for seed, task in enumerate(TASKS)}
        self.probe = torch.stack([self.data[task][i][0] for task in TASKS for i in range(16)])
        self._finished: Learner | None = None

    def _learner(self) -> Learner:
        torch.manual_seed(0)
        trained = self.head == "linear head"
        tower = VisionTransformer(
            img_size=SIDE, patch_size=8, embed_dim=WIDTH, depth=2, num_heads=2, num_classes=0 if trained else WIDTH
        )
        weights = nn.functional.normalize(torch.randn(CLASSES, WIDTH), dim=1)
        head = nn.Linear(WIDTH, CLASSES) if trained else TextHead(weights, 10.0)
        self.pretrained = Classifier(tower, head, (0.5,) * 3, (0.5,) * 3).eval()
        with torch.no_grad():
            self.original = self.pretrained.embed(self.probe)
        config = TrainConfig(epochs=3, batch_size=16)
        return Learner(self.strategy, self.pretrained, self.data, config, seed=0)

    def _finish(self) -> Learner:
        if self._finished is None:
            learner = self._learner()
            self.watch = _FrozenWatch()
            learner.template.plugins.append(self.watch)
            for task in TASKS:
                learner.learn(task)
            self._finished = learner
        return self._finished

    @torch.no_grad()
    def _outputs(self, learner: Learner, task: str | None) -> torch.Tensor:
        learner.activate(task)
        return learner.model(self.probe)

    def trains(self) -> tuple[bool, str]:
        learner = self._finish()
        if not learner.trainable_parameters:
            return True, "nothing is trainable, nothing was trained"
        moved = learner.stored_parameters()
        losses = [entry["loss"] for entry in learner.template.history if entry["task"] == TASKS[0]]
        finite = all(loss == loss and loss < float("inf") for loss in losses)
        return finite and moved > 0, f"{moved} parameters kept, loss {losses[0]:.2f} -> {losses[-1]:.2f}"

    def keeps_frozen(self) -> tuple[bool, str]:
        self._finish()
        if self.watch.changed:
            return False, f"declared frozen but changed in training: {', '.join(sorted(set(self.watch.changed))[:3])}"
        return True, f"{self.watch.watched} tensors bit-equal"

    def resumes(self) -> tuple[bool, str]:
        whole = self._finish()
        half = self._learner()
        half.learn(TASKS[0])
        tensors, values = half.state()
        stored = load_tensors(save_tensors({name: t.detach().clone().contiguous() for name, t in tensors.items()}))
        continued = self._learner()
        continued.restore(stored, json.loads(json.dumps(values)))
        continued.learn(TASKS[1])
        for task in (*TASKS, None):
            if not torch.equal(self._outputs(whole, task), self._outputs(continued, task)):
                return False, "a run restored after the first task ends with other outputs than the uninterrupted one"
        return True, "outputs bit-equal after save, load and the second task"

    def task_identity(self) -> tuple[bool, str]:
        learner = self._finish()
        outputs = [self._outputs(learner, task) for task in TASKS]
        if not self.strategy.needs_task_id:
            same = torch.equal(*outputs) and torch.equal(outputs[0], self._outputs(learner, None))
            return same, "not used" if same else "activate() changes the output, but needs_task_id is False"
        with torch.no_grad():
            learner.activate(None)
            same = torch.equal(learner.model.embed(self.probe), self.original)
        return (
            same,
            "declared; no task is the pre-trained model" if same else "activate(None) is not the pre-trained model",
        )
