"""Any open_clip model with a vision transformer as image tower, as a Backbone: the tower in timm's classes."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import _build_vision_tower
from open_clip.timm_model import TimmModel
from open_clip.transformer import ResidualAttentionBlock
from open_clip.transformer import VisionTransformer as OpenClipViT
from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn
from torch import nn

from benchmark.backbones.adaptable import check_effective, make_adaptable, resized
from benchmark.backbones.base import Backbone, TextHead
from benchmark.backbones.choices import nearest, not_plain, said
from benchmark.backbones.text_tower import convert_text
from benchmark.errors import UsageError
from strategies.text_head import TextTowerHead

TOLERANCE = 1e-4
"""Largest difference allowed between open_clip's image embedding and the converted tower's."""

POOLING = {"tok": "token", "avg": "avg"}
"""open_clip's names of poolings, and timm's."""

SCHEMES = ("hf-hub:", "local-dir:")
"""Beginnings of model names that bring configuration and weights with them."""


def load_open_clip(
    model_name: str,
    pretrained: str | Path | None,
    *,
    name: str | None = None,
    config_dir: str | Path | None = None,
    image_size: int | None = None,
    towers: str = "image",
) -> Backbone:
    """Load open_clip's `model_name` with the weights `pretrained`.

    model_name: one of open_clip's, or a name with one of `SCHEMES`, whose `pretrained` is None.
    pretrained: a file (safetensors, or a checkpoint that loads with weights only) or one of open_clip's tags.
    name: the backbone's name; `model_name` by default.
    config_dir: folder of further open_clip model configurations (JSON).
    image_size: side of the input in pixels; the model's own by default. Another one resamples the position embedding.
    towers: ``both`` gives the text tower as a module as well, to be adapted.

    Raises:
        UsageError: unknown model, no such weights, weights that do not fit, or a tower that takes no blocks.
        RuntimeError: a converted tower does not reproduce open_clip's embedding.
    """
    if config_dir is not None:
        open_clip.add_model_config(Path(config_dir))
    if not model_name.startswith(SCHEMES):
        _check_names(model_name, pretrained)
    if not model_name.startswith("hf-hub:"):
        image_skeleton(model_name, image_size)  # refuses an unfit tower before anything is downloaded
    model = _create(model_name, pretrained)
    preprocessing: dict[str, Any] = model.visual.preprocess_cfg
    tower = _converted(model_name, model.visual)
    # Only the text side is kept: a second image tower would double the memory.
    del model.visual
    tower = resized(model_name, tower, image_size)
    tokenizer = _tokenizer(model_name)
    scale = model.logit_scale.exp().item()
    text_tower = tokenize = None
    if towers == "both":
        text_tower, tokenize = convert_text(model_name, model, tokenizer)
        text_weights = TextTowerHead(text_tower, tokenize, (), scale).text_weights
    else:
        text_weights = _text_head(model, tokenizer)
    return Backbone(
        name=name or model_name,
        tower=tower,
        embed_dim=tower.num_classes or tower.num_features,
        image_size=tower.patch_embed.img_size[0],
        mean=tuple(preprocessing["mean"]),
        std=tuple(preprocessing["std"]),
        interpolation=preprocessing["interpolation"],
        text_weights=text_weights,
        logit_scale=scale,
        text_tower=text_tower,
        tokenize=tokenize,
    )


def image_skeleton(model_name: str, image_size: int | None = None) -> tuple[nn.Module, int]:
    """The image tower of a model that open_clip knows, without weights on the meta device, and its input side."""
    config = open_clip.get_model_config(model_name)
    if config is None:
        raise _unknown_model(model_name)
    with torch.device("meta"):
        visual = _build_vision_tower(config["embed_dim"], config["vision_cfg"], config.get("quick_gelu", False))
        tower = resized(model_name, _shaped(model_name, visual), image_size)
    side = tower.patch_embed.img_size[0]
    check_effective(model_name, tower.eval(), side)
    return tower, side


def _check_names(model_name: str, pretrained: str | Path | None) -> None:
    if model_name not in open_clip.list_models():
        raise _unknown_model(model_name)
    tags = open_clip.list_pretrained_tags_by_model(model_name)
    if pretrained not in tags and not Path(pretrained or "").is_file():
        known = f"its tags are {', '.join(tags)}" if tags else "it has no tags"
        raise UsageError(f"{model_name} has no weights '{pretrained}': no such file, and {known}")


def _unknown_model(name: str) -> UsageError:
    return UsageError(f"open_clip has no model '{name}'{nearest(name, open_clip.list_models())}")


def _create(model_name: str, pretrained: str | Path | None) -> nn.Module:
    """open_clip's model at its own image size, frozen, in eval mode."""
    tag = None if pretrained is None else open_clip.get_pretrained_cfg(model_name, str(pretrained))
    try:
        model = open_clip.create_model(
            model_name,
            None if pretrained is None else str(pretrained),
            require_pretrained=True,
            weights_only=True,
            # OpenAI's weights were trained with it, under model names that open_clip lists without.
            force_quick_gelu=bool(tag and tag.get("quick_gelu")),
        )
    except pickle.UnpicklingError as error:
        raise not_plain(pretrained or model_name) from error
    except Exception as error:  # whatever a file or a hub can bring about
        raise UsageError(_why(model_name, pretrained, error)) from error
    return model.eval().requires_grad_(False)


