"""Glyphs as small masks: every character of every typeface, in several stroke weights, ready to be warped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont

from benchmark.streams.digits.alphabet import CharacterClass, draws, face_file

CANVAS = 64
"""Side of a glyph's mask in pixels."""
CAPITAL_HEIGHT = 38
"""Height of a capital H on the canvas; every typeface is scaled to it."""
PRINTED, BOLD, PEN = (0,), (1,), (2, 3, 4)
"""Variants of a glyph: as printed, emboldened, and redrawn along its centre line with three pens."""


@dataclass(frozen=True)
class GlyphBank:
    """All glyphs of some classes in some typefaces.

    masks: uint8 [5, N, CANVAS, CANVAS], ink in 0..255, one layer a variant.
    labels: int64 [N], index of the class. half_width: float [N], of the ink, in units of half a canvas.
    """

    masks: torch.Tensor
    labels: torch.Tensor
    half_width: torch.Tensor

    def of_class(self, label: int) -> torch.Tensor:
        """Indices of the glyphs of class `label`, int64 [n]."""
        return torch.nonzero(self.labels == label).squeeze(1)


def glyph_bank(classes: Sequence[CharacterClass], faces: Sequence[str], pens: bool = True) -> GlyphBank:
    """Draw each character of `classes` in each of `faces` that has it; without `pens`, PEN layers are empty."""
    masks, labels = [], []
    for face in faces:
        font = _font(face)
        for label, cls in enumerate(classes):
            for character in cls.characters:
                if draws(face, character):
                    masks.append(_draw(font, character))
                    labels.append(label)
    printed = np.stack(masks)
    ink = np.where(printed.max(axis=1) > 127, np.arange(CANVAS), CANVAS // 2)
    half_width = np.abs(ink - (CANVAS - 1) / 2).max(axis=1) / (CANVAS / 2)
    layers = _layers(printed, pens)
    return GlyphBank(layers, torch.tensor(labels), torch.from_numpy(half_width.astype(np.float32)))


def _font(face: str) -> ImageFont.FreeTypeFont:
    """The typeface at the size that makes a capital H CAPITAL_HEIGHT pixels high."""
    path = str(face_file(face))
    reference = ImageFont.truetype(path, 200, layout_engine=ImageFont.Layout.BASIC)
    _, top, _, bottom = reference.getbbox("H")
    return ImageFont.truetype(path, 200 * CAPITAL_HEIGHT / (bottom - top), layout_engine=ImageFont.Layout.BASIC)


def _draw(font: ImageFont.FreeTypeFont, character: str) -> np.ndarray:
    """The character centred on the canvas, uint8 [CANVAS, CANVAS]; shrunk where it would not fit."""
    left, top, right, bottom = font.getbbox(character)
    room = CANVAS - 4
    if max(right - left, bottom - top) > room:
        font = font.font_variant(size=font.size * room / max(right - left, bottom - top))
        left, top, right, bottom = font.getbbox(character)
    image = Image.new("L", (CANVAS, CANVAS))
    x, y = (CANVAS - right - left) / 2, (CANVAS - bottom - top) / 2
    ImageDraw.Draw(image).text((round(x), round(y)), character, fill=255, font=font)
    return np.asarray(image)


def _layers(printed: np.ndarray, pens: bool) -> torch.Tensor:
    regular = torch.from_numpy(printed).float()[:, None]
    layers = [regular, _dilate(regular, 3)]
    if pens:
        # A smoothed mask has a smoother centre line, with fewer spurs at serifs.
        smooth = F.avg_pool2d(regular, 3, stride=1, padding=1)
        line = torch.from_numpy(centre_lines(smooth[:, 0].numpy() > 100)).float()[:, None] * 255
        layers += [F.avg_pool2d(_dilate(line, size), 3, stride=1, padding=1) for size in (3, 5, 7)]
    else:
        layers += [torch.zeros_like(regular)] * len(PEN)
    return torch.stack(layers)[:, :, 0].round().to(torch.uint8)


def _dilate(masks: torch.Tensor, size: int) -> torch.Tensor:
    return F.max_pool2d(masks, size, stride=1, padding=size // 2)


def centre_lines(masks: np.ndarray) -> np.ndarray:
    """Thin bool masks [N, H, W] to lines one pixel wide (Zhang and Suen 1984, a batch at a time)."""
    thin = np.pad(masks, ((0, 0), (1, 1), (1, 1)))
    changed = True
    while changed:
        changed = False
        for first in (True, False):
            removable = _removable(thin, first)
            if removable.any():
                thin[:, 1:-1, 1:-1] &= ~removable
                changed = True
    return thin[:, 1:-1, 1:-1]


def _removable(thin: np.ndarray, first: bool) -> np.ndarray:
    """Border pixels that one half-step of the thinning deletes."""
    n, ne, e, se = thin[:, :-2, 1:-1], thin[:, :-2, 2:], thin[:, 1:-1, 2:], thin[:, 2:, 2:]
    s, sw, w, nw = thin[:, 2:, 1:-1], thin[:, 2:, :-2], thin[:, 1:-1, :-2], thin[:, :-2, :-2]
    ring = (n, ne, e, se, s, sw, w, nw)
    neighbours = np.zeros(n.shape, np.int8)
    rises = np.zeros(n.shape, np.int8)
    for here, following in zip(ring, (*ring[1:], n), strict=True):
        neighbours += here
        rises += ~here & following
    open_sides = ~(n & e & s) & ~(e & s & w) if first else ~(n & e & w) & ~(n & s & w)
    return thin[:, 1:-1, 1:-1] & (neighbours >= 2) & (neighbours <= 6) & (rises == 1) & open_sides
