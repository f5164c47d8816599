"""Print README.md's accuracy table: `python -m benchmark.backbones.glyphclip.evaluate`.

Zero-shot accuracy of the shipped weights on the test split of every domain and out-of-domain set of the stream
`digits`, each among its own classes, and on the held-out typefaces among all classes of pre-training.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from benchmark.backbones.base import Backbone
from benchmark.backbones.glyphclip import FOLDER, WEIGHTS, recipe
from benchmark.backbones.openclip import load_open_clip
from benchmark.streams.base import ImageSet
from benchmark.streams.digits import DigitsStream
from benchmark.streams.digits.alphabet import DIGITS, HELD_OUT_FACES, LETTERS
from benchmark.streams.digits.glyphs import glyph_bank
from benchmark.streams.digits.render import Style, render

Row = tuple[str, int, int, float]
"""What was tested, number of classes, number of images, accuracy."""


@torch.no_grad()
def predictions(backbone: Backbone, images: torch.Tensor, class_names: Sequence[str]) -> torch.Tensor:
    """Zero-shot classes, int64 [N], of uint8 images [N, 3, S, S]."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (backbone.mean, backbone.std))
    embedded = F.normalize(backbone.tower((images.float() / 255 - mean) / std), dim=-1)
    return (embedded @ backbone.text_weights(class_names, DigitsStream.templates).T).argmax(1)


def as_batch(images: ImageSet) -> torch.Tensor:
    """All images of a set, uint8 [N, 3, S, S]."""
    stacked = np.stack([np.asarray(images.load(index)) for index in range(len(images))])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2)


def stream_rows(backbone: Backbone, split: str = "test") -> list[Row]:
    """Accuracy on every domain and out-of-domain set of the stream."""
    stream, rows = DigitsStream(), []
    for name in stream.domains + stream.ood:
        images = stream.load(name, split)
        correct = predictions(backbone, as_batch(images), stream.classes(name)).numpy() == images.labels
        rows.append((f"`{name}`", len(stream.classes(name)), len(images), float(correct.mean())))
    return rows


def typeface_rows(backbone: Backbone, copies: int = 4) -> list[Row]:
    """Accuracy on plain renderings of every character of the held-out typefaces, among all classes."""
    glyphs = glyph_bank(recipe.CLASSES, HELD_OUT_FACES, pens=False)
    indices = torch.arange(len(glyphs.labels)).repeat(copies)
    images = render(glyphs, indices, Style(), torch.Generator().manual_seed(1))
    labels = glyphs.labels[indices]
    right = (predictions(backbone, images, [cls.name for cls in recipe.CLASSES]) == labels).float()
    digit, letter = labels < len(DIGITS), labels < len(DIGITS + LETTERS)
    groups = (
        ("all characters", torch.ones_like(digit)),
        ("of these, digits", digit),
        ("of these, letters", letter & ~digit),
        ("of these, symbols", ~letter),
    )
    count = len(recipe.CLASSES)
    return [(f"held-out typefaces, {name}", count, int(of.sum()), right[of].mean().item()) for name, of in groups]


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description="Zero-shot accuracy of glyphclip, as a Markdown table.")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--split", choices=("train", "test"), default="test", help="of the stream's sets")
    arguments = parser.parse_args()
    backbone = load_open_clip("glyphclip", arguments.weights, config_dir=FOLDER)
    print("| tested on | among classes | images | accuracy, % |\n|---|---|---|---|")
    for name, classes, count, accuracy in typeface_rows(backbone) + stream_rows(backbone, arguments.split):
        print(f"| {name} | {classes} | {count} | {100 * accuracy:.1f} |")


if __name__ == "__main__":
    main()
