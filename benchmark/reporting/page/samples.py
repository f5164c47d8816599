"""The few figures by class that the page of a run shows, out of samples.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.reporting.page.pool import Pool
from benchmark.reporting.page.runs import finite

CLASSES, CONFUSIONS = 3, 5
"""How many of each are shown for a set, where there are few sets."""
CELLS = 200
"""At most about so many lines of classes and confusions for one run: some 4 KB."""


def short_samples(samples: Mapping[str, Any] | None, pools: Mapping[str, Pool]) -> dict[str, Any] | None:
    """By track and set: the worst classes, those that lost most, the commonest confusions and the calibration error.

    None for a run without samples, and for samples of another form: the page shows the rest of the run.
    """
    if samples is None:
        return None
    try:
        tracks = samples["tracks"]
        sets = max(1, sum(len(track["sets"]) for track in tracks.values()))
        few = max(1, min(CLASSES, CELLS // (4 * sets)))
        many = max(1, min(CONFUSIONS, CELLS // (2 * sets)))
        return {
            "classes": pools["classes"].place(samples.get("classes")),
            "tracks": {name: _track(track, few, many) for name, track in tracks.items()},
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _track(track: Mapping[str, Any], few: int, many: int) -> dict[str, Any]:
    return {
        name: {
            "n": part["n"],
            "worst": _worst(part["per_class"], few),
            "lost": _lost(part["per_class_before"], part["per_class"], few),
            "confusion": [list(cell) for cell in part["confusion"][:many]],
            "ece": finite(part["ece"][-1]) if part["ece"] else None,
        }
        for name, part in track["sets"].items()
    }


def _worst(counts: Sequence[Sequence[int]], few: int) -> list[list[int]]:
    """[class, right, total] of the classes with the lowest accuracy."""
    known = [[place, right, total] for place, (right, total) in enumerate(counts) if total]
    return sorted(known, key=lambda item: (item[1] / item[2], item[0]))[:few]


def _lost(before: Sequence[Sequence[int]], after: Sequence[Sequence[int]], few: int) -> list[list[int]]:
    """[class, right before, right after, total] of the classes that lost most since the pre-trained model."""
    known = [
        [place, old[0], new[0], new[1]]
        for place, (old, new) in enumerate(zip(before, after, strict=True))
        if new[1] and old[0] > new[0]
    ]
    return sorted(known, key=lambda item: ((item[2] - item[1]) / item[3], item[0]))[:few]
