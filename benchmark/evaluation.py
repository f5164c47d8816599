"""Accuracy rows: every domain and out-of-domain set, under each protocol a strategy is judged by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset

from benchmark.backbones.base import Backbone
from benchmark.data.dataset import DecodedImages, labels_of
from benchmark.data.stream_data import StreamData
from benchmark.result import AGNOSTIC, GIVEN, ROUTED
from benchmark.routing import NONE, DomainRouter
from strategies.learner import Learner

BATCH = 250
NEIGHBOURS, TEMPERATURE = 20, 0.07
"""Weighted k-NN of arXiv 2404.17245: retention of backbones that have no text head."""

Prediction = tuple[np.ndarray, np.ndarray]
"""Class index int64 and its probability float32, each [M, N]."""


@dataclass(frozen=True)
class Row:
    """One stage of one track: accuracies in the run's order, and every prediction behind them.

    predictions: set name -> (class index [M, N], its probability [M, N]); M is 1, but for out-of-domain sets
    with the domain given: M learned tasks, whose mean accuracy is the column's figure.
    """

    accuracy: list[float]
    validation: list[float]
    ood: list[float]
    predictions: dict[str, Prediction] = field(repr=False)
    router_accuracy: float | None = None


class Evaluator:
    """Evaluates one learner on one stream; the same parameters never see the same images twice."""

    def __init__(self, learner: Learner, backbone: Backbone, data: StreamData, order: tuple[str, ...]) -> None:
        self.learner, self.backbone, self.data, self.order = learner, backbone, data, order
        self.router = DomainRouter()
        self._base: dict[tuple[str, str], torch.Tensor] = {}
        self._text: dict[str, torch.Tensor] = {}
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
            parts = [self._classify_as(task, name, "test") for task in (tasks if given else [None])]
            predictions[name] = tuple(np.concatenate(part) for part in zip(*parts, strict=True))
        ood = [_accuracy(predictions[name], self.data.test(name)) for name in self.data.stream.ood]
        return Row(accuracy, validation, ood, predictions)

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
        ood = [_accuracy(predictions[name], self.data.test(name)) for name in self.data.stream.ood]
        return Row(accuracy, validation, ood, predictions, float(torch.cat(hits).mean()) if hits else None)

    def _classify_routed(self, name: str, kind: str) -> tuple[Prediction, torch.Tensor]:
        routes = self.router.route(self._base_features(name, kind))
        data = getattr(self.data, kind)(name)
        classes, confidence = np.zeros((1, len(data)), np.int64), np.zeros((1, len(data)), np.float32)
        for route in routes.unique().tolist():
            chosen = (routes == route).nonzero().squeeze(1)
            self.learner.activate(None if route == NONE else self.router.domains[route])
            part = self._classify(name, Subset(data, chosen.tolist()))
            classes[:, chosen], confidence[:, chosen] = part
        return (classes, confidence), routes

    def _teach_router(self, task: str) -> None:
        train = self.data.plain_train(task)
        labels = torch.from_numpy(labels_of(train))
        self.router.add(task, self._base_features(task, "plain_train"), labels, self._base_features(task, "validation"))

    def _base_features(self, name: str, kind: str) -> torch.Tensor:
        """Features of the frozen base model, measured once; strategies with a task identity never change it."""
        if (name, kind) not in self._base:
            self.learner.activate(None)
            self._base[name, kind] = self._embed(getattr(self.data, kind)(name))
        return self._base[name, kind]

    @torch.inference_mode()
    def _classify(self, name: str, data: DecodedImages | Subset) -> Prediction:
        """Class index and probability, each [1, N], with the learner's active parameters."""
        if not len(data):
            return np.zeros((1, 0), np.int64), np.zeros((1, 0), np.float32)
        if name in self.order:
            logits = torch.cat([self.learner.model(images).cpu() for images in self._batches(data)])
            confidence, classes = logits.softmax(dim=1).max(dim=1)
        elif self.backbone.text_weights is not None:
            similarity = F.normalize(self._embed(data), dim=1) @ self._text_weights(name).T
            confidence, classes = (self.backbone.logit_scale * similarity).softmax(dim=1).max(dim=1)
        else:
            gallery = self.data.plain_train(name)
            classes_here = len(self.data.stream.classes(name))
            votes = knn(self._embed(data), self._embed(gallery), torch.tensor(gallery.targets), classes_here)
            confidence, classes = votes.max(dim=1)
        return classes.numpy()[None], confidence.float().numpy()[None]

    @torch.inference_mode()
    def _embed(self, data: DecodedImages | Subset) -> torch.Tensor:
        return torch.cat([self.learner.model.embed(images).float().cpu() for images in self._batches(data)])

    def _text_weights(self, name: str) -> torch.Tensor:
        if name not in self._text:
            stream = self.data.stream
            self._text[name] = self.backbone.text_weights(stream.classes(name), stream.templates).cpu()
        return self._text[name]

    def _batches(self, data: DecodedImages | Subset) -> Iterator[torch.Tensor]:
        for images, _ in DataLoader(data, batch_size=BATCH):
            yield images.to(self.learner.device)


def knn(
    queries: torch.Tensor, gallery: torch.Tensor, labels: torch.Tensor, classes: int,
    k: int = NEIGHBOURS, temperature: float = TEMPERATURE,
) -> torch.Tensor:  # fmt: skip
    """Vote shares [Q, C]: the k nearest by cosine, each weighted by ``exp(cosine / temperature)``.

    queries: [Q, D]; gallery: [G, D]; labels: int64 [G]. arXiv 1805.01978 section 3.4, as used in arXiv 2404.17245.
    """
    k = min(k, len(gallery))
    similarity = F.normalize(queries, dim=1) @ F.normalize(gallery, dim=1).T
    nearest, index = similarity.topk(k, dim=1)
    votes = queries.new_zeros(len(queries), classes)
    votes.scatter_add_(1, labels[index], ((nearest - 1) / temperature).exp())
    return votes / votes.sum(dim=1, keepdim=True)


def _accuracy(prediction: Prediction, data: DecodedImages) -> float:
    return float((prediction[0] == labels_of(data)).mean())
