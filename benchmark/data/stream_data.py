"""All images of one stream in the format of one backbone, shared by the runs of a process."""

from __future__ import annotations

import hashlib
from functools import cached_property

from benchmark.data.dataset import DecodedImages, split_validation
from benchmark.data.transforms import AUGMENTATIONS
from benchmark.streams.base import ImageSet, Split, Stream, fingerprint
from strategies.base import TrainConfig


class StreamData:
    """Training, validation and test images of a stream's domains and out-of-domain sets."""

    def __init__(self, stream: Stream, image_size: int, interpolation: str, train: TrainConfig) -> None:
        self.stream, self.size, self.interpolation, self.config = stream, image_size, interpolation, train
        self._sets: dict[tuple[str, Split], ImageSet] = {}
        self._decoded: dict[tuple[str, str], DecodedImages] = {}

    def train(self, domain: str) -> DecodedImages:
        """Augmented training images, without the validation part."""
        return self._get(domain, "train")

    def validation(self, domain: str) -> DecodedImages:
        """The validation part of the training split, not augmented."""
        return self._get(domain, "validation")

    def test(self, name: str) -> DecodedImages:
        """Test images of a domain or an out-of-domain set."""
        return self._get(name, "test")

    def plain_train(self, name: str) -> DecodedImages:
        """Training images as they are: for a router, and the gallery of an out-of-domain set."""
        return self._get(name, "plain")

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over names, labels and ids of every set, and the decoded test images where they are kept.

        The pixels catch what ids cannot: another version of a decoder, a font renderer or a resize.
        """
        names = (*self.stream.domains, *self.stream.ood)
        digest = hashlib.sha256(
            fingerprint(self._images(name, split) for name in names for split in ("train", "test")).encode()
        )
        for name in names:
            digest.update(self.test(name).pixels())
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
        if kind == "test":
            return DecodedImages(self._images(name, "test"), self.size, self.interpolation)
        images = self._images(name, "train")
        if name in self.stream.ood:
            return DecodedImages(images, self.size, self.interpolation)
        train, validation = split_validation(images, self.config.val_fraction)
        if kind == "validation":
            return DecodedImages(images, self.size, self.interpolation, validation)
        if kind == "plain":
            return DecodedImages(images, self.size, self.interpolation, train)
        augmentation = AUGMENTATIONS[self.config.augment]
        side = round(self.size * augmentation.scale)
        return DecodedImages(images, side, self.interpolation, train, augmentation.build(self.size))
