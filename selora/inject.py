"""Putting task layers into a model by the names of its modules."""

from __future__ import annotations

import re

from torch import nn

from selora.gate import THRESHOLD
from selora.layers import BlockFactory, LowRankBlock, TaskLinear, TaskModule

DEFAULT_PATTERN = r"(^|\.)blocks\.\d+\.(attn\.(qkv|[qkv]_proj|proj)|mlp\.(fc1|fc1_g|fc1_x|fc2))$"
"""The attention and MLP matrices of every transformer layer, by timm's names: 4 a layer, 48 for a 12-layer ViT; more
where query, key and value (``q_proj``) or the two halves of a gated MLP (``fc1_g``, ``fc1_x``) are apart (EVA-02)."""


def inject(
    model: nn.Module,
    pattern: str = DEFAULT_PATTERN,
    *,
    rank: int = 8,
    alpha: float | None = None,
    gated: bool = True,
    threshold: float = THRESHOLD,
    make_block: BlockFactory | None = None,
) -> dict[str, TaskLinear]:
    """Freeze `model` and wrap, in place, every `nn.Linear` whose name matches `pattern` (`re.search`).

    alpha: LoRA's scale, `rank` when None. gated: give every block a score. make_block: another kind of block.
    Returns name -> layer. ValueError when nothing matches, a match is no plain `nn.Linear`, or it belongs to an
    `nn.MultiheadAttention`, which reads the weights of its layers past them.
    """
    matches = {name: module for name, module in model.named_modules() if re.search(pattern, name)}
    if not matches:
        raise ValueError(f"no module name matches {pattern!r}")
    for name, module in matches.items():
        if not isinstance(module, nn.Linear):
            raise ValueError(f"'{name}' matches {pattern!r} but is {type(module).__name__}, not nn.Linear")
        parent = name.rpartition(".")[0]
        if isinstance(model.get_submodule(parent), nn.MultiheadAttention):
            raise ValueError(
                f"'{name}' is inside the nn.MultiheadAttention '{parent}', where a block would have no effect: its "
                "projections are packed; use an attention with linear layers of its own (timm's qkv and proj)"
            )
    scale = float(rank if alpha is None else alpha)

    def low_rank(base: nn.Linear) -> nn.Module:
        return LowRankBlock(base.in_features, base.out_features, rank, scale, gated=gated, threshold=threshold)

    model.requires_grad_(False)
    for name, module in matches.items():
        replace(model, name, TaskLinear(module, make_block or low_rank))
    return task_linears(model)


def replace(model: nn.Module, name: str, module: nn.Module) -> None:
    """Put `module` in the place that `name` (dotted) has in `model`."""
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, module)


def task_layers(model: nn.Module) -> dict[str, TaskModule]:
    """Name -> task module, in the model's order: task linears and whatever else keeps something a task."""
    return {name: module for name, module in model.named_modules() if isinstance(module, TaskModule)}


def task_linears(model: nn.Module) -> dict[str, TaskLinear]:
    """Name -> task linear, in the model's order."""
    return {name: layer for name, layer in task_layers(model).items() if isinstance(layer, TaskLinear)}
