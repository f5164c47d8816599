"""Modules that hold something of their own for every task beside a shared, frozen base."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from selora.gate import INITIAL_SCORE, THRESHOLD, indicator

_PREFIX = "task_"


def _key(task: str) -> str:
    # ModuleDict refuses dots and the names of nn.Module's own attributes ("type", "half", ...).
    return _PREFIX + task.replace("%", "%25").replace(".", "%2E")


def _task(key: str) -> str:
    return key.removeprefix(_PREFIX).replace("%2E", ".").replace("%25", "%")


def belongs_to_other_task(name: str, active: Collection[str | None]) -> bool:
    """Whether entry `name` of a state dict is of a child of a task that is not among `active`."""
    _, found, rest = name.partition("children_by_task.")
    return bool(found) and _task(rest.split(".")[0]) not in active


class TaskModule(nn.Module, abc.ABC):
    """A frozen base module and one child for each task, at most one of them active.

    Loading a state dict recreates exactly the children it holds, so a model with any number of
    learned tasks is restored by `load_state_dict` alone.
    """

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base = base
        self.children_by_task = nn.ModuleDict()
        self.active: str | None = None

    @abc.abstractmethod
    def new_child(self) -> nn.Module:
        """A fresh child, as it is before any training."""

    @property
    def tasks(self) -> list[str]:
        """Tasks that have a child here, in the order in which they were added."""
        return [_task(key) for key in self.children_by_task]

    def child(self, task: str | None) -> Any:
        """The child of `task`, or None where it has none."""
        key = None if task is None else _key(task)
        return self.children_by_task[key] if key is not None and key in self.children_by_task else None

    def add(self, task: str, child: nn.Module | None = None) -> None:
        """Give `task` a child, a fresh one by default, on the base's device; ValueError if it has one."""
        if self.child(task) is not None:
            raise ValueError(f"task '{task}' was added before")
        reference = next(self.base.parameters())
        child = self.new_child() if child is None else child
        self.children_by_task[_key(task)] = child.to(reference.device, reference.dtype)

    def remove(self, task: str) -> None:
        """Drop the child of `task`, if it has one."""
        if self.child(task) is not None:
            del self.children_by_task[_key(task)]

    def _load_from_state_dict(self, state: dict[str, torch.Tensor], prefix: str, *args: Any) -> None:
        start = f"{prefix}children_by_task."
        keys = dict.fromkeys(name[len(start) :].split(".")[0] for name in state if name.startswith(start))
        for task in self.tasks:
            if _key(task) not in keys:
                self.remove(task)
        for key in keys:
            if key not in self.children_by_task:
                self.add(_task(key))
        super()._load_from_state_dict(state, prefix, *args)


class LowRankBlock(nn.Module):
    """The update ``(alpha / rank) * B @ A`` of a linear layer, with a score when it is gated.

    lora_A: [rank, in], Kaiming-uniform; lora_B: [out, rank], zero, so a new block changes nothing;
    score: scalar. LoRA: arXiv 2106.09685, section 4.1; the score: arXiv 2501.15377.
    """

    def __init__(
        self, in_features: int, out_features: int, rank: int, alpha: float, *, gated: bool = True,
        threshold: float = THRESHOLD,
    ) -> None:  # fmt: skip
        super().__init__()
        if rank < 1:
            raise ValueError(f"rank must be at least 1, got {rank}")
        self.scaling = alpha / rank
        self.threshold = threshold
        self.lora_A = nn.Parameter(torch.empty(rank, in_features))
        self.lora_B = nn.Parameter(torch.zeros(out_features, rank))
        self.score = nn.Parameter(torch.tensor(INITIAL_SCORE)) if gated else None
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def delta(self) -> torch.Tensor:
        """The weight update [out, in], whether or not the gate is open."""
        return self.scaling * (self.lora_B @ self.lora_A)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: [..., in] -> [..., out], whether or not the gate is open."""
        return self.scaling * F.linear(F.linear(x, self.lora_A), self.lora_B)

    def adapt(self, base: nn.Linear, x: torch.Tensor, gate: torch.Tensor | None) -> torch.Tensor:
        """The base's output with the update: ``W0 x + gate * block(x)``; gate None for a block without a score."""
        update = self(x)
        return base(x) + (update if gate is None else gate * update)


def is_open(block: nn.Module) -> bool:
    """Whether `block` takes part: its score reaches the threshold, or it has no score."""
    score = block.score
    return score is None or bool(score.detach() >= block.threshold)


BlockFactory = Callable[[nn.Linear], nn.Module]
"""Makes a block for a linear layer: a module with `score`, `threshold`, `delta()` and `adapt(base, x, gate)`."""


class TaskLinear(TaskModule):
    """A frozen linear layer with one additive, gated block a task: ``W0 x + I(s) * block(x)``.

    With no active block, or a closed one, the output is the base layer's to the bit.
    """

    base: nn.Linear

    def __init__(self, base: nn.Linear, make_block: BlockFactory) -> None:
        super().__init__(base)
        self.make_block = make_block
        self._original: torch.Tensor | None = None

    @property
    def weight(self) -> torch.Tensor:
        """The base's weight [out, in] (merged, while a block is merged)."""
        return self.base.weight

    @property
    def bias(self) -> torch.Tensor | None:
        """The base's bias [out]."""
        return self.base.bias

    def new_child(self) -> nn.Module:
        """A fresh block."""
        return self.make_block(self.base)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: [..., in] -> [..., out]."""
        block = self.child(self.active)
        if block is None or self._original is not None:
            return self.base(x)
        if block.score is None:
            return block.adapt(self.base, x, None)
        # A closed block is computed only while its score is learned: the score needs its gradient to reopen.
        if not is_open(block) and not (torch.is_grad_enabled() and block.score.requires_grad):
            return self.base(x)
        return block.adapt(self.base, x, indicator(block.score, block.threshold))

    @torch.no_grad()
    def merge(self) -> None:
        """Add the active block, if it is open, to the base's weight; `unmerge` takes it back exactly."""
        if self._original is not None:
            raise RuntimeError("a block is merged already; unmerge it first")
        block = self.child(self.active)
        self._original = self.base.weight.detach().clone()
        if block is not None and is_open(block):
            self.base.weight += block.delta().to(self.base.weight.dtype)

    @torch.no_grad()
    def unmerge(self) -> None:
        """Restore the base's weight to the bit."""
        if self._original is not None:
            self.base.weight.copy_(self._original)
            self._original = None
