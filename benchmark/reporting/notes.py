"""What a reader must know before comparing a row with others, said beside it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from benchmark.reporting.rows import Row

RECORDED = {"commit": "commits", "torch": "versions of torch"}
"""Entries of the environment in which the runs of one row should agree."""


def note(rows: Sequence[Row]) -> None:
    """Fill `notes`, and complete labels of rows that would look alike."""
    alike: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        alike[row.family[:-1]].append(row)
    for siblings in alike.values():
        _note_apart(siblings)
    for row in rows:
        row.notes += [*_undefined(row), *_mixed(row)]
        if row.entries[0].result.traits.get("per_task_head"):
            row.notes.append("a head for each task")


def listed(items: Iterable[Any]) -> str:
    """``a, b, c``."""
    return ", ".join(str(item) for item in items)


def runs_in_words(pairs: Iterable[tuple[tuple[str, ...], int]], orders: int) -> str:
    """``seed 1, 2``, with the order where the rows have several."""
    by_order: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for order, seed in sorted(pairs):
        by_order[order].append(seed)
    words = [(f"seed {listed(seeds)}", f" in order {' > '.join(order)}") for order, seeds in by_order.items()]
    return "; ".join(seeds + (place if orders > 1 else "") for seeds, place in words)


def _undefined(row: Row) -> list[str]:
    """Metrics that some runs have and others have not, by the runs that have not."""
    metrics: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for metric in row.entries[0].values:
        absent = tuple(entry.pair for entry in row.entries if entry.values.get(metric) is None)
        if 0 < len(absent) < len(row.entries):
            metrics[absent].append(metric)
    return [
        f"{listed(names)} undefined with {runs_in_words(absent, len(row.orders))}" for absent, names in metrics.items()
    ]


def _mixed(row: Row) -> list[str]:
    """Differences that hinder no average of accuracies, but must be known."""
    environments = [entry.result.environment for entry in row.entries]
    devices = sorted({str(environment.get("device")) for environment in environments})
    found = [f"seconds are a mean over {listed(devices)}"] if len(devices) > 1 else []
    for name, words in RECORDED.items():
        values = sorted({str(environment.get(name)) for environment in environments})
        if len(values) > 1:
            found.append(f"runs of several {words}: {listed(values)}")
    return found


def _note_apart(siblings: Sequence[Row]) -> None:
    """Where data, weights or out-of-domain sets differ under one name: say which a row used, and set it apart."""
    fingerprints = [dict(json.loads(row.family[-1])) for row in siblings]
    for row, own in zip(siblings, fingerprints, strict=True):
        for name, value in own.items():
            if any(other[name] != value for other in fingerprints):
                row.label += f" [{value[:8]}]"
                row.notes.append(f"{name} {value or 'none'}: not averaged or ranked with others")
