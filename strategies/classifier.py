"""The model that every strategy adapts: input normalisation, image tower, head."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class TextHead(nn.Module):
    """Frozen zero-shot head of a dual encoder: scaled cosine to the text embeddings of the class names.

    weights: L2-normalised [C, D]; scale: CLIP's logit scale. arXiv 2103.00020, section 3.1.2.
    """

    def __init__(self, weights: torch.Tensor, scale: float) -> None:
        super().__init__()
        self.register_buffer("weights", weights.detach().clone())
        self.scale = scale

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """embedding: [B, D] -> logits [B, C]."""
        return self.scale * F.normalize(embedding, dim=-1) @ self.weights.T


class Classifier(nn.Module):
    """Images to logits over the stream's classes.

    tower: normalised images -> embedding [B, D]. head: embedding -> logits [B, C]; either a `TextHead`
    (no parameters) or a linear layer that is trained. mean, std: the backbone's own normalisation.
    """

    def __init__(
        self, tower: nn.Module, head: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:  # fmt: skip
        super().__init__()
        self.tower = tower
        self.head = head
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    @property
    def head_is_trained(self) -> bool:
        """Whether the head has parameters (a text head has none)."""
        return any(True for _ in self.head.parameters())

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """images: uint8 [B, 3, S, S] -> embedding [B, D]."""
        return self.tower((images.to(self.mean.dtype) - self.mean) / self.std)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """images: uint8 [B, 3, S, S] -> logits [B, C]."""
        return self.head(self.embed(images))
