"""TAPS: task-adaptive parameter sharing (arXiv 2203.16708), for vision transformers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F

import selora
from selora.inject import replace
from strategies.per_task import PerTaskStrategy, TaskCopy
from strategies.selective_lora import unscored_parameters

if TYPE_CHECKING:
    from strategies.classifier import Classifier


class DenseBlock(nn.Module):
    """TAPS's full-rank update ``delta`` [out, in] of a linear layer, zero at first, with its score."""

    def __init__(self, base: nn.Linear, threshold: float = selora.THRESHOLD) -> None:
        super().__init__()
        self.threshold = threshold
        self.weight = nn.Parameter(torch.zeros_like(base.weight))
        self.score = nn.Parameter(torch.tensor(selora.INITIAL_SCORE))

    def delta(self) -> torch.Tensor:
        """The weight update [out, in]."""
        return self.weight

    def adapt(self, base: nn.Linear, x: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        """``(W + I(s) * delta) x``, added as weights: for a full-rank update cheaper than a second product."""
        return F.linear(x, base.weight + gate * self.weight, base.bias)


def _is_normalisation(module: nn.Module) -> bool:
    """Whether `module` normalises and has weights of its own: LayerNorm, RMSNorm, and timm's variants of them."""
    is_leaf = next(module.children(), None) is None
    return is_leaf and "norm" in type(module).__name__.lower() and next(module.parameters(), None) is not None


@dataclass(frozen=True)
class TAPS(PerTaskStrategy):
    """``W = W0 + I(s) * delta`` a layer and task; loss CE + penalty * mean |s| after a warm-up.

    Normalisation layers and a trained head have a copy a task. The mask is never frozen: a closed layer
    can reopen. Choice for ViTs, where the authors' variant differs: the same four matrices a
    layer as Selective LoRA; ``pattern`` narrows it (``attn`` for attention only).
    """

    lr: float = 1e-3
    penalty: float = 1.0
    score_lr: float = 0.005
    warmup: float = 0.1
    pattern: str = selora.DEFAULT_PATTERN

    def inject(self, model: Classifier) -> None:
        """Dense gated blocks on the linear layers, copies of the normalisation layers."""
        towers = model.towers
        selora.inject(towers, self.pattern, make_block=DenseBlock)
        norms = [name for name, module in towers.named_modules() if _is_normalisation(module)]
        for name in norms:
            replace(towers, name, TaskCopy(towers.get_submodule(name)))

    def parameter_groups(self, model: Classifier) -> list[dict[str, Any]]:
        """Everything trainable but the scores; no weight decay."""
        return unscored_parameters(model)

    def plugins(self) -> list[Any]:
        """The selection plugin, with a penalty and a mask that is never frozen."""
        from strategies.selection import SelectionPlugin

        return [SelectionPlugin(penalty=self.penalty, lr=self.score_lr, warmup=self.warmup, freeze=None)]
