"""What makes two runs the same configuration, and how configurations are called."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmark.result import RunResult


@dataclass(frozen=True)
class Identity:
    """Identities of one run as canonical JSON; equal text means the same thing was run.

    apart: (name, value) of what must not be mixed though it is no setting: fingerprints, out-of-domain sets.
    """

    result: RunResult
    stream: str
    backbone: str
    strategy: str
    train: str
    order: tuple[str, ...]
    apart: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, result: RunResult) -> Identity:
        """Read from the run's specification and environment."""
        spec, environment = result.spec, result.environment
        apart = {
            "data fingerprint": str(environment.get("data_fingerprint")),
            "backbone fingerprint": str(environment.get("backbone_fingerprint")),
            "out-of-domain sets": " ".join(result.ood_names),
        }
        return cls(
            result=result,
            stream=canonical(spec.stream),
            backbone=canonical(spec.backbone),
            strategy=canonical(spec.strategy),
            train=canonical(asdict(spec.train)),
            order=tuple(spec.order),
            apart=tuple(apart.items()),
        )

    def family(self, pool_orders: bool) -> tuple[str, ...]:
        """Same task, same data, same budget; the order belongs to it unless orders are pooled."""
        domains = " | ".join(sorted(self.order)) if pool_orders else " > ".join(self.order)
        return (self.stream, self.backbone, domains, self.train, canonical(self.apart))


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Names:
    """What a row is called: stream, backbone, settings (what is not the default), label (what differs here)."""

    stream: str
    backbone: str
    settings: str
    label: str


class Namer:
    """Names that are short, and different for different things among `identities`."""

    def __init__(self, identities: Sequence[Identity]) -> None:
        variants: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for identity in identities:
            spec = identity.result.spec
            variants["stream", spec.stream["name"]].add(identity.stream)
            variants["backbone", spec.backbone["name"]].add(identity.backbone)
            variants["strategy", spec.strategy["name"]].add(canonical(_flat(spec.strategy)))
            variants["train", identity.stream, identity.backbone].add(identity.train)
        self.varying = {key: _varying(texts) for key, texts in variants.items()}

    def names(self, identity: Identity) -> Names:
        """Names of the row that a run belongs to."""
        spec = identity.result.spec
        name = spec.strategy["name"]
        flat = json.loads(canonical(_flat(spec.strategy)))
        train = self.varying["train", identity.stream, identity.backbone]
        budget = {field: value for field, value in asdict(spec.train).items() if field in train}
        told = {field: flat[field] for field in self.varying["strategy", name] if field in flat}
        return Names(
            stream=self._title("stream", spec.stream),
            backbone=self._title("backbone", spec.backbone),
            settings=_pairs({**self._settings(identity.result, flat), **budget}),
            label=" ".join(filter(None, (name, _pairs({**told, **budget})))),
        )

    def _title(self, kind: str, identity: Mapping[str, Any]) -> str:
        varying = self.varying[kind, identity["name"]]
        told = {field: value for field, value in identity.items() if field in varying}
        return " ".join(filter(None, (identity["name"], _pairs(told))))

    def _settings(self, result: RunResult, flat: Mapping[str, Any]) -> dict[str, Any]:
        """Hyper-parameters off the defaults of their time, all of them if unknown; a version if there are several."""
        strategy = result.spec.strategy
        defaults = json.loads(canonical(result.defaults or {}))  # tuples become lists, as in a stored result
        params = strategy.get("params", {}).keys()
        settings = {field: flat[field] for field in params if field not in defaults or flat[field] != defaults[field]}
        others = (self.varying["strategy", strategy["name"]] & flat.keys()) - params
        return {**settings, **{field: flat[field] for field in others}}


def _show(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _pairs(fields: Mapping[str, Any]) -> str:
    """``budget=0.05 rank=4``, as `--set` takes it."""
    return " ".join(f"{name}={_show(value)}" for name, value in sorted(fields.items()))


def _varying(variants: Iterable[str]) -> set[str]:
    """Names of the fields in which JSON objects differ."""
    objects = [json.loads(text) for text in set(variants)]
    return {name for item in objects for name in item if any(item[name] != other.get(name) for other in objects)}


def _flat(strategy: Mapping[str, Any]) -> dict[str, Any]:
    """Hyper-parameters beside name and version."""
    return {**{k: v for k, v in strategy.items() if k != "params"}, **strategy.get("params", {})}
