"""Any open_clip model with a plain ViT image tower, as a Backbone: the tower becomes a timm VisionTransformer."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.transformer import VisionTransformer as OpenClipViT
from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn
from torch import nn

from benchmark.backbones.base import Backbone, TextHead

TOLERANCE = 1e-4
"""Largest difference allowed between open_clip's image embedding and the converted tower's."""


def load_open_clip(
    model_name: str,
    pretrained: str | Path,
    *,
    name: str | None = None,
    config_dir: str | Path | None = None,
    image_size: int | None = None,
) -> Backbone:
    """Load open_clip's `model_name` with the weights `pretrained`.

    pretrained: a file (safetensors, or a checkpoint that loads with weights only) or one of open_clip's tags.
    name: the backbone's name; `model_name` by default.
    config_dir: folder of further open_clip model configurations (JSON).
    image_size: side of the input in pixels; the model's own by default. Another one resamples the position embedding.

    Raises:
        ValueError: unknown model, no such weights, or an image tower that is no plain ViT.
        RuntimeError: the converted tower does not reproduce open_clip's embedding.
    """
    model = _create(model_name, pretrained, config_dir, image_size)
    mean, std, interpolation = _preprocessing(model)
    tower = _timm_tower(model_name, model)
    # Only the text side is kept: the head needs it, and a second image tower would double the memory.
    del model.visual
    return Backbone(
        name=name or model_name,
        tower=tower,
        embed_dim=tower.num_classes,
        image_size=tower.patch_embed.img_size[0],
        mean=mean,
        std=std,
        interpolation=interpolation,
        text_weights=_text_head(model, open_clip.get_tokenizer(model_name)),
        logit_scale=model.logit_scale.exp().item(),
    )


def _create(
    model_name: str, pretrained: str | Path, config_dir: str | Path | None, image_size: int | None
) -> nn.Module:
    if config_dir is not None:
        open_clip.add_model_config(Path(config_dir))
    if model_name not in open_clip.list_models():
        raise ValueError(f"open_clip has no model {model_name!r}; see open_clip.list_models()")
    tags = open_clip.list_pretrained_tags_by_model(model_name)
    if pretrained not in tags and not Path(pretrained).is_file():
        raise ValueError(f"{model_name} has no weights {str(pretrained)!r}: no such file, and its tags are {tags}")
    model = open_clip.create_model(
        model_name, str(pretrained), force_image_size=image_size, require_pretrained=True, weights_only=True
    )
    return model.eval().requires_grad_(False)


def _preprocessing(model: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    """Channel means, standard deviations and the name of the interpolation, as open_clip prescribes them."""
    config: dict[str, Any] = model.visual.preprocess_cfg
    return tuple(config["mean"]), tuple(config["std"]), config["interpolation"]


def _timm_tower(model_name: str, model: nn.Module) -> VisionTransformer:
    """The image tower of `model` in timm's classes, its output checked against open_clip's."""
    visual = model.visual
    if not isinstance(visual, OpenClipViT) or visual.attn_pool is not None or visual.pool_type != "tok":
        raise ValueError(
            f"{model_name} has an image tower of type {type(visual).__name__}; only CLIP models with a plain ViT and "
            "a class token are supported (such as ViT-B-32 or ViT-B-16), because strategies adapt transformer blocks"
        )
    block = visual.transformer.resblocks[0]
    tower = VisionTransformer(
        img_size=visual.image_size[0],
        patch_size=visual.patch_size[0],
        num_classes=visual.output_dim,
        embed_dim=visual.conv1.out_channels,
        depth=len(visual.transformer.resblocks),
        num_heads=block.attn.num_heads,
        mlp_ratio=block.mlp.c_fc.out_features / block.mlp.c_fc.in_features,
        pre_norm=not isinstance(visual.ln_pre, nn.Identity),
        norm_layer=functools.partial(nn.LayerNorm, eps=visual.ln_post.eps),
        act_layer=type(block.mlp.gelu),
    )
    state = {f"visual.{key}": value for key, value in visual.state_dict().items()}
    tower.load_state_dict(checkpoint_filter_fn(state, tower))
    tower.eval()
    _check_same(model_name, visual, tower)
    return tower


@torch.no_grad()
def _check_same(model_name: str, visual: nn.Module, tower: nn.Module) -> None:
    """Raise RuntimeError unless both towers embed a fixed random batch alike."""
    images = torch.randn(2, 3, *visual.image_size, generator=torch.Generator().manual_seed(0))
    difference = (visual(images) - tower(images)).abs().max().item()
    if not difference <= TOLERANCE:
        raise RuntimeError(
            f"the converted image tower of {model_name} differs from open_clip's by {difference:.2g} "
            f"(allowed: {TOLERANCE:g}); this combination of model and library versions is not supported"
        )


def _text_head(model: nn.Module, tokenizer: Any) -> TextHead:
    def text_weights(class_names: Sequence[str], templates: Sequence[str]) -> torch.Tensor:
        columns = open_clip.build_zero_shot_classifier(model, tokenizer, list(class_names), list(templates))
        return columns.T.contiguous()

    return text_weights
