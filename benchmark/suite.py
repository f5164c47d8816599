"""From what the user asked for to runs, results and reports."""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from benchmark.config import RunSpec
from benchmark.data.options import DataOptions
from benchmark.errors import MissingData, UsageError, unknown
from benchmark.registry import BUILTIN, resolve, strategy_class
from benchmark.settings import apply_settings
from benchmark.store import Store
from strategies.base import Strategy, TrainConfig
from strategies.compute import Compute

if TYPE_CHECKING:
    from benchmark.data.stream_data import StreamData
    from benchmark.streams.base import Stream

ALL_STRATEGIES = tuple(BUILTIN["strategies"])


@dataclass(frozen=True)
class SuiteConfig:
    """What the user asked for, by name.

    order: a named order of the stream, or domains separated by commas. templates: a name of
    `benchmark.streams.prompted.TEMPLATE_SETS`, or ``default``. train: fields of TrainConfig that were given; the
    rest is the stream's or the default. settings: strategy name -> hyper-parameters given with ``--set``.
    adapters: also write what each task learned as files for others to load.
    """

    stream: str = "digits"
    order: str = "default"
    hold_out: tuple[str, ...] = ()
    ood: tuple[str, ...] = ()
    per_class: int | None = None
    fraction: float | None = None
    test_per_class: int | None = None
    subset_seed: int = 0
    data: DataOptions = field(default_factory=DataOptions)
    download: bool = False
    backbone: str = "glyphclip"
    towers: str = "image"
    image_size: int | None = None
    templates: str = "default"
    strategies: tuple[str, ...] = ALL_STRATEGIES
    seeds: tuple[int, ...] = (0,)
    train: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    compute: Compute = field(default_factory=Compute)
    adapters: bool = False


@dataclass(frozen=True)
class PlannedRun:
    """A specification with the strategy it resolves to."""

    spec: RunSpec
    strategy: Strategy


@dataclass(frozen=True)
class Plan:
    """All runs of a suite; `backbone` is loaded only when one of them has to be run.

    missing: what is said of data that are not there; such a plan cannot be executed.
    """

    stream: Stream
    backbone: Any
    runs: tuple[PlannedRun, ...]
    missing: str | None = None


class Observer(Protocol):
    """Told of the suite's progress."""

    def run_started(self, index: int, total: int, run: PlannedRun, images: int) -> None:
        """images: training images that the run will see, all epochs together."""

    def step(self, event: dict[str, Any]) -> None:
        """A training step, as `strategies.trainer.Progress` has it."""

    def run_finished(self, run: PlannedRun, seconds: float, error: str | None) -> None:
        """error: what was raised and where the traceback is, or None."""


def plan(config: SuiteConfig, allow_missing: bool = False) -> Plan:
    """Resolve every name and value; UsageError says what is wrong. Reads no image and no weight.

    allow_missing: plan, for an estimate of the cost, even where the data are not there.
    """
    missing = None
    try:
        stream = build_stream(config)
    except MissingData as error:
        if not allow_missing:
            raise
        missing, stream = str(error), build_stream(config, available=False)
    order, train, strategies = domain_order(stream, config.order), _train_config(config, stream), _strategies(config)
    backbone, backbone_identity = _backbone(config)
    data = {"name": stream.name, "missing": True} if missing else stream.identity()
    runs = tuple(
        PlannedRun(RunSpec(data, order, backbone_identity, identity, train, seed), strategy)
        for seed in config.seeds
        for strategy, identity in strategies
    )
    return Plan(stream, backbone, runs, missing)


def _backbone(config: SuiteConfig) -> tuple[Any, dict[str, Any]]:
    """The backbone, not loaded yet, and its identity."""
    backbone_class, argument = resolve("backbones", config.backbone)
    options = {} if config.towers == "image" else {"towers": config.towers}
    try:
        backbone = backbone_class(argument, config.image_size, **options)
    except TypeError as error:
        if not options:
            raise
        raise UsageError(f"--towers {config.towers}: backbone {config.backbone} offers no choice of towers") from error
    source = getattr(backbone_class, "source", "")
    return backbone, backbone.identity() | ({"source": source} if source else {})


