"""One run: from a specification to a result, saved after each domain and continued from there."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import ConcatDataset

from benchmark.adapters import save_adapters
from benchmark.backbones.base import Backbone
from benchmark.config import RunSpec
from benchmark.cost import PeakMemory
from benchmark.data.dataset import Relabelled, labels_of
from benchmark.data.stream_data import StreamData
from benchmark.evaluation import Evaluator, Row
from benchmark.gallery import gallery
from benchmark.result import RunResult, Track
from benchmark.store import Store
from benchmark.streams.label_space import DomainSpaces, Space
from strategies.base import Strategy
from strategies.classifier import Classifier, TextHead, TextTowerHead
from strategies.compute import Compute
from strategies.label_spaces import LabelSpaces
from strategies.learner import Learner, seed_everything
from strategies.trainer import Progress

ALL_DOMAINS = "all domains"
"""The one task of an offline strategy."""


def run(
    spec: RunSpec,
    strategy: Strategy,
    backbone: Backbone,
    data: StreamData,
    store: Store,
    *,
    compute: Compute = Compute(),  # noqa: B008 - frozen
    on_step: Progress | None = None,
    environment: dict[str, Any] | None = None,
    adapters: bool = False,
) -> RunResult:
    """Evaluate the pre-trained model, then learn and evaluate domain after domain; store and return the result.

    adapters: also write the low-rank blocks of each task, where there are any, for others to load.
    """
    with PeakMemory(compute.device) as memory:
        spaces = DomainSpaces(data.stream, spec.order)
        learner = _learner(spec, strategy, backbone, data, spaces, compute, on_step)
        journal = _Journal(spec, store, learner)
        evaluator = Evaluator(learner, data, spaces)
        tasks = (ALL_DOMAINS,) if strategy.offline else spec.order
        if not journal.stages:
            journal.measure(evaluator, stage=0)
        for task in tasks[len(learner.learned) :]:
            start = time.perf_counter()
            learner.learn(task)
            journal.train_seconds += time.perf_counter() - start
            journal.measure(evaluator, stage=len(spec.order) if strategy.offline else len(learner.learned))
    result = _result(spec, strategy, data, learner, journal, memory, environment or {})
    predictions = journal.predictions | _targets(data, spec.order)
    if adapters:
        save_adapters(learner, result, store)
    classes = {name: list(data.stream.classes(name)) for name in (*spec.order, *data.stream.ood)}
    store.save_result(result, predictions, classes, gallery(result.tracks, predictions, spec.order, data))
    return result


def classifier(backbone: Backbone, spaces: Sequence[Space], seed: int) -> Classifier:
    """A fresh model: a copy of the pre-trained tower with a text head, or with a linear head drawn from `seed`.

    spaces: (class names, templates) of each label space; the head covers them one after another.
    """
    sizes = [len(classes) for classes, _ in spaces]
    if backbone.text_tower is not None:
        text_tower = copy.deepcopy(backbone.text_tower).requires_grad_(True)
        head: nn.Module = TextTowerHead(text_tower, backbone.tokenize, spaces, backbone.logit_scale)
    elif backbone.text_weights is not None:
        weights = torch.cat([backbone.text_weights(classes, templates) for classes, templates in spaces])
        head = TextHead(weights, backbone.logit_scale, backbone.text_weights)
    else:
        seed_everything(seed, "head")
        head = nn.Linear(backbone.embed_dim, sum(sizes))
    tower = copy.deepcopy(backbone.tower)
    return Classifier(tower, head, backbone.mean, backbone.std, LabelSpaces(sizes))


def _learner(
    spec: RunSpec,
    strategy: Strategy,
    backbone: Backbone,
    data: StreamData,
    spaces: DomainSpaces,
    compute: Compute,
    on_step: Progress | None,
) -> Learner:
    model = classifier(backbone, spaces.spaces, spec.seed)
    datasets: dict[str, Any] = {
        domain: Relabelled(data.train(domain), spaces.span(domain).start) for domain in spec.order
    }
    if strategy.offline:
        union = ConcatDataset(list(datasets.values()))
        union.targets = [label for dataset in datasets.values() for label in dataset.targets]
        datasets = {ALL_DOMAINS: union}
    return Learner(
        strategy, model, datasets, spec.train,
        seed=spec.seed, compute=compute, augment=data.augment, on_step=on_step,
    )  # fmt: skip


class _Journal:
    """What a run has measured so far; written after each stage, read back when a run continues."""

    def __init__(self, spec: RunSpec, store: Store, learner: Learner) -> None:
        self.spec, self.store, self.learner = spec, store, learner
        self.stages: list[int] = []
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.predictions: dict[str, np.ndarray] = {}
        self.train_seconds = self.eval_seconds = 0.0
        saved = store.load_state(spec)
        if saved is not None:
            self._resume(*saved)

    def measure(self, evaluator: Evaluator, stage: int) -> None:
        """Evaluate, append the row of each track, save the state."""
        start = time.perf_counter()
        rows = evaluator.rows()
        self.eval_seconds += time.perf_counter() - start
        self.stages.append(stage)
        for track, row in rows.items():
            self._append(track, stage, row)
        tensors, values = self.learner.state()
        stored = {f"predictions/{name}": torch.from_numpy(array) for name, array in self.predictions.items()}
        journal = {name: getattr(self, name) for name in ("stages", "rows", "train_seconds", "eval_seconds")}
        self.store.save_state(self.spec, tensors | stored, {"stage": stage, "learner": values, **journal})

    def _append(self, track: str, stage: int, row: Row) -> None:
        for name, prediction in row.predictions.items():
            self.predictions[f"{track}/{stage}/{name}/class"] = prediction.classes.astype(np.int16)
            self.predictions[f"{track}/{stage}/{name}/confidence"] = prediction.confidence.astype(np.float16)
        figures = {name: getattr(row, name) for name in ("accuracy", "validation", "ood", "router_accuracy")}
        figures["ood_by_k"] = {str(k): accuracies for k, accuracies in row.ood_by_k.items()}
        self.rows.setdefault(track, []).append(figures)

    def _resume(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        for name in ("stages", "rows", "train_seconds", "eval_seconds"):
            setattr(self, name, values[name])
        for name in [name for name in tensors if name.startswith("predictions/")]:
            self.predictions[name.removeprefix("predictions/")] = tensors.pop(name).numpy()
        self.learner.restore(tensors, values["learner"])

    def track(self, name: str) -> Track:
        """The rows of one track as columns."""
        rows = self.rows[name]
        routed = [row["router_accuracy"] for row in rows]
        return Track(
            stages=list(self.stages),
            accuracy=[row["accuracy"] for row in rows],
            validation=[row["validation"] for row in rows],
            ood=[row["ood"] for row in rows],
            router_accuracy=routed if any(value is not None for value in routed) else None,
            ood_by_k={k: [row["ood_by_k"][k] for row in rows] for k in rows[0]["ood_by_k"]} or None,
        )


def _targets(data: StreamData, order: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Labels and ids of every test set, beside the predictions they belong to."""
    arrays: dict[str, np.ndarray] = {}
    for name in (*order, *data.stream.ood):
        test = data.test(name)
        arrays[f"labels/{name}"] = labels_of(test).astype(np.int16)
        arrays[f"ids/{name}"] = np.asarray(test.images.ids)
    return arrays


