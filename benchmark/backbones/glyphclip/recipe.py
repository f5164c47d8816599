"""What the embedded backbone is pre-trained on: rendered characters in four styles, each with captions of its own.

No handwriting, no photograph and no held-out typeface takes part.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmark.streams.digits.alphabet import DIGITS, LETTERS, PRETRAIN_FACES, SYMBOLS
from benchmark.streams.digits.glyphs import BOLD, PEN, PRINTED, GlyphBank, glyph_bank
from benchmark.streams.digits.render import Style, render

CLASSES = DIGITS + LETTERS + SYMBOLS
# A digit is drawn more often than a letter, a symbol less often.
CLASS_WEIGHTS = (2.5,) * len(DIGITS) + (1.0,) * len(LETTERS) + (0.6,) * len(SYMBOLS)

GENERIC_CAPTIONS = (
    "a photo of the {}.",
    "an image of the {}.",
    "a picture of the {}.",
    "the {}.",
    "{}",
    "one {}.",
)


@dataclass(frozen=True)
class Source:
    """A style of image, the share of each batch that has it, and captions that describe it."""

    style: Style
    share: float
    captions: tuple[str, ...]


PRINT_CAPTIONS = ("a printed {}.", "the {} in print.", "a scan of the {}.")
PLAIN = Source(Style(), 0.05, PRINT_CAPTIONS)
PRINT = Source(
    Style(
        variants=PRINTED + PRINTED + BOLD,
        rotate=12,
        shear=0.2,
        zoom=(0.75, 1.5),
        stretch=0.2,
        shift=0.15,
        wobble=(0, 0.05),
        grey_share=0.6,
        contrast=(0.35, 1),
        blur_share=0.3,
        coarse_share=0.2,
        noise=(0, 0.05),
    ),
    0.25,
    PRINT_CAPTIONS,
)
DRAWN = Source(
    Style(
        variants=PEN,
        rotate=18,
        shear=0.4,
        zoom=(0.8, 1.5),
        stretch=0.3,
        shift=0.12,
        wobble=(0.02, 0.1),
        gap_share=0.3,
        grey_share=0.8,
        contrast=(0.4, 1),
        blur_share=0.35,
        coarse_share=0.3,
        noise=(0, 0.04),
    ),
    0.4,
    ("a handwritten {}.", "the {} drawn with a pen.", "a sketch of the {}."),
)
STREET = Source(
    Style(
        variants=PRINTED + BOLD,
        rotate=12,
        shear=0.2,
        zoom=(0.8, 1.5),
        stretch=0.25,
        shift=0.12,
        wobble=(0, 0.06),
        neighbour_share=0.5,
        grey_share=0.1,
        contrast=(0.2, 0.8),
        clutter=(0, 0.25),
        invert_share=0.15,
        blur_share=0.6,
        coarse_share=0.2,
        noise=(0, 0.06),
    ),
    0.3,
    ("a coloured {}.", "a blurry photo of the {}.", "the {} on a street sign."),
)
SOURCES = (PLAIN, PRINT, DRAWN, STREET)


@dataclass(frozen=True)
class Batch:
    """Images uint8 [B, 3, 32, 32], their classes int64 [B], and which source (index) each came from, int64 [B]."""

    images: torch.Tensor
    labels: torch.Tensor
    sources: torch.Tensor


def bank() -> GlyphBank:
    """Every character of the pre-training typefaces."""
    return glyph_bank(CLASSES, PRETRAIN_FACES)


def draw_batch(glyphs: GlyphBank, size: int, generator: torch.Generator, severity: float = 1.0) -> Batch:
    """A fresh batch of `size` images, the sources in their shares.

    severity: multiplies the share of every source but the plain one, which takes the rest; training begins with
    easy images because a small transformer is slow to find a first foothold on hard ones.
    """
    per_class = torch.bincount(glyphs.labels, minlength=len(CLASSES))
    weights = torch.tensor(CLASS_WEIGHTS)[glyphs.labels] / per_class[glyphs.labels]
    counts = [round(size * source.share * severity) for source in SOURCES[1:]]
    images, labels, sources = [], [], []
    for number, count in enumerate([size - sum(counts), *counts]):
        if count:
            indices = torch.multinomial(weights, count, replacement=True, generator=generator)
            images.append(render(glyphs, indices, SOURCES[number].style, generator))
            labels.append(glyphs.labels[indices])
            sources.append(torch.full((count,), number))
    return Batch(torch.cat(images), torch.cat(labels), torch.cat(sources))
