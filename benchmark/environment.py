"""Where and with what a run was made; recorded beside its figures, never part of its key."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from strategies.compute import Compute

PACKAGES = ("torch", "torchvision", "timm", "open_clip_torch", "avalanche-lib", "numpy", "scikit-learn", "safetensors")


def environment(compute: Compute, arguments: list[str]) -> dict[str, Any]:
    """Versions, commit, device, threads, how it was computed, and the command."""
    import torch

    chosen = torch.device(compute.device)
    return {
        "selora-bench": _version("selora-bench"),
        "commit": _commit(),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else compute.device,
        "workers": compute.workers,
        "accumulate": compute.accumulate,
        "compile": compute.compile,
        "threads": torch.get_num_threads(),
        "cpu_count": os.cpu_count(),
        "command": " ".join([Path(sys.argv[0]).name, *arguments]),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The checkout's commit, marked when it has changes; None outside a checkout."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
