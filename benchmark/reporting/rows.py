"""Finished runs grouped into the rows of the leaderboard: what may be averaged, what may be ranked.

A row is one configuration on one track: stream, order, backbone, strategy with its hyper-parameters, training
budget, and fingerprints of data and weights. Its runs differ in the seed and in nothing else.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmark import metrics
from benchmark.reporting.statistics import Summary, summarize
from benchmark.result import GIVEN, ROUTED, RunResult, Track

Defaults = Mapping[str, Mapping[str, Any]]
"""Strategy name -> its hyper-parameters' defaults."""

COSTS = (
    "active_fraction",
    "trainable_parameters",
    "stored_parameters",
    "train_seconds",
    "eval_seconds",
    "images_per_second",
    "peak_memory_mb",
)
"""Entries of RunResult.cost that the tables show."""

OOD_CHANGE = "ood_change[{}]"
"""Id of the change on one out-of-domain set, in the long table only."""


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
    def data(self) -> Track:
        """The accuracies."""
        return self.result.tracks[self.track]


@dataclass
class Row:
    """The runs of one configuration on one track, by seed.

    stream, backbone: name, with the fields that tell apart two of the same name.
    settings: hyper-parameters that are not the defaults, and what differs in the training budget.
    label: short name for a figure, unique within its track.
    family: rows of one family (and the same `given`) are ranked together.
    """

    stream: str
    backbone: str
    order: tuple[str, ...]
    strategy: str
    settings: str
    label: str
    track: str
    upper_bound: bool
    family: tuple[str, ...]
    entries: list[Entry]
    notes: list[str] = field(default_factory=list)
    rank: int | None = None

    @property
    def given(self) -> bool:
        """Whether the domain was given at test time."""
        return self.track == GIVEN

    @property
    def seeds(self) -> list[int]:
        """Ascending."""
        return [entry.seed for entry in self.entries]

    def summary(self, metric: str) -> Summary | None:
        """Over seeds; None where the metric is undefined for any of them."""
        values = [entry.values.get(metric) for entry in self.entries]
        if any(value is None for value in values):
            return None
        return summarize(values)


@dataclass(frozen=True)
class _Config:
    """Identities of one run as canonical JSON; equal text means the same thing was run."""

    result: RunResult
    stream: str
    backbone: str
    strategy: str
    train: str
    order: tuple[str, ...]
    apart: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, result: RunResult) -> _Config:
        spec, environment = result.spec, result.environment
        apart = {
            "data fingerprint": str(environment.get("data_fingerprint")),
            "backbone fingerprint": str(environment.get("backbone_fingerprint")),
            "out-of-domain sets": " ".join(result.ood_names),
        }
        return cls(
            result=result,
            stream=_canonical(spec.stream),
            backbone=_canonical(spec.backbone),
            strategy=_canonical(spec.strategy),
            train=_canonical(asdict(spec.train)),
            order=tuple(spec.order),
            apart=tuple(apart.items()),
        )

    @property
    def family(self) -> tuple[str, ...]:
        """Same task, same data, same budget."""
        return (self.stream, self.backbone, " > ".join(self.order), self.train, _canonical(self.apart))


