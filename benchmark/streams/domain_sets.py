"""Published data sets of one label space in several domains; addresses as DomainBed's downloader has them.

Numbers of images other than PACS' are from memory of DomainBed's table (arXiv 2007.01434), and the folders in the
archives from its code: not verified here. A wrong number is a warning, the run's key has the listing's hash.
Domains are in alphabetical order, which is DomainBed's; no other order is known to us as a usual one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmark.data.options import DataOptions
from benchmark.sources.imagenet import class_names
from benchmark.streams.domain_folders import DomainFolders


class PACS(DomainFolders):
    """PACS (Li et al. 2017, arXiv 1710.03077)."""

    name = "pacs"
    domains = ("art_painting", "cartoon", "photo", "sketch")
    images, class_count = 9991, 7
    drive, inside = "1JFr8f805nMUelQWWmfnJR3y4_SYoN5Pd", "kfold"


class OfficeHome(DomainFolders):
    """Office-Home (Venkateswara et al. 2017, arXiv 1706.07522)."""

    name = "officehome"
    domains = ("Art", "Clipart", "Product", "Real World")
    images, class_count = 15_588, 65
    drive, inside = "1uY0pj7oFsjMxRwaD3Sxy0jgel0fsYXLC", "OfficeHomeDataset_10072016"


class VLCS(DomainFolders):
    """VLCS (Fang et al. 2013, Unbiased Metric Learning)."""

    name = "vlcs"
    domains = ("Caltech101", "LabelMe", "SUN09", "VOC2007")
    images, class_count = 10_729, 5
    drive, inside = "1skwblH1_okBwxWxmRsp9_qi15hyPpxg8", "VLCS"


class TerraIncognita(DomainFolders):
    """Terra Incognita: Caltech Camera Traps (Beery et al. 2018, arXiv 1807.04975) at the four places of DomainBed."""

    name = "terra-incognita"
    domains = ("location_100", "location_38", "location_43", "location_46")
    images, class_count = 24_788, 10
    downloadable = True

    def fetch(self) -> None:
        """From lila.science, sorted as DomainBed does; `--mirror` replaces the address."""
        from benchmark.data.terra_incognita import BASE, build

        build(self.root, [domain.removeprefix("location_") for domain in self.domains], self.data.mirror or BASE)


class ImageNetRStyles(DomainFolders):
    """ImageNet-R (arXiv 2006.16241) with each style of rendition a domain, in DATA_ROOT/imagenet-r/WNID/STYLE_n.jpg.

    The styles are those that the files name; the list below, used while there are none, and the form of the names are
    from memory, not verified here.
    """

    name = "imagenet-r-styles"
    folder = "imagenet-r"
    domains = (
        "art", "cartoon", "deviantart", "embroidery", "graffiti", "graphic", "misc", "origami", "painting",
        "sculpture", "sketch", "sticker", "tattoo", "toy", "videogame",
    )  # fmt: skip
    images, class_count = 30_000, 200
    size = "about 2.1 GB"
    layout = "imagenet-r/WNID/STYLE_NUMBER.jpg"

    def __init__(self, data: DataOptions | None = None) -> None:
        super().__init__(data)
        self.domains = tuple(sorted({self._domain(file) for file in self._files})) or type(self).domains

    def paths(self) -> Iterator[Path]:
        """Images of all classes and styles."""
        yield from sorted(self.root.glob("*/*_*"))

    def classes(self, name: str) -> tuple[str, ...]:
        """Names of the WNIDs, as in `benchmark.sources.imagenet`; a folder that is none of them keeps its own."""
        return tuple(class_names().get(folder, folder) for folder in self._folders)

    def _domain(self, file: str) -> str:
        return file.split("/")[1].split("_")[0]

    def _folder(self, file: str) -> str:
        return file.split("/")[0]
