"""The embedded backbone is an ordinary open_clip model, loads faithfully, and knows what its card says it knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.backbones import glyphclip, openclip
from benchmark.backbones.base import Backbone
from benchmark.backbones.glyphclip import evaluate, pretrain, recipe
from benchmark.backbones.openclip import load_open_clip
from benchmark.streams.digits import DigitsStream
from benchmark.streams.digits.alphabet import PRETRAIN_FACES
from benchmark.streams.digits.glyphs import GlyphBank, glyph_bank


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the recipe runs: with more threads, sums may differ in their last bits from run to run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return glyphclip.load()


@pytest.fixture(scope="module")
def few_glyphs() -> GlyphBank:
    return glyph_bank(recipe.CLASSES, PRETRAIN_FACES[:1])


def tiny_clip(folder: Path, name: str, layers: int | list[int]) -> Path:
    """A random CLIP of a few thousand parameters, its configuration and its weights in `folder`."""
    vision = {"image_size": 32, "layers": layers, "width": 16, "head_width": 8, "patch_size": 16}
    text = {"context_length": 8, "vocab_size": 49408, "width": 8, "heads": 1, "layers": 1}
    config = {"embed_dim": 8, "vision_cfg": vision, "text_cfg": text}
    (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    weights = folder / f"{name}.safetensors"
    save_file(open_clip.create_model(name).state_dict(), weights)
    return weights


def test_what_is_shipped_is_small_and_half_precision() -> None:
    assert glyphclip.WEIGHTS.stat().st_size <= 8_000_000
    assert {tensor.dtype for tensor in load_file(glyphclip.WEIGHTS).values()} == {torch.float16}


def test_loads_as_a_backbone(backbone: Backbone) -> None:
    assert (backbone.name, backbone.embed_dim, backbone.image_size) == ("glyphclip", 64, 32)
    assert backbone.tower(torch.zeros(2, 3, 32, 32)).shape == (2, 64)
    assert not backbone.tower.training
    assert len(backbone.tower.blocks) == 6
    assert 1 < backbone.logit_scale <= 100.5


def test_tower_embeds_as_open_clip_does(backbone: Backbone) -> None:
    original = open_clip.create_model("glyphclip", pretrained=str(glyphclip.WEIGHTS)).eval()
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert torch.allclose(backbone.tower(images), original.encode_image(images), atol=1e-4)
    assert original.logit_scale.exp().item() == pytest.approx(backbone.logit_scale)


def test_text_head_is_normalised_and_keeps_the_order(backbone: Backbone) -> None:
    names = ["digit 3", "capital letter A", "small letter a", "plus sign"]
    weights = backbone.text_weights(names, DigitsStream.templates)
    assert weights.shape == (4, 64)
    assert torch.allclose(weights.norm(dim=1), torch.ones(4), atol=1e-5)
    assert not weights.requires_grad
    assert torch.allclose(backbone.text_weights(names[::-1], DigitsStream.templates), weights.flip(0), atol=1e-6)
    assert (weights @ weights.T - torch.eye(4)).max() < 0.9


def test_only_one_image_size(backbone: Backbone) -> None:
    assert glyphclip.load(32).image_size == 32
    with pytest.raises(ValueError, match="images of 32 pixels, not 224"):
        glyphclip.load(224)


# Accuracies of the test split as README.md here states them; the bands allow for other library versions.
MEASURED = {
    "`typeset`": 0.904,
    "`mnist`": 0.734,
    "`optdigits`": 0.784,
    "`mnist_m`": 0.588,
    "`street`": 0.850,
    "`letters`": 0.988,
    "`symbols`": 0.980,
    "`street_letters`": 0.766,
}


def test_zero_shot_accuracy_is_as_the_card_says(backbone: Backbone) -> None:
    measured = {name: accuracy for name, _, _, accuracy in evaluate.stream_rows(backbone)}
    assert measured == pytest.approx(MEASURED, abs=0.03)


def test_zero_shot_accuracy_on_held_out_typefaces(backbone: Backbone) -> None:
    (_, classes, _, accuracy), *_ = evaluate.typeface_rows(backbone, copies=1)
    assert classes == len(recipe.CLASSES) == 75
    assert accuracy > 0.9


def test_card_holds_the_measured_table() -> None:
    card = (glyphclip.FOLDER / "README.md").read_text(encoding="utf-8")
    for name, accuracy in MEASURED.items():
        row = next(line for line in card.splitlines() if line.startswith(f"| {name} |"))
        assert float(row.split("|")[-2]) == pytest.approx(100 * accuracy, abs=0.05)


def test_other_image_sizes_resample_the_position_embedding(tmp_path: Path) -> None:
    weights = tiny_clip(tmp_path, "tiny-vit", 2)
    larger = load_open_clip("tiny-vit", weights, config_dir=tmp_path, image_size=48)
    assert larger.image_size == 48
    assert larger.tower.pos_embed.shape == (1, 1 + 3 * 3, 16)
    assert larger.tower(torch.zeros(1, 3, 48, 48)).shape == (1, 8)


def test_plain_vit_of_any_shape_is_converted(tmp_path: Path) -> None:
    loaded = load_open_clip("tiny-vit", tiny_clip(tmp_path, "tiny-vit", 2), config_dir=tmp_path, name="mine")
    assert (loaded.name, loaded.embed_dim, len(loaded.tower.blocks)) == ("mine", 8, 2)


def test_resnet_towers_are_refused(tmp_path: Path) -> None:
    weights = tiny_clip(tmp_path, "tiny-resnet", [1, 1, 1, 1])
    with pytest.raises(ValueError, match="tiny-resnet has an image tower of type ModifiedResNet; only CLIP models"):
        load_open_clip("tiny-resnet", weights, config_dir=tmp_path)


def test_unknown_model_and_missing_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no model 'glyph-clop'"):
        load_open_clip("glyph-clop", glyphclip.WEIGHTS)
    with pytest.raises(ValueError, match=r"no weights '.*none.safetensors'"):
        load_open_clip("glyphclip", tmp_path / "none.safetensors", config_dir=glyphclip.FOLDER)


def test_a_wrong_conversion_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = openclip.checkpoint_filter_fn

    def without_class_token(state: dict, tower: torch.nn.Module) -> dict:
        converted = genuine(state, tower)
        return {**converted, "cls_token": torch.zeros_like(converted["cls_token"])}

    monkeypatch.setattr(openclip, "checkpoint_filter_fn", without_class_token)
    with pytest.raises(RuntimeError, match="differs from open_clip's by"):
        glyphclip.load()


def test_batches_grow_from_plain_to_the_mixture(few_glyphs: GlyphBank) -> None:
    def shares(severity: float) -> list[int]:
        batch = recipe.draw_batch(few_glyphs, 40, torch.Generator().manual_seed(0), severity)
        assert batch.images.shape == (40, 3, 32, 32)
        return torch.bincount(batch.sources, minlength=4).tolist()

    assert shares(0.0) == [40, 0, 0, 0]
    assert shares(1.0) == [2, 10, 16, 12]


def test_batches_are_drawn_in_the_stated_class_weights(few_glyphs: GlyphBank) -> None:
    batch = recipe.draw_batch(few_glyphs, 4000, torch.Generator().manual_seed(0), severity=0.0)
    expected = 2.5 * 10 / (2.5 * 10 + 37 + 0.6 * 28)
    assert (batch.labels < 10).float().mean().item() == pytest.approx(expected, abs=0.03)


def test_pretraining_is_a_function_of_its_seed(few_glyphs: GlyphBank, tmp_path: Path) -> None:
    def trained(seed: int) -> dict[str, torch.Tensor]:
        config = pretrain.Recipe(images=3 * 16, batch_size=16, seed=seed)
        losses = []
        model = pretrain.train(
            pretrain.new_model(seed), few_glyphs, config, lambda step, loss, _: losses.append((step, loss))
        )
        assert [step for step, _ in losses] == [1, 2, 3]
        pretrain.save(model, tmp_path / "weights.safetensors")
        return load_file(tmp_path / "weights.safetensors")

    first, again, other = trained(0), trained(0), trained(1)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["visual.proj"], other["visual.proj"])
    untrained = pretrain.new_model(0).state_dict()
    assert not torch.equal(first["visual.proj"], untrained["visual.proj"].half())
    assert first.keys() == untrained.keys() == load_file(glyphclip.WEIGHTS).keys()


def test_pretraining_stops_at_its_time_limit(few_glyphs: GlyphBank) -> None:
    steps = []
    config = pretrain.Recipe(images=160, batch_size=16, time_limit=0.0)
    pretrain.train(pretrain.new_model(0), few_glyphs, config, lambda step, *_: steps.append(step))
    assert steps == [1]
