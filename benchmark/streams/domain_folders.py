"""Streams of one label space, laid out DOMAIN/CLASS/IMAGE below the data root.

A data set of one's own is five declarative lines:

    # mine.py
    from benchmark.streams.domain_folders import DomainFolders

    class Rooms(DomainFolders):
        name = "rooms"  # the images are in DATA_ROOT/rooms/DOMAIN/CLASS/IMAGE
        domains = ("day", "night")
        templates = ("a photo of a {} in a house.",)

    python run_suite.py --stream mine.py:Rooms --data-root DATA_ROOT ...

An installed package offers it by name through the entry-point group ``selora_bench.streams``.
"""

from __future__ import annotations

import shlex
import sys
from typing import ClassVar

from benchmark.data.options import DataOptions
from benchmark.errors import MissingData
from benchmark.streams.base import ImageSet, Split
from benchmark.streams.folder import DomainClassFolders
from benchmark.streams.hash_split import TEST_FRACTION


class DomainFolders(DomainClassFolders):
    """A data set whose domains are known; a subclass states what follows.

    images: published number of all images, None if unknown. class_count: published number of classes. size: of the
    archive, in words. drive: Google Drive id of the archive; it cannot be fetched if empty. inside: the folder in the
    archive that holds the domains.
    """

    images: ClassVar[int | None] = None
    class_count: ClassVar[int | None] = None
    size: ClassVar[str] = ""
    drive: ClassVar[str] = ""
    inside: ClassVar[str] = ""
    folder: ClassVar[str] = ""
    """Below the data root; the stream's name if empty."""

    def __init__(self, data: DataOptions | None = None) -> None:
        self.data = data or DataOptions()
        self.root = self.data.root / (self.folder or self.name)

    @classmethod
    def create(cls, argument: str, data: DataOptions) -> DomainFolders:
        """The data set below the data root."""
        return cls(data)

    @property
    def downloadable(self) -> bool:
        """Whether `fetch` can bring the data."""
        return bool(self.drive)

    def make_available(self, download: bool) -> None:
        """See that every domain has images, fetching the archive if nothing is there; a wrong number is a warning."""
        if download and self.downloadable and not self.root.exists():
            self.fetch()
            for listing in ("_files", "_folders"):  # of the empty place that was looked at before
                self.__dict__.pop(listing, None)
        absent = self.absent_domains()
        if absent:
            raise MissingData(self._missing(absent))
        found = len(self._files)
        if self.images is not None and found != self.images:
            print(f"stream {self.name}: {found:,} images in {self.root}, {self.images:,} published", file=sys.stderr)
        if self.class_count is not None and len(self._folders) != self.class_count:
            print(
                f"stream {self.name}: {len(self._folders)} classes in {self.root}, {self.class_count} published",
                file=sys.stderr,
            )

    def absent_domains(self) -> list[str]:
        """Domains without a single image."""
        present = {self._domain(file) for file in self._files}
        return [domain for domain in self.domains if domain not in present]

    def fetch(self) -> None:
        """Bring the archive from Google Drive and unpack it; no checksum of it is known, its images are counted."""
        from benchmark.data.download import fetch_drive
        from benchmark.data.extract import extract

        archive = self.root.with_name(f"{self.root.name}.archive")
        fetch_drive(self.drive, archive)
        extract(archive, self.root, inside=self.inside)

    def load(self, name: str, split: Split) -> ImageSet:
        """The images of a domain; MissingData where it has none."""
        if name in self.absent_domains():
            raise MissingData(self._missing([name]))
        return super().load(name, split)

    def count(self, name: str, split: Split) -> int:
        """An even share of the published number where the data are absent."""
        if self.absent_domains() and self.images is not None:
            share = self.images / len(self.domains)
            return round(share * TEST_FRACTION) if split == "test" else round(share * (1 - TEST_FRACTION))
        return super().count(name, split)

    def _missing(self, absent: list[str]) -> str:
        known = [f"{self.images:,} images" if self.images is not None else "", self.size]
        size = ", ".join(part for part in known if part)
        about = f" ({size})" if size else ""
        what = f"missing data: stream {self.name}{about}: no images of {', '.join(absent)} in {self.root}"
        if not self.downloadable:
            return f"{what}; put them there as {self.layout}, or name another place with --data-root DIR"
        again = f"remove {self.root} and " if self.root.exists() else ""
        command = f"python run_suite.py --stream {self.name} --download --data-root {shlex.quote(str(self.data.root))}"
        return f"{what}, expected {self.layout}; {again}fetch with `{command}`"

    @property
    def layout(self) -> str:
        """The expected form of the folder, in words."""
        return f"{self.root.name}/DOMAIN/CLASS/IMAGE"
