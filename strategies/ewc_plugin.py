"""EWC for Avalanche's template: trainable parameters only, importances of single images, state that can be saved.

Avalanche's own plugin keeps frozen parameters too, squares the gradient of a mini-batch's mean, so that its
lambda depends on the batch size, and loses its protection when modules are wrapped between tasks.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from strategies.avalanche_imports import SupervisedPlugin


class EWCPlugin(SupervisedPlugin):
    """Adds ``lambda / 2 * sum_t sum_k F_tk (theta_k - theta*_tk)^2`` to the loss (arXiv 1612.00796, eq. 3).

    F_tk is the mean over `images` training images of the squared gradient of the log-likelihood of the label.
    ``online``: one term, ``F <- decay * F + F_t`` and the latest theta* (arXiv 1805.06370, section 3).
    """

    def __init__(self, strength: float, mode: str, decay: float, images: int) -> None:
        super().__init__()
        self.strength, self.mode, self.decay, self.images = strength, mode, decay, images
        self.terms: list[dict[str, tuple[torch.Tensor, torch.Tensor]]] = []
        """For each penalty term: parameter name -> (importance, value to stay near)."""

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        """Add the penalty."""
        # In the model's order, not the terms': a sum in another order would differ after a restart, in its last bits.
        for name, parameter in strategy.model.named_parameters():
            for term in self.terms:
                if name in term:
                    importance, anchor = term[name]
                    penalty = (importance * (parameter - anchor).square()).sum()
                    strategy.loss = strategy.loss + self.strength / 2 * penalty

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Measure the importances of the task just learned."""
        fresh = importances(strategy.model, strategy.experience.dataset, self.images, strategy.device)
        anchors = {name: p.detach().clone() for name, p in strategy.model.named_parameters() if p.requires_grad}
        if self.mode == "online" and self.terms:
            for name, (old, _) in self.terms.pop().items():
                fresh[name] += self.decay * old
        self.terms.append({name: (fresh[name], anchors[name]) for name in anchors})

    def state_dict(self) -> dict[str, torch.Tensor]:
        """``TERM/NAME/(importance|anchor)`` -> tensor."""
        return {
            f"{index}/{name}/{part}": tensor
            for index, term in enumerate(self.terms)
            for name, pair in term.items()
            for part, tensor in zip(("importance", "anchor"), pair, strict=True)
        }

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """The inverse of `state_dict`."""
        self.terms = [{} for _ in {key.split("/")[0] for key in state}]
        for key in state:
            index, name, part = key.split("/")
            if part == "importance":
                self.terms[int(index)][name] = (state[key], state[f"{index}/{name}/anchor"])


def importances(model: nn.Module, dataset: Any, images: int, device: torch.device) -> dict[str, torch.Tensor]:
    """Mean squared gradient of single images' log-likelihood, for each trainable parameter.

    dataset: items (image, label, ...); at most `images` of them, drawn without replacement.
    """
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    totals = {name: torch.zeros_like(p) for name, p in parameters.items()}
    chosen = torch.randperm(len(dataset))[:images].tolist()
    was_training = model.training
    model.eval()
    for index in chosen:
        image, label, *_ = dataset[index]
        logits = model(image.unsqueeze(0).to(device))
        loss = nn.functional.cross_entropy(logits, torch.tensor([int(label)], device=device))
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        for total, gradient in zip(totals.values(), gradients, strict=True):
            if gradient is not None:
                total += gradient.square() / len(chosen)
    model.train(was_training)
    return totals
