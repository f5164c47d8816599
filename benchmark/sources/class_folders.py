"""Sources laid out as one folder of images a class."""

from __future__ import annotations

import abc
import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.options import DataOptions
from benchmark.errors import UsageError
from benchmark.sources.base import Source
from benchmark.streams.base import ImageSet, Split
from benchmark.streams.files import SUFFIXES, image_set
from benchmark.streams.hash_split import hash_split


class ClassFolders(Source):
    """Images in FOLDER/CLASS/IMAGE, one folder a split.

    base: what ids are relative to.
    """

    base: Path

    @abc.abstractmethod
    def folder(self, split: Split) -> Path | None:
        """The folder of `split`; None where it has none."""

    def class_folders(self) -> list[str]:
        """Names of the class folders in the order of their labels; images of other folders do not belong to the set."""
        return sorted({self.class_of(file) for split in ("train", "test") for file in self._listing(split)})

    def class_of(self, file: str) -> str:
        """The class folder of an image."""
        return _class_folder(file)

    def class_name(self, folder: str) -> str:
        """The name of a class, from its folder."""
        return folder.replace("_", " ")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the class folders."""
        return tuple(self.class_name(folder) for folder in self._folders)

    def load(self, split: Split) -> ImageSet:
        """The images of `split`, decoded on demand."""
        index = {folder: label for label, folder in enumerate(self._folders)}
        files = tuple(file for file in self._listing(split) if self.class_of(file) in index)
        labels = np.array([index[self.class_of(file)] for file in files], dtype=np.int64)
        return image_set(self.name, split, labels, files, self.base)

    def identity(self) -> dict[str, Any]:
        """Name, version and a hash of the listing (paths and sizes): another content is another run."""
        files = (file for split in ("train", "test") for file in self.load(split).ids)
        listing = "\n".join(f"{file} {(self.base / file).stat().st_size}" for file in files)
        return {**super().identity(), "listing": hashlib.sha256(listing.encode()).hexdigest()[:12]}

    def _listing(self, split: Split) -> tuple[str, ...]:
        """Images of `split`, relative to `base`; looked for once."""
        known = self.__dict__.setdefault("_listings", {})
        if split not in known:
            known[split] = self._split(split)
        return known[split]

    def _split(self, split: Split) -> tuple[str, ...]:
        return self._files(self.folder(split))

    def _files(self, folder: Path | None) -> tuple[str, ...]:
        """Images of `folder`, relative to `base`, sorted."""
        if folder is None:
            return ()
        images = (p for p in folder.glob("*/*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        return tuple(sorted(path.relative_to(self.base).as_posix() for path in images))

    @cached_property
    def _folders(self) -> list[str]:
        return self.class_folders()


class FolderSource(ClassFolders):
    """``folder:PATH``, laid out PATH/{train,test}/CLASS/IMAGE or PATH/{train,val}/CLASS/IMAGE or PATH/CLASS/IMAGE.

    Without a test or val folder one fifth of each class is the test split, by the hash of the path. Without a train
    folder beside one there is no gallery. UsageError for a folder of another form.
    """

    def __init__(self, path: str) -> None:
        self.root = Path(path).expanduser()
        if not self.root.is_dir():
            raise UsageError(f"out-of-domain set folder:{path}: there is no folder {self.root}")
        self.root = self.root.resolve()
        self.name, self.base = self.root.name, self.root.parent
        if not self.load("test").ids:
            raise UsageError(
                f"out-of-domain set folder:{path}: no test images found; expected {self.root}/CLASS/IMAGE with two "
                f"images a class or more, or {self.root}/{{train,test}}/CLASS/IMAGE"
            )

    @classmethod
    def create(cls, name: str, data: DataOptions) -> FolderSource:
        """`name`: folder:PATH."""
        return cls(name.partition(":")[2])

    def missing(self) -> str | None:
        """Nothing: the constructor refuses a folder that is not there."""
        return None

    def folder(self, split: Split) -> Path | None:
        """The first of the folders that `split` may have."""
        names = ("train",) if split == "train" else ("test", "val")
        return next((self.root / name for name in names if self._files(self.root / name)), None)

    def _split(self, split: Split) -> tuple[str, ...]:
        if self.folder("test"):
            return super()._split(split)
        return hash_split(self._files(self.root), split, _class_folder)


def _class_folder(file: str) -> str:
    return file.split("/")[-2]
