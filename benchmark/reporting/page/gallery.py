"""Forgotten images: every run gets its share of what the page can carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

from benchmark.reporting.page.runs import finite

if TYPE_CHECKING:
    from benchmark.result import RunResult
    from benchmark.store import Store

BUDGET = 4_000_000
"""Characters of base64 that all pictures together may take."""
SIDE = 64
"""Pixels of a picture whose gallery does not tell."""
FIELDS = ("stage", "set", "id", "label", "before", "after", "confidence", "image")
NEEDED = frozenset(FIELDS)


def galleries(store: Store, results: Mapping[str, RunResult], budget: int) -> dict[str, dict[str, Any]]:
    """Key -> {"track", "size", "total": pictures that there are, "items": those shown}, of runs that kept any.

    A run may spend what is left divided by the runs that are left; what it does not need goes to those after it.
    One gallery is in memory at a time.
    """
    found: dict[str, dict[str, Any]] = {}
    for place, (key, result) in enumerate(results.items()):
        gallery = store.gallery(result.spec)
        items = _items(gallery)
        if gallery is None or not items:
            continue
        shown = _fitting(items, budget // (len(results) - place))
        budget -= sum(len(item["image"]) for item in shown)
        shown.sort(key=lambda item: item["stage"])
        found[key] = {
            "track": str(gallery.get("track", "")),
            "size": finite(gallery.get("size")) or SIDE,
            "total": len(items),
            "items": [[item[name] for name in FIELDS] for item in shown],
        }
    return found


def _items(gallery: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    items = gallery.get("items") if gallery else None
    if not isinstance(items, list):
        return []
    return [item for item in items if _whole(item)]


def _whole(item: Any) -> bool:
    """Whether a picture has all that is shown; the file may be of another version."""
    if not isinstance(item, dict) or not item.keys() >= NEEDED:
        return False
    numbers = isinstance(item["stage"], int) and finite(item["confidence"]) is not None
    return numbers and isinstance(item["image"], str)


def _fitting(items: Sequence[dict[str, Any]], share: int) -> list[dict[str, Any]]:
    """Stages take turns until the share is spent."""
    stages = sorted({item["stage"] for item in items})
    turns = zip_longest(*([item for item in items if item["stage"] == stage] for stage in stages))
    shown = []
    for item in filter(None, chain.from_iterable(turns)):
        share -= len(item["image"])
        if share < 0:
            break
        shown.append(item)
    return shown
