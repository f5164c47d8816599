"""All images of one stream in the format of one backbone, shared by the runs of a process."""

from __future__ import annotations

import hashlib
from functools import cached_property

from benchmark.data.dataset import Cache, DecodedImages, split_validation
from benchmark.data.transforms import AUGMENTATIONS
from benchmark.streams.base import ImageSet, Split, Stream, fingerprint
from strategies.base import TrainConfig


class StreamData:
    """Training, validation and test images of a stream's domains and out-of-domain sets."""

    def __init__(self, stream: Stream, image_size: int, interpolation: str, train: TrainConfig) -> None:
        self.stream, self.size, self.interpolation = stream, image_size, interpolation
        self.val_fraction = train.val_fraction
        augmentation = AUGMENTATIONS[train.augment]
        self.augment = augmentation.build(image_size)
        """What the trainer does to each training image; None for nothing."""
        self.train_size = round(image_size * augmentation.scale)
        self.cache = Cache()
        self._sets: dict[tuple[str, Split], ImageSet] = {}
        self._decoded: dict[tuple[str, str], DecodedImages] = {}

    def train(self, domain: str) -> DecodedImages:
        """Training images as `augment` takes them, without the validation part."""
        return self._get(domain, "train")

    def validation(self, domain: str) -> DecodedImages:
        """The validation part of the training split, as a model takes them."""
        return self._get(domain, "validation")

    def test(self, name: str) -> DecodedImages:
        """Test images of a domain or an out-of-domain set."""
        return self._get(name, "test")

    def plain_train(self, name: str) -> DecodedImages:
        """Training images as a model takes them: for a router, and the gallery of an out-of-domain set."""
        return self._get(name, "plain")

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over names, labels and ids of every set, and the pixels of some test images of each.

        The pixels catch what ids cannot: another version of a decoder, a font renderer or a resize.
        """
        names = (*self.stream.domains, *self.stream.ood)
        digest = hashlib.sha256(
            fingerprint(self._images(name, split) for name in names for split in ("train", "test")).encode()
        )
        for name in names:
            digest.update(self.test(name).sample())
        return digest.hexdigest()[:16]

    def _images(self, name: str, split: Split) -> ImageSet:
        if (name, split) not in self._sets:
            self._sets[name, split] = self.stream.load(name, split)
        return self._sets[name, split]

    def _get(self, name: str, kind: str) -> DecodedImages:
        if (name, kind) not in self._decoded:
            self._decoded[name, kind] = self._decode(name, kind)
        return self._decoded[name, kind]

    def _decode(self, name: str, kind: str) -> DecodedImages:
        images = self._images(name, "test" if kind == "test" else "train")
        indices, side = None, self.size
        if kind != "test" and name not in self.stream.ood:
            train, validation = split_validation(images, self.val_fraction)
            indices = validation if kind == "validation" else train
            side = self.train_size if kind == "train" else self.size
        return DecodedImages(images, side, self.interpolation, indices, self.cache)
