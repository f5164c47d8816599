"""What the figures share: colours, names, placing of labels, PNG bytes that are equal when rebuilt."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from benchmark.reporting.rows import Row
from benchmark.result import GIVEN, ROUTED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RC = {
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 12,
    "figure.titlesize": 14,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "figure.facecolor": "white",
    "savefig.dpi": 150,
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
}
"""Applied over matplotlib's defaults: a user's own matplotlibrc changes no figure."""

_PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    *("#332288", "#8C510A", "#882255", "#808000"),
)
"""Okabe and Ito's colours that show on white, then dark ones: told apart with the usual colour blindnesses."""
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h", "<", "*", ">")
_BOUND = "#555555"

TRACKS = {GIVEN: "domain given", ROUTED: "router"}
"""What a figure adds to a strategy's name; nothing for one model without the domain."""


class Look(NamedTuple):
    """How one strategy is drawn in every figure."""

    color: str
    marker: str

    @property
    def ink(self) -> tuple[float, float, float]:
        """The colour, darker: legible as text on white."""
        return tuple(0.72 * int(self.color[i : i + 2], 16) / 255 for i in (1, 3, 5))


def looks(rows: Iterable[Row]) -> dict[str, Look]:
    """Label -> look; upper bounds are grey, beyond ten strategies colours repeat with other markers."""
    bound = {row.label: row.upper_bound for row in rows}
    free = [label for label in sorted(bound) if not bound[label]]
    found = {label: Look(_PALETTE[i % len(_PALETTE)], _MARKERS[i % len(_MARKERS)]) for i, label in enumerate(free)}
    return found | {label: Look(_BOUND, "o") for label in bound if bound[label]}


def title(row: Row, width: int) -> str:
    """The strategy's label, in at most two lines of `width` characters, and its track, which is never cut off."""
    track = TRACKS.get(row.track)
    if track is None:
        return wrap(row.label, width, 2)
    if len(row.label) + len(track) + 3 <= width:
        return f"{row.label} ({track})"
    return f"{wrap(row.label, width, 2)}\n({track})"


def wrap(text: str, width: int, lines: int) -> str:
    """`text` in at most `lines` lines of `width` characters, shortened with an ellipsis."""
    return "\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder=" …"))


def short(name: str, width: int = 14) -> str:
    """`name` cut before its middle: folders often share how they begin, and differ at the end."""
    if len(name) <= width:
        return name
    head = width // 3
    return f"{name[:head]}…{name[head + 1 - width :]}"


def headline(figure: Figure, *lines: str) -> None:
    """The figure's title: each line broken where the figure ends."""
    width = int(9 * figure.get_figwidth())  # about nine letters of the title's size to an inch
    figure.suptitle("\n".join(wrap(line, width, 3) for line in lines))


def over_seeds(rows: Sequence[Row]) -> str:
    """``mean of 3 seeds``, or what is true if rows differ."""
    counts = sorted({len(row.entries) for row in rows})
    if counts == [1]:
        return "1 seed"
    return f"mean of {counts[0]} seeds" if len(counts) == 1 else f"mean of {counts[0]} to {counts[-1]} seeds"


def spread(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places nearest to `values`, at least `gap` apart and within low..high where there is room for all."""
    order = sorted(range(len(values)), key=lambda i: (values[i], i))
    gap = min(gap, (high - low) / max(len(values) - 1, 1))
    # Blocks of touching labels, each centred on the values it holds, merged until no two overlap.
    blocks: list[tuple[list[int], float]] = []
    for i in order:
        members, start = [i], min(max(values[i], low), high)
        while blocks and blocks[-1][1] + gap * len(blocks[-1][0]) > start:
            members = blocks.pop()[0] + members
            centre = sum(values[k] for k in members) / len(members)
            length = gap * (len(members) - 1)
            start = min(max(centre - length / 2, low), high - length)
        blocks.append((members, start))
    placed = [0.0] * len(values)
    for members, start in blocks:
        for place, i in enumerate(members):
            placed[i] = start + place * gap
    return placed


def png(figure: Figure) -> bytes:
    """The figure's PNG without the date or version that would make equal figures differ."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
