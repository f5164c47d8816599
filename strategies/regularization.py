"""EWC and LwF as strategies; their Avalanche plugins are in `ewc_plugin` and `lwf_plugin`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from strategies.finetune import Finetune


@dataclass(frozen=True)
class EWC(Finetune):
    """Elastic weight consolidation (arXiv 1612.00796).

    ewc_lambda: strength; importances are of single images, so it means the same at every batch size.
    mode: ``separate`` (a penalty a past task) or ``online`` (one running importance, arXiv 1805.06370, with `decay`).
    fisher_images: training images a task whose squared gradients are averaged.
    """

    ewc_lambda: float = 100.0
    mode: str = "separate"
    decay: float = 0.9
    fisher_images: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in ("separate", "online"):
            raise ValueError(f"mode is 'separate' or 'online', got '{self.mode}'")

    def plugins(self) -> list[Any]:
        """The mended EWC plugin."""
        from strategies.ewc_plugin import EWCPlugin

        return [EWCPlugin(self.ewc_lambda, self.mode, self.decay, self.fisher_images)]


@dataclass(frozen=True)
class LwF(Finetune):
    """Learning without forgetting (arXiv 1606.09282): distils the model before the domain on the domain's images."""

    alpha: float = 1.0
    temperature: float = 2.0

    training_passes: ClassVar[float] = 4.0

    def plugins(self) -> list[Any]:
        """The mended LwF plugin."""
        from strategies.lwf_plugin import LwFPlugin

        return [LwFPlugin(self.alpha, self.temperature)]
