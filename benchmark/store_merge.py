"""Results of several machines joined in one folder: each run once, and never one figure over another."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from benchmark.errors import UsageError
from benchmark.result import RunResult
from benchmark.store import Store

FINGERPRINTS = ("data_fingerprint", "backbone_fingerprint")
"""Entries of the environment that must agree: with other data or weights it is another run."""
UNDER_WAY = ("state*", "error.txt", "*.part", "*.part.npz")
"""What a run folder holds besides results; never copied, and removed where a finished run takes the place."""


@dataclass
class Merged:
    """What was done, as lines for people where it is more than a count.

    copied: names of run folders. same: runs that were there with the same figures. conflicts: one key, other figures.
    problems: results that cannot be read. unfinished: run folders without a result.
    """

    copied: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)


def runs_folder(folder: Path) -> Path:
    """`folder`/runs, or `folder` itself where it holds run folders; UsageError if neither does."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; expected a results folder, or its folder 'runs'")
    for place in (folder / "runs", folder):
        if place.is_dir() and any(place.glob("*/result.json")):
            return place
    if (folder / "runs").is_dir():
        return folder / "runs"
    raise UsageError(f"{folder}: no runs there; expected a results folder, or its folder 'runs'")


def merge(sources: Sequence[Path], target: Store, said: Callable[[str], None] = lambda text: None) -> Merged:
    """Copy every finished run of `sources` that `target` lacks; sources are only read.

    sources: as `runs_folder` returns them. What is in the target, else what came first, stays. A kill leaves no run
    folder that looks done and is not: its result.json comes last. said: called with a line for each source.
    """
    done = Merged()
    for source in sources:
        before = len(done.copied), len(done.same)
        for folder in sorted(path for path in source.iterdir() if path.is_dir()):
            _merge_run(folder, target, done)
        said(f"{source}: {len(done.copied) - before[0]} runs copied, {len(done.same) - before[1]} there already")
    return done


def _merge_run(folder: Path, target: Store, done: Merged) -> None:
    path = folder / "result.json"
    if not path.exists():
        if any(folder.glob("state*")) or (folder / "error.txt").exists():
            done.unfinished.append(str(folder))
        return
    result, data = _read(path, done.problems)
    if result is None:
        return
    kept_at = _place(target, result)
    if kept_at is None:
        place = target.folder(result.spec)
        _copy(folder, place, data)
        done.copied.append(place.name)
        return
    kept, _ = _read(kept_at / "result.json", done.problems)
    if kept is None:
        done.conflicts.append(f"run {result.spec.key}: {kept_at} cannot be read and stays, {folder} was not copied")
        return
    difference = first_difference(kept, result)
    if difference is None:
        done.same.append(kept_at.name)
    else:
        what, one, other = difference
        done.conflicts.append(f"run {result.spec.key}: {what} is {one} in {kept_at}, which stays, {other} in {folder}")


def _place(target: Store, result: RunResult) -> Path | None:
    """Where the target has a result of this key, whatever its folder's label."""
    found = sorted((target.root / "runs").glob(f"*-{result.spec.key}/result.json"))
    return found[0].parent if found else None


def _read(path: Path, problems: list[str]) -> tuple[RunResult | None, bytes]:
    """The result and the bytes that it was read from; None, and a line in `problems`, for anything else."""
    try:
        data = path.read_bytes()
        result = RunResult.from_dict(json.loads(data))
        if not path.parent.name.endswith(f"-{result.spec.key}"):
            raise ValueError(f"its specification has key {result.spec.key}, the folder another")
    # As in Store.results: what is no result can fail in any of these ways.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        line = f"{path}: left out, {reason}"
        if line not in problems:
            problems.append(line)
        return None, b""
    return result, data


def _copy(source: Path, place: Path, result: bytes) -> None:
    """All files of a finished run, each as a whole; the result that was read and checked comes last."""
    leftovers = {path for pattern in UNDER_WAY for path in source.glob(pattern)} | {source / "result.json"}
    for path in sorted(path for path in source.rglob("*") if path.is_file() and path not in leftovers):
        to = place / path.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        part = to.with_name(to.name + ".part")
        shutil.copyfile(path, part)
        os.replace(part, to)
    place.mkdir(parents=True, exist_ok=True)
    part = place / "result.json.part"
    part.write_bytes(result)
    os.replace(part, place / "result.json")
    for pattern in UNDER_WAY:
        for path in place.glob(pattern):
            path.unlink()


def first_difference(kept: RunResult, other: RunResult) -> tuple[str, str, str] | None:
    """What first differs in two results of one key, and both values in words; None if they are one run.

    Seconds, memory, machine and versions may differ; accuracies, counts, masks and fingerprints may not.
    """
    for name in FINGERPRINTS:
        one, two = (result.environment.get(name) for result in (kept, other))
        if None not in (one, two) and one != two:
            return name.replace("_", " "), _show(one), _show(two)
    for (place, one), (elsewhere, two) in zip_longest(_cells(kept), _cells(other), fillvalue=("", None)):
        if place != elsewhere:
            return place or elsewhere, *(("there", "missing") if place else ("missing", "there"))
        if one != two and not (one != one and two != two):  # not a number is never equal to itself
            return place, _show(one), _show(two)
    return None


def _cells(result: RunResult) -> Iterator[tuple[str, Any]]:
    """Every figure that a machine does not decide, with its place in words."""
    order, sets = list(result.spec.order), list(result.ood_names)
    yield "out-of-domain sets", sets
    yield from ((f"count of '{name}'", count) for name, count in sorted(result.counts.items()))
    yield "tracks", sorted(result.tracks)
    for name, track in sorted(result.tracks.items()):
        data = asdict(track)
        yield f"track {name}: stages", data.pop("stages")
        tables = {"accuracy": order, "validation": order, "ood": sets}
        for kind, columns in tables.items():
            for stage, row in zip(track.stages, data.pop(kind), strict=False):
                yield f"track {name}: {kind} after {stage} domains, columns", len(row)
                for column, value in zip(columns, row, strict=False):
                    yield f"track {name}: {kind} on '{column}' after {stage} domains", value
        yield from ((f"track {name}: {kind}", value) for kind, value in sorted(data.items()))
    for task, blocks in sorted((result.blocks or {}).get("tasks", {}).items()):
        yield f"active blocks of '{task}'", blocks["active"]


def _show(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
