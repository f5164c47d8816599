"""Image sets of files below one folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmark.errors import BadImage
from benchmark.streams.base import ImageSet, Split

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


def image_set(name: str, split: Split, labels: np.ndarray, files: Sequence[str], root: Path) -> ImageSet:
    """The images `files` (paths relative to `root`, and their ids), decoded on demand."""
    return ImageSet(
        name, split, labels, files, lambda index: read_image(root / files[index]), lambda index: root / files[index]
    )


def read_image(path: Path) -> Image.Image:
    """The file as an RGB image; BadImage where there is none."""
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except Exception as error:  # a decoder fails on broken bytes in ways of its own
        raise BadImage(
            f"{path} cannot be read ({type(error).__name__}: {error}); find all such files with "
            f"`python run_suite.py check-data --stream NAME`, then mend them or run with --on-bad-image skip"
        ) from error
