"""How far two runs give the same answers to the same images. Numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

SHARES = ("same", "both", "first", "second", "neither")
"""Same answer; both right; only the first, only the second, neither."""


def agreement(
    first: Mapping[str, np.ndarray],
    second: Mapping[str, np.ndarray],
    sets: Sequence[str],
    stages: tuple[str, str],
) -> dict[str, float | None]:
    """Shares of images by SHARES and Cohen's kappa, each the mean over `sets`.

    first, second: arrays of predictions.npz; images are matched by their ids. stages: ``TRACK/STAGE`` in the first
    and in the second. kappa: (same - chance) / (1 - chance), where chance is how often two that answer each class as
    often would give the same answer (Cohen 1960, as scikit-learn's cohen_kappa_score); None if both give one and the
    same answer to all images of a set. ValueError if images differ, an array is missing, or several models answered.
    """
    if not sets:
        raise ValueError("agreement needs at least one set of images")
    rows = [_of_set(first, second, name, stages) for name in sets]
    kappas = [kappa for _, kappa in rows]
    shares = np.mean([shares for shares, _ in rows], axis=0)
    found: dict[str, float | None] = dict(zip(SHARES, shares.tolist(), strict=True))
    found["kappa"] = None if None in kappas else float(np.mean(kappas))
    return found


def _of_set(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray], name: str, stages: tuple[str, str]
) -> tuple[list[float], float | None]:
    places = [np.argsort(_array(arrays, f"ids/{name}"), kind="stable") for arrays in (first, second)]
    ids = [arrays[f"ids/{name}"][place] for arrays, place in zip((first, second), places, strict=True)]
    if not np.array_equal(ids[0], ids[1]):
        raise ValueError(f"the runs were not tested on the same images of '{name}'")
    labels = _array(first, f"labels/{name}")[places[0]]
    if not np.array_equal(labels, _array(second, f"labels/{name}")[places[1]]):
        raise ValueError(f"the runs' labels of '{name}' differ")
    answers = []
    for arrays, place, stage in zip((first, second), places, stages, strict=True):
        classes = _array(arrays, f"{stage}/{name}/class")
        if classes.shape != (1, len(place)):
            raise ValueError(f"predictions '{stage}/{name}' have shape {classes.shape}, expected (1, {len(place)})")
        answers.append(classes[0, place].astype(np.int64))
    right = [answer == labels for answer in answers]
    cells = (answers[0] == answers[1], right[0] & right[1], right[0] & ~right[1], ~right[0] & right[1])
    shares = [float(cell.mean()) for cell in (*cells, ~(right[0] | right[1]))]
    return shares, _kappa(shares[0], *answers)


def _kappa(same: float, first: np.ndarray, second: np.ndarray) -> float | None:
    width = int(max(first.max(), second.max())) + 1
    shares = [np.bincount(answers, minlength=width) / len(answers) for answers in (first, second)]
    chance = float(shares[0] @ shares[1])
    return None if chance == 1.0 else (same - chance) / (1.0 - chance)


def _array(arrays: Mapping[str, np.ndarray], key: str) -> np.ndarray:
    try:
        return arrays[key]
    except KeyError:
        raise ValueError(f"predictions have no array '{key}'") from None
