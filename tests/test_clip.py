"""CLIPs by name: both towers convert faithfully, and what cannot be loaded is refused in one line."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import huggingface_hub.constants
import open_clip
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

import selora
from benchmark.backbones import text_tower
from benchmark.backbones.clip import OpenCLIP
from benchmark.backbones.glyphclip import GlyphCLIP
from benchmark.errors import UsageError
from benchmark.registry import resolve
from tests.minis import CLASSES, TEMPLATES, TEXT, VARIANTS, config, make_minis


@pytest.fixture(scope="module")
def minis(tmp_path_factory):
    return make_minis(tmp_path_factory.mktemp("minis"))


@pytest.fixture
def offline(monkeypatch):
    """HF_HUB_OFFLINE=1, which the hub's library reads when it is imported; and no connection is made in spite of it."""

    def refuse(*_):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def pictures(side, count=2):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(5))


def zero_shot(model, name, classes=CLASSES, templates=TEMPLATES):
    tokenizer = open_clip.get_tokenizer(name)
    return open_clip.build_zero_shot_classifier(model, tokenizer, list(classes), list(templates)).T


@pytest.mark.parametrize(("name", "towers"), [("mini-plain", "image"), *((name, "both") for name in VARIANTS)])
def test_both_towers_embed_as_open_clips_do(name, towers, minis):
    model, path = minis[name]
    backbone = OpenCLIP(f"{name}/{path}", None, towers).load()
    images = pictures(backbone.image_size)
    with torch.no_grad():
        expected = model.encode_image(images)
        assert torch.allclose(backbone.tower(images), expected, atol=1e-4)
        assert backbone.embed_dim == expected.shape[1]
    assert torch.allclose(backbone.text_weights(CLASSES, TEMPLATES), zero_shot(model, name), atol=1e-5)
    assert backbone.logit_scale == pytest.approx(float(model.logit_scale.detach().exp()))
    assert (backbone.text_tower is not None) == (towers == "both")
    assert all(parameter.requires_grad for parameter in backbone.tower.parameters())


@pytest.mark.parametrize("form", ["fp32.safetensors", "fp16.safetensors", "fp16.pt", "wrapped.pt"])
def test_checkpoints_of_every_form_load_at_another_image_size(form, minis, tmp_path):
    model, _ = minis["mini-plain"]
    kind = torch.float16 if "fp16" in form else torch.float32
    state = {key: t.to(kind) for key, t in model.state_dict().items()}
    path = tmp_path / form
    if form.endswith(".safetensors"):
        save_file(state, path)
    else:
        # As open_clip's training writes it.
        torch.save(
            {"epoch": 1, "state_dict": {f"module.{k}": v for k, v in state.items()}} if "wrapped" in form else state,
            path,
        )
    save_file({key: t.float() for key, t in state.items()}, tmp_path / "oracle.safetensors")
    oracle = open_clip.create_model("mini-plain", str(tmp_path / "oracle.safetensors"), force_image_size=48).eval()
    backbone = OpenCLIP(f"mini-plain/{path}", 48).load()
    assert backbone.image_size == 48 and backbone.tower.pos_embed.shape == (1, 37, 32)
    assert all(parameter.dtype == torch.float32 for parameter in backbone.tower.parameters())
    with torch.no_grad():
        assert torch.allclose(backbone.tower(pictures(48)), oracle.encode_image(pictures(48)), atol=1e-4)


def test_weights_trained_with_quickgelu_get_it_whatever_the_models_name(minis, monkeypatch):
    """`ViT-B-16/openai`: the configuration says GELU, the tag's entry QuickGELU; open_clip 3 only warns."""
    from open_clip import pretrained

    _, path = minis["mini-plain"]
    quick = open_clip.create_model("mini-plain", str(path), force_quick_gelu=True).eval()
    entry = {"file": str(path), "quick_gelu": True, "mean": (0.1, 0.2, 0.3), "std": (0.5,) * 3}
    monkeypatch.setitem(pretrained._PRETRAINED, "mini-plain", {"openai": entry})
    chosen = OpenCLIP("mini-plain/openai", None, "both")
    assert chosen.identity()["weights"] == "openai"
    backbone = chosen.load()
    with torch.no_grad():
        assert torch.allclose(backbone.tower(pictures(32)), quick.encode_image(pictures(32)), atol=1e-5)
        assert (backbone.tower(pictures(32)) - minis["mini-plain"][0].encode_image(pictures(32))).abs().max() > 1e-3
    assert torch.allclose(backbone.text_weights(CLASSES, TEMPLATES), zero_shot(quick, "mini-plain"), atol=1e-5)
    assert backbone.mean == (0.1, 0.2, 0.3)
    assert timm.layers.QuickGELU.__name__ == type(backbone.tower.blocks[0].mlp.act).__name__


