"""Whether the stated confidence is the share of right answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.reporting.page.plots.base import MOST, Plot, axis, layout, left_out, name_of, parts
from benchmark.reporting.page.plots.palette import Look, form, looks
from benchmark.reporting.rows import Row
from benchmark.store import Store

AT_THE_END, ALONG = "at the end", "along the stream"


def plots(rows: Sequence[Row], store: Store | None) -> list[Plot]:
    """For each part whose runs kept their predictions: reliability at the end, and the error along the stream."""
    if store is None:
        return []
    styles, found = looks(rows), []
    for part, members in parts(rows):
        known = [(row, _sets(row, store.samples(row.entries[0].result.spec))) for row in members[:MOST]]
        drawn = [(row, sets) for row, sets in known if sets]
        if drawn:
            rest = left_out(members)
            found += [_reliability(part, drawn, styles, rest), _along(part, drawn, styles, rest)]
    return found


def _sets(row: Row, samples: dict[str, Any] | None) -> list[dict[str, Any]]:
    """What the row's first run has of each domain."""
    track = (samples or {}).get("tracks", {}).get(row.track, {"sets": {}})
    return [track["sets"][name] for name in row.entries[0].pair[0] if name in track["sets"]]


def _line(row: Row, look: Look, x: Sequence[float], y: Sequence[float]) -> dict[str, Any]:
    return {
        **{"type": "scatter", "mode": "lines+markers", "name": name_of(row), "x": list(x), "y": list(y)},
        **{"line": {"color": look.colour, "dash": look.dash}, "marker": {"symbol": form(row), "color": look.colour}},
    }


def _bins(sets: Sequence[dict[str, Any]]) -> list[tuple[int, float, float]]:
    """(images, mean confidence, accuracy), percent, of each bin that is not empty, over all domains."""
    found = []
    for same in zip(*(one["bins"] for one in sets), strict=True):
        count = sum(part[0] for part in same)
        if count:
            shares = (sum(part[0] * part[k] for part in same) / count for k in (1, 2))
            found.append((count, *(round(100 * share, 2) for share in shares)))
    return found


def _reliability(part: str, drawn: Sequence[tuple[Row, list]], styles: dict[str, Look], rest: str) -> Plot:
    lines, cells = [], []
    for row, sets in drawn:
        bins = _bins(sets)
        lines.append(_line(row, styles[row.label], [b[1] for b in bins], [b[2] for b in bins]))
        total = sum(b[0] for b in bins)
        cells.append((name_of(row), round(sum(b[0] * abs(b[1] - b[2]) for b in bins) / total, 2)))
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
    return Plot("calibration", part, AT_THE_END, "Reliability at the end", caption, figure, alt, header, cells)


def _along(part: str, drawn: Sequence[tuple[Row, list]], styles: dict[str, Look], rest: str) -> Plot:
    order = drawn[0][0].order
    ticks = ["(pre-trained)", *order]
    lines, cells = [], []
    for row, sets in drawn:
        errors = [round(100 * sum(values) / len(values), 2) for values in zip(*(s["ece"] for s in sets), strict=True)]
        stages = row.entries[0].data.stages
        lines.append(_line(row, styles[row.label], stages, errors))
        known = dict(zip(stages, errors, strict=True))
        cells.append((name_of(row), *(known.get(stage) for stage in range(len(ticks)))))
    sides = {
        "xaxis": axis("domain just learned", tickvals=list(range(len(ticks))), ticktext=ticks),
        "yaxis": axis("expected calibration error (points)", rangemode="tozero"),
    }
    figure = {"data": lines, "layout": layout(height=420 + 12 * len(lines), **sides)}
    caption = (
        "Expected calibration error (Guo et al., arXiv 1706.04599, 15 bins), mean over all domains, first run of each "
        f"strategy. 0: the stated confidence is the share of right answers.{rest}"
    )
    last = {name: values[-1] for name, *values in cells}
    least = min(last, key=last.__getitem__)
    alt = f"Smallest calibration error at the end: {least}, {last[least]:.1f} points."
    return Plot(
        "calibration", part, ALONG, "Calibration error along the stream", caption, figure, alt,
        ("strategy", *ticks), cells,
    )  # fmt: skip
