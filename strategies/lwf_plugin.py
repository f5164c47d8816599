"""LwF for Avalanche's template: the teacher in eval mode, copied only where the student trains.

Avalanche's own plugin leaves its teacher in training mode (dropout, batch statistics), copies the whole model and
needs task-aware datasets.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from strategies.avalanche_imports import SupervisedPlugin


class LwFPlugin(SupervisedPlugin):
    """Adds ``alpha * T^2 * KL(teacher || student)`` of softened outputs, from the second task on (arXiv 1606.09282).

    The teacher is the model as it was before the task, on the task's own images; its outputs over the classes of
    the tasks learned before are kept (one list of classes, where all domains share it).
    """

    def __init__(self, alpha: float, temperature: float) -> None:
        super().__init__()
        self.alpha, self.temperature = alpha, temperature
        self.teacher: dict[str, torch.Tensor] = {}

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Snapshot the teacher: trainable parameters and buffers; frozen parameters are shared."""
        self.teacher = {}
        if strategy.clock.train_exp_counter > 0:
            trainable = {name: p for name, p in strategy.model.named_parameters() if p.requires_grad}
            self.teacher = {
                name: t.detach().clone() for name, t in {**trainable, **dict(strategy.model.named_buffers())}.items()
            }

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        """Add the distillation loss."""
        if self.teacher:
            teacher = teacher_logits(strategy.model, self.teacher, strategy.mb_x) / self.temperature
            student = strategy.mb_output / self.temperature
            for space in sorted(strategy.learned_spaces):
                span = strategy.model.spaces.span(space)
                own, taught = F.log_softmax(student[:, span], dim=1), F.log_softmax(teacher[:, span], dim=1)
                loss = F.kl_div(own, taught, reduction="batchmean", log_target=True)
                strategy.loss = strategy.loss + self.alpha * self.temperature**2 * loss


@torch.no_grad()
def teacher_logits(model: nn.Module, teacher: dict[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """Logits of `model` in eval mode with the tensors of `teacher` in place of its own; leaves `model` as it was."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        return functional_call(model, teacher, (images,))
    finally:
        for module, mode in modes.items():
            module.training = mode
