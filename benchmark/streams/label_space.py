"""The lists of classes of a stream's domains, one after another under one head."""

from __future__ import annotations

from functools import cached_property

from benchmark.streams.base import Stream

Space = tuple[tuple[str, ...], tuple[str, ...]]
"""Class names and prompt templates."""


class DomainSpaces:
    """Each distinct list of classes (with its prompts) of `domains` once, in the order of first use.

    A domain-incremental stream has one list; where every task has its own classes, each task's follow the last one's.
    """

    def __init__(self, stream: Stream, domains: tuple[str, ...]) -> None:
        self.domains = domains
        self._space = {domain: (stream.classes(domain), stream.prompts(domain)) for domain in domains}

    @cached_property
    def spaces(self) -> list[Space]:
        """(class names, templates) of each space."""
        return list(dict.fromkeys(self._space.values()))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of classes of each space."""
        return tuple(len(classes) for classes, _ in self.spaces)

    def span(self, domain: str) -> slice:
        """Where the classes of `domain` are in the whole list."""
        index = self.spaces.index(self._space[domain])
        start = sum(self.sizes[:index])
        return slice(start, start + self.sizes[index])
