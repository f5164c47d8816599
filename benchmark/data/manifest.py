"""What a finished data set consists of, so that later runs need not look at every file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

FORMAT = 1


def write_manifest(path: Path, base: Path, folders: Iterable[str], lists: Iterable[str]) -> dict[str, Any]:
    """Write ``manifest.json`` at `path`, and beside it every file with its size in ``manifest-files.txt``.

    folders, lists: relative to `base`. The manifest holds, for each directory, [files, bytes, time of change in ns];
    for each list its bytes, time of change and sha512; and the sha256 over the lines ``path size`` of all files.
    """
    directories: dict[str, list[int]] = {}
    lines: list[str] = []
    for folder in folders:
        for directory, files in survey(base, folder):
            directories[directory] = [len(files), sum(files.values()), _changed(base / directory)]
            lines += [f"{directory}/{name} {size}\n" for name, size in files.items()]
    lines.sort()
    content = {
        "format": FORMAT,
        "files": len(lines),
        "bytes": sum(size for _, size, _ in directories.values()),
        "fingerprint": hashlib.sha256("".join(lines).encode()).hexdigest(),
        "lists": {name: _list_entry(base / name) for name in lists},
        "directories": directories,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with _files_path(path).open("w", encoding="utf-8") as file:
        file.writelines(lines)
    _save(path, content)
    return content


def difference(path: Path, base: Path) -> str | None:
    """What is no longer as the manifest at `path` says, or None; looks at lists and directories, not at every file.

    A directory whose time of change is another is counted again. A file whose content changed in place is not
    noticed: see `full_difference`.
    """
    content = read_manifest(path)
    if content is None:
        return f"{path}: no manifest of format {FORMAT}"
    moved = False
    for name, entry in content["lists"].items():
        if (found := _stat(base / name)) is None:
            return f"{name} is missing"
        if [found.st_size, found.st_mtime_ns] != [entry["bytes"], entry["changed"]]:
            if _list_entry(base / name)["sha512"] != entry["sha512"]:
                return f"{name} has changed"
            entry["changed"], moved = found.st_mtime_ns, True
    for directory, entry in content["directories"].items():
        if (found := _stat(base / directory)) is None:
            return f"{directory} is missing"
        if found.st_mtime_ns != entry[2]:
            files = _files(base / directory)
            if [len(files), sum(files.values())] != entry[:2]:
                return f"{directory}: {len(files)} files, {sum(files.values())} bytes; expected {entry[0]}, {entry[1]}"
            entry[2], moved = found.st_mtime_ns, True
    if moved:  # a copied data set has new times: without this, each run would count it all again
        with suppress(OSError):  # a data root that others only read
            _save(path, content)
    return None


def full_difference(path: Path, base: Path) -> list[str]:
    """Every file and list that is not as the manifest says: missing, of another size, or new."""
    content = read_manifest(path)
    if content is None:
        return [f"{path}: no manifest of format {FORMAT}"]
    text = _files_path(path).read_text(encoding="utf-8")
    if hashlib.sha256(text.encode()).hexdigest() != content["fingerprint"]:
        return [f"{_files_path(path)} is not the list that the manifest was written with"]
    expected = dict(line.rsplit(" ", 1) for line in text.splitlines())
    found = {
        f"{directory}/{name}": str(size)
        for directory in content["directories"]
        for name, size in _files(base / directory).items()
    }
    names = sorted(expected.keys() | found.keys())
    problems = [f"{name}: {found.get(name, 'missing')}, expected {expected.get(name, 'no such file')}"
                for name in names if found.get(name) != expected.get(name)]  # fmt: skip
    for name, entry in content["lists"].items():
        if _stat(base / name) is None or _list_entry(base / name)["sha512"] != entry["sha512"]:
            problems.append(f"{name}: not the list it was")
    return problems


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest, or None where there is none of this format."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("format") == FORMAT else None


def survey(base: Path, folder: str) -> Iterator[tuple[str, dict[str, int]]]:
    """(directory relative to `base`, size of each file in it) of `folder` and all below, sorted."""
    yield folder, _files(base / folder)
    with os.scandir(base / folder) as entries:
        below = sorted(entry.name for entry in entries if entry.is_dir())
    for name in below:
        yield from survey(base, f"{folder}/{name}")


def _files(directory: Path) -> dict[str, int]:
    try:
        with os.scandir(directory) as entries:
            return dict(sorted((entry.name, entry.stat().st_size) for entry in entries if entry.is_file()))
    except FileNotFoundError:
        return {}


def _list_entry(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"bytes": len(content), "changed": _changed(path), "sha512": hashlib.sha512(content).hexdigest()}


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _files_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}-files.txt")


def _save(path: Path, content: dict[str, Any]) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
    beside.replace(path)
