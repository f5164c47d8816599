"""Selective LoRA (arXiv 2501.15377) on a stream: per-task blocks and masks, or merged into one model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import selora
from strategies.base import Strategy
from strategies.per_task import PerTaskStrategy

if TYPE_CHECKING:
    from strategies.classifier import Classifier


@dataclass(frozen=True)
class _Selective(Strategy):
    """Hyper-parameters of block selection.

    budget: wanted fraction of active blocks. penalty: lambda of the sparsity penalty; when given it
    replaces the budget. warmup, freeze: fractions of a task's steps before the first and after the last
    change of the mask. alpha: LoRA's scale, `rank` when None. score_lr: learning rate of the scores.
    """

    rank: int = 16
    alpha: float | None = None
    pattern: str = selora.DEFAULT_PATTERN
    budget: float = 0.25
    penalty: float | None = None
    score_lr: float = 0.01
    warmup: float = 0.1
    freeze: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1, got {self.rank}")
        if not 0 < self.budget <= 1:
            raise ValueError(f"budget is a fraction of active blocks in (0, 1], got {self.budget}")
        if not 0 <= self.warmup < self.freeze <= 1:
            raise ValueError(f"expected 0 <= warmup < freeze <= 1, got {self.warmup} and {self.freeze}")

    def inject(self, model: Classifier) -> None:
        """Gated low-rank blocks on the towers' linear layers."""
        selora.inject(model.towers, self.pattern, rank=self.rank, alpha=self.alpha)

    def parameter_groups(self, model: Classifier) -> list[dict[str, Any]]:
        """Everything trainable but the scores, which the selector trains; no decay, it would shrink closed blocks."""
        return unscored_parameters(model)

    def plugins(self) -> list[Any]:
        """The selection plugin."""
        from strategies.selection import SelectionPlugin

        sparsity = {"budget": self.budget} if self.penalty is None else {"penalty": self.penalty}
        return [SelectionPlugin(**sparsity, lr=self.score_lr, warmup=self.warmup, freeze=self.freeze)]


def unscored_parameters(model: Classifier) -> list[dict[str, Any]]:
    """One optimiser group of all trainable parameters but block scores."""
    named = model.named_parameters()
    return [{"params": [p for n, p in named if p.requires_grad and not n.endswith(".score")]}]


@dataclass(frozen=True)
class SelectiveLoRA(_Selective, PerTaskStrategy):
    """Every task gets its own blocks and mask on the frozen base; closed blocks are dropped after training."""

    lr: float = 1e-2


@dataclass(frozen=True)
class SelectiveLoRAMerged(_Selective):
    """One model: a task's active blocks are merged into the base before the next task starts."""

    lr: float = 3e-3

    def prepare(self, model: Classifier) -> None:
        """Freeze the towers and inject; a trained head is shared by all tasks."""
        self.inject(model)

    def begin_task(self, model: Classifier, task: str) -> None:
        """Fresh blocks on what the earlier tasks left."""
        selora.add_task(model, task)

    def end_task(self, model: Classifier, task: str) -> None:
        """Merge the active blocks into the base for good."""
        selora.fold(model, task)
