"""The results folder: the only module that reads or writes it.

RESULTS/runs/LABEL-KEY/result.json      last and atomically: its presence means the run is done
                      predictions.npz   class index and probability of every test image at every stage
                      samples.json      what follows from the predictions: by class, calibration, confusion
                      gallery.json      images that a domain made the model forget
                      adapters/         with --save-adapters: what each task learned, with a model card
                      state.json, state-N.safetensors   only while the run is under way
                      error.txt         only after a failure
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.config import RunSpec
from benchmark.result import RunResult

if TYPE_CHECKING:
    import numpy as np
    import torch

DAMAGED = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)
"""What a damaged predictions.npz raises, when it is opened or read; the last for a zip that zipfile does not know."""


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
        found: dict[str, RunResult] = {}
        problems = []
        for path in sorted(self.root.glob("runs/*/result.json")):
            try:
                result = RunResult.from_dict(json.loads(path.read_text()))
                if not path.parent.name.endswith(f"-{result.spec.key}"):
                    raise ValueError(f"its specification has key {result.spec.key}, the folder another")
                if result.spec.key in found:
                    raise ValueError(f"run {result.spec.key} is there twice")
            # A file that is no result can fail in any of these ways, and must not keep the others from being read.
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
                problems.append(f"{path}: left out, {_reason(error)}")
            else:
                found[result.spec.key] = result
        return list(found.values()), problems

    def predictions(self, spec: RunSpec) -> Mapping[str, np.ndarray] | None:
        """Arrays of predictions.npz, each read when it is asked for; None if there are none or they are damaged."""
        import numpy as np

        try:
            return np.load(self.folder(spec) / "predictions.npz", allow_pickle=False)
        except DAMAGED:
            return None

    def samples(self, spec: RunSpec) -> dict[str, Any] | None:
        """What `benchmark.samples.summarize` makes of the predictions; made and kept now if it was not yet."""
        known = self._read(spec, "samples.json")
        predictions = self.predictions(spec) if known is None else None
        if predictions is None:
            return known
        try:
            result = RunResult.from_dict(json.loads((self.folder(spec) / "result.json").read_text()))
            samples = _summary(result, predictions, None)
        except (*DAMAGED, KeyError, IndexError):
            return None
        _write(self.folder(spec) / "samples.json", json.dumps(samples))
        return samples

    def gallery(self, spec: RunSpec) -> dict[str, Any] | None:
        """Images that the run forgot, as `benchmark.gallery` keeps them; None for a run that kept none."""
        return self._read(spec, "gallery.json")

    def _read(self, spec: RunSpec, name: str) -> dict[str, Any] | None:
        try:
            found = json.loads((self.folder(spec) / name).read_text())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def save_result(
        self,
        result: RunResult,
        predictions: Mapping[str, np.ndarray],
        classes: Mapping[str, list[str]] | None = None,
        gallery: dict[str, Any] | None = None,
    ) -> None:
        """Predictions and what follows from them first, result.json last; then the state and any old error go.

        classes: names of the classes of each domain and out-of-domain set.
        """
        import numpy as np

        folder = self.folder(result.spec)
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "predictions.part.npz"
        np.savez_compressed(part, **predictions)
        os.replace(part, folder / "predictions.npz")
        _write(folder / "samples.json", json.dumps(_summary(result, predictions, classes)))
        if gallery is not None:
            _write(folder / "gallery.json", json.dumps(gallery))
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

    def save_text(self, path: Path, text: str) -> None:
        """Write one file of a run's folder as a whole."""
        _write(path, text)

    def forget(self, spec: RunSpec) -> None:
        """Remove everything of a run, to run it anew."""
        shutil.rmtree(self.folder(spec), ignore_errors=True)


def _summary(
    result: RunResult, predictions: Mapping[str, np.ndarray], classes: Mapping[str, list[str]] | None
) -> dict[str, Any]:
    from benchmark.samples import summarize

    stages = {name: track.stages for name, track in result.tracks.items()}
    return summarize(predictions, stages, result.spec.order, result.ood_names, classes)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    os.replace(part, path)
