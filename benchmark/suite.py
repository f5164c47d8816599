"""From what the user asked for to runs, results and reports."""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from benchmark.config import RunSpec
from benchmark.errors import UsageError, unknown
from benchmark.registry import BUILTIN, resolve, strategy_class
from benchmark.settings import apply_settings
from benchmark.store import Store
from strategies.base import Strategy, TrainConfig

if TYPE_CHECKING:
    from benchmark.streams.base import Stream

ALL_STRATEGIES = tuple(BUILTIN["strategies"])


@dataclass(frozen=True)
class SuiteConfig:
    """What the user asked for, by name.

    order: a named order of the stream, or domains separated by commas. train: fields of TrainConfig that were given;
    the rest is the stream's or the default. settings: strategy name -> hyper-parameters given with ``--set``.
    """

    stream: str = "digits"
    backbone: str = "glyphclip"
    strategies: tuple[str, ...] = ALL_STRATEGIES
    seeds: tuple[int, ...] = (0,)
    order: str = "default"
    hold_out: tuple[str, ...] = ()
    image_size: int | None = None
    train: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    device: str = "cpu"


@dataclass(frozen=True)
class PlannedRun:
    """A specification with the strategy it resolves to."""

    spec: RunSpec
    strategy: Strategy


@dataclass(frozen=True)
class Plan:
    """All runs of a suite; `backbone` is loaded only when one of them has to be run."""

    stream: Stream
    backbone: Any
    runs: tuple[PlannedRun, ...]


class Observer(Protocol):
    """Told of the suite's progress."""

    def run_started(self, index: int, total: int, run: PlannedRun, images: int) -> None:
        """images: training images that the run will see, all epochs together."""

    def step(self, event: dict[str, Any]) -> None:
        """A training step, as `strategies.trainer.Progress` has it."""

    def run_finished(self, run: PlannedRun, seconds: float, error: str | None) -> None:
        """error: where the traceback is, or None."""


def plan(config: SuiteConfig) -> Plan:
    """Resolve every name and value; UsageError says what is wrong. Reads no image and no weight."""
    stream = _stream(config)
    order = domain_order(stream, config.order)
    backbone_class, argument = resolve("backbones", config.backbone)
    backbone = backbone_class(argument, config.image_size)
    try:
        train = TrainConfig(**{"augment": stream.augment, **config.train})
    except ValueError as error:
        raise UsageError(str(error)) from error
    if "augment" in config.train:
        from benchmark.data.transforms import AUGMENTATIONS

        if train.augment not in AUGMENTATIONS:
            raise unknown("augmentation", train.augment, AUGMENTATIONS)
    known = {strategy_class(name).name for name in config.strategies}
    for name in config.settings:
        if name not in known:
            raise unknown("strategy in --set", name, known)
    runs = []
    for seed in config.seeds:
        for name in config.strategies:
            loaded = strategy_class(name)
            strategy = apply_settings(loaded.name, loaded.cls, config.settings.get(loaded.name, {}))
            identity = {"name": loaded.name, "version": loaded.cls.version, "params": dataclasses.asdict(strategy)}
            if loaded.source:
                identity["source"] = loaded.source
            spec = RunSpec(stream.identity(), order, backbone.identity(), identity, train, seed)
            runs.append(PlannedRun(spec, strategy))
    return Plan(stream, backbone, tuple(runs))


def _stream(config: SuiteConfig) -> Stream:
    stream_class, argument = resolve("streams", config.stream)
    stream = stream_class(argument) if argument else stream_class()
    if config.hold_out:
        from benchmark.streams.hold_out import HoldOut

        stream = HoldOut(stream, config.hold_out)
    return stream


def domain_order(stream: Stream, order: str) -> tuple[str, ...]:
    """A named order of `stream`, or its domains in the order given, separated by commas."""
    if order in stream.orders:
        return tuple(stream.orders[order])
    domains = tuple(part.strip() for part in order.split(","))
    for domain in domains:
        if domain not in stream.domains:
            kind = "order or domain" if len(domains) == 1 else "domain"
            raise unknown(kind, domain, (*stream.domains, *(stream.orders if len(domains) == 1 else ())))
    if len(set(domains)) != len(domains):
        raise UsageError(f"--order {order}: a domain is named twice")
    return domains


def execute(plan: Plan, store: Store, config: SuiteConfig, observer: Observer, environment: dict[str, Any]) -> int:
    """Run what is not done yet, one after another; returns the number of failed runs."""
    pending = [run for run in plan.runs if not store.is_done(run.spec)]
    if not pending:
        return 0
    from benchmark.data.stream_data import StreamData
    from benchmark.runner import run as run_one

    backbone = plan.backbone.load()
    data = StreamData(plan.stream, backbone.image_size, backbone.interpolation, pending[0].spec.train)
    order = pending[0].spec.order
    images = sum(len(data.train(domain)) for domain in order) * pending[0].spec.train.epochs
    failures = 0
    for index, planned in enumerate(pending):
        observer.run_started(index, len(pending), planned, images)
        start, error = time.perf_counter(), None
        try:
            run_one(
                planned.spec, planned.strategy, backbone, data, store,
                device=config.device, on_step=observer.step, environment=environment,
            )  # fmt: skip
        except Exception:  # one run's failure, whatever it is, must not lose the others
            failures += 1
            error = str(store.save_error(planned.spec, traceback.format_exc()))
        observer.run_finished(planned, time.perf_counter() - start, error)
    return failures


def defaults(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Default hyper-parameters of the named strategies that can be resolved."""
    found = {}
    for name in names:
        if name in BUILTIN["strategies"]:
            found[name] = strategy_class(name).cls.hyper_parameters()
    return found
