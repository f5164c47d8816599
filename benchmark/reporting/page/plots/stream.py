"""Accuracy along the stream, a line a strategy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.reporting.curves import seen
from benchmark.reporting.page.plots.base import MOST, Plot, axis, bars, layout, left_out, name_of, parts
from benchmark.reporting.page.plots.palette import Look, form, looks
from benchmark.reporting.rows import Row
from benchmark.reporting.statistics import summarize

LEARNED, ALL = "the domains learned so far", "all domains"


def plots(rows: Sequence[Row]) -> list[Plot]:
    """Two plots a part: mean over the domains learned so far, and over all domains."""
    styles = looks(rows)
    return [_plot(part, members, styles, kind) for part, members in parts(rows) for kind in (LEARNED, ALL)]


def _plot(part: str, rows: Sequence[Row], styles: dict[str, Look], kind: str) -> Plot:
    drawn, order = rows[:MOST], rows[0].order
    curves = [seen(row) if kind == LEARNED else whole(row) for row in drawn]
    start = 1 if kind == LEARNED else 0
    ticks = [str(name) for name in (order if start else ("(pre-trained)", *order))]
    figure = {
        "data": [
            _line(row, styles[row.label], curve, start + shift)
            for row, curve, shift in zip(drawn, curves, _shifts(len(drawn)), strict=True)
        ],
        "layout": layout(
            height=420 + 12 * len(drawn),
            xaxis=axis("domain just learned", tickvals=list(range(start, len(order) + 1)), ticktext=ticks),
            yaxis=axis("mean accuracy (%)"),
        ),
    }
    ends = sorted(zip(curves, drawn, strict=True), key=lambda pair: -pair[0][0][-1])
    alt = f"Mean accuracy on {kind} at the end: " + "; ".join(
        f"{name_of(row)} {mean[-1]:.1f} %" for (mean, _), row in ends[:5]
    )
    caption = (
        f"Mean accuracy on {kind} after each domain{bars(drawn)}. Circle: one model, domain "
        "not given; square: router; diamond: domain given; star: all domains at once, a bound." + left_out(rows)
    )
    cells = [
        (name_of(row), *(round(value, 2) if np.isfinite(value) else None for value in mean.tolist()))
        for row, (mean, _) in zip(drawn, curves, strict=True)
    ]
    return Plot(
        "stream", part, kind, f"Accuracy on {kind}", caption, figure, f"{alt}.", ("strategy", *ticks), cells
    )  # fmt: skip


def whole(row: Row) -> tuple[np.ndarray, np.ndarray | None]:
    """Percent [T + 1]: mean over all domains at every stage, and half its interval; between its two stages an
    offline run has no value of its own and is NaN."""
    runs = np.full((len(row.entries), len(row.order) + 1), np.nan)
    for run, entry in zip(runs, row.entries, strict=True):
        run[entry.data.stages] = 100 * np.mean(entry.data.accuracy, axis=1)
    if len(runs) == 1:
        return runs[0], None
    half = [summarize(list(values)).half_width if np.isfinite(values).all() else np.nan for values in runs.T]
    return runs.mean(axis=0), np.array(half)


def _shifts(count: int) -> list[float]:
    """A little aside for each line, so that intervals at one stage do not hide each other."""
    return [round(0.24 * (place / max(count - 1, 1) - 0.5), 4) for place in range(count)]


def _line(row: Row, look: Look, curve: tuple[np.ndarray, np.ndarray | None], start: float) -> dict:
    mean, half = curve
    places = [i for i in range(len(mean)) if np.isfinite(mean[i])]
    trace = {
        "type": "scatter",
        "mode": "markers" if row.upper_bound and start < 0.5 else "lines+markers",
        "name": name_of(row),
        "x": [round(i + start, 4) for i in places],
        "y": [round(float(mean[i]), 2) for i in places],
        "line": {"color": look.colour, "dash": look.dash, "width": 2},
        "marker": {"symbol": form(row), "size": 8, "color": look.colour},
        "hovertemplate": "%{y:.1f} %",
    }
    if half is not None:
        widths = [round(float(half[i]), 2) for i in places]
        trace["error_y"] = {"type": "data", "array": widths, "color": look.colour, "thickness": 1, "width": 2}
    return trace
