"""What a backbone is: a pre-trained image tower, its input format and, for a dual encoder, its text side."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

TextHead = Callable[[Sequence[str], Sequence[str]], torch.Tensor]
Tokenize = Callable[[Sequence[str]], torch.Tensor]


@dataclass(frozen=True)
class Backbone:
    """A pre-trained vision model.

    tower: timm vision transformer, normalised images [B, 3, S, S] -> embedding [B, D].
    text_weights: (class names, templates) -> L2-normalised class weights [C, D]; None where the
        model has no text tower.
    logit_scale: multiplies the cosine of image and text embedding (dual encoders only).
    mean, std: per-channel normalisation of images in [0, 1].
    text_tower, tokenize: where the text tower is adapted too, token ids [N, L] -> embedding [N, D] and
        prompts -> ids; else None.
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
    text_tower: nn.Module | None = None
    tokenize: Tokenize | None = None

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the SHA-256 over every parameter and buffer of the towers that can be adapted.

        The same weights in another file or precision-preserving format have the same fingerprint.
        """
        digest = hashlib.sha256()
        for tower in (self.tower, self.text_tower):
            for name, tensor in sorted(tower.state_dict().items()) if tower is not None else ():
                digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
                # Bytes of the storage, since numpy knows no bfloat16.
                digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
        return digest.hexdigest()[:16]
