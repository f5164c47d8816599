"""What a run's stored predictions say beyond accuracy: by class, confusion, calibration, changes. Numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

VERSION = 1
"""Version of what `summarize` returns."""
BINS = 15
"""Equal-width bins of confidence, as in Guo et al., arXiv 1706.04599, section 4."""
CELLS = 40
"""Most off-diagonal cells of a confusion matrix that are kept."""

Predictions = Mapping[str, np.ndarray]
"""Arrays of predictions.npz: ``TRACK/STAGE/SET/class``, ``.../confidence`` [M, N]; ``labels/SET``, ``ids/SET`` [N]."""


def summarize(
    predictions: Predictions,
    stages: Mapping[str, Sequence[int]],
    order: Sequence[str],
    ood_names: Sequence[str],
    classes: Mapping[str, Sequence[str]] | None,
) -> dict[str, Any]:
    """Figures of every track and set from the answers behind them, JSON-ready.

    ``{"version", "classes": {set: names} | None, "tracks": {track: {"stages", "sets": {set: {
    n: images,
    per_class_before, per_class: [right, total] of each class index, at the first and the last stage,
    confusion: [label, predicted, count] of wrong answers at the last stage, most frequent first, at most CELLS,
    ece: expected calibration error at each stage,
    bins: [count, mean confidence, accuracy] of each of BINS bins at the last stage,
    changes: [lost, gained] images from each stage to the next}}}}}``

    stages: of each track. order, ood_names: the sets. classes: names of each set's classes, if they are known.
    Where a set was answered by M models, counts are summed over them. ValueError names an array that is missing or
    of the wrong shape.
    """
    sets = (*order, *ood_names)
    labels = {name: _array(predictions, f"labels/{name}").astype(np.int64) for name in sets}
    width = {name: max(int(labels[name].max(initial=-1)) + 1, len((classes or {}).get(name, ()))) for name in sets}
    tracks = {
        track: {
            "stages": list(steps),
            "sets": {
                name: _summary(
                    [_answers(predictions, f"{track}/{step}/{name}", labels[name]) for step in steps],
                    labels[name],
                    width[name],
                )
                for name in sets
            },
        }
        for track, steps in stages.items()
    }
    names = None if classes is None else {name: list(classes[name]) for name in sets if name in classes}
    return {"version": VERSION, "classes": names, "tracks": tracks}


def forgotten(predictions: Predictions, track: str, stage: int, name: str) -> np.ndarray:
    """Images of set `name` that were right at the stage before `stage` and wrong at it, most confident before first.

    Index int64 [K] into the set. ValueError for a missing array, for the first stage, or for a set that was answered
    by several models.
    """
    prefix, suffix = f"{track}/", f"/{name}/class"
    found = [key[len(prefix) : -len(suffix)] for key in predictions if key.startswith(prefix) and key.endswith(suffix)]
    earlier = [int(text) for text in found if text.isdigit() and int(text) < stage]
    if not earlier:
        raise ValueError(f"predictions have no stage of '{track}' before {stage} for '{name}'")
    labels = _array(predictions, f"labels/{name}").astype(np.int64)
    before, after = (_answers(predictions, f"{track}/{step}/{name}", labels) for step in (max(earlier), stage))
    if len(before.right) != 1 or len(after.right) != 1:
        raise ValueError(f"'{name}' was answered by {len(after.right)} models on track '{track}'; expected one")
    lost = np.flatnonzero(before.right[0] & ~after.right[0])
    return lost[np.argsort(-before.confidence[0, lost], kind="stable")]


class _Answers(NamedTuple):
    """One stage on one set, each [M, N]: class index int64, confidence float64, whether it was right."""

    classes: np.ndarray
    confidence: np.ndarray
    right: np.ndarray


def _array(predictions: Predictions, key: str) -> np.ndarray:
    try:
        return predictions[key]
    except KeyError:
        raise ValueError(f"predictions have no array '{key}'") from None


def _answers(predictions: Predictions, key: str, labels: np.ndarray) -> _Answers:
    classes = _array(predictions, f"{key}/class").astype(np.int64)
    confidence = _array(predictions, f"{key}/confidence").astype(np.float64)
    if classes.ndim != 2 or classes.shape != confidence.shape or classes.shape[1] != len(labels):
        raise ValueError(f"predictions '{key}' have shape {classes.shape}, expected (models, {len(labels)})")
    # A model that diverged answers with NaN: no confidence at all, and it must not spoil a whole run's summary.
    return _Answers(classes, np.nan_to_num(confidence, nan=0.0), classes == labels)


def _summary(stages: list[_Answers], labels: np.ndarray, width: int) -> dict[str, Any]:
    """Entry of one set on one track."""
    first, last = stages[0], stages[-1]
    tables = [_bins(stage) for stage in stages]
    return {
        "n": len(labels),
        "per_class_before": _by_class(first.right, labels, width),
        "per_class": _by_class(last.right, labels, width),
        "confusion": _confusion(last, labels),
        "ece": [_calibration_error(table) for table in tables],
        "bins": [[int(count), *_shares(count, confidence, right)] for count, confidence, right in tables[-1].T],
        "changes": [_change(before, after, first) for before, after in pairwise(stages)],
    }


def _by_class(right: np.ndarray, labels: np.ndarray, width: int) -> list[list[int]]:
    """[right, total] of each class, over all models."""
    hits = np.bincount(labels, weights=right.sum(axis=0), minlength=width).astype(np.int64)
    return np.stack([hits, len(right) * np.bincount(labels, minlength=width)], axis=1).tolist()


def _confusion(stage: _Answers, labels: np.ndarray) -> list[list[int]]:
    """[label, predicted, count] of the most frequent mistakes; equal counts in the order of the classes."""
    labels = np.broadcast_to(labels, stage.classes.shape)
    pairs = np.stack([labels[~stage.right], stage.classes[~stage.right]], axis=1)
    cells, counts = np.unique(pairs, axis=0, return_counts=True)
    first = np.argsort(-counts, kind="stable")[:CELLS]
    return np.column_stack([cells[first], counts[first]]).tolist()


def _bins(stage: _Answers) -> np.ndarray:
    """Float64 [3, BINS]: answers, summed confidence and right answers of each bin; bin b holds (b/15, (b+1)/15]."""
    places = np.clip(np.ceil(stage.confidence * BINS).astype(np.int64) - 1, 0, BINS - 1).ravel()
    weights = (None, stage.confidence.ravel(), stage.right.ravel())
    return np.stack([np.bincount(places, weights=weight, minlength=BINS) for weight in weights])


def _calibration_error(table: np.ndarray) -> float | None:
    """Expected calibration error, Guo et al. eq. 3: mean gap of accuracy and confidence; None without images."""
    total = table[0].sum()
    return round(float(np.abs(table[2] - table[1]).sum() / total), 6) if total else None


def _shares(count: float, confidence: float, right: float) -> tuple[float, float]:
    """Mean confidence and accuracy of a bin; zeros for an empty one."""
    return (round(float(confidence / count), 6), round(float(right / count), 6)) if count else (0.0, 0.0)


def _change(before: _Answers, after: _Answers, first: _Answers) -> list[int]:
    """[lost, gained]: right before and wrong after, and the other way round.

    A model that was not there before is compared with the pre-trained one, which it replaces.
    """
    new = len(after.right) - len(before.right)
    if new < 0:
        raise ValueError(f"predictions of {len(before.right)} models are followed by those of {len(after.right)}")
    was = np.concatenate([before.right, np.repeat(first.right[:1], new, axis=0)])
    return [int((was & ~after.right).sum()), int((~was & after.right).sum())]
