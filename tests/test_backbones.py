"""timm's families: every injected block is effective, in small variants of each with random weights."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

import selora
from benchmark.backbones import families
from benchmark.backbones.adaptable import adapted, check_effective, make_adaptable
from benchmark.backbones.families import FAMILIES, table
from benchmark.backbones.glyphclip import GlyphCLIP
from benchmark.backbones.timm_vit import TimmViT
from benchmark.errors import UsageError

SMALL = {"embed_dim": 32, "depth": 2, "num_heads": 2, "img_size": 32}
OTHER_SMALL = {
    "NaFlexVit": {"embed_dim": 32, "depth": 2, "num_heads": 2},
    "Hiera": {"embed_dim": 16, "num_heads": 1, "stages": (1, 1), "q_pool": 1, "img_size": 64},
    "Cait": {**SMALL, "depth_token_only": 1},
}
by_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name.replace(" ", "-"))


def small(family) -> nn.Module:
    """A tower of the family with random weights that leave no part without effect."""
    options = OTHER_SMALL.get(family.timm_class, SMALL)
    torch.manual_seed(0)
    tower = timm.create_model(family.example, pretrained=False, num_classes=0, **options).eval()
    for name, parameter in tower.named_parameters():
        if "gamma" in name or name.endswith("temperature"):
            nn.init.constant_(parameter, 0.5)  # LayerScale starts at 1e-5 and would hide any change
        elif parameter.ndim == 1:
            nn.init.normal_(parameter, 1.0 if "norm" in name and "weight" in name else 0.0, 0.1)
        elif parameter.ndim == 2:
            nn.init.normal_(parameter, std=0.2)
    return make_adaptable(family.name, tower)


def pictures(tower, count=2):
    side = 64 if type(tower).__name__ in ("NaFlexVit", "Hiera") else 32
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def fill(tower, task="a"):
    generator = torch.Generator().manual_seed(3)
    for block in selora.task_blocks(tower, task).values():
        with torch.no_grad():
            block.lora_B.normal_(0, 0.1, generator=generator)


@by_family
def test_the_table_says_what_is_adapted(family):
    tower, side = TimmViT(family.example).skeleton()
    assert type(tower).__name__ == family.timm_class
    layers = [name.split(".", 2)[2] for name in adapted(tower)]
    assert sorted(layers) == sorted(family.matrices * len(tower.blocks))
    assert {parameter.device.type for parameter in tower.parameters()} == {"meta"}
    assert side >= 224


@by_family
def test_a_family_keeps_the_methods_promises(family, tmp_path):
    tower = small(family)
    images = pictures(tower)
    check_effective(family.name, copy.deepcopy(tower).to("meta"), images.shape[-1])
    with torch.no_grad():
        base = tower(images)
        pristine = copy.deepcopy(tower)
        layers = selora.inject(tower, rank=2)
        assert len(layers) == len(family.matrices) * len(tower.blocks)
        selora.add_task(tower, "a")
        assert torch.equal(tower(images), base)
        fill(tower)
        blocks = selora.task_blocks(tower, "a")
        for chosen in blocks:  # one at a time
            for name, block in blocks.items():
                block.score.fill_(0.2 if name == chosen else 0.05)
            assert (tower(images) - base).abs().max() > 1e-5, f"the block at {chosen} has no effect"
        for block in blocks.values():
            block.score.fill_(0.05)
        assert torch.equal(tower(images), base)
        for block in blocks.values():
            block.score.fill_(0.2)
        gated = tower(images)
        weights = {name: layer.weight.clone() for name, layer in layers.items()}
        selora.merge(tower)
        assert torch.allclose(tower(images), gated, atol=1e-5 * float(gated.abs().max()), rtol=1e-4)
        selora.unmerge(tower)
        assert all(torch.equal(layer.weight, weights[name]) for name, layer in layers.items())
        assert torch.equal(tower(images), gated)
        selora.save(tower, tmp_path / "a.safetensors")
        selora.inject(pristine, rank=2)
        selora.load(pristine, tmp_path / "a.safetensors")
        selora.activate(pristine, "a")
        assert torch.equal(pristine(images), gated)


@by_family
def test_frozen_stays_frozen_in_a_training_step(family):
    tower = small(family)
    selora.inject(tower, rank=2)
    selora.add_task(tower, "a")
    fill(tower)
    before = {name: tensor.clone() for name, tensor in tower.state_dict().items()}
    trained = {name: p for name, p in tower.train().named_parameters() if p.requires_grad}
    assert trained and all(name.rsplit(".", 1)[-1] in ("lora_A", "lora_B", "score") for name in trained)
    optimizer = torch.optim.SGD(trained.values(), lr=0.1)
    tower(pictures(tower)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in trained.values())
    optimizer.step()
    changed = {name for name, tensor in tower.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == set(trained)


@pytest.mark.parametrize("name", ["BEiT, BEiT v2", "EVA-02, tiny and small"])
def test_a_bias_that_timm_adds_past_the_layer_gives_the_same_output_after_it(name):
    tower = small(next(family for family in FAMILIES if family.name == name))
    images, after = pictures(tower), None
    biased = [module for module in tower.modules() if getattr(module, "q_bias", None) is not None]
    assert len(biased) == 2 and all(module.q_bias.abs().max() > 0.01 for module in biased)
    with torch.no_grad():
        after = tower(images)
        for module in biased:
            module.qkv_bias_separate = False
        assert torch.allclose(tower(images), after, atol=1e-5)
        # This is what is mended: timm as it comes ignores whatever is put around the layer.
        with pytest.raises(UsageError, match=r"blocks\.0\.attn\.qkv is read past"):
            check_effective(name, copy.deepcopy(tower).to("meta"), 32)


def test_the_readme_has_the_table_and_it_names_every_family_once():
    assert table() in (Path(families.__file__).parent / "README.md").read_text()
    lines = table().splitlines()
    assert len(lines) == 2 + len(FAMILIES) == 2 + len({family.name for family in FAMILIES})
    assert "| `Eva` | `timm:eva02_base_patch14_224.mim_in22k` | attn.q_proj, attn.k_proj, attn.v_proj" in table()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("test_resnet", "is a ResNet whose layers take no blocks"),
        ("swin_tiny_patch4_window7_224", "is a SwinTransformer whose layers take no blocks"),
        ("vit_base_patch16_xp_224", "layers take no blocks"),
        ("convit_tiny", "layers take no blocks"),
        ("xcit_nano_12_p16_224", "has batch normalisation"),
        ("no_such_model", "unknown timm model 'no_such_model'"),
        ("qwen3_vit_88m_enc", "does not give one embedding"),
        ("test_vitt", "did you mean 'test_vit"),
    ],
)
def test_models_that_take_no_blocks_are_refused_before_anything_is_read(model, message):
    with pytest.raises(UsageError, match=message) as caught:
        TimmViT(model).load()
    assert "\n" not in str(caught.value)


@pytest.fixture
def tiny_models(monkeypatch):
    """`timm.create_model` makes every model two layers deep and 32 wide, of 32 pixels where none are asked for."""
    genuine = timm.create_model

    def tiny(name, **options):
        return genuine(name, **{"embed_dim": 32, "depth": 2, "num_heads": 2, "img_size": 32, **options})

    monkeypatch.setattr(timm, "create_model", tiny)


@pytest.mark.parametrize(
    "model",
    ["vit_small_patch16_224", "vit_small_patch14_reg4_dinov2", "beit_base_patch16_224", "eva02_tiny_patch14_224",
     "vit_base_patch16_siglip_224", "deit_tiny_distilled_patch16_224"],
)  # fmt: skip
@pytest.mark.parametrize("half", [False, True])
def test_another_image_size_resamples_positions_and_relative_position_tables(model, half, tiny_models, tmp_path):
    side, larger = (28, 42) if "patch14" in model else (32, 48)
    torch.manual_seed(0)
    native = timm.create_model(model, num_classes=0, img_size=side).eval()
    for name, parameter in native.named_parameters():
        if "relative_position" in name or "pos_embed" in name:
            nn.init.normal_(parameter)
    path = tmp_path / "weights.safetensors"
    kind = torch.float16 if half else torch.float32
    save_file({name: tensor.to(kind).contiguous() for name, tensor in native.state_dict().items()}, path)
    if half:
        native.half().float()
    native.set_input_size(img_size=larger)  # timm's own resampling of the whole model is the oracle
    backbone = TimmViT(f"{model}@{path}", larger).load()
    assert backbone.image_size == larger and backbone.embed_dim == 32
    assert all(parameter.dtype == torch.float32 for parameter in backbone.tower.parameters())
    images = torch.randn(2, 3, larger, larger)
    with torch.no_grad():
        assert torch.allclose(backbone.tower(images), native(images), atol=2e-3 if half else 1e-5)


def test_mean_and_interpolation_are_the_backbones_own(tiny_models, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(timm.create_model("vit_base_patch16_siglip_224", num_classes=0).state_dict(), path)
    backbone = TimmViT(f"vit_base_patch16_siglip_224.webli@{path}", 32).load()
    assert backbone.mean == backbone.std == (0.5, 0.5, 0.5) and backbone.interpolation == "bicubic"


class Payload:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_files_that_are_no_plain_checkpoint_are_refused(tmp_path):
    torch.save({"state_dict": Payload(tmp_path / "executed")}, tmp_path / "evil.pth")
    (tmp_path / "text.safetensors").write_text("not a checkpoint")
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pth")
    for name in ("evil.pth", "text.safetensors", "other.pth"):
        with pytest.raises(UsageError, match=r"backbone timm:test_vit: |is no checkpoint of tensors alone") as caught:
            TimmViT(f"test_vit@{tmp_path / name}").load()
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "executed").exists()


def test_the_fingerprint_is_of_the_weights_and_not_of_the_file(tmp_path):
    torch.manual_seed(0)
    state = timm.create_model("test_vit").state_dict()
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "b.pth")
    changed = {**state, "norm.bias": state["norm.bias"] + 1e-6}
    save_file(changed, tmp_path / "c.safetensors")
    prints = [TimmViT(f"test_vit@{tmp_path / name}").load().fingerprint for name in ("a.safetensors", "b.pth")]
    assert prints[0] == prints[1] and len(prints[0]) == 16 and int(prints[0], 16) >= 0
    assert TimmViT(f"test_vit@{tmp_path / 'c.safetensors'}").load().fingerprint != prints[0]


@pytest.mark.parametrize(
    "backbone", [TimmViT("vit_tiny_patch16_224"), TimmViT("vit_tiny_patch16_224", 96), GlyphCLIP()]
)
def test_a_skeleton_counts_operations_without_weights(backbone):
    from torch.utils.flop_counter import FlopCounterMode

    tower, side = backbone.skeleton()
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        assert tower(torch.empty(1, 3, side, side)).shape[0] == 1
    # The products of the linear layers: 2 * tokens * weights, of which the patches' are all tokens but one.
    tokens = (side // tower.patch_embed.patch_size[0]) ** 2 + 1
    matrices = sum(layer.weight.numel() for layer in adapted(tower).values())
    attention = 4 * tokens**2 * tower.embed_dim * len(tower.blocks)
    patches = 2 * (tokens - 1) * tower.patch_embed.proj.weight.numel()
    head = 2 * tower.head.weight.numel() if isinstance(tower.head, nn.Linear) else 0
    assert counter.get_total_flops() == 2 * tokens * matrices + attention + patches + head


def test_towers_is_refused_where_there_is_one_only_or_the_word_is_unknown():
    with pytest.raises(UsageError, match="timm:test_vit has no text tower"):
        TimmViT("test_vit", None, "both")
    with pytest.raises(UsageError, match="did you mean 'both'"):
        GlyphCLIP(towers="boht")
    assert TimmViT("test_vit", None, "image").identity() == TimmViT("test_vit").identity()


def test_naming_a_backbone_loads_nothing_heavy():
    code = (
        "import sys; from benchmark.backbones import choices, clip, families, glyphclip, timm_vit;"
        "clip.OpenCLIP('ViT-B-32/openai', None, 'both').identity(); timm_vit.TimmViT('vit_tiny').identity();"
        "print([m for m in ('torch', 'timm', 'open_clip') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent,
        env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
