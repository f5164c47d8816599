"""The embedded backbone: a small open_clip model of rendered characters, shipped with its weights (see README.md)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import UsageError

if TYPE_CHECKING:
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


class GlyphCLIP:
    """glyphclip as the command line names it; UsageError for another image size than its own."""

    def __init__(self, argument: str = "", image_size: int | None = None) -> None:
        if image_size not in (None, IMAGE_SIZE):
            raise UsageError(f"backbone glyphclip takes images of {IMAGE_SIZE} pixels; drop --image-size {image_size}")

    def identity(self) -> dict[str, Any]:
        """Name and the hash of the shipped weights."""
        return {"name": "glyphclip", "weights": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:12]}

    def load(self) -> Backbone:
        """The shipped model."""
        return load()
