"""What strategies with parameters of their own for every task share."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import selora
from selora.inject import replace
from strategies.base import Strategy

if TYPE_CHECKING:
    import torch
    from torch import nn

    from strategies.classifier import Classifier


class TaskCopy(selora.TaskModule):
    """A module with a trained copy for every task; with no active task it is the original."""

    def new_child(self) -> nn.Module:
        """A copy of the original, trainable."""
        return copy.deepcopy(self.base).requires_grad_(True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Through the active task's copy."""
        child = self.child(self.active)
        return (self.base if child is None else child)(x)


@dataclass(frozen=True)
class PerTaskStrategy(Strategy):
    """Frozen base; each task gets its own gated blocks and, where the head is trained, its own head."""

    needs_task_id: ClassVar[bool] = True
    per_task_head: ClassVar[bool] = True

    def inject(self, model: Classifier) -> None:
        """Put task modules into the towers; a subclass says which."""
        raise TypeError(f"{type(self).__name__} must override inject")

    def prepare(self, model: Classifier) -> None:
        """Freeze everything, inject, and make the head switchable where it is trained."""
        model.requires_grad_(False)
        self.inject(model)
        if model.head_is_trained:
            replace(model, "head", TaskCopy(model.head))

    def begin_task(self, model: Classifier, task: str) -> None:
        """Fresh blocks for `task`, the only trainable parameters."""
        selora.add_task(model, task)

    def end_task(self, model: Classifier, task: str) -> None:
        """Keep the active blocks only, and never train them again."""
        selora.drop_closed(model, task)
        for layer in selora.task_layers(model).values():
            child = layer.child(task)
            if child is not None:
                child.requires_grad_(False)

    def activate(self, model: Classifier, task: str | None) -> None:
        """Switch blocks and head to `task`."""
        selora.activate(model, task)
