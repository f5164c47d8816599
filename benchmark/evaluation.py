"""Accuracy rows: every domain and out-of-domain set, under each protocol a strategy is judged by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import Subset

from benchmark.data.dataset import DecodedImages, labels_of
from benchmark.data.stream_data import StreamData
from benchmark.knn import NEIGHBOURS, REPORTED, nearest, votes
from benchmark.result import AGNOSTIC, GIVEN, ROUTED
from benchmark.routing import NONE, DomainRouter
from benchmark.streams.label_space import DomainSpaces
from strategies.learner import Learner

BATCH = 250


@dataclass(frozen=True)
class Prediction:
    """classes: index int64 [M, N]; confidence: its probability float32 [M, N].

    by_k: k -> class index int64 [M, N], where the classes are k-NN's.
    """

    classes: np.ndarray
    confidence: np.ndarray
    by_k: dict[int, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One stage of one track: accuracies in the run's order, and every prediction behind them.

    predictions: of each set; M is 1, but for out-of-domain sets with the domain given: M learned tasks, whose mean
    accuracy is the column's figure. ood_by_k: k -> accuracies like `ood`, where those are k-NN's.
    """

    accuracy: list[float]
    validation: list[float]
    ood: list[float]
    predictions: dict[str, Prediction] = field(repr=False)
    ood_by_k: dict[int, list[float]] = field(default_factory=dict)
    router_accuracy: float | None = None


