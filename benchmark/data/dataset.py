"""From an image set to uint8 tensors of the size a model takes, decoded once where memory allows."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from benchmark.streams.base import ImageSet

CACHE_BYTES = 4 * 1024**3
"""Decoded images of all sets together are kept in memory up to this size; the rest is decoded anew each time."""
SAMPLE = 64
"""Images of a set whose pixels enter the fingerprint."""


class Cache:
    """Memory for decoded images, given out to sets as they come until it is used up."""

    def __init__(self, size: int = CACHE_BYTES) -> None:
        self.free = size

    def take(self, count: int, side: int) -> torch.Tensor | None:
        """uint8 [count, 3, side, side], or None where that is more than what is left."""
        if count * 3 * side * side > self.free:
            return None
        self.free -= count * 3 * side * side
        return torch.empty(count, 3, side, side, dtype=torch.uint8)


class DecodedImages(Dataset):
    """Items (uint8 image [3, side, side], label) of some of an image set's images.

    The shorter side is resized to `side`, then the centre is cropped.
    """

    def __init__(
        self,
        images: ImageSet,
        side: int,
        interpolation: str,
        indices: Sequence[int] | None = None,
        cache: Cache | None = None,
    ) -> None:
        self.images, self.side = images, side
        self.interpolation = InterpolationMode(interpolation)
        self.indices = range(len(images)) if indices is None else indices
        self.targets = np.asarray(images.labels)[np.asarray(self.indices, dtype=np.int64)].tolist()
        self._room = cache or Cache()
        self._cache: torch.Tensor | None = None
        self._asked = False
        self._cached = np.zeros(len(self.indices), dtype=bool)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, int]:
        if self._cached[position]:
            return self._cache[position], self.targets[position]
        tensor = self._decode(position)
        # A loader's worker has a copy of this object: what it kept would be lost with it.
        if get_worker_info() is None:
            self._keep(position, tensor)
        return tensor, self.targets[position]

    def _keep(self, position: int, tensor: torch.Tensor) -> None:
        if not self._asked:  # at the first use: the sets that are used first, and so most often, get the room
            self._asked, self._cache = True, self._room.take(len(self), self.side)
        if self._cache is not None:
            self._cache[position] = tensor
            self._cached[position] = True

    def sample(self) -> bytes:
        """The pixels of `SAMPLE` images spread evenly over the set."""
        positions = np.linspace(0, len(self) - 1, min(SAMPLE, len(self))).astype(int)
        return b"".join(self[int(position)][0].numpy().tobytes() for position in positions)

    def _decode(self, position: int) -> torch.Tensor:
        image = self.images.load(self.indices[position])
        if image.size != (self.side, self.side):
            image = F.center_crop(F.resize(image, [self.side], self.interpolation, antialias=True), [self.side])
        return F.pil_to_tensor(image)


class Relabelled(Dataset):
    """`data` with every label moved up by `offset`: its place under a head of several label spaces."""

    def __init__(self, data: DecodedImages, offset: int) -> None:
        self.data, self.offset = data, offset
        self.targets = [label + offset for label in data.targets]

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, int]:
        image, label = self.data[position]
        return image, label + self.offset


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
