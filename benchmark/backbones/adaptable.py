"""Vision transformers of timm made fit for blocks: every matched matrix is a layer that is called."""

from __future__ import annotations

import re

import torch
from torch import nn

import selora
from benchmark.backbones.choices import said
from benchmark.errors import UsageError

BLOCKS = (nn.Sequential, nn.ModuleList)


def make_adaptable(name: str, tower: nn.Module) -> nn.Module:
    """`tower`, in place, with its query-key-value layers called as layers; UsageError if it cannot take blocks.

    BEiT and EVA read the weight of ``attn.qkv`` past the layer, to add a bias whose key part is zero: whatever is
    put around the layer would have no effect, silently. timm can add that bias after the layer instead.
    """
    for module in tower.modules():
        if getattr(module, "qkv_bias_separate", None) is False and getattr(module, "q_bias", None) is not None:
            module.qkv_bias_separate = True
    _check_blocks(name, tower)
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in tower.modules()):
        raise UsageError(
            f"backbone {name} has batch normalisation, whose statistics would drift while the tower is frozen; "
            "choose a vision transformer without it"
        )
    return tower


def check_effective(name: str, skeleton: nn.Module, side: int) -> int:
    """Width of the embedding; UsageError unless every matrix that is adapted is called, and an image gives one.

    skeleton: the tower on the meta device, so that nothing is computed. side: of its input.
    """
    called: set[str] = set()
    layers = adapted(skeleton)
    hooks = [
        layer.register_forward_hook(lambda *_, known=layer_name: called.add(known))
        for layer_name, layer in layers.items()
    ]
    try:
        with torch.no_grad():
            out = skeleton(torch.empty(2, 3, side, side, device="meta"))
    except Exception as error:  # whatever a model does with images of a size that it cannot take
        raise UsageError(f"backbone {name} takes no images of {side} pixels: {said(error)}") from error
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(out, torch.Tensor) or out.ndim != 2:
        raise UsageError(f"backbone {name} does not give one embedding an image; choose a model with pooling")
    silent = sorted(set(layers) - called)
    if silent:
        raise UsageError(f"backbone {name}: its layer {silent[0]} is read past, so a block there would have no effect")
    return out.shape[1]


def adapted(tower: nn.Module) -> dict[str, nn.Linear]:
    """Name -> matrix that strategies adapt by default."""
    return {name: module for name, module in tower.named_modules() if re.search(selora.DEFAULT_PATTERN, name)}


def resized(name: str, tower: nn.Module, image_size: int | None) -> nn.Module:
    """`tower` for images of `image_size` pixels, its position embedding resampled; unchanged for None."""
    if image_size is None or image_size == tower.patch_embed.img_size[0]:
        return tower
    patch = tower.patch_embed.patch_size[0]
    if image_size % patch:
        raise UsageError(f"backbone {name} has patches of {patch} pixels: --image-size must be a multiple of {patch}")
    tower.set_input_size(img_size=image_size)
    return tower


def _check_blocks(name: str, tower: nn.Module) -> None:
    layers = range(len(tower.blocks)) if isinstance(getattr(tower, "blocks", None), BLOCKS) else ()
    found = adapted(tower)
    whole = all(
        _is_whole({n.removeprefix(f"blocks.{i}.") for n in found if n.startswith(f"blocks.{i}.")}) for i in layers
    )
    if not (layers and whole and all(isinstance(layer, nn.Linear) for layer in found.values())):
        raise UsageError(
            f"backbone {name} is a {type(tower).__name__} whose layers take no blocks; only VisionTransformer, Eva, "
            "Beit and relatives are supported: `blocks` with attention (attn.qkv or q_proj, proj) and an MLP (fc1, fc2)"
        )


def _is_whole(matrices: set[str]) -> bool:
    """Whether these matrices of a layer are a whole attention and a whole MLP."""
    attention = {"attn.qkv", "attn.proj"} <= matrices or {f"attn.{x}_proj" for x in "qkv"} | {"attn.proj"} <= matrices
    return attention and {"mlp.fc2"} <= matrices
