"""A stream seen through a change: the base of everything that is put around a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmark.streams.base import ImageSet, Split, Stream


class StreamWrapper(Stream):
    """`stream` as it is; a subclass changes one thing and says so in its identity."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.name, self.domains, self.ood = stream.name, stream.domains, stream.ood
        self.templates, self.augment = stream.templates, stream.augment

    @property
    def orders(self) -> Mapping[str, tuple[str, ...]]:
        """The stream's orders, without the domains that are not learned here."""
        return {
            name: tuple(domain for domain in order if domain in self.domains)
            for name, order in self.stream.orders.items()
        }

    def make_available(self, download: bool) -> None:
        """As the stream."""
        self.stream.make_available(download)

    def classes(self, name: str) -> tuple[str, ...]:
        """As in the stream."""
        return self.stream.classes(name)

    def prompts(self, name: str) -> tuple[str, ...]:
        """As in the stream."""
        return self.stream.prompts(name)

    def load(self, name: str, split: Split) -> ImageSet:
        """As in the stream."""
        return self.stream.load(name, split)

    def count(self, name: str, split: Split) -> int:
        """As in the stream."""
        return self.stream.count(name, split)

    def identity(self) -> dict[str, Any]:
        """The stream's."""
        return self.stream.identity()
