"""Which domain does an image come from? Asked of the frozen base model when the domain is not given."""

from __future__ import annotations

import torch

NONE = -1
"""The route of an image that resembles no learned domain: it stays with the pre-trained model."""


class DomainRouter:
    """Nearest domain by Mahalanobis distance to class means of base features, or none when all are far.

    Each domain keeps the mean feature of each of its classes; one within-class covariance is pooled over
    domains. An image farther from its nearest domain than the `quantile` of that domain's own validation images
    goes to no domain. Our choice: the protocol is not standardised. Features: [N, D] of the frozen base model.
    """

    def __init__(self, quantile: float = 0.99, shrinkage: float = 0.1) -> None:
        self.quantile, self.shrinkage = quantile, shrinkage
        self.domains: list[str] = []
        self._means: list[torch.Tensor] = []
        self._scatter: torch.Tensor | float = 0.0
        self._count = 0
        self._validation: list[torch.Tensor] = []

    def add(self, domain: str, features: torch.Tensor, labels: torch.Tensor, validation: torch.Tensor) -> None:
        """Learn a domain from its training features and labels, and its validation features."""
        features, validation = features.double(), validation.double()
        means = torch.stack([features[labels == label].mean(dim=0) for label in labels.unique()])
        centred = features - means[torch.searchsorted(labels.unique(), labels)]
        self._scatter = self._scatter + centred.T @ centred
        self._count += len(features)
        self._means.append(means)
        self._validation.append(validation if len(validation) else features)
        self.domains.append(domain)

    def route(self, features: torch.Tensor) -> torch.Tensor:
        """features: [N, D] -> index in `domains` [N], or `NONE`."""
        if not self.domains:
            return torch.full((len(features),), NONE)
        whiten = self._whitening()
        limits = torch.stack(
            [
                torch.quantile(_distance(own, means, whiten), self.quantile)
                for own, means in zip(self._validation, self._means, strict=True)
            ]
        )
        distances = torch.stack([_distance(features.double(), means, whiten) for means in self._means], dim=1)
        nearest, domain = distances.min(dim=1)
        return torch.where(nearest <= limits[domain], domain, NONE)

    def _whitening(self) -> torch.Tensor:
        covariance = self._scatter / self._count
        size = len(covariance)
        # Classes of one image each have no scatter at all: distances are then plain ones, up to a factor.
        variance = covariance.diagonal().mean().clamp(min=1e-12)
        sphere = variance * torch.eye(size, dtype=covariance.dtype)
        precision = torch.linalg.inv((1 - self.shrinkage) * covariance + self.shrinkage * sphere)
        return torch.linalg.cholesky(precision)


def _distance(features: torch.Tensor, means: torch.Tensor, whiten: torch.Tensor) -> torch.Tensor:
    """Distance [N] of each feature to its nearest class mean."""
    return torch.cdist(features @ whiten, means @ whiten).min(dim=1).values
