"""A part of a stream's images, so that a small machine can run it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Any

import numpy as np

from benchmark.errors import UsageError
from benchmark.streams.base import ImageSet, Split, Stream
from benchmark.streams.wrapper import StreamWrapper


class Subset(StreamWrapper):
    """`stream` with a part of each class of each set, chosen by the hash of `seed` and the image's id.

    per_class: at most so many training images of each class. fraction: so large a part of them, at least one image of
    a class that has any. test_per_class: at most so many test images of each class; all by default.
    An image keeps its place whatever else is in the stream: a larger part contains every smaller one.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        per_class: int | None = None,
        fraction: float | None = None,
        test_per_class: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(stream)
        if per_class is not None and fraction is not None:
            raise UsageError("--per-class and --fraction exclude each other; give one of them")
        for option, count in (("--per-class", per_class), ("--test-per-class", test_per_class)):
            if count is not None and count < 1:
                raise UsageError(f"{option} {count}: expected at least 1")
        if fraction is not None and not 0 < fraction <= 1:
            raise UsageError(f"--fraction {fraction}: expected a number above 0 and up to 1")
        self.per_class, self.fraction, self.test_per_class, self.seed = per_class, fraction, test_per_class, seed

    def load(self, name: str, split: Split) -> ImageSet:
        """The chosen images, in the stream's order."""
        images = self.stream.load(name, split)
        by_class: dict[int, list[int]] = defaultdict(list)
        for index, label in enumerate(np.asarray(images.labels).tolist()):
            by_class[label].append(index)
        kept = sorted(index for members in by_class.values() for index in self._chosen(images, members, split))
        return images.part(kept)

    def count(self, name: str, split: Split) -> int:
        """Exact where the data are at hand; else from the numbers of classes and images of the whole stream."""
        try:
            return len(self.load(name, split))
        except (UsageError, OSError):
            whole, classes = self.stream.count(name, split), len(self.classes(name))
            if not classes:
                raise UsageError(f"how large a part of {name} is, is known only once its data are there") from None
            return min(whole, self._wanted(whole / classes, split) * classes)

    def _chosen(self, images: ImageSet, members: list[int], split: Split) -> list[int]:
        wanted = self._wanted(len(members), split)
        if wanted >= len(members):
            return members
        return sorted(members, key=lambda index: self._rank(images.ids[index]))[:wanted]

    def _wanted(self, count: float, split: Split) -> int:
        limit = self.per_class if split == "train" else self.test_per_class
        if split == "train" and self.fraction is not None:
            limit = max(1, round(self.fraction * count))
        return round(count) if limit is None else limit

    def _rank(self, identifier: str) -> str:
        return hashlib.sha256(f"{self.seed}/{identifier}".encode()).hexdigest()

    def identity(self) -> dict[str, Any]:
        """The stream's identity and the part that is taken."""
        part = {
            "per_class": self.per_class,
            "fraction": self.fraction,
            "test_per_class": self.test_per_class,
            "seed": self.seed,
        }
        return {**super().identity(), "subset": {key: value for key, value in part.items() if value is not None}}
