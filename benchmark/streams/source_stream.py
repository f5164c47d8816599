"""Streams of data sets that each have their own classes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from benchmark.data.options import DataOptions
from benchmark.sources.base import Source, find_source, make_available
from benchmark.streams.base import ImageSet, Split, Stream


class SourceStream(Stream):
    """Every domain is a source with its own classes and prompts; a subclass names them.

    class Mine(SourceStream):
        name = "mine"
        domains = ("pets", "flowers", "cars")
    """

    named_orders: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __init__(self, data: DataOptions | None = None) -> None:
        self.data = data or DataOptions()

    @classmethod
    def create(cls, argument: str, data: DataOptions) -> SourceStream:
        """Sources lie below the data root."""
        return cls(data)

    @property
    def orders(self) -> Mapping[str, tuple[str, ...]]:
        """The stream's own, `named_orders` among them."""
        return {**super().orders, **self.named_orders}

    @cached_property
    def sources(self) -> dict[str, Source]:
        """Domain -> source."""
        return {domain: find_source(domain, self.data) for domain in self.domains}

    def make_available(self, download: bool) -> None:
        """All sources; one message names all that are missing."""
        make_available(self.sources.values(), download, f"--stream {self.name}", self.data.root)

    def classes(self, name: str) -> tuple[str, ...]:
        """The source's."""
        return self.sources[name].classes

    def prompts(self, name: str) -> tuple[str, ...]:
        """The source's."""
        return self.sources[name].templates

    def load(self, name: str, split: Split) -> ImageSet:
        """The source's."""
        return self.sources[name].load(split)

    def count(self, name: str, split: Split) -> int:
        """The source's; a published number where the data are absent."""
        return self.sources[name].count(split)

    def identity(self) -> dict[str, Any]:
        """Name, version, and every source's identity."""
        return {**super().identity(), "sources": [source.identity() for source in self.sources.values()]}
