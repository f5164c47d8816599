"""Plain LoRA: one adapter that goes through the whole stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import selora
from strategies.base import Strategy

if TYPE_CHECKING:
    from strategies.classifier import Classifier


@dataclass(frozen=True)
class LoRA(Strategy):
    """Low-rank blocks without gates on every matrix, shared by all tasks (arXiv 2106.09685)."""

    lr: float = 3e-3
    rank: int = 8
    alpha: float | None = None
    pattern: str = selora.DEFAULT_PATTERN

    def prepare(self, model: Classifier) -> None:
        """Freeze the towers and add the adapter."""
        selora.inject(model.towers, self.pattern, rank=self.rank, alpha=self.alpha, gated=False)
        selora.add_task(model, "stream")
