"""What a stream is: image domains learned one after another, and sets that are never learned."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image

from benchmark.data.options import DataOptions

Split = Literal["train", "test"]


@dataclass(frozen=True)
class ImageSet:
    """The labelled images of one domain (or out-of-domain set) and split.

    labels: int64 [N], indices into ``stream.classes(name)``; a class may be absent.
    ids: N stable names, unique within the stream (a path relative to the data's root, or a
        generator's own name); predictions and validation splits are tied to them.
    load: index -> RGB image, decoded on demand.
    path: index -> file; None for images that are made, not read.
    """

    name: str
    split: Split
    labels: np.ndarray
    ids: Sequence[str]
    load: Callable[[int], Image.Image]
    path: Callable[[int], Path] | None = None

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.ids):
            raise ValueError(f"{self.name}/{self.split}: {len(self.labels)} labels for {len(self.ids)} images")

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, kept: Sequence[int]) -> ImageSet:
        """The images at the indices `kept`; this very set if those are all of them."""
        if len(kept) == len(self):
            return self
        path = self.path
        return ImageSet(
            self.name,
            self.split,
            np.asarray(self.labels)[list(kept)],
            tuple(self.ids[index] for index in kept),
            lambda index: self.load(kept[index]),
            None if path is None else lambda index: path(kept[index]),
        )


class Stream(abc.ABC):
    """Domains in their canonical order, the classes of each, and out-of-domain sets.

    A stream is cheap to construct: images are read by `load`, never by the constructor.
    """

    name: str
    version: ClassVar[int] = 1
    """Raised whenever the same name begins to mean other images or labels; part of the run key."""
    domains: tuple[str, ...]
    ood: tuple[str, ...] = ()
    """Out-of-domain sets: never trained on, only evaluated."""
    templates: tuple[str, ...] = ("a photo of a {}.",)
    """Prompts for a text head; ``{}`` takes a class name."""
    source: ClassVar[str] = ""
    """Hash of the file that a plugged-in stream was read from."""
    augment: ClassVar[str] = "crop-flip"
    """Default training augmentation, a name of `benchmark.data.transforms.AUGMENTATIONS`."""

    @classmethod
    def create(cls, argument: str, data: DataOptions) -> Stream:
        """The stream behind ``NAME[:ARGUMENT]``; one that reads from the data root overrides this."""
        return cls(argument) if argument else cls()

    def make_available(self, download: bool) -> None:  # noqa: B027 - a stream without files has nothing to do
        """Check, fast, that the data are on disk, fetching what is missing if `download`.

        MissingData says what is missing, how large it is, where it was looked for and which command fetches it.
        """

    @property
    def orders(self) -> Mapping[str, tuple[str, ...]]:
        """Named domain orders; ``default`` is always among them."""
        return {"default": self.domains, "reversed": self.domains[::-1]}

    @abc.abstractmethod
    def classes(self, name: str) -> tuple[str, ...]:
        """Class names, ready for a prompt, of domain or out-of-domain set `name`."""

    @abc.abstractmethod
    def load(self, name: str, split: Split) -> ImageSet:
        """The images of domain or out-of-domain set `name`.

        The training split of an out-of-domain set is the gallery of k-NN retention.
        """

    def prompts(self, name: str) -> tuple[str, ...]:
        """Prompt templates of domain or out-of-domain set `name`."""
        return self.templates

    def count(self, name: str, split: Split) -> int:
        """Number of images; a stream that knows it without its data overrides this, for an estimate of the cost."""
        return len(self.load(name, split))

    def identity(self) -> dict[str, Any]:
        """What the run key knows of the data, computed without decoding an image."""
        identity = {"name": self.name, "version": self.version}
        return {**identity, "source": self.source} if self.source else identity


def fingerprint(sets: Iterable[ImageSet]) -> str:
    """sha256 (16 hex digits) over names, labels and ids of `sets`, in order."""
    digest = hashlib.sha256()
    for images in sets:
        digest.update(f"{images.name}/{images.split}\n".encode())
        digest.update(np.ascontiguousarray(images.labels, dtype="<i8").tobytes())
        digest.update("\n".join(images.ids).encode())
    return digest.hexdigest()[:16]
