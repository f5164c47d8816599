"""What a backbone is: a pre-trained image tower, its input format and, for a dual encoder, its text head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

TextHead = Callable[[Sequence[str], Sequence[str]], torch.Tensor]


@dataclass(frozen=True)
class Backbone:
    """A pre-trained vision model.

    tower: timm VisionTransformer, normalised images [B, 3, S, S] -> embedding [B, D].
    text_weights: (class names, templates) -> L2-normalised class weights [C, D]; None where the
        model has no text tower.
    logit_scale: multiplies the cosine of image and text embedding (dual encoders only).
    mean, std: per-channel normalisation of images in [0, 1].
    """

    name: str
    tower: nn.Module
    embed_dim: int
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    text_weights: TextHead | None = None
    logit_scale: float = 1.0
