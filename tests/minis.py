"""Miniature CLIPs that open_clip knows by name, of every form of image and text tower that is converted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file
from torch import nn

CLASSES = ("red thing", "green thing", "a very long name of a blue thing", "plus")
TEMPLATES = ("a photo of a {}.", "{}", "itap of the {} over there.")
SPACES = [(CLASSES, TEMPLATES), (("seven", "eight"), ("a glyph: {}",))]
TEXT = {"context_length": 24, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
VISION = {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8}
VARIANTS = {
    "mini-plain": {},
    "mini-quick": {"quick_gelu": True},
    "mini-scale": {"vision_cfg": {**VISION, "ls_init_value": 0.3}, "text_cfg": {**TEXT, "ls_init_value": 0.3}},
    "mini-noprenorm": {"vision_cfg": {**VISION, "no_ln_pre": True}},
    "mini-clipa": {"vision_cfg": {**VISION, "no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True}},
    "mini-average": {"vision_cfg": {**VISION, "pool_type": "avg"}},
    "mini-custom": {"custom_text": True, "text_cfg": {**TEXT, "proj_bias": True}},
    "mini-map": {
        "custom_text": True,
        "init_logit_bias": -10,
        "vision_cfg": {"timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": "none", "image_size": 160},
        "text_cfg": {**TEXT, "no_causal_mask": True, "pool_type": "last", "proj_bias": True},
        "embed_dim": 64,
    },
    "mini-trunk": {
        "vision_cfg": {"timm_model_name": "test_vit", "timm_pool": "token", "timm_proj": "linear", "image_size": 160}
    },
    "mini-eva": {
        "vision_cfg": {"timm_model_name": "eva02_tiny_patch14_224", "timm_pool": "token", "timm_proj": ""},
    },
}  # fmt: skip


def config(name: str) -> dict:
    return {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT, **VARIANTS[name]}


def make_minis(folder: Path, names: Iterable[str] = VARIANTS) -> dict[str, tuple[nn.Module, Path]]:
    """Name -> open_clip's model with random weights, and its float32 checkpoint in `folder`."""
    made = {}
    for name in names:
        (folder / f"{name}.json").write_text(json.dumps(config(name)))
    open_clip.add_model_config(folder)
    for name in names:
        torch.manual_seed(0)
        model = open_clip.create_model(name).eval()
        with torch.no_grad():
            for key, parameter in model.named_parameters():
                if key.endswith("bias") and parameter.ndim == 1:
                    parameter.normal_(std=0.1)
        made[name] = (model, folder / f"{name}.safetensors")
        save_file({key: t.contiguous() for key, t in model.state_dict().items()}, made[name][1])
    return made
