"""ImageNet and its kin, as folders: validation images, V2, A, R and Sketch.

None of them is fetched: ImageNet asks for an account. Below the data root they lie as

    imagenet/val/WNID/IMAGE, imagenet/train/WNID/IMAGE      ImageNet; train/ is the k-NN gallery of all five, if there
    imagenet-v2/INDEX/IMAGE                                 folders 0 to 999, the class index
    imagenet-a/WNID/IMAGE, imagenet-r/WNID/IMAGE            200 of the 1,000 classes each
    imagenet-sketch/WNID/IMAGE

The classes of a set are those of its folders that hold images, so the 200-class sets are classified among their own.
Class names are open_clip's cleaned ones, the order of the WNIDs is timm's list; the forms of the archives and their
sizes are from memory, not verified here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmark.data.options import DataOptions
from benchmark.errors import UsageError
from benchmark.sources.class_folders import ClassFolders
from benchmark.streams.base import Split, fingerprint


@dataclass(frozen=True)
class Form:
    """folder: of the test images, below the data root. size: of the archive. test: published number of images."""

    folder: str
    size: str
    test: int
    by_index: bool = False


FORMS = {
    "imagenet-val": Form("imagenet/val", "6.3 GB", 50_000),
    "imagenet-v2": Form("imagenet-v2", "1.2 GB", 10_000, by_index=True),
    "imagenet-a": Form("imagenet-a", "0.7 GB", 7_500),
    "imagenet-r": Form("imagenet-r", "2.1 GB", 30_000),
    "imagenet-sketch": Form("imagenet-sketch", "7.6 GB", 50_889),
}
GALLERY = "imagenet/train"


@cache
def class_names() -> dict[str, str]:
    """WNID -> class name, in the order of the class index."""
    from open_clip import IMAGENET_CLASSNAMES
    from timm.data import ImageNetInfo

    return dict(zip(ImageNetInfo().label_names(), IMAGENET_CLASSNAMES, strict=True))


class ImageNetSource(ClassFolders):
    """One of `FORMS`."""

    def __init__(self, name: str, data: DataOptions) -> None:
        self.name, self.form, self.base = name, FORMS[name], data.root

    @classmethod
    def create(cls, name: str, data: DataOptions) -> ImageNetSource:
        """`name`: a key of `FORMS`."""
        return cls(name, data)

    def missing(self) -> str | None:
        """As in the base; these are put in place by hand."""
        folder = self.base / self.form.folder
        if folder.is_dir():
            return None
        images = f"{self.form.test:,} images, about {self.form.size}"
        return f"{images}, not found in {folder}; get it from its authors and put it there as {self._layout}"

    def folder(self, split: Split) -> Path | None:
        """The set's own folder, or the training images of ImageNet."""
        if split == "test":
            return self.base / self.form.folder
        gallery = self.base / GALLERY
        return gallery if gallery.is_dir() else None

    def class_folders(self) -> list[str]:
        """Folders of the test images, by class index; UsageError names one that is no class of ImageNet."""
        found = {file.split("/")[-2] for file in self._listing("test")}
        known = {self._own_folder(index, wnid): index for index, wnid in enumerate(class_names())}
        strange = sorted(found - known.keys())
        if strange:
            raise UsageError(
                f"{self.name}: {self.base / self.form.folder / strange[0]} is no class folder; expected {self._layout}"
            )
        if not found:
            raise UsageError(f"{self.name}: no images in {self.base / self.form.folder}; expected {self._layout}")
        return sorted(found, key=known.__getitem__)

    def class_of(self, file: str) -> str:
        """The class folder, in the test images' naming, of a test or gallery image."""
        folder = super().class_of(file)
        if self.form.by_index and file.startswith(f"{GALLERY}/"):
            return _index().get(folder, folder)
        return folder

    def class_name(self, folder: str) -> str:
        """open_clip's name of the class."""
        names = class_names()
        return list(names.values())[int(folder)] if self.form.by_index else names[folder]

    def count(self, split: Split) -> int:
        """The published number of test images where the data are absent."""
        if self.missing():
            return self.form.test if split == "test" else 0
        return super().count(split)

    def identity(self) -> dict[str, Any]:
        """Name, version and a hash of names and labels, without the sizes of a million files."""
        listing = fingerprint(self.load(split) for split in ("train", "test"))[:12]
        return {"name": self.name, "version": self.version, "listing": listing}

    def _own_folder(self, index: int, wnid: str) -> str:
        return str(index) if self.form.by_index else wnid

    @property
    def _layout(self) -> str:
        return f"{self.form.folder}/{'INDEX' if self.form.by_index else 'WNID'}/IMAGE"


@cache
def _index() -> dict[str, str]:
    return {wnid: str(index) for index, wnid in enumerate(class_names())}
