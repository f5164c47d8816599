"""Folders of images and timm backbones, on files made here and, where they are at hand, on real photographs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

import run_suite
from benchmark.backbones.timm_vit import TimmViT
from benchmark.errors import UsageError
from benchmark.streams.folder import FolderStream

FILES = os.environ.get("SELORA_BENCH_TEST_FILES")
needs_files = pytest.mark.skipif(not FILES, reason="SELORA_BENCH_TEST_FILES is not set")


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "zoo"
    rng = np.random.default_rng(0)
    for domain in ("ink", "photo"):
        for label, animal in enumerate(("cat", "polar_bear")):
            place = root / domain / animal
            place.mkdir(parents=True)
            for number in range(10):
                pixels = rng.integers(0, 100, (24, 30, 3), dtype=np.uint8)
                pixels[:, :, label] += 120
                Image.fromarray(pixels).save(place / f"{number}.png")
    (root / "ink" / "cat" / "notes.txt").write_text("not an image")
    return root


def test_folders_become_domains_and_classes(folder):
    stream = FolderStream(str(folder))
    assert stream.name == "zoo" and stream.domains == ("ink", "photo")
    assert stream.classes("ink") == ("cat", "polar bear")
    train, test = stream.load("ink", "train"), stream.load("ink", "test")
    assert (len(train), len(test)) == (16, 4)
    assert not set(train.ids) & set(test.ids)
    assert sorted(test.labels) == [0, 0, 1, 1]
    assert all(
        stream.classes("ink")[label] == id_.split("/")[1].replace("_", " ")
        for id_, label in zip(test.ids, test.labels, strict=True)
    )
    assert test.load(0).size == (30, 24)


def test_the_split_is_stable_when_an_image_is_added_and_the_identity_changes(folder):
    before = FolderStream(str(folder))
    ids, identity = set(before.load("photo", "train").ids), before.identity()
    Image.new("RGB", (8, 8)).save(folder / "photo" / "cat" / "new.png")
    after = FolderStream(str(folder))
    assert len(ids - set(after.load("photo", "train").ids)) <= 1
    assert after.identity() != identity


def test_two_folders_of_one_name_are_two_streams(folder, tmp_path):
    import shutil

    shutil.copytree(folder, tmp_path / "other" / "zoo")
    assert FolderStream(str(folder)).identity() == FolderStream(str(tmp_path / "other" / "zoo")).identity()
    next((tmp_path / "other" / "zoo" / "ink" / "cat").glob("*.png")).unlink()
    assert FolderStream(str(folder)).identity() != FolderStream(str(tmp_path / "other" / "zoo")).identity()


def test_other_layouts_are_refused(tmp_path, folder):
    with pytest.raises(UsageError, match="no images found"):
        FolderStream(str(folder / "ink"))
    (folder / "empty").mkdir()
    with pytest.raises(UsageError, match="domain 'empty'"):
        FolderStream(str(folder))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    model = timm.create_model("test_vit", pretrained=False)
    path = tmp_path_factory.mktemp("weights") / "test_vit.safetensors"
    save_file({name: tensor.half() for name, tensor in model.state_dict().items()}, path)
    return model, path


def test_a_timm_checkpoint_gives_timms_own_features(checkpoint):
    model, path = checkpoint
    backbone = TimmViT(f"test_vit@{path}").load()
    size = backbone.image_size
    x = torch.randn(2, 3, size, size)
    oracle = timm.create_model("test_vit", pretrained=False, num_classes=0).eval()
    state = {k: v.half().float() for k, v in model.state_dict().items() if not k.startswith("head.")}
    oracle.load_state_dict(state)
    assert torch.allclose(backbone.tower.eval()(x), oracle(x), atol=1e-5)
    assert backbone.text_weights is None and backbone.embed_dim == oracle.num_features


def test_another_image_size_resamples_the_position_embedding(checkpoint):
    _, path = checkpoint
    small = TimmViT(f"test_vit@{path}", image_size=96).load()
    assert small.tower(torch.randn(1, 3, 96, 96)).shape == (1, small.embed_dim)
    assert TimmViT(f"test_vit@{path}", 96).identity() != TimmViT(f"test_vit@{path}").identity()


def test_wrong_weights_and_names_are_refused(checkpoint, tmp_path):
    _, path = checkpoint
    with pytest.raises(UsageError, match="did you mean 'test_vit"):
        TimmViT(f"test_vitt@{path}").load()
    with pytest.raises(UsageError, match="vit_tiny_patch16_224"):
        TimmViT(f"vit_tiny_patch16_224@{path}").load()
    with pytest.raises(UsageError, match="only VisionTransformer"):
        TimmViT("test_resnet").load()


def test_a_folder_with_a_timm_backbone_end_to_end(folder, checkpoint, tmp_path):
    _, path = checkpoint
    call = ["--stream", f"folder:{folder}", "--backbone", f"timm:test_vit@{path}", "--image-size", "32",
            "--epochs", "1", "--strategies", "lora", "selora", "--results", str(tmp_path / "out")]  # fmt: skip
    assert run_suite.main(call) == 0
    results = [json.loads(p.read_text()) for p in (tmp_path / "out").glob("runs/*/result.json")]
    assert {tuple(result["spec"]["order"]) for result in results} == {("ink", "photo")}


@needs_files
def test_real_photographs_with_real_weights(tmp_path):
    """Two epochs of a linear probe on frozen ImageNet features: far above chance (14 %) on photographs."""
    weights = Path(FILES) / "weights" / "vit_tiny_patch16_224.fp16.safetensors"
    call = ["--stream", f"folder:{Path(FILES) / 'data' / 'PACS_mini'}", "--image-size", "96", "--epochs", "2",
            "--backbone", f"timm:vit_tiny_patch16_224@{weights}", "--strategies", "zero-shot",
            "--order", "photo", "--hold-out", "sketch", "--results", str(tmp_path)]  # fmt: skip
    assert run_suite.main(call) == 0
    result = json.loads(next(tmp_path.glob("runs/*/result.json")).read_text())
    track = result["tracks"]["agnostic"]
    assert track["accuracy"][1][0] > 0.75
    assert track["ood"][0][0] > 0.5 and track["ood"][1] == track["ood"][0]  # k-NN on frozen features