def _result(
    spec: RunSpec,
    strategy: Strategy,
    data: StreamData,
    learner: Learner,
    journal: _Journal,
    memory: PeakMemory,
    environment: dict[str, Any],
) -> RunResult:
    masks = {task: {k: v for k, v in record.items() if k != "names"} for task, record in learner.blocks.items()}
    active = [flag for record in masks.values() for flag in record["active"]]
    seen = sum(len(data.train(domain)) for domain in spec.order) * spec.train.epochs if learner.template.history else 0
    cost = {
        "trainable_parameters": learner.trainable_parameters,
        "stored_parameters": learner.stored_parameters(),
        "active_fraction": sum(active) / len(active) if active else None,
        "train_seconds": journal.train_seconds,
        "eval_seconds": journal.eval_seconds,
        "images_per_second": seen / journal.train_seconds if seen else None,
        "peak_memory_mb": memory.peak_mb,
    }
    return RunResult(
        spec=spec,
        traits={
            "needs_task_id": strategy.needs_task_id,
            "per_task_head": strategy.per_task_head and learner.model.head_is_trained,
            "offline": strategy.offline,
        },
        ood_names=list(data.stream.ood),
        tracks={name: journal.track(name) for name in journal.rows},
        counts={name: len(data.test(name)) for name in (*spec.order, *data.stream.ood)},
        history=learner.template.history,
        cost=cost,
        environment=environment | {"data_fingerprint": data.fingerprint},
        defaults=strategy.hyper_parameters(),
        blocks={"names": next(iter(learner.blocks.values()))["names"], "tasks": masks} if masks else None,
    )
