"""What a run costs in memory."""

from __future__ import annotations

import threading
from types import TracebackType

import psutil
import torch

INTERVAL = 0.05


class PeakMemory:
    """Peak memory in MiB while the context is open.

    On a CUDA device, what torch allocated there; else the resident memory of the whole process, sampled
    every 50 ms (so it includes the libraries and the decoded images).
    """

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.peak_mb = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:  # fmt: skip
        if self.device.type == "cuda":
            self.peak_mb = torch.cuda.max_memory_allocated(self.device) / 2**20
        else:
            self._stop.set()
            self._thread.join()

    def _sample(self) -> None:
        process = psutil.Process()
        while True:
            self.peak_mb = max(self.peak_mb, process.memory_info().rss / 2**20)
            if self._stop.wait(INTERVAL):
                return
