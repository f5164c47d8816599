"""The selection of blocks as an Avalanche plugin, shared by Selective LoRA and TAPS."""

from __future__ import annotations

from typing import Any

import selora
from selora.inject import task_linears
from strategies.avalanche_imports import SupervisedPlugin


class SelectionPlugin(SupervisedPlugin):
    """Trains the scores of the active task's blocks with a `selora.Selector`; `settings` are its arguments."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings = settings
        self.selector: selora.Selector | None = None

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """A new selector for the blocks that are being learned."""
        task = next(layer.active for layer in task_linears(strategy.model).values())
        steps = strategy.train_epochs * len(strategy.dataloader)
        self.selector = selora.Selector(selora.task_blocks(strategy.model, task), steps=steps, **self.settings)

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        """Add the sparsity penalty."""
        strategy.loss = strategy.loss + self.selector.penalty()

    def after_update(self, strategy: Any, **kwargs: Any) -> None:
        """Update scores and mask."""
        self.selector.step()

    def epoch_log(self) -> dict[str, Any]:
        """Active blocks, flips and scores of the epoch, for the run's history."""
        return self.selector.log()