def _train_config(config: SuiteConfig, stream: Stream) -> TrainConfig:
    try:
        train = TrainConfig(**{"augment": stream.augment, **config.train})
    except ValueError as error:
        raise UsageError(str(error)) from error
    if "augment" in config.train:
        from benchmark.data.transforms import AUGMENTATIONS

        if train.augment not in AUGMENTATIONS:
            raise unknown("augmentation", train.augment, AUGMENTATIONS)
    return train


def _strategies(config: SuiteConfig) -> list[tuple[Strategy, dict[str, Any]]]:
    """Each strategy with its hyper-parameters, and its identity."""
    classes = [strategy_class(name) for name in config.strategies]
    for name in config.settings:
        if name not in {loaded.name for loaded in classes}:
            raise unknown("strategy in --set", name, {loaded.name for loaded in classes})
    found = []
    for loaded in classes:
        strategy = apply_settings(loaded.name, loaded.cls, config.settings.get(loaded.name, {}))
        identity = {"name": loaded.name, "version": loaded.cls.version, "params": dataclasses.asdict(strategy)}
        found.append((strategy, identity | ({"source": loaded.source} if loaded.source else {})))
    return found


def whole_stream(config: SuiteConfig, *, available: bool = True) -> Stream:
    """The stream and the out-of-domain sets that were asked for, all of their images; these are what check-data reads.

    available: see that the data are there, or fetch them.
    """
    stream_class, argument = resolve("streams", config.stream)
    stream = stream_class.create(argument, config.data)
    if config.ood:
        from benchmark.streams.with_ood import WithOOD

        stream = WithOOD(stream, config.ood, config.data)
    if available:
        stream.make_available(config.download)
    return stream


def build_stream(config: SuiteConfig, *, available: bool = True) -> Stream:
    """`whole_stream` with all that is put around it: the rule for bad images, hold-out, a part, other prompts."""
    stream = whole_stream(config, available=available)
    if available:
        from benchmark.streams.skip_bad import apply_rule

        stream = apply_rule(stream, config.data)
    if config.hold_out:
        from benchmark.streams.hold_out import HoldOut

        stream = HoldOut(stream, config.hold_out)
    if config.per_class is not None or config.fraction is not None or config.test_per_class is not None:
        from benchmark.streams.subset import Subset

        part = {"per_class": config.per_class, "fraction": config.fraction, "test_per_class": config.test_per_class}
        stream = Subset(stream, **part, seed=config.subset_seed)
    if config.templates != "default":
        from benchmark.streams.prompted import Prompted

        stream = Prompted(stream, config.templates)
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
    environment = environment | {"backbone_fingerprint": backbone.fingerprint}
    data = StreamData(plan.stream, backbone.image_size, backbone.interpolation, pending[0].spec.train)
    if backbone.text_weights is None:
        require_banks(data)
    order = pending[0].spec.order
    images = sum(len(data.train(domain)) for domain in order) * pending[0].spec.train.epochs
    failures = 0
    for index, planned in enumerate(pending):
        observer.run_started(index, len(pending), planned, images)
        start, error = time.perf_counter(), None
        try:
            run_one(
                planned.spec, planned.strategy, backbone, data, store,
                compute=config.compute, on_step=observer.step, environment=environment, adapters=config.adapters,
            )  # fmt: skip
        except Exception as reason:  # one run's failure, whatever it is, must not lose the others
            failures += 1
            written = store.save_error(planned.spec, traceback.format_exc())
            error = f"{type(reason).__name__}: {reason}; see {written}"
        observer.run_finished(planned, time.perf_counter() - start, error)
    return failures


def require_banks(data: StreamData) -> None:
    """UsageError for an out-of-domain set that k-NN has nothing to compare with."""
    for name in data.stream.ood:
        if not len(data.plain_train(name)):
            raise UsageError(
                f"out-of-domain set '{name}' has no training images, which the k-NN of a backbone without a text tower "
                "compares with; add them or leave the set out"
            )
