"""Training augmentations by name; the same for every strategy of a comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torchvision.transforms import v2

Transform = Callable[[torch.Tensor], torch.Tensor]
"""uint8 image [3, s, s] -> [3, S, S], S the model's input side; draws from torch's global generator."""


@dataclass(frozen=True)
class Augmentation:
    """scale: side of the decoded training image relative to the model's input; build: input side -> transform."""

    scale: float
    build: Callable[[int], Transform | None]


AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(1.0, lambda size: None),
    "shift": Augmentation(1.0, lambda size: v2.RandomCrop(size, padding=size // 16, padding_mode="edge")),
    "crop-flip": Augmentation(
        8 / 7,
        lambda size: v2.Compose(
            [v2.RandomResizedCrop(size, scale=(0.5, 1.0), antialias=True), v2.RandomHorizontalFlip()]
        ),
    ),
}
"""`shift` for characters (a flipped 2 is no 2), `crop-flip` for photographs and drawings."""
