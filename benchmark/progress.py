"""Live progress on the terminal; plain lines where the output is no terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmark.suite import PlannedRun


class TerminalProgress:
    """Which run, domain and epoch, images a second, time left of the run and of the suite."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.suite = self.run = None
        self.label, self.position = "", ""

    def __enter__(self) -> TerminalProgress:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:  # fmt: skip
        self.bars.stop()

    def run_started(self, index: int, total: int, run: PlannedRun, images: int) -> None:
        """Show a new run."""
        if self.suite is None:
            self.suite = self.bars.add_task("all runs", total=total * images, rate="")
        if self.run is not None:
            self.bars.remove_task(self.run)
        self.bars.update(self.suite, completed=index * images)
        self.label = f"[{index + 1}/{total}] {run.spec.label}"
        self.run = self.bars.add_task(self.label, total=images, rate="")
        self.position, self.done, self.began = "", 0, time.perf_counter()
        self.base = index * images

    def step(self, event: dict[str, Any]) -> None:
        """Show a training step; without a terminal, a line for each new domain."""
        position = f"{event['task']} epoch {event['epoch']}/{event['epochs']}"
        self.done += event["images"]
        if position != self.position:
            if not self.console.is_terminal and event["epoch"] == 1:
                self.console.print(f"{self.label}: {event['task']}", highlight=False)
            self.position, self.epoch_began, self.epoch_images = position, time.perf_counter(), 0
        seconds = time.perf_counter() - self.epoch_began
        rate = f"{self.epoch_images / seconds:.0f} images/s" if self.epoch_images else ""
        self.epoch_images += event["images"]
        self.bars.update(self.run, description=f"{self.label}: {position}", completed=self.done, rate=rate)
        self.bars.update(self.suite, completed=self.base + self.done)

    def run_finished(self, run: PlannedRun, seconds: float, error: str | None) -> None:
        """A line that stays."""
        outcome = f"done in {seconds:.0f} s" if error is None else f"FAILED after {seconds:.0f} s: {error}"
        self.console.print(f"{self.label}: {outcome}", highlight=False, soft_wrap=True)
