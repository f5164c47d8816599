"""Every CLIP that open_clip lists, by name: ``clip:MODEL/PRETRAINED``."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmark.backbones.choices import check_towers
from benchmark.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from benchmark.backbones.base import Backbone

WEIGHT_FILES = (".safetensors", ".pt", ".pth", ".bin")
"""Endings by which a local checkpoint is told from one of open_clip's tags."""


class OpenCLIP:
    """A dual encoder with a vision transformer as image tower.

    argument: ``MODEL/TAG`` (``ViT-B-16/openai``), ``MODEL/FILE`` (a local checkpoint), ``hf-hub:OWNER/NAME``, or
        ``local-dir:FOLDER`` with open_clip_config.json, the weights and, where the model has one of its own, the
        tokenizer's files. OpenAI's weights in a file need a model whose name ends in ``-quickgelu``.
    image_size: side of the input; the position embedding is resampled to it. The model's own by default.
    towers: ``image``, or ``both`` to adapt the text tower too.
    """

    has_text_head: ClassVar[bool] = True

    def __init__(self, argument: str, image_size: int | None = None, towers: str = "image") -> None:
        self.name = f"clip:{argument}"
        self.image_size = image_size
        self.towers = check_towers(self.name, towers, has_text=True)
        self.model, self.tag, self.files = argument, None, ()
        if argument.startswith("local-dir:"):
            self._find_folder(Path(argument.removeprefix("local-dir:")).expanduser())
        elif not argument.startswith("hf-hub:"):
            self.model, _, source = argument.partition("/")
            if not source:
                raise UsageError(f"backbone {self.name}: expected clip:MODEL/PRETRAINED, such as clip:ViT-B-16/openai")
            self._find_weights(source)

    def identity(self) -> dict[str, Any]:
        """Model, its tag or the hash of its files (a hub name fixes neither: see `Backbone.fingerprint`), options."""
        model = "local-dir" if self.model.startswith("local-dir:") else self.model
        weights = self._hash if self.files else self.tag or "hub"
        identity = {"name": f"clip:{model}", "weights": weights, "image_size": self.image_size}
        return identity if self.towers == "image" else {**identity, "towers": self.towers}

    def skeleton(self) -> tuple[nn.Module, int]:
        """The image tower on the meta device, without weights, and its input side; UsageError if it takes no blocks."""
        from benchmark.backbones.openclip import image_skeleton

        if self.model.startswith("hf-hub:"):
            raise UsageError(f"the shape of {self.name} is known only once it was downloaded")
        return image_skeleton(self.model, self.image_size)

    def load(self) -> Backbone:
        """The model with its weights; UsageError says in one line why it cannot be had."""
        from benchmark.backbones.openclip import load_open_clip

        pretrained = self.files[0] if self.files and self.tag is None and ":" not in self.model else self.tag
        return load_open_clip(self.model, pretrained, name=self.name, image_size=self.image_size, towers=self.towers)

    def _find_weights(self, source: str) -> None:
        if not source.endswith(WEIGHT_FILES):
            self.tag = source
            return
        self.files = (Path(source).expanduser(),)
        if not self.files[0].is_file():
            raise UsageError(f"backbone {self.name}: there is no file {source}")

    def _find_folder(self, folder: Path) -> None:
        if not (folder / "open_clip_config.json").is_file():
            raise UsageError(f"backbone {self.name}: there is no {folder / 'open_clip_config.json'}")
        self.model = f"local-dir:{folder}"
        self.files = tuple(sorted(path for path in folder.iterdir() if path.suffix in (*WEIGHT_FILES, ".json")))

    @cached_property
    def _hash(self) -> str:
        digest = hashlib.sha256()
        for path in self.files:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:12]
