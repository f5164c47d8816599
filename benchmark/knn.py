"""Weighted k-NN in batches: retention of backbones that have no text head."""

from __future__ import annotations

import torch
from torch.nn import functional as F

NEIGHBOURS = (10, 20, 100, 200)
"""Values of k that are measured; the accuracy in the matrix is that of `REPORTED`."""
REPORTED = 20
TEMPERATURE = 0.07
QUERIES, BANK = 512, 65_536
"""Features compared at once: similarities take 512 x 65,536 x 4 bytes = 128 MiB for a bank of any size."""


def knn(
    queries: torch.Tensor, bank: torch.Tensor, labels: torch.Tensor, classes: int,
    k: int = REPORTED, temperature: float = TEMPERATURE,
) -> torch.Tensor:  # fmt: skip
    """Vote shares [Q, C]: the k nearest by cosine, each weighted by ``exp(cosine / temperature)``.

    queries: [Q, D]; bank: [G, D]; labels: int64 [G]. arXiv 1805.01978 section 3.4, as used in arXiv 2404.17245.
    """
    cosine, index = nearest(queries, bank, k)
    return votes(cosine, labels[index], classes, temperature)


def nearest(queries: torch.Tensor, bank: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and index in the bank, each [Q, k], of the k nearest by cosine, nearest first; k at most G."""
    k = min(k, len(bank))
    bank = F.normalize(bank, dim=1)
    parts = [_nearest(part, bank, k) for part in F.normalize(queries, dim=1).split(QUERIES)]
    return tuple(torch.cat(column) for column in zip(*parts, strict=True))


def _nearest(queries: torch.Tensor, bank: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    best, where = queries.new_zeros(len(queries), 0), torch.zeros(len(queries), 0, dtype=torch.long)
    for number, part in enumerate(bank.split(BANK)):
        cosine, index = (queries @ part.T).topk(min(k, len(part)), dim=1)
        cosine, index = torch.cat([best, cosine], dim=1), torch.cat([where, index + number * BANK], dim=1)
        best, chosen = cosine.topk(min(k, cosine.shape[1]), dim=1)
        where = index.gather(1, chosen)
    return best, where


def votes(cosine: torch.Tensor, labels: torch.Tensor, classes: int, temperature: float = TEMPERATURE) -> torch.Tensor:
    """cosine, labels: [Q, k] of the nearest -> vote shares [Q, C]."""
    shares = cosine.new_zeros(len(cosine), classes)
    shares.scatter_add_(1, labels, ((cosine - 1) / temperature).exp())
    return shares / shares.sum(dim=1, keepdim=True)
