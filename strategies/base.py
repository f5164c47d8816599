"""What a strategy is, and the training budget that every strategy of a comparison shares.

Imports neither torch nor Avalanche when loaded, so that listing and planning stay fast.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from strategies.classifier import Classifier

PRECISIONS = ("fp32", "bf16", "fp16")


@dataclass(frozen=True)
class TrainConfig:
    """The training budget of one domain, equal for every strategy of a comparison.

    epochs: passes over a domain's training images. batch_size: images of one optimiser step.
    head_lr: learning rate of a linear head, where the backbone has no text head; a strategy's `lr` is the tower's.
    warmup: fraction of a domain's steps with a linearly rising learning rate; a cosine to zero follows.
    augment: name in `benchmark.data.transforms.AUGMENTATIONS`.
    val_fraction: part of each domain's training split kept for validation, never trained on.
    precision: ``fp32``, or ``bf16`` or ``fp16`` autocast, in training and evaluation; weights stay float32.
    """

    epochs: int = 4
    batch_size: int = 32
    head_lr: float = 1e-2
    warmup: float = 0.1
    clip_grad_norm: float = 1.0
    augment: str = "crop-flip"
    val_fraction: float = 0.1
    precision: str = "fp32"

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(f"epochs and batch_size must be at least 1, got {self.epochs} and {self.batch_size}")
        if not (0 <= self.warmup < 1 and 0 <= self.val_fraction < 1):
            raise ValueError(
                f"warmup and val_fraction are fractions in [0, 1), got {self.warmup} and {self.val_fraction}"
            )
        if self.clip_grad_norm <= 0:
            raise ValueError(f"clip_grad_norm must be above 0, got {self.clip_grad_norm}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is one of {', '.join(PRECISIONS)}, got '{self.precision}'")


@dataclass(frozen=True)
class Strategy:
    """A way of adapting; the fields are its hyper-parameters, each settable with ``--set NAME.FIELD=VALUE``.

    A subclass declares the class variables and overrides the hooks it needs. The instance holds no
    state: what a strategy learns lives in the model's parameters or in its plugins.
    """

    lr: float = 1e-3

    version: ClassVar[int] = 1
    """Raised when the same hyper-parameters begin to mean other results; part of the run key."""
    needs_task_id: ClassVar[bool] = False
    """Uses the domain's identity at test time: evaluated with the domain given, and again behind the router."""
    per_task_head: ClassVar[bool] = False
    """Keeps a copy of a trained head for every task (a frozen text head is never copied)."""
    offline: ClassVar[bool] = False
    """Sees all domains at once: an upper bound, ranked apart."""
    training_passes: ClassVar[float] = 3.0
    """Work of a training step in forward passes, for an estimate of the cost: one forward, two for the gradient."""
    head_only: ClassVar[bool] = False
    """Trains a linear head and nothing else: nothing at all where there is a text head."""

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ValueError(f"lr must be above 0, got {self.lr}")

    def prepare(self, model: Classifier) -> None:
        """Freeze and inject, in place, before the first domain. The default trains every parameter."""

    def begin_task(self, model: Classifier, task: str) -> None:
        """Make the model ready to learn `task`, before its optimiser is built."""

    def end_task(self, model: Classifier, task: str) -> None:
        """Tidy up after `task` was learned: merge, drop, freeze."""

    def activate(self, model: Classifier, task: str | None) -> None:
        """Switch to the parameters of a learned `task`; None is the pre-trained model (`needs_task_id` only)."""

    def parameter_groups(self, model: Classifier) -> list[dict[str, Any]]:
        """Optimiser groups; the default is one group of all trainable parameters, without weight decay."""
        return [{"params": [p for p in model.parameters() if p.requires_grad]}]

    def plugins(self) -> list[Any]:
        """Fresh Avalanche plugins; one with state to keep has `state_dict` and `load_state_dict` of tensors."""
        return []

    @classmethod
    def hyper_parameters(cls) -> dict[str, Any]:
        """Field name -> default."""
        return {field.name: field.default for field in dataclasses.fields(cls)}