def test_no_tower_is_kept_twice(minis, monkeypatch):
    """What the loaded backbone holds is the model's parameters, once; the dual encoder itself is gone."""
    import gc
    import weakref

    model, path = minis["mini-plain"]
    made = []
    genuine = open_clip.create_model

    def recording(*arguments, **options):
        fresh = genuine(*arguments, **options)
        made.append((weakref.ref(fresh), weakref.ref(fresh.visual)))
        return fresh

    monkeypatch.setattr(open_clip, "create_model", recording)
    wanted = sum(p.numel() for p in model.parameters()) - 1  # the logit scale is a number
    for towers in ("image", "both"):
        backbone = OpenCLIP(f"mini-plain/{path}", None, towers).load()
        gc.collect()
        whole, visual = made.pop()
        assert visual() is None
        held = [*backbone.tower.parameters()]
        held += whole().parameters() if towers == "image" else backbone.text_tower.parameters()
        assert (whole() is None) == (towers == "both")
        extra = 1 if towers == "image" else 0
        # timm's head has a bias, of zeros, that CLIP's projection has not
        assert sum(p.numel() for p in held) == wanted + extra + backbone.embed_dim
        assert len({p.data_ptr() for p in held}) == len(held)


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_what_cannot_be_loaded_is_refused_in_one_line(minis, tmp_path, offline):
    plain = minis["mini-plain"][1]
    torch.save({"state_dict": Payload(tmp_path / "executed")}, tmp_path / "evil.pt")
    (tmp_path / "text.safetensors").write_text("no checkpoint")
    (tmp_path / "empty.pt").touch()
    torch.save([1, 2], tmp_path / "list.pt")
    refused = {
        f"mini-plian/{plain}": "no model 'mini-plian'; did you mean 'mini-plain'",
        "mini-plain/laion": "mini-plain has no weights 'laion': no such file, and it has no tags",
        "ViT-B-32/laion": "its tags are openai, laion400m_e31",
        "ViT-B-32": "expected clip:MODEL/PRETRAINED",
        "ViT-B-32/none.safetensors": "there is no file none.safetensors",
        f"mini-plain/{tmp_path / 'evil.pt'}": "is no checkpoint of tensors alone",
        f"mini-plain/{tmp_path / 'text.safetensors'}": "does not fit mini-plain, or is no checkpoint",
        f"mini-plain/{tmp_path / 'empty.pt'}": "does not fit mini-plain, or is no checkpoint",
        f"mini-plain/{tmp_path / 'list.pt'}": "does not fit mini-plain, or is no checkpoint",
        f"mini-scale/{plain}": "does not fit mini-scale, or is no checkpoint: .*Missing key",
        "RN50/openai": "image tower of type ModifiedResNet; only CLIP",
        "coca_ViT-B-32/laion2b_s13b_b90k": "image tower of type VisionTransformer; only CLIP",
        "convnext_base/laion400m_s13b_b51k": "image tower of type ConvNeXt that takes no blocks",
        "ViT-B-32/openai": r"could not be had: .*; without a network give a local file: clip:ViT-B-32/FILE",
        "hf-hub:laion/none": r"could not be had: .*without a network give a local file: clip:local-dir:FOLDER",
        f"local-dir:{tmp_path}": "there is no .*open_clip_config.json",
    }
    for argument, message in refused.items():
        with pytest.raises(UsageError, match=message) as caught:
            OpenCLIP(argument).load()
        assert "\n" not in str(caught.value), argument
    assert not (tmp_path / "executed").exists()
    with pytest.raises(UsageError, match="multiple of 8"):
        OpenCLIP(f"mini-plain/{plain}", 33).load()


def test_a_tokenizer_that_needs_files_says_which(minis, tmp_path, offline):
    (tmp_path / "mini-hf.json").write_text(
        json.dumps({**config("mini-plain"), "text_cfg": {**TEXT, "hf_tokenizer_name": "no/such"}})
    )
    open_clip.add_model_config(tmp_path)
    with pytest.raises(UsageError, match=r"the tokenizer of mini-hf could not be had: .*clip:local-dir:FOLDER"):
        OpenCLIP(f"mini-hf/{minis['mini-plain'][1]}").load()


