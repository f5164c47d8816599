"""From an image set to uint8 tensors of the size a model takes, decoded once where memory allows."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from benchmark.data.transforms import Transform
from benchmark.streams.base import ImageSet

CACHE_BYTES = 2 * 1024**3
"""Decoded images of one data set are kept in memory up to this size; a larger set is decoded anew each time."""


class DecodedImages(Dataset):
    """Items (uint8 image [3, side, side], label) of some of an image set's images.

    The shorter side is resized to `side`, then the centre is cropped. `transform` is applied to every item anew.
    """

    def __init__(
        self,
        images: ImageSet,
        side: int,
        interpolation: str,
        indices: Sequence[int] | None = None,
        transform: Transform | None = None,
    ) -> None:
        self.images, self.side, self.transform = images, side, transform
        self.interpolation = InterpolationMode(interpolation)
        self.indices = list(range(len(images)) if indices is None else indices)
        self.targets = [int(images.labels[index]) for index in self.indices]
        fits = len(self.indices) * 3 * side * side <= CACHE_BYTES
        self._cache = torch.empty(len(self.indices), 3, side, side, dtype=torch.uint8) if fits else None
        self._cached = [False] * len(self.indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, int]:
        image = self._decoded(position)
        return (image if self.transform is None else self.transform(image)), self.targets[position]

    def pixels(self) -> bytes:
        """All decoded images in order; empty for a set too large to be kept."""
        if self._cache is None:
            return b""
        for position in range(len(self)):
            self._decoded(position)
        return self._cache.numpy().tobytes()

    def _decoded(self, position: int) -> torch.Tensor:
        if self._cached[position]:
            return self._cache[position]
        image = self.images.load(self.indices[position])
        if image.size != (self.side, self.side):
            image = F.center_crop(F.resize(image, [self.side], self.interpolation, antialias=True), [self.side])
        tensor = F.pil_to_tensor(image)
        if self._cache is not None:
            self._cache[position] = tensor
            self._cached[position] = True
        return tensor


def split_validation(images: ImageSet, fraction: float) -> tuple[list[int], list[int]]:
    """(training, validation) indices: `fraction` of each class, chosen by the hash of the image's id.

    It does not depend on the run's seed nor on the order of the files. A class with one image only trains.
    """
    by_class: dict[int, list[int]] = defaultdict(list)
    for index, label in enumerate(images.labels):
        by_class[int(label)].append(index)
    validation: set[int] = set()
    for members in by_class.values():
        count = min(round(fraction * len(members)), len(members) - 1)
        validation.update(sorted(members, key=lambda i: id_hash(images.ids[i]))[:count])
    return [i for i in range(len(images)) if i not in validation], sorted(validation)


def id_hash(identifier: str) -> str:
    """The same everywhere: sha256 of an image's id."""
    return hashlib.sha256(identifier.encode()).hexdigest()


def labels_of(data: DecodedImages) -> np.ndarray:
    """int64 [N]."""
    return np.asarray(data.targets, dtype=np.int64)
