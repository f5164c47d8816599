"""On what a run is computed: what decides its speed and memory, but nothing it measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch.utils.data import DataLoader, Dataset


@dataclass(frozen=True)
class Compute:
    """Results agree between all values up to rounding, so none of these is part of a run's key.

    device: ``cpu``, ``cuda[:N]`` or ``mps``. workers: processes that decode images; 0 decodes in this one.
    accumulate: parts into which a training batch is split, to fit memory; still one step a batch.
    compile: compile the transformer blocks (torch.compile).
    """

    device: str = "cpu"
    workers: int = 0
    accumulate: int = 1
    compile: bool = False

    def __post_init__(self) -> None:
        if self.workers < 0 or self.accumulate < 1:
            raise ValueError(
                f"workers must be at least 0 and accumulate at least 1, got {self.workers} and {self.accumulate}"
            )

    def loader(self, data: Dataset, batch_size: int, shuffle: bool = False, **options: Any) -> DataLoader:
        """Batches of `data`, in the same order for any number of workers."""
        from torch.utils.data import DataLoader

        return DataLoader(
            data,
            batch_size=batch_size,
            shuffle=shuffle,
            num_workers=self.workers,
            # Image sets hold closures, which only a forked worker can take over.
            multiprocessing_context="fork" if self.workers else None,
            pin_memory=self.device.startswith("cuda"),
            **options,
        )

    def autocast(self, precision: str) -> torch.autocast:
        """The context of a forward pass in `precision`, a name of `strategies.base.PRECISIONS`."""
        import torch

        types = {"bf16": torch.bfloat16, "fp16": torch.float16}
        return torch.autocast(self.device.partition(":")[0], types.get(precision), enabled=precision in types)
