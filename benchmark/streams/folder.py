"""Any folder of images laid out DOMAIN/CLASS/IMAGE."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import UsageError
from benchmark.streams.base import ImageSet, Split, Stream
from benchmark.streams.files import SUFFIXES, image_set
from benchmark.streams.hash_split import hash_split


class DomainClassFolders(Stream):
    """Images in `root`/DOMAIN/CLASS/IMAGE: one list of classes for all domains, and a test split made by hash.

    One fifth of each class of each domain is the test split, chosen by the hash of the file's relative path:
    the same on every machine, and an image added later moves no other.
    """

    root: Path

    def paths(self) -> Iterator[Path]:
        """Files that may be images, in a fixed order."""
        for domain in self.domains:
            yield from sorted((self.root / domain).glob("*/*"))

    @cached_property
    def _files(self) -> dict[str, int]:
        """Relative path -> size in bytes."""
        return {
            path.relative_to(self.root).as_posix(): path.stat().st_size
            for path in self.paths()
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
        }

    def _domain(self, file: str) -> str:
        return file.split("/")[0]

    def _folder(self, file: str) -> str:
        """The folder that says the class of `file`."""
        return file.split("/")[1]

    @cached_property
    def _folders(self) -> tuple[str, ...]:
        return tuple(sorted({self._folder(file) for file in self._files}))

    def classes(self, name: str) -> tuple[str, ...]:
        """Class folder names with underscores as spaces; one list for all domains."""
        return tuple(folder.replace("_", " ") for folder in self._folders)

    def load(self, name: str, split: Split) -> ImageSet:
        """The images of a domain, decoded on demand."""
        files = hash_split((file for file in self._files if self._domain(file) == name), split, self._folder)
        index = {folder: label for label, folder in enumerate(self._folders)}
        labels = np.array([index[self._folder(file)] for file in files], dtype=np.int64)
        return image_set(name, split, labels, files, self.root)

    def identity(self) -> dict[str, Any]:
        """Name, version and a hash of the listing (paths and sizes): another content is another run."""
        listing = "\n".join(f"{file} {size}" for file, size in self._files.items())
        return {**super().identity(), "listing": hashlib.sha256(listing.encode()).hexdigest()[:12]}


class FolderStream(DomainClassFolders):
    """Domains are the folders of `path`, classes the folders in them, both in alphabetical order.

    UsageError for a folder of another form.
    """

    version = 1

    def __init__(self, path: str) -> None:
        self.root = Path(path).expanduser()
        if not self.root.is_dir():
            raise UsageError(f"stream folder:{path}: there is no folder {self.root}")
        self.name = self.root.resolve().name
        self.domains = tuple(sorted(p.name for p in self.root.iterdir() if p.is_dir() and not p.name.startswith(".")))
        if not self._files:
            raise UsageError(f"stream folder:{path}: no images found; expected {self.root}/DOMAIN/CLASS/IMAGE")
        bare = [domain for domain in self.domains if not any(f.startswith(f"{domain}/") for f in self._files)]
        if bare:
            raise UsageError(f"stream folder:{path}: domain '{bare[0]}' has no images in DOMAIN/CLASS/IMAGE form")
