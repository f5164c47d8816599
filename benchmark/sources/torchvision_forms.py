"""What torchvision's data sets know, once read: class names, and the label of each file or image.

torchvision offers images only one by one and decoded; labels and paths are in attributes that differ between its
classes. Here is the only place that knows them; the tests read every data set from files of its form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Listing:
    """classes: as torchvision names them. labels: int64 [N]. files: N paths, or images: uint8 [N, H, W(, 3)]."""

    classes: Sequence[str]
    labels: np.ndarray
    files: Sequence[Path] | None = None
    images: np.ndarray | None = None


Reader = Callable[[Any], Listing]


def listed(dataset: Any) -> Listing:
    """Aircraft, DTD, Flowers, Food-101, SUN397."""
    return Listing(dataset.classes, _labels(dataset._labels), [Path(file) for file in dataset._image_files])


def pets(dataset: Any) -> Listing:
    """Oxford-IIIT Pet."""
    return Listing(dataset.classes, _labels(dataset._labels), [Path(file) for file in dataset._images])


def samples(dataset: Any) -> Listing:
    """EuroSAT, an image folder."""
    return Listing(dataset.classes, _labels([label for _, label in dataset.samples]), _paths(dataset.samples))


def cars(dataset: Any) -> Listing:
    """Stanford Cars."""
    return Listing(dataset.classes, _labels([label for _, label in dataset._samples]), _paths(dataset._samples))


def caltech(dataset: Any) -> Listing:
    """Caltech-101, without its class of background images."""
    folder = Path(dataset.root) / "101_ObjectCategories"
    files = [
        folder / dataset.categories[label] / f"image_{number:04d}.jpg"
        for label, number in zip(dataset.y, dataset.index, strict=True)
    ]
    return Listing(dataset.categories, _labels(dataset.y), files)


def cifar(dataset: Any) -> Listing:
    """CIFAR-10 and CIFAR-100."""
    return Listing(dataset.classes, _labels(dataset.targets), images=dataset.data)


def mnist(dataset: Any) -> Listing:
    """MNIST, its images grey."""
    return Listing(dataset.classes, _labels(dataset.targets), images=dataset.data.numpy())


def stl10(dataset: Any) -> Listing:
    """STL-10, the labelled images."""
    return Listing(dataset.classes, _labels(dataset.labels), images=dataset.data.transpose(0, 2, 3, 1))


def _labels(labels: Any) -> np.ndarray:
    return np.asarray(labels, dtype=np.int64)


def _paths(pairs: Sequence[tuple[str, int]]) -> list[Path]:
    return [Path(file) for file, _ in pairs]
