"""Colours, dashes and marker forms that show on a white and on a dark page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from benchmark.reporting.rows import Row
from benchmark.result import GIVEN, ROUTED

COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#B8629A", "#B07D00"),
    *("#2E93C9", "#7F6BD0", "#A0682F", "#C2405F", "#7A8B1E"),
)
"""After Okabe and Ito's, each at least 3:1 against #ffffff and #15181d; beyond ten, dashes tell lines apart."""
BOUND = "#808080"
DASHES = ("solid", "dash", "dot", "dashdot")
LOSS_TO_GAIN = [[0, "#A6480A"], [0.25, "#E8A36B"], [0.5, "#D9D9D9"], [0.75, "#7FB2D9"], [1, "#0B5A94"]]
"""Orange, grey, blue: told apart with the usual colour blindnesses."""
FORMS = {GIVEN: "diamond", ROUTED: "square"}
"""Marker form of a track; a circle for one model without the domain."""


class Look(NamedTuple):
    """How one configuration is drawn in every plot."""

    colour: str
    dash: str


def looks(rows: Iterable[Row]) -> dict[str, Look]:
    """Label -> look; upper bounds are grey."""
    bound = {row.label: row.upper_bound for row in rows}
    free = [label for label in sorted(bound) if not bound[label]]
    size = len(COLOURS)
    found = {label: Look(COLOURS[i % size], DASHES[i // size % len(DASHES)]) for i, label in enumerate(free)}
    return found | {label: Look(BOUND, "dash") for label in bound if bound[label]}


def form(row: Row) -> str:
    """Marker of a row: its protocol, or a star for an upper bound."""
    return "star" if row.upper_bound else FORMS.get(row.track, "circle")
