"""What one run yields: the accuracy matrix of each track, and all that is needed to read it later.

Numpy-free on purpose: `result.json` is this dataclass and nothing else.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from benchmark.config import SCHEMA, RunSpec
from benchmark.result_form import check

AGNOSTIC, GIVEN, ROUTED = "agnostic", "given", "routed"
"""Tracks: one model for all domains; the domain given at test time; a router picks the domain's parameters."""


@dataclass(frozen=True)
class Track:
    """Accuracies in [0, 1] under one protocol.

    stages: number of domains learned before each row; 0 is the pre-trained model. An online run has
        0..T, an offline run (joint) 0 and T.
    accuracy, validation: [stage][domain], in the run's order, on the test and validation split.
    ood: [stage][out-of-domain set].
    router_accuracy: [stage], fraction of test images of learned domains given their own domain's parameters;
        None in other tracks and in row 0.
    ood_by_k: k -> [stage][out-of-domain set], where `ood` was measured by k-NN (whose k is 20), else None.
    """

    stages: list[int]
    accuracy: list[list[float]]
    validation: list[list[float]]
    ood: list[list[float]]
    router_accuracy: list[float | None] | None = None
    ood_by_k: dict[str, list[list[float]]] | None = None


@dataclass(frozen=True)
class RunResult:
    """One finished run.

    traits: needs_task_id and offline of the strategy; per_task_head: whether a trained head was copied for each task.
    counts: test images of each domain and out-of-domain set.
    history: one entry an epoch: task, epoch, loss, train_accuracy, images_per_second and what the strategy logs
        (active_blocks, flips, score_mean, ...).
    blocks: {"names": [...], "tasks": {task: {"active": [bool], "scores": [float]}}} of strategies with gates,
        else None.
    cost: trainable_parameters, stored_parameters, active_fraction (None without gates), train_seconds,
        eval_seconds, images_per_second, peak_memory_mb.
    defaults: the strategy's default hyper-parameters at the time, so that a table can show what was changed.
    environment: versions, commit, device, threads, fingerprints of data and weights, the command.
    """

    spec: RunSpec
    traits: dict[str, bool]
    ood_names: list[str]
    tracks: dict[str, Track]
    counts: dict[str, int]
    history: list[dict[str, Any]]
    cost: dict[str, Any]
    environment: dict[str, Any]
    blocks: dict[str, Any] | None = None
    defaults: dict[str, Any] | None = None
    schema: int = field(default=SCHEMA)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        data["spec"] = self.spec.as_dict()
        data["tracks"] = {name: dataclasses.asdict(track) for name, track in self.tracks.items()}
        return {"key": self.spec.key, **data}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RunResult:
        """The inverse of `as_dict`; ValueError for another schema or something else altogether."""
        if not isinstance(data, dict) or "schema" not in data:
            raise ValueError("it is no result of this suite")
        if data["schema"] != SCHEMA:
            raise ValueError(f"schema {data['schema']!r}, this version reads {SCHEMA}")
        check(data)
        fields = {name: value for name, value in data.items() if name != "key"}
        fields["spec"] = RunSpec.from_dict(data["spec"])
        fields["tracks"] = {name: Track(**track) for name, track in data["tracks"].items()}
        return cls(**fields)
