"""Finished runs grouped into the rows of the leaderboard: what may be averaged.

A row is one configuration on one track: stream, domains, backbone, strategy with its hyper-parameters, training
budget, and fingerprints of data and weights. Its runs differ in the seed and in the order of the domains, and in
nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.reporting.identity import Namer
from benchmark.reporting.measured import Measured
from benchmark.reporting.statistics import Summary, summarize
from benchmark.result import GIVEN, RunResult, Track


@dataclass(frozen=True)
class Entry:
    """One run on one track, with every metric and cost by id (None: undefined)."""

    result: RunResult
    key: str
    track: str
    values: dict[str, float | None]

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.result.spec.seed

    @property
    def pair(self) -> tuple[tuple[str, ...], int]:
        """Order and seed: runs of two rows with the same pair can be compared one to one."""
        return (tuple(self.result.spec.order), self.seed)

    @property
    def data(self) -> Track:
        """The accuracies."""
        return self.result.tracks[self.track]


@dataclass
class Row:
    """The runs of one configuration on one track, by order and seed.

    stream, backbone: name, with the fields that tell apart two of the same name.
    orders: the orders of domains that were run.
    settings: hyper-parameters that are not the defaults, and what differs in the training budget.
    label: short name for a figure, unique within its track.
    family: rows of one family (and the same `given`) are ranked together.
    rank, letters, apart: as `benchmark.reporting.ranking` sets them.
    """

    stream: str
    backbone: str
    orders: tuple[tuple[str, ...], ...]
    strategy: str
    settings: str
    label: str
    track: str
    upper_bound: bool
    family: tuple[str, ...]
    entries: list[Entry]
    notes: list[str] = field(default_factory=list)
    rank: int | None = None
    letters: str = ""
    apart: str = ""

    @property
    def given(self) -> bool:
        """Whether the domain was given at test time."""
        return self.track == GIVEN

    @property
    def order(self) -> tuple[str, ...]:
        """The order, or the first of several."""
        return self.orders[0]

    @property
    def seeds(self) -> list[int]:
        """Ascending, each once."""
        return sorted({entry.seed for entry in self.entries})

    @property
    def pairs(self) -> frozenset[tuple[tuple[str, ...], int]]:
        """Order and seed of every run."""
        return frozenset(entry.pair for entry in self.entries)

    def summary(self, metric: str) -> Summary | None:
        """Over runs; None where the metric is undefined for any of them."""
        values = [entry.values.get(metric) for entry in self.entries]
        if any(value is None for value in values):
            return None
        return summarize(values)


def rows_of(runs: Sequence[Measured], *, pool_orders: bool) -> list[Row]:
    """Rows, not ranked yet; the order of `runs` does not matter."""
    namer = Namer([run.identity for run in runs])
    rows: dict[tuple[Any, ...], Row] = {}
    for run in sorted(runs, key=lambda run: run.key):
        identity, spec = run.identity, run.result.spec
        family = identity.family(pool_orders)
        for track, values in run.values.items():
            place = (*family, identity.strategy, track)
            if place not in rows:
                names = namer.names(identity)
                rows[place] = Row(
                    stream=names.stream,
                    backbone=names.backbone,
                    orders=(),
                    strategy=spec.strategy["name"],
                    settings=names.settings,
                    label=names.label,
                    track=track,
                    upper_bound=bool(run.result.traits.get("offline")),
                    family=family,
                    entries=[],
                )
            rows[place].entries.append(Entry(run.result, run.key, track, values))
    for row in rows.values():
        row.entries.sort(key=lambda entry: entry.pair)
        row.orders = tuple(sorted({entry.pair[0] for entry in row.entries}))
    return list(rows.values())