def _why(model_name: str, pretrained: str | Path | None, error: Exception) -> str:
    if pretrained is not None and Path(pretrained).is_file():
        return f"{pretrained} does not fit {model_name}, or is no checkpoint: {said(error)}"
    offline = "" if model_name.startswith("local-dir:") else f"clip:{model_name}/FILE"
    if model_name.startswith("hf-hub:"):
        offline = "clip:local-dir:FOLDER with open_clip_config.json and the weights"
    hint = f"; without a network give a local file: {offline}" if offline else ""
    return f"the weights of {model_name} could not be had: {said(error)}{hint}"


def _tokenizer(model_name: str) -> Any:
    try:
        return open_clip.get_tokenizer(model_name)
    except Exception as error:  # a missing package, file or network
        raise UsageError(
            f"the tokenizer of {model_name} could not be had: {said(error)}; without a network use "
            "clip:local-dir:FOLDER with open_clip_config.json, the weights and the tokenizer's files"
        ) from error


def _shaped(model_name: str, visual: nn.Module) -> nn.Module:
    """A tower of timm's classes for open_clip's `visual`; a trunk that is timm's already keeps its weights."""
    if isinstance(visual, TimmModel):
        return _trunk(model_name, visual)
    plain = isinstance(visual, OpenClipViT) and visual.attn_pool is None and visual.pool_type in POOLING
    if not plain or type(visual.transformer.resblocks[0]) is not ResidualAttentionBlock:
        raise UsageError(
            f"{model_name} has an image tower of type {type(visual).__name__}; only CLIP models with a plain ViT "
            "(such as ViT-B-32 or ViT-B-16), or with a vision transformer of timm's, are supported, because strategies "
            "adapt transformer blocks"
        )
    block = visual.transformer.resblocks[0]
    tower = VisionTransformer(
        img_size=visual.image_size[0],
        patch_size=visual.patch_size[0],
        num_classes=visual.output_dim,
        global_pool=POOLING[visual.pool_type],
        fc_norm=visual.pool_type == "avg" and visual.final_ln_after_pool,
        embed_dim=visual.conv1.out_channels,
        depth=len(visual.transformer.resblocks),
        num_heads=block.attn.num_heads,
        mlp_ratio=block.mlp.c_fc.out_features / block.mlp.c_fc.in_features,
        pre_norm=not isinstance(visual.ln_pre, nn.Identity),
        norm_layer=functools.partial(nn.LayerNorm, eps=visual.ln_post.eps),
        act_layer=type(block.mlp.gelu),
        init_values=1.0 if hasattr(block.ls_1, "gamma") else None,
    )
    tower.patch_embed.proj.bias = None  # timm has one where there is no normalisation before the blocks
    return tower


def _trunk(model_name: str, visual: TimmModel) -> nn.Module:
    """The timm model inside `visual`, with open_clip's projection as its head where there is one."""
    tower = visual.trunk
    if len(visual.head):
        if not hasattr(tower, "blocks") or "pool" in dict(visual.head.named_children()):
            raise UsageError(f"{model_name} has an image tower of type {type(tower).__name__} that takes no blocks")
        tower.head = visual.head
        tower.num_classes = 0
        tower.num_features = [m for m in visual.head.modules() if isinstance(m, nn.Linear)][-1].out_features
    return make_adaptable(model_name, tower)


def _converted(model_name: str, visual: nn.Module) -> nn.Module:
    """`visual` in timm's classes, its output checked against open_clip's; trainable, in eval mode."""
    expected = _embedded(visual, visual)
    tower = _shaped(model_name, visual)
    if not isinstance(visual, TimmModel):
        state = {f"visual.{key}": value for key, value in visual.state_dict().items()}
        state = {key.replace(".ls_1.", ".ls1.").replace(".ls_2.", ".ls2."): value for key, value in state.items()}
        state = checkpoint_filter_fn(state, tower)
        if isinstance(tower.norm, nn.Identity):  # timm has the normalisation after the pooling under another name
            state = {f"fc_{key}" if key.startswith("norm.") else key: value for key, value in state.items()}
        tower.load_state_dict(state)
    tower.eval().requires_grad_(True)
    difference = (expected - _embedded(tower, visual)).abs().max().item()
    if not difference <= TOLERANCE:
        raise RuntimeError(
            f"the converted image tower of {model_name} differs from open_clip's by {difference:.2g} "
            f"(allowed: {TOLERANCE:g}); this combination of model and library versions is not supported"
        )
    return tower


@torch.no_grad()
def _embedded(tower: nn.Module, visual: nn.Module) -> torch.Tensor:
    """Embeddings of a fixed random batch of the size that `visual` takes."""
    images = torch.randn(2, 3, *visual.image_size, generator=torch.Generator().manual_seed(0))
    return tower(images)


def _text_head(model: nn.Module, tokenizer: Any) -> TextHead:
    def text_weights(class_names: Sequence[str], templates: Sequence[str]) -> torch.Tensor:
        columns = open_clip.build_zero_shot_classifier(model, tokenizer, list(class_names), list(templates))
        return columns.T.contiguous()

    return text_weights
