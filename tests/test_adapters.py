"""Adapters and pictures that a run leaves beside its result."""

from __future__ import annotations

import base64
import io
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import selora
from benchmark.data.stream_data import StreamData
from benchmark.gallery import PER_STAGE, SIDE
from benchmark.runner import classifier, run
from benchmark.store import Store
from benchmark.streams.label_space import DomainSpaces
from tests.conftest import TinyBackbone, TinyStream
from tests.test_runner import TRAIN, run_tiny, spec_for

DOMAIN = "north.west"


def finished(name, root, *, text=True, **params):
    """A run with adapters: result, folder, data."""
    stream, source = TinyStream(), TinyBackbone(text)
    spec, strategy = spec_for(name, stream, source, **params)
    backbone = source.load()
    data = StreamData(stream, backbone.image_size, backbone.interpolation, TRAIN)
    store = Store(root)
    result = run(spec, strategy, backbone, data, store, adapters=True)
    return result, store.folder(spec), data


def fresh(text):
    """The model as it was before any training."""
    stream = TinyStream()
    return classifier(TinyBackbone(text).load(), DomainSpaces(stream, stream.domains).spaces, 0).eval()


def answers(model, data, domain):
    images = torch.stack([image for image, _ in data.test(domain)])
    with torch.inference_mode():
        return model(images).argmax(dim=1).numpy()


@pytest.mark.parametrize("text", [True, False])
def test_a_task_is_loaded_back_by_selora_and_by_peft(text, tmp_path):
    peft = pytest.importorskip("peft")
    result, folder, data = finished("selora", tmp_path, text=text)
    stored = np.load(folder / "predictions.npz")
    assert sorted(path.name for path in (folder / "adapters").iterdir()) == sorted(result.spec.order)
    differs = False
    for domain in result.spec.order:
        files = folder / "adapters" / domain
        assert (files / "head.safetensors").exists() is not text
        ours, theirs = fresh(text), fresh(text)
        selora.inject(ours.towers, rank=16)
        assert selora.load(ours, files / "adapter.safetensors") == [domain]
        selora.activate(ours, domain)
        theirs.tower = peft.PeftModel.from_pretrained(theirs.tower, files / "peft-image").eval()
        for loaded in (ours, theirs):
            if not text:
                loaded.head.load_state_dict(load_file(files / "head.safetensors"))
            assert (answers(loaded, data, domain) == stored[f"given/3/{domain}/class"][0]).all()
        differs |= bool((answers(fresh(text), data, domain) != stored[f"given/3/{domain}/class"][0]).any())
        assert f"/{domain}, seed 0" in (files / "README.md").read_text()
    assert differs, "without the adapters the answers are others"


def test_only_low_rank_blocks_that_are_left_become_adapters(tmp_path):
    for name, expected in (("lora", ["stream"]), ("taps", []), ("selora-merged", []), ("finetune", [])):
        _, folder, _ = finished(name, tmp_path / name)
        found = sorted(path.name for path in (folder / "adapters").glob("*"))
        assert found == expected, name


def test_without_the_option_there_are_none(tmp_path):
    run_tiny("selora", tmp_path)
    assert list(tmp_path.rglob("adapters")) == []


@pytest.mark.parametrize(("name", "track"), [("finetune", "agnostic"), ("selora", "routed")])
def test_pictures_are_of_images_that_were_right_and_are_wrong(name, track, tmp_path):
    result = run_tiny(name, tmp_path, lr=0.02)
    store = Store(tmp_path)
    found, predictions = store.gallery(result.spec), store.predictions(result.spec)
    assert (found["track"], found["size"]) == (track, SIDE)
    assert found["items"]
    assert max(Counter(item["stage"] for item in found["items"]).values()) <= PER_STAGE
    classes = TinyStream().classes(DOMAIN)
    for item in found["items"]:
        index = predictions[f"ids/{item['set']}"].tolist().index(item["id"])
        label = predictions[f"labels/{item['set']}"][index]
        before = predictions[f"{track}/{item['stage'] - 1}/{item['set']}/class"][0, index]
        after = predictions[f"{track}/{item['stage']}/{item['set']}/class"][0, index]
        assert before == label != after
        assert (item["label"], item["before"], item["after"]) == tuple(classes[k] for k in (label, before, after))
        picture = Image.open(io.BytesIO(base64.b64decode(item["image"])))
        assert picture.size == (16, 16)
        # The class is the colour of the bright corner, and JPEG leaves it bright.
        assert np.asarray(picture, dtype=float).mean(axis=(0, 1)).argmax() == label


def test_samples_agree_with_the_matrix(tmp_path):
    result = run_tiny("selora", tmp_path)
    samples = Store(tmp_path).samples(result.spec)
    assert samples["classes"]["south"] == list(TinyStream().classes("south"))
    for name, track in result.tracks.items():
        figures = dict(zip((*result.spec.order, "unseen"), track.accuracy[-1] + track.ood[-1], strict=True))
        for images, accuracy in figures.items():
            right = sum(right for right, _ in samples["tracks"][name]["sets"][images]["per_class"])
            total = sum(total for _, total in samples["tracks"][name]["sets"][images]["per_class"])
            assert right / total == pytest.approx(accuracy)


def test_samples_of_an_older_run_are_made_when_asked_for(tmp_path):
    result = run_tiny("finetune", tmp_path)
    store = Store(tmp_path)
    path = store.folder(result.spec) / "samples.json"
    known = store.samples(result.spec)
    path.unlink()
    again = store.samples(result.spec)
    assert again["classes"] is None and again["tracks"] == known["tracks"]
    assert path.exists()
    path.unlink()
    (store.folder(result.spec) / "predictions.npz").write_bytes(b"PK broken")
    assert store.samples(result.spec) is None and store.predictions(result.spec) is None
