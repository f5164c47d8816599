"""Any timm vision transformer as a backbone, with timm's own weights or from a local file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from benchmark.backbones.base import Backbone
from benchmark.errors import UsageError, unknown


class TimmViT:
    """``timm:NAME`` (weights from timm's hub) or ``timm:NAME@FILE`` (safetensors, or a tensors-only .pth).

    image_size: side of the input; the position embedding is resampled to it. The model's own by default.
    Without a text tower: it takes a linear head, and its retention is measured by k-NN.
    """

    def __init__(self, argument: str, image_size: int | None = None) -> None:
        self.model, _, file = argument.partition("@")
        self.file = Path(file).expanduser() if file else None
        self.image_size = image_size
        if self.file is not None and not self.file.is_file():
            raise UsageError(f"backbone timm:{argument}: there is no file {self.file}")

    def identity(self) -> dict[str, Any]:
        """Name, input size and the file's hash (a hub name fixes its weights by its tag)."""
        weights = "hub" if self.file is None else hashlib.sha256(self.file.read_bytes()).hexdigest()[:12]
        return {"name": f"timm:{self.model}", "weights": weights, "image_size": self.image_size}

    def load(self) -> Backbone:
        """Build the model and read its weights; UsageError for an unknown name or weights that do not fit."""
        import timm
        import torch
        from timm.models.vision_transformer import VisionTransformer

        if self.model.split(".")[0] not in timm.list_models():
            raise unknown("timm model", self.model, timm.list_models("*vit*"))
        with torch.device("meta"):
            kind = type(timm.create_model(self.model, pretrained=False))
        if not issubclass(kind, VisionTransformer):
            raise UsageError(f"backbone timm:{self.model} is a {kind.__name__}; only VisionTransformer is supported")
        options: dict[str, Any] = {"num_classes": 0}
        if self.image_size is not None:
            options["img_size"] = self.image_size
        if self.file is not None:
            options["pretrained_cfg_overlay"] = {"file": str(self.file)}
        try:
            tower = timm.create_model(self.model, pretrained=True, **options)
        except (OSError, RuntimeError, ValueError, AssertionError, TypeError) as error:
            hint = "" if self.file else f"; without a network give a local file: timm:{self.model}@FILE.safetensors"
            raise UsageError(f"backbone timm:{self.model}: {str(error).splitlines()[0]}{hint}") from error
        config = timm.data.resolve_model_data_config(tower)
        return Backbone(
            name=f"timm:{self.model}",
            tower=tower.float(),
            embed_dim=tower.num_features,
            image_size=self.image_size or config["input_size"][-1],
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
            interpolation=config["interpolation"],
        )
