"""Any folder of images laid out DOMAIN/CLASS/IMAGE."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmark.data.dataset import id_hash
from benchmark.errors import UsageError
from benchmark.streams.base import ImageSet, Split, Stream

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
TEST_FRACTION = 0.2


class FolderStream(Stream):
    """Domains are the folders of `path`, classes the folders in them, both in alphabetical order.

    One fifth of each class of each domain is the test split, chosen by the hash of the file's relative path:
    the same on every machine, and an image added later moves no other. UsageError for a folder of another form.
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

    @cached_property
    def _files(self) -> dict[str, int]:
        """Relative path -> size in bytes, sorted."""
        found = {}
        for domain in self.domains:
            for path in sorted((self.root / domain).glob("*/*")):
                if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
                    found[path.relative_to(self.root).as_posix()] = path.stat().st_size
        return found

    @cached_property
    def _folders(self) -> tuple[str, ...]:
        return tuple(sorted({file.split("/")[1] for file in self._files}))

    def classes(self, name: str) -> tuple[str, ...]:
        """Class folder names with underscores as spaces; one list for all domains."""
        return tuple(folder.replace("_", " ") for folder in self._folders)

    def load(self, name: str, split: Split) -> ImageSet:
        """The images of a domain, decoded on demand."""
        by_class: dict[str, list[str]] = defaultdict(list)
        for file in self._files:
            domain, folder, _ = file.split("/")
            if domain == name:
                by_class[folder].append(file)
        chosen = []
        for files in by_class.values():
            ranked = sorted(files, key=id_hash)
            count = min(max(1, round(TEST_FRACTION * len(files))), len(files) - 1)
            chosen += ranked[:count] if split == "test" else ranked[count:]
        chosen.sort()
        labels = np.array([self._folders.index(file.split("/")[1]) for file in chosen], dtype=np.int64)
        return ImageSet(name, split, labels, tuple(chosen), lambda index: _read(self.root / chosen[index]))

    def identity(self) -> dict[str, Any]:
        """Name, version and a hash of the listing (paths and sizes): another content is another run."""
        listing = "\n".join(f"{file} {size}" for file, size in self._files.items())
        return {**super().identity(), "listing": hashlib.sha256(listing.encode()).hexdigest()[:12]}


def _read(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")
