"""k-NN, the router and the validation split, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchmark.config import RunSpec
from benchmark.data.dataset import DecodedImages, split_validation
from benchmark.knn import knn, nearest
from benchmark.routing import NONE, DomainRouter
from benchmark.streams.base import ImageSet
from strategies.base import TrainConfig
from tests.conftest import TinyStream


def test_knn_votes_by_hand():
    angles = torch.tensor([0.0, 0.1, 0.4, 2.0])
    gallery = torch.stack([angles.cos(), angles.sin()], dim=1) * 3  # length must not matter
    labels = torch.tensor([0, 1, 1, 0])
    votes = knn(torch.tensor([[5.0, 0.0]]), gallery, labels, classes=3, k=3, temperature=0.07)
    weights = [math.exp((math.cos(a) - 1) / 0.07) for a in (0.0, 0.1, 0.4)]
    expected = [weights[0] / sum(weights), (weights[1] + weights[2]) / sum(weights), 0.0]
    assert votes[0].tolist() == pytest.approx(expected, abs=1e-5)


def test_knn_agrees_with_scikit_learn():
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(0)
    gallery, queries, labels = rng.normal(size=(80, 6)), rng.normal(size=(40, 6)), rng.integers(0, 4, 80)
    oracle = KNeighborsClassifier(
        n_neighbors=20, metric="cosine", algorithm="brute", weights=lambda distance: np.exp(-distance / 0.07)
    ).fit(gallery, labels)
    votes = knn(torch.tensor(queries), torch.tensor(gallery), torch.tensor(labels), 4)
    assert np.allclose(votes.numpy(), oracle.predict_proba(queries), atol=1e-5)


def clusters(centre, count=200, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.tensor(centre) + 0.3 * torch.randn(count, 3, generator=generator)


def test_the_router_finds_the_domain_or_none():
    router = DomainRouter()
    assert router.route(clusters([0.0, 0, 0])).unique().tolist() == [NONE]
    labels = torch.zeros(200, dtype=torch.long)
    router.add("a", clusters([0.0, 0, 0]), labels, clusters([0.0, 0, 0], seed=1))
    router.add("b", clusters([5.0, 0, 0]), labels, clusters([5.0, 0, 0], seed=2))
    assert (router.route(clusters([0.0, 0, 0], seed=3)) == 0).double().mean() > 0.95
    assert (router.route(clusters([5.0, 0, 0], seed=4)) == 1).double().mean() > 0.95
    assert router.route(clusters([0.0, 9.0, 0], seed=5)).unique().tolist() == [NONE]


def image_set(labels):
    ids = tuple(f"image{i}" for i in range(len(labels)))
    return ImageSet("d", "train", np.array(labels), ids, lambda index: None)


def test_validation_is_stratified_and_independent_of_file_order():
    labels = [0] * 20 + [1] * 10 + [2]
    images = image_set(labels)
    train, validation = split_validation(images, 0.1)
    assert sorted(train + validation) == list(range(31))
    assert sorted(images.labels[i] for i in validation) == [0, 0, 1]
    shuffled = ImageSet("d", "train", images.labels[::-1], images.ids[::-1], lambda index: None)
    assert {shuffled.ids[i] for i in split_validation(shuffled, 0.1)[1]} == {images.ids[i] for i in validation}


def test_decoded_images_are_resized_cropped_and_kept():
    from PIL import Image

    calls = []

    def load(index):
        calls.append(index)
        image = Image.new("RGB", (40, 20), (0, 0, 255))
        image.paste((255, 0, 0), (10, 0, 30, 20))  # the centre square is red
        return image

    images = ImageSet("d", "test", np.array([3]), ("a",), load)
    data = DecodedImages(images, 16, "bicubic")
    pixels, label = data[0]
    assert pixels.shape == (3, 16, 16) and label == 3
    assert pixels[0, 8, 8] == 255 and pixels[2, 8, 8] == 0
    assert torch.equal(data[0][0], pixels) and calls == [0]


def spec(**changes):
    fields = {
        "stream": TinyStream().identity(),
        "order": ("north.west", "south"),
        "backbone": {"name": "b"},
        "strategy": {"name": "lora", "version": 1, "params": {"lr": 1e-3}},
        "train": TrainConfig(),
        "seed": 0,
    }
    return RunSpec(**{**fields, **changes})


def test_the_key_depends_on_every_field_and_survives_json():
    import json

    base = spec()
    others = [
        spec(seed=1),
        spec(order=("south", "north.west")),
        spec(train=TrainConfig(epochs=5)),
        spec(strategy={"name": "lora", "version": 2, "params": {"lr": 1e-3}}),
        spec(strategy={"name": "lora", "version": 1, "params": {"lr": 1e-2}}),
        spec(stream={"name": "tiny", "version": 2}),
        spec(backbone={"name": "c"}),
    ]
    assert len({base.key, *(other.key for other in others)}) == 8
    assert RunSpec.from_dict(json.loads(json.dumps(base.as_dict()))) == base
    assert len(base.key) == 12


def test_nearest_in_parts_is_nearest_in_one(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    queries, bank = torch.randn(23, 5, generator=generator), torch.randn(61, 5, generator=generator)
    whole = nearest(queries, bank, 12)
    monkeypatch.setattr("benchmark.knn.QUERIES", 4)
    monkeypatch.setattr("benchmark.knn.BANK", 7)  # smaller than k
    parts = nearest(queries, bank, 12)
    assert torch.equal(whole[1], parts[1]) and torch.allclose(whole[0], parts[0], atol=1e-6)
    assert nearest(queries, bank, 200)[0].shape == (23, 61)
