"""DomainNet (Peng et al. 2019, arXiv 1812.01754) and DN4IL (Gowda, Zonooz, Arani, TMLR 2023).

Both read the same image files, ``ROOT/domainnet/DOMAIN/CLASS/IMAGE``, by lists of their own:
``ROOT/domainnet/txt/DOMAIN_SPLIT.txt`` and ``ROOT/dn4il/DOMAIN_SPLIT.txt``. Files that were put there by hand are as
good as fetched ones: they are verified in the same way, by the published checksums where there are some, else by
number and form of the lines; each listed file must be there. A mirror has to serve the very same files at the same
paths (DN4IL's lists below ``dn4il/``); what it serves is verified like the authors' own, and no option turns that off.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from benchmark.data.disk_space import gigabytes, require_space
from benchmark.data.download import RemoteFile, fetch
from benchmark.data.extract import extract
from benchmark.data.manifest import difference, survey, write_manifest
from benchmark.data.options import DataOptions, default_root
from benchmark.errors import MissingData, UsageError
from benchmark.streams.base import Split
from benchmark.streams.domainnet import tables
from benchmark.streams.domainnet.class_names import DN4IL_FOLDERS, DOMAINNET_FOLDERS, prompt_name
from benchmark.streams.listed import ListedStream, ListFile

DUPLICATES = "domainbed_duplicates.txt"
"""DomainBed's list of duplicates (there domainbed/misc/domain_net_duplicates.txt), to be put among the lists."""


