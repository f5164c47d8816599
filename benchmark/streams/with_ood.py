"""Data sets beside a stream that are never trained on, only evaluated."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from benchmark.data.options import DataOptions
from benchmark.errors import UsageError
from benchmark.sources.base import find_source, make_available
from benchmark.streams.base import ImageSet, Split, Stream
from benchmark.streams.wrapper import StreamWrapper


class WithOOD(StreamWrapper):
    """`stream` with the sources `names` (registered, or folder:PATH) as further out-of-domain sets."""

    def __init__(self, stream: Stream, names: Sequence[str], data: DataOptions) -> None:
        super().__init__(stream)
        self.names, self.data = tuple(names), data
        self.sources = {}
        for name in names:
            source = find_source(name, data)
            if source.name in (*stream.domains, *stream.ood):
                raise UsageError(
                    f"--ood {name}: the stream {stream.name} has a set '{source.name}' already; leave it out"
                )
            if source.name in self.sources:
                raise UsageError(
                    f"--ood {name}: two sets are called '{source.name}'; leave one out or rename its folder"
                )
            self.sources[source.name] = source
        self.ood = (*stream.ood, *self.sources)

    def make_available(self, download: bool) -> None:
        """The stream's data and the sources'."""
        super().make_available(download)
        make_available(self.sources.values(), download, f"check-data --ood {shlex.join(self.names)}", self.data.root)

    def classes(self, name: str) -> tuple[str, ...]:
        """The source's, or as in the stream."""
        return self.sources[name].classes if name in self.sources else super().classes(name)

    def prompts(self, name: str) -> tuple[str, ...]:
        """The source's, or as in the stream."""
        return self.sources[name].templates if name in self.sources else super().prompts(name)

    def load(self, name: str, split: Split) -> ImageSet:
        """The source's images, or as in the stream."""
        return self.sources[name].load(split) if name in self.sources else super().load(name, split)

    def count(self, name: str, split: Split) -> int:
        """The source's, or as in the stream."""
        return self.sources[name].count(split) if name in self.sources else super().count(name, split)

    def identity(self) -> dict[str, Any]:
        """The stream's identity and each source's."""
        return {**super().identity(), "ood": [source.identity() for source in self.sources.values()]}
