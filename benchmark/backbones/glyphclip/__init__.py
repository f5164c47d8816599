"""The embedded backbone: a small open_clip model of rendered characters, shipped with its weights (see README.md)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmark.backbones.choices import check_towers
from benchmark.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from benchmark.backbones.base import Backbone

FOLDER = Path(__file__).parent
WEIGHTS = FOLDER / "glyphclip.safetensors"
IMAGE_SIZE = 32


def load(image_size: int | None = None, towers: str = "image") -> Backbone:
    """The shipped glyphclip; `towers` is ``both`` to have its text tower adapted as well.

    Raises:
        ValueError: `image_size` is neither None nor 32.
    """
    if image_size not in (None, IMAGE_SIZE):
        raise ValueError(f"glyphclip takes images of {IMAGE_SIZE} pixels, not {image_size}")
    # Imported here so that this package's name and paths are known without loading torch.
    from benchmark.backbones.openclip import load_open_clip

    return load_open_clip("glyphclip", WEIGHTS, config_dir=FOLDER, towers=towers)


class GlyphCLIP:
    """glyphclip as the command line names it; UsageError for another image size than its own.

    towers: ``image``, or ``both`` to adapt the text tower too.
    """

    has_text_head: ClassVar[bool] = True

    def __init__(self, argument: str = "", image_size: int | None = None, towers: str = "image") -> None:
        self.towers = check_towers("glyphclip", towers, has_text=True)
        if image_size not in (None, IMAGE_SIZE):
            raise UsageError(f"backbone glyphclip takes images of {IMAGE_SIZE} pixels; drop --image-size {image_size}")

    def identity(self) -> dict[str, Any]:
        """Name and the hash of the shipped weights."""
        identity = {"name": "glyphclip", "weights": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:12]}
        return identity if self.towers == "image" else {**identity, "towers": self.towers}

    def skeleton(self) -> tuple[nn.Module, int]:
        """The image tower on the meta device, without weights, and its input side."""
        import open_clip

        from benchmark.backbones.openclip import image_skeleton

        open_clip.add_model_config(FOLDER)
        return image_skeleton("glyphclip")

    def load(self) -> Backbone:
        """The shipped model."""
        return load(towers=self.towers)
