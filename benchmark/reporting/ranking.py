"""Ranks within a family, and what keeps a row out of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from benchmark.reporting.notes import runs_in_words
from benchmark.reporting.rows import Row


def rank(rows: Iterable[Row]) -> list[list[Row]]:
    """Set `rank` and `apart`, and return the rows that compete, best first, contest by contest.

    Ranked by acc within a family, domain given and not given apart; equal accuracies share a rank. Upper bounds
    are not ranked, nor is a row that lacks runs which most of its rivals have: its mean is over other runs.
    """
    rivals: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if row.upper_bound:
            row.apart = "upper bound: it sees all domains at once"
        else:
            rivals[(row.family, row.given)].append(row)
    return [_rank(contenders) for contenders in rivals.values()]


def accuracy(row: Row) -> float:
    """The mean that rows are ranked by."""
    summary = row.summary("acc")
    assert summary is not None  # acc is defined for every track
    return round(summary.mean, 6)


def position(row: Row) -> tuple[Any, ...]:
    """Sort key of the leaderboard: ranked rows first, upper bounds last."""
    return (
        *(row.stream, row.backbone, row.family),
        *(row.given, row.upper_bound, row.rank is None, row.rank or 0, -accuracy(row)),
        *(row.strategy, row.settings, row.track),
    )


def _rank(contenders: Sequence[Row]) -> list[Row]:
    expected = _expected(contenders)
    orders = len({order for row in contenders for order in row.orders})
    competing = []
    for row in contenders:
        missing, more = expected - row.pairs, row.pairs - expected
        if missing:
            row.apart = f"not ranked: no run with {runs_in_words(missing, orders)}"
            row.notes.append(row.apart)
        else:
            competing.append(row)
            if more:
                row.notes.append(f"runs that others lack: {runs_in_words(more, orders)}")
    values = [accuracy(row) for row in competing]
    for row, value in zip(competing, values, strict=True):
        row.rank = 1 + sum(other > value for other in values)
    return sorted(competing, key=position)


def _expected(contenders: Sequence[Row]) -> frozenset[tuple[tuple[str, ...], int]]:
    """The runs that most rows have; of equally common sets the largest, then the first."""
    counted = Counter(row.pairs for row in contenders)
    return min(counted, key=lambda pairs: (-counted[pairs], -len(pairs), sorted(pairs)))
