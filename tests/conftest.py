"""A stream and two backbones so small that a whole run takes a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer

from benchmark.backbones.base import Backbone
from benchmark.streams.base import ImageSet, Split, Stream

# One thread everywhere, in spawned children too: sums split over threads differ in their last bits, and tests of
# exact repetition compare those. Models so small are faster this way as well.
torch.set_num_threads(1)

SIDE = 16
CLASSES = ("red thing", "green thing", "blue thing")


class TinyStream(Stream):
    """Three domains of coloured noise: the class is a colour, the domain says in which corner it is seen."""

    name = "tiny"
    augment = "shift"

    def __init__(self, train: int = 30, test: int = 15) -> None:
        self.domains = ("north.west", "north_east", "south")
        self.ood = ("unseen",)
        self.sizes = {"train": train, "test": test}

    def classes(self, name: str) -> tuple[str, ...]:
        return CLASSES

    def load(self, name: str, split: Split) -> ImageSet:
        place = (*self.domains, *self.ood).index(name)
        count = self.sizes[split]
        rng = np.random.default_rng([place, split == "test"])
        labels = np.arange(count) % len(CLASSES)
        pixels = rng.integers(0, 120, (count, SIDE, SIDE, 3), dtype=np.uint8)
        row, column = 8 * (place // 2), 8 * (place % 2)
        for image, label in zip(pixels, labels, strict=True):
            image[row : row + 8, column : column + 8, label] = 220
        ids = tuple(f"{name}/{split}/{index}" for index in range(count))
        return ImageSet(name, split, labels, ids, lambda index: Image.fromarray(pixels[index]))


@dataclass
class TinyBackbone:
    """A random two-layer ViT, with or without a (random) text head; the form that `registry` expects."""

    text: bool = True
    width: int = 32

    def identity(self) -> dict[str, Any]:
        return {"name": "tiny-clip" if self.text else "tiny-vit", "weights": "seed 0"}

    def load(self) -> Backbone:
        torch.manual_seed(0)
        tower = tiny_vit(num_classes=self.width if self.text else 0)
        return Backbone(
            name=self.identity()["name"],
            tower=tower,
            embed_dim=self.width,
            image_size=SIDE,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            interpolation="bicubic",
            text_weights=_text_weights if self.text else None,
            logit_scale=10.0,
        )


def tiny_vit(num_classes: int = 0, depth: int = 2) -> VisionTransformer:
    return VisionTransformer(
        img_size=SIDE, patch_size=8, embed_dim=32, depth=depth, num_heads=2, num_classes=num_classes
    ).eval()


def _text_weights(classes: Any, templates: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.nn.functional.normalize(torch.randn(len(classes), 32, generator=generator), dim=1)


@pytest.fixture
def vit() -> VisionTransformer:
    torch.manual_seed(0)
    return tiny_vit()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


class TinyCLIP(TinyBackbone):
    """`TinyBackbone` as the command line resolves a backbone."""

    def __init__(self, argument: str, image_size: int | None) -> None:
        super().__init__()


@pytest.fixture
def installed_plugins(tmp_path, monkeypatch):
    """An installed package that brings the stream and the backbone `tiny`, and a strategy that is never imported."""
    info = tmp_path / "plugins" / "tiny_plugins-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-plugins\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[selora_bench.streams]\ntiny = tests.conftest:TinyStream\n"
        "[selora_bench.backbones]\ntiny = tests.conftest:TinyCLIP\n"
        "[selora_bench.strategies]\nabsent = no_such_module:Nothing\n"
    )
    monkeypatch.syspath_prepend(str(info.parent))
