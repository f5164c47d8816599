"""Published results beside our rows, as the page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from benchmark.reporting.page.board import TRACKS, percent, signed

if TYPE_CHECKING:
    from benchmark.reporting.comparability import Verdict
    from benchmark.reporting.report import Report
    from benchmark.reporting.rows import Row


@dataclass(frozen=True)
class Group:
    """What was published about a row's method, and all that its figures may be compared with.

    others: number of published results on the stream that are of other methods and not comparable.
    """

    row: Row
    shown: list[Verdict]
    others: int

    @property
    def track(self) -> str:
        """What to add to the strategy's name."""
        return TRACKS.get(self.row.track, self.row.track)


def verdict_groups(report: Report) -> list[Group]:
    """In the order of the report; rows of streams about which nothing was published are left out."""
    from benchmark.reporting.comparability import DIFFERENT, verdicts

    groups = []
    for _, found in groupby(verdicts(report), key=lambda verdict: id(verdict.row)):
        members = list(found)
        shown = [verdict for verdict in members if verdict.same_strategy or verdict.verdict != DIFFERENT]
        groups.append(Group(members[0].row, shown, len(members) - len(shown)))
    return groups


def difference(verdict: Verdict) -> str:
    """``81.5 (+1.2)``: ours, and how much it is above the published one."""
    if verdict.ours is None:
        return "\N{EN DASH}"
    return percent(verdict.ours) + ("" if verdict.difference is None else f" ({signed(verdict.difference)})")
