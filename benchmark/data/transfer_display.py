"""Progress of downloads and extractions on the terminal."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn


class TransferDisplay:
    """One line a file on standard error; called as `benchmark.data.download.Progress`, from any thread."""

    def __init__(self, action: str) -> None:
        columns = (TextColumn(f"{action} {{task.description}}"), BarColumn(), DownloadColumn())
        console = Console(stderr=True)
        self._progress = Progress(*columns, TransferSpeedColumn(), TimeRemainingColumn(), console=console)
        self._tasks: dict[str, int] = {}

    def __enter__(self) -> TransferDisplay:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """Show `done` of `total` bytes of `name`."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.update(self._tasks[name], completed=done, total=total)
