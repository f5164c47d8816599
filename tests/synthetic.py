"""Finished runs made up from a seed, of the form that real ones have: for tables, figures and the page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmark.config import RunSpec
from benchmark.result import AGNOSTIC, GIVEN, ROUTED, RunResult, Track
from benchmark.store import Store
from strategies.base import TrainConfig

DOMAINS = ("clipart", "infograph", "painting", "quickdraw", "real", "sketch")
OOD = ("letters", "symbols")
COUNTS = dict(zip((*DOMAINS, *OOD), (146, 156, 218, 518, 520, 209, 300, 200), strict=True))
KINDS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
BLOCKS = [f"tower.blocks.{layer}.{kind}" for layer in range(12) for kind in KINDS]
STRATEGIES = ("zero-shot", "finetune", "ewc", "lwf", "lora", "taps", "selora", "selora-merged", "joint", "replay")
"""Made-up skill grows along this list; `taps` and `selora` keep parameters for every task."""


def synthetic(
    strategy: str, seed: int = 0, order: tuple[str, ...] = DOMAINS, stream: str = "domainnet", **params: float
) -> RunResult:
    """One run: the later in STRATEGIES the better, with noise drawn from the seed."""
    rng = np.random.default_rng([seed, *strategy.encode(), *"".join(order).encode()])
    skill = 0.55 + 0.03 * STRATEGIES.index(strategy) + 0.002 * sum(params.values())
    per_task, offline = strategy in ("taps", "selora"), strategy == "joint"
    gates = {
        domain: {
            "active": (rng.random(len(BLOCKS)) < 0.2).tolist(),
            "scores": rng.normal(0.1, 0.01, len(BLOCKS)).round(6).tolist(),
        }
        for domain in order
    }
    spec = RunSpec(
        stream={"name": stream, "version": 1},
        order=order,
        backbone={"name": "clip", "model": "ViT-B-16", "pretrained": "openai"},
        strategy={"name": strategy, "version": 1, "params": {"lr": 0.001, "rank": 8} | params},
        train=TrainConfig(),
        seed=seed,
    )
    tracks = {GIVEN: 0.0, ROUTED: 0.01} if per_task else {AGNOSTIC: 0.02}
    return RunResult(
        spec=spec,
        traits={"needs_task_id": per_task, "per_task_head": False, "offline": offline},
        ood_names=list(OOD),
        tracks={name: _track(rng, skill, loss, order, offline, name == ROUTED) for name, loss in tracks.items()},
        counts={name: COUNTS[name] for name in (*order, *OOD)},
        history=[
            {"task": domain, "epoch": epoch, "loss": 1.0 / epoch, "train_accuracy": skill, "images_per_second": 400.0}
            for domain in order
            for epoch in (1, 2, 3, 4)
        ],
        cost={
            "trainable_parameters": 1_000_000,
            "stored_parameters": 1_000_000 * (1 + STRATEGIES.index(strategy)),
            "active_fraction": 0.2 if per_task else None,
            "train_seconds": float(rng.uniform(50, 60)),
            "eval_seconds": float(rng.uniform(20, 30)),
            "images_per_second": 400.0,
            "peak_memory_mb": 1200.0,
        },
        environment={
            "commit": "0123456789ab",
            "python": "3.11.7",
            "torch": "2.14.1",
            "device": "cpu",
            "command": "run_suite.py --stream domainnet",
            "data_fingerprint": "d1",
            "backbone_fingerprint": "b1",
        },
        blocks={"names": BLOCKS, "tasks": gates} if per_task else None,
    )


def _track(
    rng: np.random.Generator, skill: float, loss: float, order: tuple[str, ...], offline: bool, routed: bool
) -> Track:
    """Row 0 is the same for all; a learned domain reaches `skill` and loses `loss` with every later domain."""
    size = len(order)
    stages = [0, size] if offline else list(range(size + 1))

    def right(share: float, name: str) -> float:
        """A share of images that can be: k of n."""
        return round(min(max(share, 0.0), 1.0) * COUNTS[name]) / COUNTS[name]

    accuracy, ood = [], []
    for stage in stages:
        lost = [loss * (stage - 1 - place) for place in range(size)]
        accuracy.append(
            [
                right(0.5 if place >= stage else skill - lost[place] + rng.normal(0, 0.01), name)
                for place, name in enumerate(order)
            ]
        )
        ood.append([right(0.8 - (loss + 0.005) * stage, name) for name in OOD])
    router = [None if stage == 0 else 0.9 for stage in stages] if routed else None
    return Track(stages, accuracy, [list(row) for row in accuracy], ood, router)


def predictions_of(result: RunResult, seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays of `predictions.npz` that agree with the accuracies: ten classes, the first images of a set right."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {}
    for name, count in result.counts.items():
        arrays[f"labels/{name}"] = (np.arange(count) % 10).astype(np.int16)
        arrays[f"ids/{name}"] = np.array([f"{name}/{index}.png" for index in range(count)])
    for track_name, track in result.tracks.items():
        for row, stage in enumerate(track.stages):
            figures = dict(zip(result.spec.order, track.accuracy[row], strict=True))
            figures |= dict(zip(result.ood_names, track.ood[row], strict=True))
            for name, share in figures.items():
                labels = arrays[f"labels/{name}"]
                wrong = np.arange(len(labels)) >= round(share * len(labels))
                classes = np.where(wrong, (labels + 1 + rng.integers(0, 9, len(labels))) % 10, labels)
                arrays[f"{track_name}/{stage}/{name}/class"] = classes[None].astype(np.int16)
                confidence = rng.uniform(0.3, 1.0, len(labels))[None]
                arrays[f"{track_name}/{stage}/{name}/confidence"] = confidence.astype(np.float16)
    return arrays


def store_of(root: Path, results: list[RunResult], predictions: bool = False) -> Store:
    """A results folder that holds `results`, with or without their predictions."""
    store = Store(root)
    for result in results:
        if predictions:
            store.save_result(result, predictions_of(result))
        else:
            folder = store.folder(result.spec)
            folder.mkdir(parents=True)
            (folder / "result.json").write_text(json.dumps(result.as_dict()))
    return store
