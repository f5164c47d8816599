"""open_clip's text transformer in timm's blocks, so that it takes low-rank blocks where an image tower does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from open_clip.transformer import ResidualAttentionBlock, text_global_pool
from timm.models.vision_transformer import Block
from torch import nn

from benchmark.errors import UsageError

TOLERANCE = 1e-4
"""Largest difference allowed between open_clip's text embedding and the converted tower's."""

PROMPTS = ("a photo of a cat.", "a rendered glyph: 7", "a", "itap of the large, very long prompt; with 3 commas!")
"""Prompts of several lengths on which the converted tower is checked."""


class TextTower(nn.Module):
    """Token ids [N, L] -> text embedding [N, D]; the names of `blocks` are those of a timm vision transformer.

    text: open_clip's text transformer, or a CLIP that holds its parts. open_clip packs query, key and value in
    one parameter of an `nn.MultiheadAttention`, past which no block can be put; here they are the layer ``attn.qkv``.
    """

    def __init__(self, text: nn.Module) -> None:
        super().__init__()
        layers = list(text.transformer.resblocks)
        self.token_embedding = text.token_embedding
        self.positional_embedding = text.positional_embedding
        self.blocks = nn.ModuleList([_block(layer) for layer in layers])
        self.norm = text.ln_final
        self.pool_type = getattr(text, "text_pool_type", None) or text.pool_type
        self.eos_id = getattr(text, "text_eos_id", getattr(text, "eos_id", None))
        projection = text.text_projection
        if isinstance(projection, nn.Parameter):
            self.head: nn.Module = nn.Linear(*projection.shape, bias=False)
            self.head.weight = nn.Parameter(projection.detach().T.contiguous())
        else:
            self.head = nn.Identity() if projection is None else projection
        self.register_buffer("attn_mask", text.attn_mask, persistent=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """ids: [N, L], L at most the model's context length."""
        length = ids.shape[1]
        x = self.token_embedding(ids) + self.positional_embedding[:length]
        mask = None if self.attn_mask is None else self.attn_mask[:length, :length].to(x.dtype)
        for block in self.blocks:
            x = block(x, attn_mask=mask)
        return self.head(text_global_pool(self.norm(x), ids, self.pool_type, self.eos_id))

    def trimmed(self, ids: torch.Tensor) -> torch.Tensor:
        """`ids` without the columns behind the longest prompt, where they cannot change the embedding.

        They cannot where each token attends to earlier ones only and the embedding is read at the prompt's end:
        a class prompt then costs a fraction of the full context.
        """
        if self.attn_mask is None or self.pool_type not in ("argmax", "eos"):
            return ids
        ends = ids.argmax(dim=1) if self.pool_type == "argmax" else (ids == self.eos_id).int().argmax(dim=1)
        return ids[:, : int(ends.max()) + 1]


def convert_text(name: str, model: nn.Module, tokenizer: Any) -> tuple[TextTower, Callable[[Sequence[str]], Any]]:
    """The text tower of open_clip's `model` and its tokeniser (prompts -> ids [N, L]), the output checked.

    UsageError for a text tower that is no plain transformer.
    """
    text = getattr(model, "text", model)
    layers = getattr(getattr(text, "transformer", None), "resblocks", None)
    plain = layers is not None and all(type(layer) is ResidualAttentionBlock for layer in layers)
    if not plain or getattr(text, "cls_emb", None) is not None or getattr(text, "use_pad_mask", False):
        raise UsageError(
            f"{name} has a text tower of type {type(text).__name__} that takes no blocks (only open_clip's plain text "
            "transformer does); use --towers image"
        )
    with torch.no_grad():
        ids = tokenizer(list(PROMPTS))
        expected = model.encode_text(ids)
        tower = TextTower(text).eval().requires_grad_(False)
        difference = (tower(tower.trimmed(ids)) - expected).abs().max().item()
    if not difference <= TOLERANCE:
        raise RuntimeError(
            f"the converted text tower of {name} differs from open_clip's by {difference:.2g} "
            f"(allowed: {TOLERANCE:g}); this combination of model and library versions is not supported"
        )
    return tower, lambda prompts: tower.trimmed(tokenizer(list(prompts)))


def _block(layer: ResidualAttentionBlock) -> Block:
    """One layer of open_clip's with timm's names; takes over its tensors."""
    attention, width = layer.attn, layer.ln_1.normalized_shape[0]
    has_scale = hasattr(layer.ls_1, "gamma")
    with torch.device("meta"):  # every tensor is replaced
        block = Block(
            width, attention.num_heads, layer.mlp.c_fc.out_features / width, qkv_bias=True,
            init_values=1.0 if has_scale else None, act_layer=nn.Identity, norm_layer=nn.LayerNorm,
        )  # fmt: skip
    block.norm1, block.norm2 = layer.ln_1, layer.ln_2
    block.attn.qkv.weight, block.attn.qkv.bias = attention.in_proj_weight, attention.in_proj_bias
    block.attn.proj.weight, block.attn.proj.bias = attention.out_proj.weight, attention.out_proj.bias
    block.mlp.fc1, block.mlp.act, block.mlp.fc2 = layer.mlp.c_fc, layer.mlp.gelu, layer.mlp.c_proj
    if has_scale:
        block.ls1, block.ls2 = layer.ls_1, layer.ls_2
    return block