class Evaluator:
    """Evaluates one learner on one stream; the same parameters never see the same images twice."""

    def __init__(self, learner: Learner, data: StreamData, spaces: DomainSpaces) -> None:
        self.learner, self.data, self.spaces, self.order = learner, data, spaces, spaces.domains
        self.router = DomainRouter()
        self._base: dict[tuple[str, str], torch.Tensor] = {}
        self._known: dict[tuple[str, str], tuple[bytes, Prediction]] = {}

    def rows(self) -> dict[str, Row]:
        """Track -> row, for what the learner has learned so far."""
        if not self.learner.strategy.needs_task_id:
            return {AGNOSTIC: self._row(given=False)}
        for task in self.learner.learned[len(self.router.domains) :]:
            self._teach_router(task)
        return {GIVEN: self._row(given=True), ROUTED: self._routed_row()}

    def _row(self, *, given: bool) -> Row:
        """Test and validation images with one model, or with each domain's own parameters."""
        accuracy, validation, predictions = [], [], {}
        for domain in self.order:
            task = domain if given else None
            predictions[domain] = self._classify_as(task, domain, "test")
            accuracy.append(_accuracy(predictions[domain], self.data.test(domain)))
            held = self.data.validation(domain)
            found = _accuracy(self._classify_as(task, domain, "validation"), held) if len(held) else accuracy[-1]
            validation.append(found)
        tasks: list[str | None] = list(self.learner.learned) or [None]
        for name in self.data.stream.ood:
            predictions[name] = _stacked(
                [self._classify_as(task, name, "test") for task in (tasks if given else [None])]
            )
        return Row(accuracy, validation, self._ood(predictions), predictions, self._ood_by_k(predictions))

    def _ood(self, predictions: dict[str, Prediction]) -> list[float]:
        return [_accuracy(predictions[name], self.data.test(name)) for name in self.data.stream.ood]

    def _ood_by_k(self, predictions: dict[str, Prediction]) -> dict[int, list[float]]:
        sets = self.data.stream.ood
        known = [k for k in NEIGHBOURS if sets and all(k in predictions[name].by_k for name in sets)]
        return {
            k: [float((predictions[name].by_k[k] == labels_of(self.data.test(name))).mean()) for name in sets]
            for k in known
        }

    def _classify_as(self, task: str | None, name: str, kind: str) -> Prediction:
        """With the parameters of `task`; measured again only if they are not those of the last time."""
        self.learner.activate(task)
        state = self.learner.active_state()
        before = self._known.get((f"{task}/{name}", kind))
        if before is None or before[0] != state:
            before = (state, self._classify(name, getattr(self.data, kind)(name)))
            self._known[f"{task}/{name}", kind] = before
        return before[1]

    def _routed_row(self) -> Row:
        """Each image with the parameters of the domain that the router picks, or with the base model."""
        accuracy, validation, predictions, hits = [], [], {}, []
        for index, domain in enumerate(self.order):
            predictions[domain], routes = self._classify_routed(domain, "test")
            accuracy.append(_accuracy(predictions[domain], self.data.test(domain)))
            if domain in self.router.domains:
                hits.append((routes == self.router.domains.index(domain)).double())
            held = self.data.validation(domain)
            found = _accuracy(self._classify_routed(domain, "validation")[0], held) if len(held) else accuracy[index]
            validation.append(found)
        for name in self.data.stream.ood:
            predictions[name], _ = self._classify_routed(name, "test")
        hit = float(torch.cat(hits).mean()) if hits else None
        return Row(accuracy, validation, self._ood(predictions), predictions, self._ood_by_k(predictions), hit)

    def _classify_routed(self, name: str, kind: str) -> tuple[Prediction, torch.Tensor]:
        routes = self.router.route(self._base_features(name, kind))
        data = getattr(self.data, kind)(name)
        parts, places = [], []
        for route in routes.unique().tolist():
            chosen = (routes == route).nonzero().squeeze(1)
            self.learner.activate(None if route == NONE else self.router.domains[route])
            parts.append(self._classify(name, Subset(data, chosen.tolist())))
            places.append(chosen.numpy())
        return _gathered(parts, places), routes

    def _teach_router(self, task: str) -> None:
        train = self.data.plain_train(task)
        labels = torch.from_numpy(labels_of(train))
        features = self._base_features(task, "plain_train")
        held = self._base_features(task, "validation") if len(self.data.validation(task)) else features[:0]
        self.router.add(task, features, labels, held)

    def _base_features(self, name: str, kind: str) -> torch.Tensor:
        """Features of the frozen base model, measured once; strategies with a task identity never change it."""
        if (name, kind) not in self._base:
            self.learner.activate(None)
            self._base[name, kind] = self._embed(getattr(self.data, kind)(name))
        return self._base[name, kind]

    @torch.inference_mode()
    def _classify(self, name: str, data: DecodedImages | Subset) -> Prediction:
        """Class index and probability, each [1, N], with the learner's active parameters."""
        model = self.learner.model
        if not len(data):
            return Prediction(np.zeros((1, 0), np.int64), np.zeros((1, 0), np.float32))
        if name in self.order:
            span = self.spaces.span(name)
            logits = torch.cat([self._forward(model, images)[:, span] for images in self._batches(data)])
            return _prediction(logits.softmax(dim=1))
        stream = self.data.stream
        if model.has_text_head:
            weights = model.text_weights(stream.classes(name), stream.prompts(name)).cpu()
            similarity = F.normalize(self._embed(data), dim=1) @ weights.T
            return _prediction((model.head.scale * similarity).softmax(dim=1))
        bank = self.data.plain_train(name)
        cosine, index = nearest(self._embed(data), self._embed(bank), max(NEIGHBOURS))
        labels, count = torch.tensor(bank.targets)[index], len(stream.classes(name))
        shares = {k: votes(cosine[:, :k], labels[:, :k], count) for k in NEIGHBOURS}
        return _prediction(shares[REPORTED], {k: share.argmax(dim=1).numpy()[None] for k, share in shares.items()})

    @torch.inference_mode()
    def _embed(self, data: DecodedImages | Subset) -> torch.Tensor:
        return torch.cat([self._forward(self.learner.model.embed, images) for images in self._batches(data)])

    def _forward(self, function: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> torch.Tensor:
        with self.learner.compute.autocast(self.learner.template.config.precision):
            return function(images).float().cpu()

    def _batches(self, data: DecodedImages | Subset) -> Iterator[torch.Tensor]:
        for images, _ in self.learner.compute.loader(data, BATCH):
            yield images.to(self.learner.device, non_blocking=True)


def _prediction(shares: torch.Tensor, by_k: dict[int, np.ndarray] | None = None) -> Prediction:
    """shares: probabilities [N, C]."""
    confidence, classes = shares.max(dim=1)
    return Prediction(classes.numpy()[None], confidence.float().numpy()[None], by_k or {})


def _stacked(parts: list[Prediction]) -> Prediction:
    """Predictions of several models for the same images."""
    return Prediction(
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.confidence for part in parts]),
        {k: np.concatenate([part.by_k[k] for part in parts]) for k in parts[0].by_k},
    )


def _gathered(parts: list[Prediction], places: list[np.ndarray]) -> Prediction:
    """Predictions for disjoint sets of images, put back in their `places`."""
    order = np.argsort(np.concatenate(places)) if places else np.zeros(0, int)
    joined = [np.concatenate(columns, axis=1)[:, order] for columns in zip(*(_columns(p) for p in parts), strict=True)]
    if not joined:
        return Prediction(np.zeros((1, 0), np.int64), np.zeros((1, 0), np.float32))
    return Prediction(joined[0], joined[1], dict(zip(parts[0].by_k, joined[2:], strict=True)))


def _columns(prediction: Prediction) -> list[np.ndarray]:
    return [prediction.classes, prediction.confidence, *prediction.by_k.values()]


def _accuracy(prediction: Prediction, data: DecodedImages) -> float:
    return float((prediction.classes == labels_of(data)).mean())
