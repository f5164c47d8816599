"""Several lists of classes under one head: each image competes among the classes of its own list only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn
from torch.nn import functional as F


class LabelSpaces(nn.Module):
    """Cross-entropy over the classes of each label's own space.

    A stream of domains with the same classes has one space, and this is plain cross-entropy. Where tasks have classes
    of their own, the head covers all of them one after another: a label is an index into that whole list, its space
    the slice around it. sizes: number of classes of each space; one space may be given as any size.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        spaces = torch.arange(len(self.sizes)).repeat_interleave(torch.tensor(self.sizes))
        self.register_buffer("space_of_class", spaces, persistent=False)

    def span(self, space: int) -> slice:
        """The classes of `space` in the whole list."""
        if len(self.sizes) == 1:
            return slice(None)
        start = sum(self.sizes[:space])
        return slice(start, start + self.sizes[space])

    def of(self, labels: Iterable[int]) -> set[int]:
        """The spaces that `labels` are in."""
        return {0} if len(self.sizes) == 1 else set(self.space_of_class[torch.tensor(sorted(set(labels)))].tolist())

    def candidates(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """logits: [B, C], labels: [B] -> logits with -inf at the classes of other spaces than the label's."""
        if len(self.sizes) == 1:
            return logits
        other = self.space_of_class != self.space_of_class[labels].unsqueeze(1)
        return logits.masked_fill(other, float("-inf"))

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy."""
        return F.cross_entropy(self.candidates(logits, labels), labels)