def group(results: Sequence[RunResult], defaults: Defaults | None = None) -> list[Row]:
    """Rows in the order of the leaderboard, ranked and with notes; the order of `results` does not matter.

    ValueError, naming the run, for a matrix with a bad cell, a cost that is not finite, or a run given twice.
    """
    configs = [_Config.of(result) for result in results]
    names = _Names(configs, defaults or {})
    joint = _joint_rows(configs)
    rows: dict[tuple[str, ...], Row] = {}
    for config in configs:
        key = config.result.spec.key
        for track in config.result.tracks:
            identity = (*config.family, config.strategy, track)
            if identity not in rows:
                rows[identity] = names.row(config, track)
            values = _values(config.result, key, track, joint.get((*config.family, str(config.result.spec.seed))))
            rows[identity].entries.append(Entry(config.result, key, track, values))
    for row in rows.values():
        row.entries.sort(key=lambda entry: entry.seed)
        _refuse_twice(row)
    _note(list(rows.values()))
    _rank(rows.values())
    return sorted(rows.values(), key=_position)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _show(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _pairs(fields: Mapping[str, Any]) -> str:
    """``budget=0.05 rank=4``, as `--set` takes it."""
    return " ".join(f"{name}={_show(value)}" for name, value in sorted(fields.items()))


def _varying(variants: Iterable[str]) -> set[str]:
    """Names of the fields in which JSON objects differ."""
    objects = [json.loads(text) for text in set(variants)]
    return {name for item in objects for name in item if any(item[name] != other.get(name) for other in objects)}


class _Names:
    """How rows are called: short, and different for different things."""

    def __init__(self, configs: Sequence[_Config], defaults: Defaults) -> None:
        self.defaults = json.loads(_canonical(defaults))  # tuples become lists, as in a stored result
        variants: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for config in configs:
            spec = config.result.spec
            variants["stream", spec.stream["name"]].add(config.stream)
            variants["backbone", spec.backbone["name"]].add(config.backbone)
            variants["strategy", spec.strategy["name"]].add(_canonical(_flat(spec.strategy)))
            variants["train", config.stream, config.backbone].add(config.train)
        self.varying = {key: _varying(texts) for key, texts in variants.items()}

    def row(self, config: _Config, track: str) -> Row:
        spec, result = config.result.spec, config.result
        name = spec.strategy["name"]
        flat = json.loads(_canonical(_flat(spec.strategy)))
        varying = self.varying["strategy", name]
        train = self.varying["train", config.stream, config.backbone]
        budget = {field: value for field, value in asdict(spec.train).items() if field in train}
        told = {field: flat[field] for field in varying if field in flat}
        return Row(
            stream=self._title("stream", spec.stream),
            backbone=self._title("backbone", spec.backbone),
            order=config.order,
            strategy=name,
            settings=_pairs({**self._settings(name, spec.strategy, flat), **budget}),
            label=" ".join(filter(None, (name, _pairs({**told, **budget})))),
            track=track,
            upper_bound=bool(result.traits.get("offline")),
            family=config.family,
            entries=[],
        )

    def _title(self, kind: str, identity: Mapping[str, Any]) -> str:
        varying = self.varying[kind, identity["name"]]
        told = {field: value for field, value in identity.items() if field in varying}
        return " ".join(filter(None, (identity["name"], _pairs(told))))

    def _settings(self, name: str, strategy: Mapping[str, Any], flat: Mapping[str, Any]) -> dict[str, Any]:
        """Hyper-parameters off their defaults, all of them if the defaults are unknown; a version if several."""
        defaults = self.defaults.get(name, {})
        settings = {
            field: flat[field]
            for field in strategy.get("params", {})
            if field not in defaults or flat[field] != defaults[field]
        }
        others = (self.varying["strategy", name] & flat.keys()) - strategy.get("params", {}).keys()
        return {**settings, **{field: flat[field] for field in others}}


def _flat(strategy: Mapping[str, Any]) -> dict[str, Any]:
    """Hyper-parameters beside name and version."""
    return {**{k: v for k, v in strategy.items() if k != "params"}, **strategy.get("params", {})}


def _joint_rows(configs: Sequence[_Config]) -> dict[tuple[str, ...], list[float]]:
    """(family, seed) -> final accuracies of its offline run, where there is exactly one."""
    found: dict[tuple[str, ...], list[list[float]]] = defaultdict(list)
    for config in configs:
        if config.result.traits.get("offline"):
            for track in config.result.tracks.values():
                found[(*config.family, str(config.result.spec.seed))].append(track.accuracy[-1])
    return {key: rows[0] for key, rows in found.items() if len(rows) == 1}


def _values(result: RunResult, key: str, track: str, joint: list[float] | None) -> dict[str, float | None]:
    """Metrics, changes on out-of-domain sets, and costs."""
    data = result.tracks[track]
    try:
        values = metrics.compute(data, result.counts, result.spec.order, result.ood_names, joint)
        changes = metrics.ood_changes(data, result.ood_names)
    except ValueError as error:
        raise ValueError(f"run {key} ({result.spec.label}), track {track}: {error}") from error
    values.update({OOD_CHANGE.format(name): change for name, change in changes.items()})
    for name in COSTS:
        value = result.cost.get(name)
        if value is not None and not math.isfinite(value):
            raise ValueError(f"run {key} ({result.spec.label}): cost {name} is {value}, expected a finite number")
        values[name] = None if value is None else float(value)
    if track == ROUTED and GIVEN in result.tracks:
        oracle = result.tracks[GIVEN].accuracy[-1]
        values["oracle_gap"] = math.fsum(oracle) / len(oracle) - values["acc"]
    return values


def _refuse_twice(row: Row) -> None:
    for before, after in zip(row.entries, row.entries[1:], strict=False):
        if before.seed == after.seed:
            raise ValueError(f"run {after.key} ({after.result.spec.label}) is given twice")


def _note(rows: Sequence[Row]) -> None:
    """Say beside a row what a reader must know before comparing it."""
    alike: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    seeds: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for row in rows:
        alike[row.family[:-1]].append(row)
        seeds[row.family].update(row.seeds)
    for siblings in alike.values():
        _note_apart(siblings)
    for row in rows:
        missing = sorted(seeds[row.family] - set(row.seeds))
        if missing:
            row.notes.append(f"no run with seed {_list(missing)}")
        for metric in row.entries[0].values:
            absent = [entry.seed for entry in row.entries if entry.values.get(metric) is None]
            if 0 < len(absent) < len(row.entries):
                row.notes.append(f"{metric} undefined with seed {_list(absent)}")
        devices = sorted({str(entry.result.environment.get("device")) for entry in row.entries})
        if len(devices) > 1:
            row.notes.append(f"seconds are a mean over {_list(devices)}")
        if row.entries[0].result.traits.get("per_task_head"):
            row.notes.append("a head for each task")


def _note_apart(siblings: Sequence[Row]) -> None:
    """Where data, weights or out-of-domain sets differ under one name: say which a row used, and set it apart."""
    fingerprints = [dict(json.loads(row.family[-1])) for row in siblings]
    for row, own in zip(siblings, fingerprints, strict=True):
        for name, value in own.items():
            if any(other[name] != value for other in fingerprints):
                row.label += f" [{value[:8]}]"
                row.notes.append(f"{name} {value or 'none'}: not averaged or ranked with others")


def _list(items: Iterable[Any]) -> str:
    return ", ".join(str(item) for item in items)


def _accuracy(row: Row) -> float:
    summary = row.summary("acc")
    assert summary is not None  # acc is defined for every track
    return round(summary.mean, 6)


def _rank(rows: Iterable[Row]) -> None:
    """By acc within a family, given and not given apart; equal accuracies share a rank, upper bounds have none."""
    rivals: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if not row.upper_bound:
            rivals[(row.family, row.given)].append(row)
    for contenders in rivals.values():
        values = [_accuracy(row) for row in contenders]
        for row, value in zip(contenders, values, strict=True):
            row.rank = 1 + sum(other > value for other in values)


def _position(row: Row) -> tuple[Any, ...]:
    return (
        *(row.stream, row.backbone, row.order, row.family),
        *(row.given, row.upper_bound, row.rank or 0, -_accuracy(row)),
        *(row.strategy, row.settings, row.track),
    )
