"""What a source is: one labelled image data set with its own classes and prompts."""

from __future__ import annotations

import abc
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from benchmark.data.options import DataOptions
from benchmark.errors import MissingData
from benchmark.registry import resolve
from benchmark.streams.base import ImageSet, Split


class Source(abc.ABC):
    """A labelled image data set: a task of a stream of tasks, or an out-of-domain set.

    A source is cheap to construct: files are looked at by the methods, never by the constructor.
    """

    name: str
    version: ClassVar[int] = 1
    """Raised whenever the same name begins to mean other images, labels or class names; part of the run key."""
    templates: tuple[str, ...] = ("a photo of a {}.",)
    """Prompts for a text head; ``{}`` takes a class name."""
    downloadable: bool = False

    @classmethod
    @abc.abstractmethod
    def create(cls, name: str, data: DataOptions) -> Source:
        """The source behind `name`, which is as the user gave it: NAME or NAME:ARGUMENT."""

    @abc.abstractmethod
    def missing(self) -> str | None:
        """What is not on disk, how large it is, where it was looked for, and how it comes there where no download does.

        None where the data are there. Fast: a look at one or two folders.
        """

    def fetch(self) -> None:  # noqa: B027 - a source that cannot be fetched says so in `missing`
        """Download the data; called only where `downloadable`."""

    @property
    @abc.abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Class names, ready for a prompt."""

    @abc.abstractmethod
    def load(self, split: Split) -> ImageSet:
        """The images of `split`; none of ``train`` where the data set has only test images, so no gallery for k-NN.

        Their ids begin with the source's name, and so are unique among sources.
        """

    def count(self, split: Split) -> int:
        """Number of images; a source that knows it without its data overrides this."""
        return len(self.load(split))

    def identity(self) -> dict[str, Any]:
        """What the run key knows of the data, computed without decoding an image."""
        return {"name": self.name, "version": self.version}


def find_source(name: str, data: DataOptions) -> Source:
    """The source of a registered NAME or NAME:ARGUMENT."""
    source_class, _ = resolve("sources", name)
    return source_class.create(name, data)


def make_available(sources: Iterable[Source], download: bool, option: str, root: Path) -> None:
    """Fetch what is missing if `download`; MissingData lists all that is missing then.

    option: what of a command asks for `sources`.
    """
    absent = [source for source in sources if source.missing()]
    if download:
        for source in absent:
            if source.downloadable:
                source.fetch()
        absent = [source for source in absent if source.missing()]
    if not absent:
        return
    what = "; ".join(f"{source.name}: {source.missing()}" for source in absent)
    command = f"python run_suite.py {option} --download --data-root {shlex.quote(str(root))}"
    fetched = f"; fetch with `{command}`" if any(source.downloadable for source in absent) else ""
    raise MissingData(f"missing data: {what}{fetched}")
