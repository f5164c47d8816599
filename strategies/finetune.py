"""The frames of every comparison: no training, naive fine-tuning, and joint training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from strategies.base import Strategy

if TYPE_CHECKING:
    from strategies.classifier import Classifier


@dataclass(frozen=True)
class ZeroShot(Strategy):
    """The pre-trained model as it is; for a backbone without a text head, a linear probe on frozen features."""

    training_passes: ClassVar[float] = 1.0
    head_only: ClassVar[bool] = True

    def prepare(self, model: Classifier) -> None:
        """Freeze the towers; a text head has nothing else to train."""
        model.towers.requires_grad_(False)


@dataclass(frozen=True)
class Finetune(Strategy):
    """Every parameter of the towers, one domain after another, nothing against forgetting."""

    lr: float = 3e-4


@dataclass(frozen=True)
class Joint(Finetune):
    """Fine-tuning on all domains at once: what remembering everything would give."""

    lr: float = 1e-3

    offline: ClassVar[bool] = True
