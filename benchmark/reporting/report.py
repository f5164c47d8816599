"""All that the outputs are made of: runs, grouped and ranked once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.reporting.contests import Contest, contest
from benchmark.reporting.measured import measure
from benchmark.reporting.notes import note
from benchmark.reporting.ranking import position, rank
from benchmark.reporting.rows import Row, rows_of
from benchmark.result import RunResult

if TYPE_CHECKING:
    from benchmark.store import Store


@dataclass(frozen=True)
class Report:
    """What is known of a results folder.

    rows: in the order of the leaderboard; runs of several orders are one row.
    by_order: the same runs with every order a row of its own, for figures by stage.
    contests: rows that are ranked together, with the tests between them.
    problems: a line for each result that was left out, and why.
    store: where predictions and pictures of the runs are; None where there are none.
    """

    rows: list[Row]
    by_order: list[Row]
    contests: list[Contest]
    problems: list[str]
    store: Store | None = None

    @classmethod
    def of(cls, results: Sequence[RunResult], problems: Iterable[str] = (), store: Store | None = None) -> Report:
        """Group and rank `results`, in whatever order they come; bad runs are left out and named."""
        runs, bad = measure(results)
        pooled, apart = rows_of(runs, pool_orders=True), rows_of(runs, pool_orders=False)
        for rows in (pooled, apart):
            note(rows)
        competing = rank(pooled)
        rank(apart)
        contests = [contest(rows) for rows in competing if rows]
        return cls(
            rows=sorted(pooled, key=position),
            by_order=sorted(apart, key=position),
            contests=sorted(contests, key=lambda one: position(one.rows[0])),
            problems=[*problems, *sorted(bad)],
            store=store,
        )
