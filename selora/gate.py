"""The indicator that switches a block on or off by its score."""

from __future__ import annotations

import torch

THRESHOLD = 0.1
"""A block is active when its score is at least this (the first author's TAPS code; our choice for LoRA)."""

INITIAL_SCORE = 0.15
"""Scores start just above the threshold, so every block starts active (same source)."""


def indicator(score: torch.Tensor, threshold: float = THRESHOLD) -> torch.Tensor:
    """1 where ``score >= threshold``, else 0, with the identity as its gradient (straight-through).

    score: any shape; returns the same shape and dtype. TAPS (arXiv 2203.16708); used for LoRA blocks in
    arXiv 2501.15377. The values are exactly 0 and 1: the added term is zero and only carries the gradient.
    """
    return (score >= threshold).to(score.dtype) + (score - score.detach())
