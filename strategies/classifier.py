"""The model that every strategy adapts: input normalisation, image tower, head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from strategies.label_spaces import LabelSpaces
from strategies.text_head import TextHead, TextTowerHead

__all__ = ["Classifier", "TextHead", "TextTowerHead"]


class Classifier(nn.Module):
    """Images to logits over the stream's classes.

    tower: normalised images -> embedding [B, D]. head: embedding -> logits [B, C]; a `TextHead` (no parameters), a
    `TextTowerHead` (its text tower is adapted) or a linear layer that is trained.
    mean, std: the backbone's own normalisation. spaces: the lists of classes that the head covers; one by default.
    """

    def __init__(
        self,
        tower: nn.Module,
        head: nn.Module,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        spaces: LabelSpaces | None = None,
    ) -> None:
        super().__init__()
        self.tower = tower
        self.head = head
        self.spaces = spaces or LabelSpaces([1])
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    @property
    def towers(self) -> nn.ModuleList:
        """What a strategy adapts: the image tower, and the text tower where it is adapted as well.

        Each has `blocks`. A list to inject into and to loop over; it is made afresh and is no part of the model.
        """
        return nn.ModuleList([self.tower, *([self.head.text_tower] if isinstance(self.head, TextTowerHead) else [])])

    @property
    def has_text_head(self) -> bool:
        """Whether classes are told apart by their names, so that other classes can be as well."""
        return isinstance(self.head, (TextHead, TextTowerHead))

    @property
    def head_is_trained(self) -> bool:
        """Whether the head is a trained layer; a text head is none, its text tower is one of the `towers`."""
        return not self.has_text_head

    @property
    def head_parameters(self) -> list[nn.Parameter]:
        """Parameters of a trained head, of all its copies; none of a text head."""
        return list(self.head.parameters()) if self.head_is_trained else []

    def text_weights(self, classes: Sequence[str], templates: Sequence[str]) -> torch.Tensor:
        """L2-normalised weights [C, D] of any classes, by the text tower as it is now; only with a text head."""
        return self.head.text_weights(classes, templates)

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """images: uint8 [B, 3, S, S] -> embedding [B, D]."""
        return self.tower((images.to(self.mean.dtype) - self.mean) / self.std)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """images: uint8 [B, 3, S, S] -> logits [B, C]."""
        return self.head(self.embed(images))
