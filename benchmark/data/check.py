"""Is every image of a stream there and whole? `check_data` looks; its record says what to skip."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from benchmark.data.options import DataOptions
from benchmark.errors import UsageError
from benchmark.streams.base import ImageSet, Split, Stream

FORMAT = 1
SHOWN = 20
"""Findings of each kind that the printed report names; the record has all."""
BATCH = 64
WHOLE_SET = "*"


@dataclass(frozen=True)
class Finding:
    """One image with a problem, or with `WHOLE_SET` as id a set whose list cannot be read."""

    set: str
    split: Split
    id: str
    problem: str


@dataclass(frozen=True)
class CheckedSet:
    """Numbers of one set and split. absent: names of classes without an image."""

    set: str
    split: Split
    images: int
    classes: int
    absent: tuple[str, ...]


@dataclass(frozen=True)
class DataReport:
    """errors: images that a run cannot use. warnings: images that are there twice in a domain.

    path: the record below the data root `root`, None if that cannot be written.
    """

    stream: str
    sets: tuple[CheckedSet, ...]
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    root: Path
    path: Path | None = None

    @property
    def passed(self) -> bool:
        """No errors; warnings are allowed."""
        return not self.errors

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def check_data(stream: Stream, options: DataOptions, *, workers: int = 4) -> DataReport:
    """Read and decode every image of every set of `stream`, `workers` threads at a time, and save what is found.

    Errors: files that are missing, empty, no image, or do not decode fully; labels outside the class list; a set whose
    list cannot be read. Warnings: the same file or the same content twice in a domain. Progress goes to standard error.
    """
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    errors: list[Finding] = []
    warnings: list[Finding] = []
    sets = []
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=Console(stderr=True)) as progress:
        for name in (*stream.domains, *stream.ood):
            seen: dict[bytes, tuple[Split, str]] = {}
            for split in ("train", "test"):
                try:
                    images = stream.load(name, split)
                except (UsageError, OSError) as error:
                    errors.append(Finding(name, split, WHOLE_SET, " ".join(str(error).split())))
                    continue
                sets.append(_checked_set(stream, images))
                found = progress.track(_examine_all(images, workers), len(images), description=f"{name}/{split}")
                for identifier, label, (problem, content) in zip(
                    images.ids, _wrong_labels(stream, images), found, strict=True
                ):
                    if problem or label:
                        errors.append(Finding(name, split, identifier, problem or label))
                    if content is None:
                        continue
                    if content in seen:
                        warnings.append(Finding(name, split, identifier, _double(identifier, seen[content])))
                    else:
                        seen[content] = (split, identifier)
    report = DataReport(stream.name, tuple(sets), tuple(errors), tuple(warnings), options.root)
    try:
        return dataclasses.replace(report, path=_save(report, stream, record_path(stream, options)))
    except OSError:  # a data root that others only read
        return report


def examine(images: ImageSet, index: int) -> tuple[str | None, bytes | None]:
    """(what is wrong with an image, or None; sha256 of the file, or of the pixels of an image without one)."""
    try:
        if images.path is None:
            return None, hashlib.sha256(images.load(index).convert("RGB").tobytes()).digest()
        content = images.path(index).read_bytes()
        if not content:
            return "zero bytes", None
        with Image.open(BytesIO(content)) as image:
            image.convert("RGB")
    except FileNotFoundError:
        return "missing", None
    except UnidentifiedImageError:
        return "not an image", None
    except Exception as error:  # a decoder fails on broken bytes in ways of its own
        return f"damaged ({' '.join(str(error).split()) or type(error).__name__})", None
    return None, hashlib.sha256(content).digest()


def record_path(stream: Stream, options: DataOptions) -> Path:
    """Where the record of `stream`, as it is now, belongs: lists or options that change give another name."""
    key = hashlib.sha256(json.dumps(_identity(stream), sort_keys=True).encode()).hexdigest()[:12]
    return options.root / "checks" / f"{stream.name}-{key}" / "bad-images.json"


def read_record(stream: Stream, options: DataOptions) -> tuple[Finding, ...] | None:
    """The images recorded as bad that still are, or None where `stream` as it is now has not been checked.

    Each is looked at again, so that a mended file counts as good at once.
    """
    try:
        content = json.loads(record_path(stream, options).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if content.get("format") != FORMAT or content.get("identity") != _identity(stream):
        return None
    recorded = [Finding(**entry) for entry in content["errors"]]
    if any(finding.id == WHOLE_SET for finding in recorded):
        return None  # its images have never been looked at
    return tuple(_look_again(stream, recorded))


def _look_again(stream: Stream, recorded: list[Finding]) -> Iterator[Finding]:
    bad: dict[tuple[str, Split], set[str]] = defaultdict(set)
    for finding in recorded:
        bad[finding.set, finding.split].add(finding.id)
    for (name, split), ids in bad.items():
        images = stream.load(name, split)
        for index, (identifier, label) in enumerate(zip(images.ids, _wrong_labels(stream, images), strict=True)):
            if identifier in ids and (problem := examine(images, index)[0] or label):
                yield Finding(name, split, identifier, problem)


def _double(identifier: str, first: tuple[Split, str]) -> str:
    split, other = first
    return f"listed also in {split}" if identifier == other else f"same content as {split} {other}"


def _examine_all(images: ImageSet, workers: int) -> Iterator[tuple[str | None, bytes | None]]:
    """In order; a few images at a time, so that a large set is not queued as a whole."""
    starts = range(0, len(images), BATCH)
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(starts), 8 * workers):
            batches = starts[start : start + 8 * workers]
            for found in pool.map(lambda first: [examine(images, i) for i in _batch(images, first)], batches):
                yield from found


def _batch(images: ImageSet, first: int) -> range:
    return range(first, min(first + BATCH, len(images)))


def _wrong_labels(stream: Stream, images: ImageSet) -> Iterator[str | None]:
    classes = len(stream.classes(images.name))
    for label in np.asarray(images.labels).tolist():
        yield None if 0 <= label < classes else f"class index {label}, expected 0 to {classes - 1}"


def _checked_set(stream: Stream, images: ImageSet) -> CheckedSet:
    classes = stream.classes(images.name)
    present = set(np.asarray(images.labels).tolist())
    absent = tuple(name for label, name in enumerate(classes) if label not in present)
    return CheckedSet(images.name, images.split, len(images), len(classes), absent)


def _identity(stream: Stream) -> dict[str, Any]:
    """As JSON gives it back: lists for tuples."""
    return json.loads(json.dumps(stream.identity()))


def _save(report: DataReport, stream: Stream, path: Path) -> Path:
    content: Mapping[str, Any] = {
        "format": FORMAT,
        "identity": _identity(stream),
        "sets": [asdict(part) for part in report.sets],
        "errors": [asdict(finding) for finding in report.errors],
        "warnings": [asdict(finding) for finding in report.warnings],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    beside.replace(path)
    return path


def _lines(report: DataReport) -> Iterator[str]:
    bad, double = (Counter((f.set, f.split) for f in found) for found in (report.errors, report.warnings))
    width = max((len(part.set) for part in report.sets), default=0) + 2
    yield f"{report.stream}: {sum(part.images for part in report.sets):,} images"
    yield f"{'set':<{width}}{'split':<7}{'images':>9}{'bad':>7}{'twice':>7}  classes without images"
    for part in report.sets:
        key = (part.set, part.split)
        absent = f"{len(part.absent)} of {part.classes}" if part.absent else ""
        names = f" ({', '.join(part.absent[:3])}{', ...' if len(part.absent) > 3 else ''})" if absent else ""
        counts = f"{part.images:>9,}{bad[key]:>7}{double[key]:>7}"
        yield f"{part.set:<{width}}{part.split:<7}{counts}  {absent}{names}".rstrip()
    for title, found in (("errors", report.errors), ("warnings", report.warnings)):
        yield f"{title}: {len(found)}"
        yield from (f"  {f.set}/{f.split} {f.id}: {f.problem}" for f in found[:SHOWN])
        if len(found) > SHOWN:
            yield f"  ... and {len(found) - SHOWN} more"
    yield f"recorded in {report.path}" if report.path else f"not recorded: {report.root} cannot be written"
