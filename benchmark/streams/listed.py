"""Streams whose splits are text files with a line ``DOMAIN/CLASS/IMAGE INDEX`` for each image."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmark.errors import MissingData, UsageError
from benchmark.streams.base import ImageSet, Split, Stream
from benchmark.streams.files import image_set


@dataclass(frozen=True)
class ListFile:
    """path: relative to the folder of lists. count: lines, as published. sha512: all or its beginning; may be empty."""

    path: str
    count: int
    sha512: str = ""


class Names(Sequence[str]):
    """An immutable sequence of strings in one block of bytes: a tenth of a tuple's memory."""

    def __init__(self, names: list[bytes]) -> None:
        self._block = b"\n".join(names)
        lengths = np.fromiter((len(name) + 1 for name in names), dtype=np.int64, count=len(names))
        self._ends = np.cumsum(lengths)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(len(self))))
        place = range(len(self))[index]
        start = int(self._ends[place - 1]) if place else 0
        return self._block[start : int(self._ends[place]) - 1].decode()

    def __iter__(self) -> Iterator[str]:
        return iter(self._block.decode().split("\n") if len(self) else ())


def read_list(path: Path, domain: str, folders: Sequence[str]) -> tuple[Names, np.ndarray]:
    """(paths, int64 class indices) of the lines of `path`; UsageError names a line that is not as it should be.

    A line is ``domain/folders[i]/IMAGE i``.
    """
    names, labels = [], []
    expected = [f"{domain}/{folder}/".encode() for folder in folders]
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        name, _, index = line.rpartition(b" ")
        if not line:
            continue
        if not index.isdigit() or name.count(b"/") != 2 or name.endswith((b"/", b"/..")):
            raise _wrong_line(path, number, line, f"expected a line like {domain}/{folders[0]}/IMAGE.jpg 0")
        label = int(index)
        if label >= len(expected):
            raise _wrong_line(path, number, line, f"expected a class index of 0 to {len(expected) - 1}")
        if not name.startswith(expected[label]):
            raise _wrong_line(path, number, line, f"class {label} is {expected[label].decode()}")
        names.append(name)
        labels.append(label)
    return Names(names), np.array(labels, dtype=np.int64)


def _wrong_line(path: Path, number: int, line: bytes, expected: str) -> UsageError:
    text = line[:120].decode(errors="replace")
    return UsageError(f"{path}, line {number}: '{text}': {expected}; remove the list and fetch it again")


class ListedStream(Stream):
    """A stream whose sets are given by `lists`; a subclass says where images and lists are.

    The published numbers (`lists`) are an attribute of the class, so that a data set of the same form is a subclass
    with a table of its own, verified against that.
    """

    folders: ClassVar[tuple[str, ...]]
    """Folder name of each class, by its index in the lists."""
    lists: Mapping[tuple[str, Split], ListFile]

    @abc.abstractmethod
    def list_folder(self) -> Path:
        """The folder of the lists."""

    @abc.abstractmethod
    def image_folder(self, domain: str) -> Path:
        """The folder that the paths in the lists of `domain` are relative to."""

    @abc.abstractmethod
    def classes(self, name: str) -> tuple[str, ...]:
        """Prompt names, in the order of `folders`; one list for all domains."""

    def load(self, name: str, split: Split) -> ImageSet:
        """The listed images in the list's order, without those that are left out; classes may be absent."""
        files, labels = read_list(self.list_path(name, split), name, self.folders)
        if self.left_out:
            kept = [place for place, file in enumerate(files) if file not in self.left_out]
            files, labels = Names([files[place].encode() for place in kept]), labels[kept]
        return image_set(name, split, labels, files, self.image_folder(name))

    @property
    def left_out(self) -> frozenset[str]:
        """Listed files that are not part of the stream."""
        return frozenset()

    def count(self, name: str, split: Split) -> int:
        """As published; what is left out is known where the data are."""
        try:
            return len(self.load(name, split)) if self.left_out else self.lists[name, split].count
        except (MissingData, OSError):
            return self.lists[name, split].count

    def list_path(self, name: str, split: Split) -> Path:
        """Where the list of a set is."""
        return self.list_folder() / self.lists[name, split].path

    def verify_lists(self) -> None:
        """UsageError for the first list that is not the published one, by checksum, count and form of each line."""
        for (name, split), published in self.lists.items():
            path = self.list_path(name, split)
            content = path.read_bytes()
            lines = len(content.splitlines())
            if lines != published.count:
                raise _wrong_list(path, f"{lines:,} lines, expected {published.count:,}")
            digest = hashlib.sha512(content).hexdigest()
            if not digest.startswith(published.sha512):
                raise _wrong_list(path, f"sha512 {digest[:16]}..., expected {published.sha512[:16]}...")
            read_list(path, name, self.folders)

    def absent_files(self, domain: str, sizes: Mapping[str, int]) -> Iterator[str]:
        """``LIST: image N, FILE, is missing`` (or has zero bytes) for each such file; sizes: path -> bytes on disk."""
        for name, split in self.lists:
            if name != domain:
                continue
            for number, file in enumerate(self.load(name, split).ids, 1):
                if not sizes.get(file):
                    state = "has zero bytes" if file in sizes else "is missing"
                    yield f"{self.list_path(name, split)}: image {number}, {self.image_folder(name) / file}, {state}"

    @cached_property
    def _lists_hash(self) -> str:
        digest = hashlib.sha256()
        for name, split in sorted(self.lists):
            digest.update(f"{name}/{split}\n".encode() + self.list_path(name, split).read_bytes())
        return digest.hexdigest()[:16]

    def identity(self) -> dict[str, Any]:
        """Name, version and the hash of all lists: which images, with which labels."""
        return {**super().identity(), "lists": self._lists_hash}


def _wrong_list(path: Path, what: str) -> UsageError:
    return UsageError(f"{path}: {what}; remove it and run again with --download")
