"""EWC for Avalanche's template: trainable parameters only, importances of single images, state that can be saved.

Avalanche's own plugin keeps frozen parameters too, squares the gradient of a mini-batch's mean, so that its
lambda depends on the batch size, and loses its protection when modules are wrapped between tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from strategies.avalanche_imports import SupervisedPlugin

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class EWCPlugin(SupervisedPlugin):
    """Adds ``lambda / 2 * sum_t sum_k F_tk (theta_k - theta*_tk)^2`` to the loss (arXiv 1612.00796, eq. 3).

    F_tk is the mean over `images` training images of the squared gradient of the log-likelihood of the label.
    ``online``: one term, ``F <- decay * F + F_t`` and the latest theta* (arXiv 1805.06370, section 3).
    """

    def __init__(self, strength: float, mode: str, decay: float, images: int) -> None:
        super().__init__()
        self.strength, self.mode, self.decay, self.images = strength, mode, decay, images
        self.terms: list[tuple[torch.Tensor, torch.Tensor]] = []
        """For each penalty term: importance and value to stay near, each [P], all trainable parameters in order."""

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        """Add the penalty."""
        if self.terms:
            values = flat(trainable(strategy.model).values())
            for importance, anchor in self.terms:
                strategy.loss = strategy.loss + self.strength / 2 * (importance * (values - anchor).square()).sum()

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Measure the importances of the task just learned."""
        images = _Augmented(strategy.experience.dataset, strategy.augmented)
        model = strategy.model
        fresh = flat(importances(model, images, self.images, strategy.device, model.spaces).values())
        if self.mode == "online" and self.terms:
            fresh = fresh + self.decay * self.terms.pop()[0]
        self.terms.append((fresh, flat(trainable(model).values()).detach()))

    def state_dict(self) -> dict[str, torch.Tensor]:
        """``TERM/(importance|anchor)`` -> tensor [P]."""
        names = ("importance", "anchor")
        return {f"{i}/{name}": t for i, pair in enumerate(self.terms) for name, t in zip(names, pair, strict=True)}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """The inverse of `state_dict`."""
        self.terms = [(state[f"{i}/importance"], state[f"{i}/anchor"]) for i in range(len(state) // 2)]


class _Augmented:
    """A dataset's items as the model is trained on them."""

    def __init__(self, dataset: Any, augment: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.dataset, self.augment = dataset, augment

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image, label, *_ = self.dataset[index]
        return self.augment(image.unsqueeze(0))[0], label


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Name -> parameter, of those that train, in the model's order."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def flat(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    """All of them as one vector; gradients flow back."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def importances(
    model: nn.Module, dataset: Any, images: int, device: torch.device, criterion: Loss = nn.functional.cross_entropy
) -> dict[str, torch.Tensor]:
    """Mean squared gradient of single images' log-likelihood, for each trainable parameter.

    dataset: items (image, label, ...); at most `images` of them, drawn without replacement.
    """
    parameters = trainable(model)
    totals = {name: torch.zeros_like(p) for name, p in parameters.items()}
    chosen = torch.randperm(len(dataset))[:images].tolist()
    was_training = model.training
    model.eval()
    for index in chosen:
        image, label, *_ = dataset[index]
        logits = model(image.unsqueeze(0).to(device))
        loss = criterion(logits, torch.tensor([int(label)], device=device))
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        for total, gradient in zip(totals.values(), gradients, strict=True):
            if gradient is not None:
                total += gradient.square() / len(chosen)
    model.train(was_training)
    return totals
