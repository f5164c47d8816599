"""Domains of a stream that are kept unseen and become out-of-domain sets."""

from __future__ import annotations

from typing import Any

from benchmark.errors import UsageError, unknown
from benchmark.streams.base import Stream
from benchmark.streams.wrapper import StreamWrapper


class HoldOut(StreamWrapper):
    """`stream` without the domains `held`, which are evaluated as out-of-domain sets instead."""

    def __init__(self, stream: Stream, held: tuple[str, ...]) -> None:
        super().__init__(stream)
        for domain in held:
            if domain not in stream.domains:
                raise unknown("domain in --hold-out", domain, stream.domains)
        self.held = tuple(sorted(set(held)))
        self.domains = tuple(domain for domain in stream.domains if domain not in held)
        self.ood = (*stream.ood, *self.held)
        if not self.domains:
            raise UsageError("--hold-out leaves no domain to learn")

    def identity(self) -> dict[str, Any]:
        """The whole stream's identity and what is held out."""
        return {**super().identity(), "hold_out": list(self.held)}
