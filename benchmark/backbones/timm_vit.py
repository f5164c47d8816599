"""Any timm vision transformer as a backbone, with timm's own weights or from a local file."""

from __future__ import annotations

import hashlib
import logging
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmark.backbones.choices import check_towers, nearest, not_plain, said
from benchmark.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from benchmark.backbones.base import Backbone


class TimmViT:
    """``timm:NAME`` (weights from timm's hub) or ``timm:NAME@FILE`` (safetensors, or a tensors-only .pth).

    image_size: side of the input; position embeddings are resampled to it. The model's own by default.
    towers: ``image``; there is no other one.
    Without a text tower: it takes a linear head, and its retention is measured by k-NN.
    """

    has_text_head: ClassVar[bool] = False

    def __init__(self, argument: str, image_size: int | None = None, towers: str = "image") -> None:
        self.model, _, file = argument.partition("@")
        self.file = Path(file).expanduser() if file else None
        self.image_size = image_size
        check_towers(f"timm:{self.model}", towers, has_text=False)
        if self.file is not None and not self.file.is_file():
            raise UsageError(f"backbone timm:{argument}: there is no file {self.file}")

    def identity(self) -> dict[str, Any]:
        """Name, input size and the file's hash (a hub name fixes its weights by its tag)."""
        weights = "hub" if self.file is None else hashlib.sha256(self.file.read_bytes()).hexdigest()[:12]
        return {"name": f"timm:{self.model}", "weights": weights, "image_size": self.image_size}

    def skeleton(self) -> tuple[nn.Module, int]:
        """The tower on the meta device, without weights, and its input side; UsageError if it cannot be adapted."""
        tower, side, _ = self._checked()
        return tower, side

    def load(self) -> Backbone:
        """Build the model and read its weights; UsageError for an unknown name or weights that do not fit."""
        import timm

        from benchmark.backbones.adaptable import make_adaptable
        from benchmark.backbones.base import Backbone

        _, side, width = self._checked()  # refuses before anything is downloaded
        tower = make_adaptable(self._name, self._create(pretrained=True).float()).eval()
        config = timm.data.resolve_model_data_config(tower)
        return Backbone(
            name=self._name,
            tower=tower,
            embed_dim=width,
            image_size=side,
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
            interpolation=config["interpolation"],
        )

    def _checked(self) -> tuple[nn.Module, int, int]:
        """The skeleton, its input side and the width of its embedding."""
        import timm
        import torch

        from benchmark.backbones.adaptable import check_effective, make_adaptable

        if self.model.split(".")[0] not in timm.list_models():
            raise UsageError(f"unknown timm model '{self.model}'{nearest(self.model, timm.list_models())}")
        with torch.device("meta"):
            tower = self._create(pretrained=False)
        make_adaptable(self._name, tower)
        side = self._side(tower)
        return tower, side, check_effective(self._name, tower.eval(), side)

    @property
    def _name(self) -> str:
        return f"timm:{self.model}"

    def _side(self, tower: nn.Module) -> int:
        import timm

        return self.image_size or timm.data.resolve_model_data_config(tower)["input_size"][-1]

    def _create(self, pretrained: bool) -> nn.Module:
        import timm

        options: dict[str, Any] = {"num_classes": 0}
        if self.image_size is not None:
            options["img_size"] = self.image_size
        if self.file is not None and pretrained:
            options["pretrained_cfg_overlay"] = {"file": str(self.file)}
        missing = _MissingKeys()
        try:
            with missing:
                tower = timm.create_model(self.model, pretrained=pretrained, **options)
        except Exception as error:  # whatever a file, a hub or a model's own arguments can bring about
            if isinstance(error.__cause__ or error, pickle.UnpicklingError):
                raise not_plain(self.file or self._name) from error
            hint = "" if self.file or not pretrained else f"; without a network give a local file: {self._name}@FILE"
            raise UsageError(f"backbone {self._name}: {said(error)}{hint}") from error
        if missing.told and self.file is not None:
            raise UsageError(f"backbone {self._name}: {self.file} does not fit: it lacks {missing.told[0][:100]}")
        return tower


class _MissingKeys(logging.Handler):
    """Hears timm tell which of a model's weights a checkpoint lacked: it says so in its log and goes on at random."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.logger = logging.getLogger("timm.models._builder")
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        found = re.match(r"Missing keys \((.*)\)", record.getMessage())
        if found:
            self.told.append(found[1])

    def __enter__(self) -> None:
        self.level_before = self.logger.level
        self.logger.addHandler(self)
        self.logger.setLevel(logging.INFO)

    def __exit__(self, *_: object) -> None:
        self.logger.removeHandler(self)
        self.logger.setLevel(self.level_before)
