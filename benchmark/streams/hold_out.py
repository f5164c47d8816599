"""Domains of a stream that are kept unseen and become out-of-domain sets."""

from __future__ import annotations

from typing import Any

from benchmark.errors import UsageError, unknown
from benchmark.streams.base import ImageSet, Split, Stream


class HoldOut(Stream):
    """`stream` without the domains `held`, which are evaluated as out-of-domain sets instead."""

    def __init__(self, stream: Stream, held: tuple[str, ...]) -> None:
        for domain in held:
            if domain not in stream.domains:
                raise unknown("domain in --hold-out", domain, stream.domains)
        self.stream, self.held = stream, tuple(sorted(set(held)))
        self.name, self.templates, self.augment = stream.name, stream.templates, stream.augment
        self.domains = tuple(domain for domain in stream.domains if domain not in held)
        self.ood = (*stream.ood, *self.held)
        if not self.domains:
            raise UsageError("--hold-out leaves no domain to learn")

    def classes(self, name: str) -> tuple[str, ...]:
        """As in the whole stream."""
        return self.stream.classes(name)

    def load(self, name: str, split: Split) -> ImageSet:
        """As in the whole stream."""
        return self.stream.load(name, split)

    def identity(self) -> dict[str, Any]:
        """The whole stream's identity and what is held out."""
        return {**self.stream.identity(), "hold_out": list(self.held)}