class DomainNetStream(ListedStream):
    """Six domains, 345 classes, the official lists; cleaned clipart and painting unless `data.original`.

    A class may be absent from a domain's split: painting has no t-shirt to train on and no syringe to test.
    """

    name = "domainnet"
    version = 1
    domains = ("clipart", "infograph", "painting", "quickdraw", "real", "sketch")
    folders = DOMAINNET_FOLDERS
    lists: Mapping[tuple[str, Split], ListFile] = tables.DOMAINNET_LISTS
    archives: Mapping[str, RemoteFile] = tables.ARCHIVES
    originals: Mapping[str, RemoteFile] = tables.ORIGINALS
    archives_url: str = tables.DOMAINNET_URL
    lists_url: str = tables.DOMAINNET_URL + tables.DOMAINNET_LISTS_URL
    mirrored_lists: ClassVar[str] = tables.DOMAINNET_LISTS_URL
    """Where a mirror has the lists, relative to its address."""

    def __init__(self, data: DataOptions) -> None:
        self.data = data
        self.home = data.root / "domainnet"
        self.original = data.original

    @classmethod
    def create(cls, argument: str, data: DataOptions) -> DomainNetStream:
        """The stream below `data.root`."""
        return cls(data)

    @property
    def orders(self) -> Mapping[str, tuple[str, ...]]:
        """Alphabetical (the default), reversed, RanPAC's and KA-Prompt's `rqpsic`, and rotations of the alphabet.

        DUCT uses five orders; which ones is not known to us in detail, so results in `rotation-1` to `rotation-5` are
        not to be compared with its own.
        """
        rotations = {f"rotation-{k}": self.domains[k:] + self.domains[:k] for k in range(1, len(self.domains))}
        rqpsic = ("real", "quickdraw", "painting", "sketch", "infograph", "clipart")
        return {**super().orders, "alphabetical": self.domains, "rqpsic": rqpsic, **rotations}

    def classes(self, name: str) -> tuple[str, ...]:
        """Folder names as words, by their index in the lists."""
        return tuple(prompt_name(folder) for folder in self.folders)

    def list_folder(self) -> Path:
        """``ROOT/domainnet/txt``."""
        return self.home / "txt"

    def image_folder(self, domain: str) -> Path:
        """``ROOT/domainnet``; ``ROOT/domainnet/original`` for an uncleaned domain."""
        return self.home / "original" if self.original and domain in self.originals else self.home

    @cached_property
    def left_out(self) -> frozenset[str]:
        """Nothing, or with `data.deduplicate` the 9,431 files that DomainBed deletes.

        Of those, none is in the ten of the official lists that were at hand when this was written (real_train and
        quickdraw_train were not): these lists seem to be free of them already.
        """
        if not self.data.deduplicate:
            return frozenset()
        if not self._duplicates.is_file():
            raise MissingData(
                f"--deduplicate: there is no {self._duplicates}; put DomainBed's domain_net_duplicates.txt there"
            )
        return frozenset(self._duplicates.read_text().split())

    @property
    def _duplicates(self) -> Path:
        return self.home / "txt" / DUPLICATES

    def identity(self) -> dict[str, Any]:
        """Name, version, lists, which edition of the images, and the list of those left out."""
        found = {**super().identity(), "edition": "original" if self.original else "cleaned"}
        if self.left_out:
            found["deduplicate"] = hashlib.sha256("\n".join(sorted(self.left_out)).encode()).hexdigest()[:12]
        return found

    def make_available(self, download: bool) -> None:
        """Check the manifest of a finished data set; else fetch (if `download`), verify everything, and write it.

        MissingData for what is not there; UsageError for a wrong list, and for listed files that are missing or
        empty unless bad images are skipped.
        """
        if difference(self._manifest, self.data.root) is None:
            return
        if download:
            self._fetch()
        self._require()
        self.verify_lists()
        if self._listed_files_are_there():
            lists = [self.list_path(name, split) for name, split in self.lists]
            folders = [self.image_folder(domain) / domain for domain in self.domains]
            try:
                write_manifest(
                    self._manifest, self.data.root, *(map(self._relative, part) for part in (folders, lists))
                )
            except OSError:
                return  # a data root that others only read: verified anew each time

    def _listed_files_are_there(self) -> bool:
        """False where some are not and may be skipped."""
        absent = self._absent()
        first = next(absent, None)
        if first and self.data.on_bad_image == "fail":
            more = sum(1 for _ in absent)
            rest = f" (and {more:,} more)" if more else ""
            raise UsageError(
                f"{first}{rest}; remove the domain's folder and run with --download to fetch it again, list all with "
                f"`{self._command('check-data ')}`, or leave them out with --on-bad-image skip"
            )
        return first is None

    def _absent(self) -> Iterator[str]:
        for domain in self.domains:
            found = survey(self.image_folder(domain), domain)
            yield from self.absent_files(
                domain, {f"{at}/{file}": size for at, files in found for file, size in files.items()}
            )

    @property
    def _manifest(self) -> Path:
        parts = ("manifest", "-original" * self.original, "-deduplicated" * self.data.deduplicate)
        return self.data.root / self.name / f"{''.join(parts)}.json"

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.data.root).as_posix()

    def _archive(self, domain: str) -> RemoteFile:
        """What to fetch for a domain, beside where its folder will be."""
        original = self.original and domain in self.originals
        remote = self.originals[domain] if original else self.archives[domain]
        return dataclasses.replace(remote, target=self._relative(self.image_folder(domain) / f"{domain}.zip"))

    def _missing_domains(self) -> list[str]:
        return [domain for domain in self.domains if not (self.image_folder(domain) / domain).is_dir()]

    def _missing_lists(self) -> list[Path]:
        return [path for name, split in self.lists if not (path := self.list_path(name, split)).is_file()]

    def _require(self) -> None:
        domains, lists = self._missing_domains(), self._missing_lists()
        if not domains and not lists:
            return
        size = sum(self._size(domain) for domain in domains)
        parts = [f"the images of {', '.join(domains)} (about {gigabytes(size)})"] if domains else []
        if lists:
            parts.append(f"{len(lists)} of {len(self.lists)} lists ({lists[0].name}, ...)")
        places = dict.fromkeys([*(str(self.image_folder(domain)) for domain in domains),
                                *([str(self.list_folder())] if lists else [])])  # fmt: skip
        raise MissingData(
            f"{self.name}: missing {' and '.join(parts)}; looked in {', '.join(places)}; "
            f"fetch with: {self._command()} --download"
        )

    def _command(self, action: str = "") -> str:
        root = "" if self.data.root == default_root() else f" --data-root {self.data.root}"
        return f"python run_suite.py {action}--stream {self.name}{root}{' --original' if self.original else ''}"

    def _size(self, domain: str) -> int:
        """Bytes of the archive, and about those of its images; of an uncleaned domain the cleaned one's are assumed."""
        return self._archive(domain).size or self.archives[domain].size or 0

    def _fetch(self) -> None:
        """All missing archives at once, then one after another into folders; then the lists."""
        from benchmark.data.transfer_display import TransferDisplay

        root, domains, lists = self.data.root, self._missing_domains(), self._missing_lists()
        archives = [self._archive(domain) for domain in domains]
        sizes = [self._size(domain) for domain in domains]
        # One archive after another is unpacked and removed: at the most, all images and one archive are there at once.
        here = sum((root / archive.target).stat().st_size for archive in archives if (root / archive.target).is_file())
        require_space(self.home, max(0, sum(sizes) + max(sizes, default=0) - here))
        mirror = self.data.mirror and self.data.mirror.rstrip("/") + "/"
        with TransferDisplay("fetching") as display:
            lists_url = mirror + self.mirrored_lists if mirror else self.lists_url
            targets = [RemoteFile(path.name, self._relative(path)) for path in lists]
            fetch(targets, lists_url, root, progress=display)
            fetch(archives, mirror or self.archives_url, root, progress=display)
        with TransferDisplay("unpacking") as display:
            for domain, archive in zip(domains, archives, strict=True):
                folder = self.image_folder(domain) / domain
                extract(root / archive.target, folder, inside=domain, progress=display)


class DN4ILStream(DomainNetStream):
    """A balanced subset of 100 classes of DomainNet for domain-incremental learning, a sixth of its size."""

    name = "dn4il"
    version = 1
    folders = DN4IL_FOLDERS
    lists = tables.DN4IL_LISTS
    lists_url = tables.DN4IL_LISTS_URL
    mirrored_lists = "dn4il/"

    def list_folder(self) -> Path:
        """``ROOT/dn4il``."""
        return self.data.root / "dn4il"
