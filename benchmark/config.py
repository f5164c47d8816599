"""What is to be run: one run's specification and the key it is stored under. Standard library only."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from strategies.base import TrainConfig

SCHEMA = 2
"""Version of the specification and of result.json."""


@dataclass(frozen=True)
class RunSpec:
    """One run, fully resolved: every default filled in, no path, device or worker count.

    stream, backbone: the identity of the object (its name, version and whatever else decides its content).
    strategy: name, version and every hyper-parameter under ``params``.
    order: the domains in the order in which they are learned.
    """

    stream: dict[str, Any]
    order: tuple[str, ...]
    backbone: dict[str, Any]
    strategy: dict[str, Any]
    train: TrainConfig
    seed: int

    @cached_property
    def key(self) -> str:
        """sha256 of the canonical JSON, 12 hex digits."""
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def label(self) -> str:
        """``selora on digits, seed 0``."""
        return f"{self.strategy['name']} on {self.stream['name']}, seed {self.seed}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, with the schema's version."""
        return {
            "schema": SCHEMA,
            "stream": self.stream,
            "order": list(self.order),
            "backbone": self.backbone,
            "strategy": self.strategy,
            "train": dataclasses.asdict(self.train),
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RunSpec:
        """The inverse of `as_dict`."""
        fields = {name: value for name, value in data.items() if name != "schema"}
        return cls(**{**fields, "order": tuple(data["order"]), "train": TrainConfig(**data["train"])})
