"""Heads that classify by text: fixed embeddings of the class names, or a text tower that is adapted too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

import selora

PROMPTS_A_PASS = 256
"""Prompts that the text tower encodes at once where no gradient is kept."""

Encode = Callable[[Sequence[str], Sequence[str]], torch.Tensor]
Tokenize = Callable[[Sequence[str]], torch.Tensor]


class TextHead(nn.Module):
    """Frozen zero-shot head of a dual encoder: scaled cosine to the text embeddings of the class names.

    weights: L2-normalised [C, D]; scale: CLIP's logit scale. arXiv 2103.00020, section 3.1.2.
    encode: (class names, templates) -> L2-normalised weights of other classes; None where there are none.
    """

    def __init__(self, weights: torch.Tensor, scale: float, encode: Encode | None = None) -> None:
        super().__init__()
        self.register_buffer("weights", weights.detach().clone())
        self.scale = scale
        self.encode = encode
        self._others: dict[tuple[tuple[str, ...], tuple[str, ...]], torch.Tensor] = {}

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """embedding: [B, D] -> logits [B, C]."""
        return self.scale * F.normalize(embedding, dim=-1) @ self.weights.T

    def text_weights(self, classes: Sequence[str], templates: Sequence[str]) -> torch.Tensor:
        """L2-normalised weights [C, D] of `classes`; RuntimeError for a head made without an encoder."""
        if self.encode is None:
            raise RuntimeError("this text head was made of fixed weights and encodes no other classes")
        key = tuple(classes), tuple(templates)
        if key not in self._others:
            self._others[key] = self.encode(classes, templates)
        return self._others[key]


class TextTowerHead(nn.Module):
    """Zero-shot head whose text tower is adapted: scaled cosine to the embeddings of the class prompts as they are now.

    While the text tower learns, each forward encodes every class with one template a label space, drawn at random
    where there are several (as FLYP does, arXiv 2212.00638; choice: all classes, not those of the batch). Otherwise
    a class is the normalised mean over its templates, as in open_clip's zero-shot classifier, encoded in float32
    and kept until a parameter or the active task changes.

    tower: token ids [N, L] -> embedding [N, D]. tokenize: prompts -> ids [N, L]. spaces: (class names, templates).
    """

    def __init__(
        self,
        tower: nn.Module,
        tokenize: Tokenize,
        spaces: Sequence[tuple[Sequence[str], Sequence[str]]],
        scale: float,
    ) -> None:
        super().__init__()
        self.text_tower = tower
        self.tokenize = tokenize
        self.scale = scale
        self.spaces = len(spaces)
        for index, (classes, templates) in enumerate(spaces):
            self.register_buffer(f"prompts{index}", self._ids(classes, templates), persistent=False)
        self._known: tuple[Any, torch.Tensor] | None = None

    @property
    def prompts(self) -> list[torch.Tensor]:
        """Token ids of each label space, [templates, classes, L]."""
        return [getattr(self, f"prompts{index}") for index in range(self.spaces)]

    def train(self, mode: bool = True) -> TextTowerHead:
        """Set the mode; kept weights are forgotten as training begins, since fused optimisers count no versions."""
        if mode:
            self._known = None
        return super().train(mode)

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """embedding: [B, D] -> logits [B, C]."""
        return self.scale * F.normalize(embedding, dim=-1) @ self.weights().T

    def weights(self) -> torch.Tensor:
        """L2-normalised class weights [C, D] of all label spaces; with a gradient while the text tower learns."""
        if torch.is_grad_enabled() and any(p.requires_grad for p in self.text_tower.parameters()):
            return torch.cat([F.normalize(self.text_tower(_drawn(ids)), dim=-1) for ids in self.prompts])
        state = self._state()
        if self._known is None or not _same(self._known[0], state):
            self._known = (state, torch.cat([self._mean(ids) for ids in self.prompts]))
        return self._known[1]

    def text_weights(self, classes: Sequence[str], templates: Sequence[str]) -> torch.Tensor:
        """L2-normalised weights [C, D] of any classes by the text tower as it is now, without a gradient."""
        return self._mean(self._ids(classes, templates).to(next(self.text_tower.parameters()).device))

    def _ids(self, classes: Sequence[str], templates: Sequence[str]) -> torch.Tensor:
        ids = self.tokenize([template.format(name) for template in templates for name in classes])
        return ids.view(len(templates), len(classes), -1)

    def _mean(self, ids: torch.Tensor) -> torch.Tensor:
        """ids: [templates, classes, L] -> [classes, D]."""
        # An inference tensor could not take part in a later training step.
        with torch.inference_mode(False), torch.no_grad(), torch.autocast(ids.device.type, enabled=False):
            parts = [self.text_tower(part) for part in ids.flatten(0, 1).split(PROMPTS_A_PASS)]
            embedded = F.normalize(torch.cat(parts), dim=-1).view(*ids.shape[:2], -1)
            return F.normalize(embedded.mean(dim=0), dim=-1)

    def _state(self) -> tuple[Any, ...]:
        """What the weights depend on: the tensors in use, their versions and norms, and the active tasks.

        The norms are for changes that count no version: through ``.data``, and by a fused optimiser. The tensors
        themselves are held, so that none is taken for another one that has its address.
        """
        tensors = list(self.text_tower.parameters())
        versions = [0 if tensor.is_inference() else tensor._version for tensor in tensors]
        norms = torch.stack([torch.linalg.vector_norm(tensor.detach()).float() for tensor in tensors]).tolist()
        active = [layer.active for layer in selora.task_layers(self.text_tower).values()]
        return [id(tensor) for tensor in tensors], versions, norms, active, tensors


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return one[:4] == other[:4]


def _drawn(ids: torch.Tensor) -> torch.Tensor:
    """The prompts [C, L] of one template, drawn from torch's global generator where there are several."""
    return ids[int(torch.randint(len(ids), ()))] if len(ids) > 1 else ids[0]
