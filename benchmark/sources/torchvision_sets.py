"""torchvision's data sets as sources: one table.

The training split is all that is not the official test split. Caltech-101, EuroSAT and SUN397 have no official one
(SUN397 only ten partitions): one fifth of each class is taken by the hash of the file's path, as `folder:PATH` does.

Prompts are those of CLIP's authors for each data set, the first where they have several. EuroSAT's class names are
CLIP's; Caltech-101's three odd ones, SUN397's word order and MNIST's numerals are our cleaning. Counts and sizes are
from memory where torchvision's documentation states none, and not verified here: they only serve an estimate of the
cost and a message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.options import DataOptions
from benchmark.errors import MissingData, UsageError
from benchmark.sources import torchvision_forms as forms
from benchmark.sources.base import Source
from benchmark.streams.base import ImageSet, Split, fingerprint
from benchmark.streams.files import image_set
from benchmark.streams.hash_split import TEST_FRACTION, hash_split

EUROSAT = {
    "AnnualCrop": "annual crop land",
    "Forest": "forest",
    "HerbaceousVegetation": "brushland or shrubland",
    "Highway": "highway or road",
    "Industrial": "industrial buildings or commercial buildings",
    "Pasture": "pasture land",
    "PermanentCrop": "permanent crop land",
    "Residential": "residential buildings or homes or apartments",
    "River": "river",
    "SeaLake": "lake or sea",
}
CALTECH = {"Faces": "off-center face", "Faces_easy": "centered face", "Motorbikes": "motorbike"}


def plain(name: str) -> str:
    """``apple_pie`` -> ``apple pie``."""
    return name.replace("_", " ")


def scene(name: str) -> str:
    """``apartment_building/outdoor`` -> ``outdoor apartment building``."""
    return plain(" ".join(reversed(name.split("/"))))


@dataclass(frozen=True)
class Entry:
    """dataset: class of torchvision.datasets. needs: what must be below root/NAME. read: its form.

    train, test: arguments of the data sets that make the split; without `test` all of `train` is split by hash.
    counts: images for training and testing, or all of them. size: of what is fetched. checked: torchvision verifies
    the content of the files themselves, by md5, whenever it opens them.
    """

    dataset: str
    needs: str
    read: forms.Reader
    template: str
    counts: tuple[int, ...]
    size: str
    train: tuple[Mapping[str, Any], ...] = ({"split": "train"},)
    test: tuple[Mapping[str, Any], ...] = ({"split": "test"},)
    names: Callable[[str], str] = plain
    checked: bool = False
    by_hand: str = ""


PHOTO = "a photo of a {}."
ALL: tuple[Mapping[str, Any], ...] = ({},)
TRAIN, TEST = ({"train": True},), ({"train": False},)
TRAINVAL, TRAIN_AND_VAL = ({"split": "trainval"},), ({"split": "train"}, {"split": "val"})

SETS = {
    "aircraft": Entry(
        "FGVCAircraft", "fgvc-aircraft-2013b/data/variants.txt", forms.listed, "a photo of a {}, a type of aircraft.",
        (6667, 3333), "2.8 GB", train=TRAINVAL,
    ),
    "caltech101": Entry(
        "Caltech101", "caltech101/101_ObjectCategories", forms.caltech, PHOTO, (8677,), "0.1 GB",
        train=ALL, test=(), names=lambda name: CALTECH.get(name, plain(name).lower()),
    ),
    "cars": Entry(
        "StanfordCars", "stanford_cars/devkit/cars_meta.mat", forms.cars, PHOTO, (8144, 8041), "1.9 GB",
        by_hand="its first address is gone and torchvision refuses to fetch it: put cars_train/, cars_test/, devkit/ "
        "and cars_test_annos_withlabels.mat there",
    ),
    "cifar10": Entry(
        "CIFAR10", "cifar-10-batches-py/batches.meta", forms.cifar, PHOTO, (50_000, 10_000), "0.2 GB",
        train=TRAIN, test=TEST, checked=True,
    ),
    "cifar100": Entry(
        "CIFAR100", "cifar-100-python/meta", forms.cifar, PHOTO, (50_000, 10_000), "0.2 GB",
        train=TRAIN, test=TEST, checked=True,
    ),
    "dtd": Entry(
        "DTD", "dtd/dtd/labels", forms.listed, "a photo of a {} texture.", (3760, 1880), "0.6 GB", train=TRAIN_AND_VAL,
    ),
    "eurosat": Entry(
        "EuroSAT", "eurosat/2750", forms.samples, "a centered satellite photo of {}.", (27_000,), "0.1 GB",
        train=ALL, test=(), names=lambda name: EUROSAT.get(name, name),
    ),
    "flowers": Entry(
        "Flowers102", "flowers-102/setid.mat", forms.listed, "a photo of a {}, a type of flower.", (2040, 6149),
        "0.3 GB", train=TRAIN_AND_VAL, names=lambda name: name.rstrip("?"),
    ),
    "food101": Entry(
        "Food101", "food-101/meta", forms.listed, "a photo of {}, a type of food.", (75_750, 25_250), "5 GB",
    ),
    "mnist": Entry(
        "MNIST", "MNIST/raw/train-images-idx3-ubyte", forms.mnist, 'a photo of the number: "{}".', (60_000, 10_000),
        "12 MB", train=TRAIN, test=TEST, names=lambda name: name.split(" ")[0],
    ),
    "pets": Entry(
        "OxfordIIITPet", "oxford-iiit-pet/annotations", forms.pets, "a photo of a {}, a type of pet.", (3680, 3669),
        "0.8 GB", train=TRAINVAL,
    ),
    "stl10": Entry(
        "STL10", "stl10_binary/class_names.txt", forms.stl10, PHOTO, (5000, 8000), "2.6 GB", checked=True,
    ),
    "sun397": Entry(
        "SUN397", "SUN397/ClassName.txt", forms.listed, PHOTO, (108_754,), "37 GB", train=ALL, test=(), names=scene,
    ),
}  # fmt: skip


class TorchvisionSource(Source):
    """One of `SETS`, in the data root's folder of its name."""

    def __init__(self, name: str, data: DataOptions) -> None:
        self.name, self.entry, self.root = name, SETS[name], data.root
        self.templates = (self.entry.template,)
        self.downloadable = not self.entry.by_hand

    @classmethod
    def create(cls, name: str, data: DataOptions) -> TorchvisionSource:
        """`name`: a key of `SETS`."""
        return cls(name, data)

    def missing(self) -> str | None:
        """As in the base."""
        needed = self.root / self.name / self.entry.needs
        if needed.exists():
            return None
        by_hand = f"; {self.entry.by_hand}" if self.entry.by_hand else ""
        return f"{sum(self.entry.counts):,} images, about {self.entry.size}, {needed} not found{by_hand}"

    def fetch(self) -> None:
        """Download through torchvision, which verifies what it has an md5 of."""
        (self.root / self.name).mkdir(parents=True, exist_ok=True)
        for arguments in (*self.entry.train, *self.entry.test):
            self._read(arguments, download=True)

    @property
    def classes(self) -> tuple[str, ...]:
        """torchvision's names, cleaned."""
        return tuple(self.entry.names(name) for name in self._listings["train"][0].classes)

    def load(self, split: Split) -> ImageSet:
        """Files decoded on demand; images of one file for all are kept in memory, as bytes."""
        listings = self._listings["train" if not self.entry.test else split]
        if listings[0].files is None:
            return self._array_set(split, listings)
        label = {self._id(file): int(c) for part in listings for file, c in zip(part.files, part.labels, strict=True)}
        files: tuple[str, ...] = tuple(sorted(label))
        if not self.entry.test:
            files = hash_split(files, split, lambda file: str(label[file]))
        return image_set(self.name, split, np.array([label[file] for file in files], dtype=np.int64), files, self.root)

    def count(self, split: Split) -> int:
        """The published number where the data are absent."""
        if not self.missing():
            return len(self.load(split))
        if self.entry.test:
            return self.entry.counts[split == "test"]
        test = round(TEST_FRACTION * self.entry.counts[0])
        return test if split == "test" else self.entry.counts[0] - test

    def identity(self) -> dict[str, Any]:
        """Name and version, and a hash of files and labels where torchvision does not verify the content itself."""
        identity = super().identity()
        if not self.entry.checked:
            identity["listing"] = fingerprint(self.load(split) for split in ("train", "test"))[:12]
        return identity

    @cached_property
    def _listings(self) -> dict[str, list[forms.Listing]]:
        splits = {"train": self.entry.train, "test": self.entry.test}
        read = {split: [self._read(part) for part in arguments] for split, arguments in splits.items()}
        names = {tuple(listing.classes) for listings in read.values() for listing in listings}
        if len(names) != 1:  # torchvision numbers the classes that it finds in each split
            raise UsageError(f"{self.name}: its splits name different classes; the files in {self._folder} are damaged")
        return read

    def _read(self, arguments: Mapping[str, Any], download: bool = False) -> forms.Listing:
        from torchvision import datasets

        if not download and (missing := self.missing()):
            raise MissingData(f"missing data: {self.name}: {missing}")
        dataset = getattr(datasets, self.entry.dataset)
        try:
            return self.entry.read(dataset(str(self._folder), download=download, **arguments))
        except Exception as error:  # torchvision's readers fail on absent and broken files in ways of their own
            what = "could not be fetched" if download else "cannot be read"
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UsageError(
                f"{self.name}: the data in {self._folder} {what} ({type(error).__name__}: {reason}); "
                f"remove the folder and fetch it again with --download"
            ) from error

    @property
    def _folder(self) -> Path:
        return self.root / self.name

    def _id(self, file: Path) -> str:
        return file.relative_to(self.root).as_posix()

    def _array_set(self, split: Split, listings: list[forms.Listing]) -> ImageSet:
        from PIL import Image

        images = np.concatenate([listing.images for listing in listings]) if len(listings) > 1 else listings[0].images
        labels = np.concatenate([listing.labels for listing in listings])
        width = len(str(len(labels) - 1))
        ids = tuple(f"{self.name}/{split}/{index:0{width}d}" for index in range(len(labels)))
        return ImageSet(self.name, split, labels, ids, lambda index: Image.fromarray(images[index]).convert("RGB"))
