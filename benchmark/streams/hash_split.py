"""A test split for images that come without one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from benchmark.streams.base import Split

TEST_FRACTION = 0.2


def hash_split(files: Iterable[str], split: Split, group: Callable[[str], str]) -> tuple[str, ...]:
    """The part of `files` that belongs to `split`, sorted: one fifth of each group, at least one image, is for testing.

    Chosen by the hash of the file's name: the same on every machine, and a file added later moves no other.
    A group of one only trains.
    """
    from benchmark.data.dataset import id_hash

    groups: dict[str, list[str]] = defaultdict(list)
    for file in files:
        groups[group(file)].append(file)
    chosen: list[str] = []
    for members in groups.values():
        ranked = sorted(members, key=id_hash)
        count = min(max(1, round(TEST_FRACTION * len(members))), len(members) - 1)
        chosen += ranked[:count] if split == "test" else ranked[count:]
    return tuple(sorted(chosen))
