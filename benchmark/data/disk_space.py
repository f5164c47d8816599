"""Room on the disk, asked for before it is used."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmark.errors import UsageError


def require_space(folder: Path, size: int) -> None:
    """UsageError unless the disk of `folder`, which need not exist, has `size` bytes free."""
    there = next(place for place in (folder, *folder.resolve().parents) if place.exists())
    free = shutil.disk_usage(there).free
    if free < size:
        raise UsageError(
            f"{folder}: {gigabytes(size)} needed, {gigabytes(free)} free; free some space or choose another disk "
            f"with --data-root DIR"
        )


def gigabytes(size: float) -> str:
    """``17.5 GB``, in units of 10^9 bytes; small sizes in MB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
