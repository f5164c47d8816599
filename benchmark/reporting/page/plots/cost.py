"""Time, memory and parameters, a small panel each."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.reporting.page.plots.base import MOST, Plot, axis, bars, layout, left_out, parts
from benchmark.reporting.page.plots.palette import looks
from benchmark.reporting.rows import Row

COSTS = {
    "train_seconds": "training (s)",
    "eval_seconds": "evaluation (s)",
    "peak_memory_mb": "peak memory (MiB)",
    "images_per_second": "training images a second",
    "stored_parameters": "stored parameters",
    "trainable_parameters": "trained parameters in the last task",
}
"""Cost -> its title. The tracks of a run share its costs, so that a configuration is one bar."""


def plots(rows: Sequence[Row]) -> list[Plot]:
    """One plot for each cost of a part."""
    styles, found = looks(rows), []
    for part, members in parts(rows):
        single = list({row.label: row for row in members}.values())
        for metric, title in COSTS.items():
            known = [row for row in single if row.summary(metric) is not None]
            if known:
                found.append(_plot(part, known, metric, title, styles))
    return found


def _plot(part: str, rows: Sequence[Row], metric: str, title: str, styles: dict) -> Plot:
    drawn = rows[:MOST]
    values = [round(row.summary(metric).mean, 2) for row in drawn]
    half = [round(row.summary(metric).half_width or 0.0, 2) for row in drawn]
    places = list(range(len(drawn)))
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": values,
        "y": places,
        "marker": {"color": [styles[row.label].colour for row in drawn]},
        "hovertemplate": "%{x:,.4~g}<extra></extra>",
        "showlegend": False,
    }
    if any(half):
        below = [min(width, value) for width, value in zip(half, values, strict=True)]  # no cost is below zero
        trace["error_x"] = {
            **{"type": "data", "symmetric": False, "array": half, "arrayminus": below},
            **{"color": "#808080", "thickness": 1},
        }
    names = axis("", tickvals=places, ticktext=[row.label for row in drawn], autorange="reversed", zeroline=False)
    figure = {
        "data": [trace],
        "layout": layout(height=110 + 26 * len(drawn), xaxis=axis(title, rangemode="tozero"), yaxis=names),
    }
    caption = f"{title}: mean over runs{bars(drawn)}." + left_out(rows)
    least, most = min(values), max(values)
    alt = (
        f"{title}: from {_plain(least)} ({drawn[values.index(least)].label}) "
        f"to {_plain(most)} ({drawn[values.index(most)].label})."
    )
    cells = [(row.label, value) for row, value in zip(drawn, values, strict=True)]
    return Plot("cost", part, title, title, caption, figure, alt, ("strategy", title), cells)


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:,g}"
