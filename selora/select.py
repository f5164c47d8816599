"""Learning which blocks to keep: the scores' own optimiser, and two ways to reach sparsity."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from selora.layers import is_open


class Selector:
    """Trains the scores of one task's blocks and switches blocks off.

    The scores have an optimiser of their own, SGD with momentum as in TAPS: an adaptive one would
    rescale every score's gradient to the same size, and with it hide which block matters and the
    strength of the penalty. Keep the scores out of the model's optimiser.

    penalty: lambda of ``lambda / L * sum |s|``, L the number of blocks (arXiv 2203.16708), after the
        warm-up. How many blocks it leaves depends on model, data and length of training.
    budget: wanted fraction of active blocks in (0, 1]. Since the penalty's gradient is the same for
        every score, a stronger penalty only moves all scores down together; the budget makes that common
        move after every step, just so far that the wanted number stays open. The number
        falls from all to ``round(budget * L)`` (at least 1) on a cubic curve between `warmup` and `freeze`.
    steps: training steps of the task. warmup, freeze: fractions of `steps`; no sparsity before
        `warmup`; after `freeze` the mask is fixed and only the open blocks train on (None: never fixed).
    lr: learning rate of the scores.
    """

    def __init__(
        self,
        blocks: Mapping[str, nn.Module],
        *,
        steps: int,
        penalty: float | None = None,
        budget: float | None = None,
        lr: float = 0.01,
        momentum: float = 0.9,
        warmup: float = 0.1,
        freeze: float | None = 0.5,
    ) -> None:
        if (penalty is None) == (budget is None):
            raise ValueError("give either penalty or budget")
        if penalty is not None and penalty < 0:
            raise ValueError(f"penalty must be at least 0, got {penalty}")
        if budget is not None and not 0 < budget <= 1:
            raise ValueError(f"budget is a fraction of active blocks in (0, 1], got {budget}")
        if not 0 <= warmup < (1 if freeze is None else freeze) <= 1:
            raise ValueError(f"expected 0 <= warmup < freeze <= 1, got {warmup} and {freeze}")
        self.blocks = {name: block for name, block in blocks.items() if block.score is not None}
        if not self.blocks:
            raise ValueError("no gated block to select from")
        self.strength = penalty
        self.wanted = None if budget is None else max(1, round(budget * len(self.blocks)))
        self.first = round(warmup * steps)
        self.last = None if freeze is None else max(self.first + 1, round(freeze * steps))
        self.steps, self.done = steps, 0
        self.optimizer = torch.optim.SGD([b.score for b in self.blocks.values()], lr=lr, momentum=momentum)
        self._mask = self.mask
        self._flips = 0

    @property
    def mask(self) -> dict[str, bool]:
        """Block name -> open."""
        return {name: is_open(block) for name, block in self.blocks.items()}

    @property
    def frozen(self) -> bool:
        """Whether the mask is fixed."""
        return self.last is not None and self.done >= self.last

    def penalty(self) -> torch.Tensor | float:
        """The term to add to the loss at this step; 0 in warm-up, with a budget, and once the mask is fixed."""
        if self.strength is None or self.done < self.first or self.frozen:
            return 0.0
        return self.strength * torch.stack([b.score for b in self.blocks.values()]).abs().mean()

    @torch.no_grad()
    def step(self) -> None:
        """Update the scores from their gradients; call once after each step of the model's optimiser."""
        if self.frozen:
            return
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.done += 1
        if self.wanted is not None and self.done >= self.first:
            self._keep(self._allowed())
        now = self.mask
        self._flips += sum(now[name] != before for name, before in self._mask.items())
        self._mask = now
        if self.frozen:
            self._freeze()

    def _allowed(self) -> int:
        """Blocks that may be open at this step."""
        end = self.steps if self.last is None else self.last
        progress = min(1.0, (self.done - self.first) / max(1, end - self.first))
        return self.wanted + round((len(self.blocks) - self.wanted) * (1 - progress) ** 3)

    def _keep(self, count: int) -> None:
        """Move all scores by one amount so that the `count` highest reach the threshold."""
        blocks = sorted(self.blocks.values(), key=lambda block: -float(block.score))
        if count < len(blocks):
            inside, outside = float(blocks[count - 1].score), float(blocks[count].score)
            shift = blocks[0].threshold - (inside + outside) / 2
            for rank, block in enumerate(blocks):
                block.score += shift
                if is_open(block) != (rank < count):  # equal scores: the order of the blocks decides
                    block.score.fill_(block.threshold * (1.001 if rank < count else 0.999))

    def _freeze(self) -> None:
        for block in self.blocks.values():
            block.score.requires_grad_(False)

    def log(self) -> dict[str, Any]:
        """Active blocks, flips since the last call and the scores' range; warns when every block is closed."""
        values = [float(block.score.detach()) for block in self.blocks.values()]
        active, flips, self._flips = sum(self.mask.values()), self._flips, 0
        if active == 0:
            warnings.warn("every block is closed: the model is the pre-trained one; lower the penalty", stacklevel=2)
        return {
            "active_blocks": active,
            "flips": flips,
            "score_min": min(values),
            "score_mean": sum(values) / len(values),
            "score_max": max(values),
        }