def test_local_files_need_no_network(minis, tmp_path, offline):
    path = minis["mini-plain"][1]
    folder = tmp_path / "released"
    folder.mkdir()
    os.link(path, folder / "open_clip_model.safetensors")
    preprocess = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bilinear"}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config("mini-plain"), "preprocess_cfg": preprocess})
    )
    chosen = OpenCLIP(f"local-dir:{folder}", 48, "both")
    for argument in (chosen, OpenCLIP(f"mini-plain/{path}"), GlyphCLIP()):
        weights = argument.load().text_weights(CLASSES, TEMPLATES)
        assert torch.allclose(weights.norm(dim=1), torch.ones(4), atol=1e-5)
    backbone = chosen.load()
    assert backbone.interpolation == "bilinear" and backbone.std == (0.25,) * 3 and backbone.image_size == 48
    assert chosen.identity()["name"] == "clip:local-dir" and str(folder) not in json.dumps(chosen.identity())
    assert chosen.skeleton()[1] == 48


def test_the_identity_is_of_the_weights_and_names_both_towers_only(minis, tmp_path):
    path = minis["mini-plain"][1]
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(path.read_bytes())
    one = OpenCLIP(f"mini-plain/{path}").identity()
    assert one == OpenCLIP(f"mini-plain/{moved}").identity() and set(one) == {"name", "weights", "image_size"}
    assert OpenCLIP(f"mini-plain/{path}", None, "both").identity() == {**one, "towers": "both"}
    assert OpenCLIP(f"mini-plain/{minis['mini-scale'][1]}").identity() != one
    assert "towers" not in GlyphCLIP().identity() and GlyphCLIP(towers="both").identity()["towers"] == "both"
    assert OpenCLIP("hf-hub:laion/x").identity()["weights"] == "hub"
    assert resolve("backbones", "clip:ViT-B-16/openai") == (OpenCLIP, "ViT-B-16/openai")


@pytest.mark.parametrize("name", VARIANTS)
def test_a_skeleton_has_the_shape_of_the_loaded_tower(name, minis):
    chosen = OpenCLIP(f"{name}/{minis[name][1]}")
    skeleton, side = chosen.skeleton()
    backbone = chosen.load()
    assert side == backbone.image_size
    assert {k: t.shape for k, t in skeleton.state_dict().items()} == {
        k: t.shape for k, t in backbone.tower.state_dict().items()
    }
    assert {t.device.type for t in skeleton.parameters()} == {"meta"}


def test_prompts_are_cut_to_the_longest_without_a_change(minis):
    backbone = OpenCLIP(f"mini-plain/{minis['mini-plain'][1]}", None, "both").load()
    ids = open_clip.get_tokenizer("mini-plain")(["a photo of a cat.", "plus"])
    short = backbone.tokenize(["a photo of a cat.", "plus"])
    assert ids.shape == (2, 24) and short.shape == (2, 8)  # start, six words and signs, end
    with torch.no_grad():
        assert torch.allclose(backbone.text_tower(short), backbone.text_tower(ids), atol=1e-5)
    siglip = OpenCLIP(f"mini-map/{minis['mini-map'][1]}", None, "both").load()
    assert siglip.tokenize(["plus"]).shape == (1, 24)  # it reads the last position


def test_a_wrong_conversion_of_the_text_tower_is_noticed(minis, monkeypatch):
    genuine = text_tower._block

    def wrong(layer):
        block = genuine(layer)
        block.mlp.fc1 = nn.Linear(16, 64)
        return block

    monkeypatch.setattr(text_tower, "_block", wrong)
    with pytest.raises(RuntimeError, match="text tower of mini-plain differs"):
        OpenCLIP(f"mini-plain/{minis['mini-plain'][1]}", None, "both").load()


def test_blocks_inside_a_packed_attention_are_refused():
    """A block around its `out_proj` would change nothing, silently."""
    model = nn.Sequential(nn.ModuleDict({"attn": nn.MultiheadAttention(8, 2)}))
    with pytest.raises(ValueError, match=r"'0\.attn\.out_proj' is inside the nn\.MultiheadAttention '0\.attn'"):
        selora.inject(model, r"out_proj$")
    assert all(p.requires_grad for p in model.parameters())
