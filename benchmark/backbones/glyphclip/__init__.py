"""The embedded backbone: a small open_clip model of rendered characters, shipped with its weights (see README.md)."""

from __future__ import annotations

from pathlib import Path

from benchmark.backbones.base import Backbone

FOLDER = Path(__file__).parent
WEIGHTS = FOLDER / "glyphclip.safetensors"
IMAGE_SIZE = 32


def load(image_size: int | None = None) -> Backbone:
    """The shipped glyphclip.

    Raises:
        ValueError: `image_size` is neither None nor 32.
    """
    if image_size not in (None, IMAGE_SIZE):
        raise ValueError(f"glyphclip takes images of {IMAGE_SIZE} pixels, not {image_size}")
    # Imported here so that this package's name and paths are known without loading torch.
    from benchmark.backbones.openclip import load_open_clip

    return load_open_clip("glyphclip", WEIGHTS, config_dir=FOLDER)
