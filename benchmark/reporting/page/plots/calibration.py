"""Whether the stated confidence is the share of right answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.reporting.page.plots.base import MOST, Plot, axis, layout, left_out, name_of, parts
from benchmark.reporting.page.plots.palette import form, looks
from benchmark.reporting.rows import Row
from benchmark.store import Store


def plots(rows: Sequence[Row], store: Store | None) -> list[Plot]:
    """A reliability diagram for each part whose runs kept their predictions."""
    if store is None:
        return []
    styles, found = looks(rows), []
    for part, members in parts(rows):
        lines, cells = [], []
        for row in members[:MOST]:
            bins = _bins(row, store.samples(row.entries[0].result.spec))
            if bins:
                look = styles[row.label]
                lines.append(
                    {
                        **{"type": "scatter", "mode": "lines+markers", "name": name_of(row)},
                        **{"x": [b[1] for b in bins], "y": [b[2] for b in bins]},
                        **{"line": {"color": look.colour, "dash": look.dash}, "marker": {"symbol": form(row)}},
                    }
                )
                total = sum(b[0] for b in bins)
                cells.append((name_of(row), round(sum(b[0] * abs(b[1] - b[2]) for b in bins) / total, 2)))
        if lines:
            found.append(_plot(part, lines, cells, left_out(members)))
    return found


def _bins(row: Row, samples: dict[str, Any] | None) -> list[tuple[int, float, float]]:
    """(images, mean confidence, accuracy), percent, of each bin that is not empty, over all domains."""
    track = (samples or {}).get("tracks", {}).get(row.track)
    if track is None:
        return []
    tables = [track["sets"][name]["bins"] for name in row.entries[0].pair[0] if name in track["sets"]]
    found = []
    for same in zip(*tables, strict=True):
        count = sum(part[0] for part in same)
        if count:
            shares = (sum(part[0] * part[k] for part in same) / count for k in (1, 2))
            found.append((count, *(round(100 * share, 2) for share in shares)))
    return found


def _plot(part: str, lines: list[dict], cells: list[tuple[str, float]], rest: str) -> Plot:
    exact = {"color": "#808080", "dash": "dot"}
    diagonal = {"type": "scatter", "mode": "lines", "x": [0, 100], "y": [0, 100], "name": "exact", "line": exact}
    sides = {"xaxis": axis("mean confidence (%)"), "yaxis": axis("right answers (%)")}
    figure = {"data": [diagonal, *lines], "layout": layout(height=440 + 12 * len(lines), **sides)}
    caption = (
        "First run of each strategy, end of the stream, all images of the domains in 15 bins of confidence. Below "
        "the dotted line: too sure. Out-of-domain sets are left out: confidences of k-NN and of a zero-shot classifier "
        f"are of different kinds.{rest}"
    )
    least = min(cells, key=lambda cell: cell[1])
    alt = f"Smallest gap between confidence and accuracy: {least[0]}, {least[1]:.1f} points on average."
    header = ("strategy", "calibration error over all images (points)")
    return Plot("calibration", part, "", "Reliability at the end", caption, figure, alt, header, cells)
