"""What a row's first run knows of each class: read from its samples, with a name for every class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.reporting.rows import Row
from benchmark.store import Store


@dataclass(frozen=True)
class Domain:
    """One domain's test images by class.

    names: of the classes, each once. before, after: [right, total] of each class, at the first and the last stage.
    mistakes: (class, answer, images) at the last stage, the most frequent first; rare ones may be missing.
    """

    names: list[str]
    before: list[tuple[int, int]]
    after: list[tuple[int, int]]
    mistakes: list[tuple[str, str, int]]

    @property
    def images(self) -> int:
        """Test images of the domain."""
        return sum(total for _, total in self.after)

    @property
    def wrong(self) -> int:
        """Images that are wrong at the last stage."""
        return sum(total - right for right, total in self.after)


def domains(row: Row, store: Store) -> dict[str, Domain] | None:
    """Of the row's first run, in the order learned; None where its samples are missing or of another form."""
    entry = row.entries[0]
    samples = store.samples(entry.result.spec)
    try:
        sets, names = samples["tracks"][row.track]["sets"], samples["classes"] or {}
        return {name: _domain(sets[name], names.get(name, ())) for name in entry.pair[0]}
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _domain(part: Mapping[str, Any], names: Sequence[str]) -> Domain:
    before, after = (
        [(int(right), int(total)) for right, total in part[key]] for key in ("per_class_before", "per_class")
    )
    if len(before) != len(after):
        raise ValueError("classes before and after the stream differ")
    mistakes = [(int(label), int(answer), int(count)) for label, answer, count in part["confusion"]]
    if any(not 0 <= label < len(after) or not after[label][1] or answer < 0 for label, answer, _ in mistakes):
        raise ValueError("a mistake on a class without images")
    # A wrong answer can be a class that the set has no image of.
    size = max([len(after), *(1 + max(label, answer) for label, answer, _ in mistakes)])
    called = unique(names, size)
    return Domain(called, before, after, [(called[label], called[answer], count) for label, answer, count in mistakes])


def unique(names: Sequence[str], size: int) -> list[str]:
    """`size` names, none twice: ``class 3`` where a class has none, and its number added where several share one."""
    known = [str(names[i]) if i < len(names) else f"class {i}" for i in range(size)]
    count = Counter(known)
    return [name if count[name] == 1 else f"{name} ({i})" for i, name in enumerate(known)]
