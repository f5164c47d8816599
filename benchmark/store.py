"""The results folder: the only module that reads or writes it.

RESULTS/runs/LABEL-KEY/result.json      last and atomically: its presence means the run is done
                      predictions.npz   class index and probability of every test image at every stage
                      state.json, state-N.safetensors   only while the run is under way
                      error.txt         only after a failure
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.config import RunSpec
from benchmark.result import RunResult

if TYPE_CHECKING:
    import numpy as np
    import torch


class Store:
    """Runs under one results folder, found by their key."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)

    def folder(self, spec: RunSpec) -> Path:
        """Where a run's files are; the label is for people, the key decides."""
        label = f"{spec.stream['name']}-{spec.strategy['name']}-seed{spec.seed}"
        return self.root / "runs" / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', label)[:80]}-{spec.key}"

    def is_done(self, spec: RunSpec) -> bool:
        """Whether the run has a result."""
        return (self.folder(spec) / "result.json").exists()

    def results(self) -> tuple[list[RunResult], list[str]]:
        """All finished runs in a stable order, and a line for each result that cannot be read."""
        found, problems = [], []
        for path in sorted(self.root.glob("runs/*/result.json")):
            try:
                result = RunResult.from_dict(json.loads(path.read_text()))
                if not path.parent.name.endswith(result.spec.key):
                    raise ValueError(f"its specification has key {result.spec.key}, the folder another")
            except (ValueError, KeyError, TypeError, OSError) as error:
                problems.append(f"{path}: left out, {type(error).__name__}: {error}")
            else:
                found.append(result)
        return found, problems

    def save_result(self, result: RunResult, predictions: Mapping[str, np.ndarray]) -> None:
        """Predictions first, result.json last; then the state and any old error go."""
        import numpy as np

        folder = self.folder(result.spec)
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "predictions.part.npz"
        np.savez_compressed(part, **predictions)
        os.replace(part, folder / "predictions.npz")
        _write(folder / "result.json", json.dumps(result.as_dict(), indent=1) + "\n")
        for leftover in (*folder.glob("state*"), folder / "error.txt"):
            leftover.unlink(missing_ok=True)

    def save_state(self, spec: RunSpec, tensors: Mapping[str, torch.Tensor], values: dict[str, Any]) -> None:
        """Replace the run's state; a kill at any moment leaves either the old state or the new one."""
        from safetensors.torch import save_file

        folder = self.folder(spec)
        folder.mkdir(parents=True, exist_ok=True)
        number = int(values["stage"])
        name = f"state-{number}.safetensors"
        # clone: tensors that share memory are refused by safetensors
        save_file({key: t.detach().cpu().clone().contiguous() for key, t in tensors.items()}, folder / f"{name}.part")
        os.replace(folder / f"{name}.part", folder / name)
        _write(folder / "state.json", json.dumps({"tensors": name, **values}))
        for old in folder.glob("state-*"):
            if old.name != name:
                old.unlink()

    def load_state(self, spec: RunSpec) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """What `save_state` wrote last, or None."""
        from safetensors.torch import load_file

        path = self.folder(spec) / "state.json"
        if not path.exists():
            return None
        values = json.loads(path.read_text())
        return load_file(path.parent / values.pop("tensors")), values

    def save_error(self, spec: RunSpec, text: str) -> Path:
        """Leave a failed run's traceback in its folder."""
        path = self.folder(spec) / "error.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, text)
        return path

    def forget(self, spec: RunSpec) -> None:
        """Remove everything of a run, to run it anew."""
        shutil.rmtree(self.folder(spec), ignore_errors=True)


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    os.replace(part, path)
