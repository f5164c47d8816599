"""What is learned against what is kept outside the stream, and what it takes to store it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmark.reporting.page.plots.base import MOST, Plot, axis, bars, layout, left_out, name_of, parts, percent
from benchmark.reporting.page.plots.palette import Look, form, looks
from benchmark.reporting.rows import Row

SMALLEST, LARGEST = 7, 26
"""Pixels across a marker; the smallest is what can still be hit with a pointer."""


def plots(rows: Sequence[Row]) -> list[Plot]:
    """One plot a part that has out-of-domain sets."""
    styles, found = looks(rows), []
    for part, members in parts(rows):
        points = [row for row in members if row.summary("ood_retention") and row.summary("acc")]
        if points:
            found.append(_plot(part, points, styles))
    return found


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points that no other beats in one value without losing in the other, by the first value."""
    best = {p for p in points if not any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in points)}
    return sorted(best)


def _plot(part: str, rows: Sequence[Row], styles: dict[str, Look]) -> Plot:
    drawn = rows[:MOST]
    largest = max(_stored(row) for row in drawn) or 1.0
    data = []
    for given, dash in ((False, "solid"), (True, "dot")):
        edge = front([_place(row) for row in drawn if row.given == given and not row.upper_bound])
        if len(edge) > 1:
            name = f"best trade-offs, domain {'given' if given else 'not given'}"
            line = {"color": "#808080", "dash": dash, "width": 1.5}
            xs, ys = zip(*edge, strict=True)
            data.append(
                {"type": "scatter", "mode": "lines", "x": xs, "y": ys, "name": name, "line": line, "hoverinfo": "skip"}
            )
    data = [trace | {"x": list(trace["x"]), "y": list(trace["y"])} for trace in data]
    data += [_point(row, styles[row.label], largest) for row in drawn]
    height = 440 + 12 * len(drawn)
    sides = {"xaxis": axis("out-of-domain accuracy kept (%)"), "yaxis": axis("final accuracy (%)")}
    caption = (
        f"Up and right is better. Area: stored parameters{bars(drawn)}. Circle: one model, domain "
        "not given; square: router; diamond: domain given; grey star: all domains at once, a bound. Grey lines join "
        "what none of the same protocol beats in both." + left_out(rows)
    )
    best = max(drawn, key=_place)
    alt = f"{len(drawn)} strategies; {name_of(best)} keeps most: {_place(best)[0]:.1f} % at {_place(best)[1]:.1f} %."
    cells = [(name_of(row), *_place(row), round(_stored(row))) for row in drawn]
    header = ("strategy", "out-of-domain accuracy kept (%)", "final accuracy (%)", "stored parameters")
    figure = {"data": data, "layout": layout(height=height, **sides)}
    return Plot("pareto", part, "", "Accuracy against retention", caption, figure, alt, header, cells)


def _place(row: Row) -> tuple[float, float]:
    return percent(row.summary("ood_retention").mean), percent(row.summary("acc").mean)


def _stored(row: Row) -> float:
    stored = row.summary("stored_parameters")
    return 0.0 if stored is None else stored.mean


def _point(row: Row, look: Look, largest: float) -> dict:
    x, y = _place(row)
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": name_of(row),
        "x": [x],
        "y": [y],
        "marker": {
            "symbol": form(row),
            "size": round(max(SMALLEST, LARGEST * math.sqrt(_stored(row) / largest)), 1),
            "color": look.colour,
            "line": {"width": 1, "color": "#808080"},
            "opacity": 0.85,
        },
        "hovertemplate": f"kept %{{x:.1f}} %, accuracy %{{y:.1f}} %<br>{_stored(row):,.0f} parameters",
    }
    for name, metric in (("error_x", "ood_retention"), ("error_y", "acc")):
        half = row.summary(metric).half_width
        if half is not None:
            trace[name] = {"type": "data", "array": [percent(half)], "color": look.colour, "thickness": 1}
    return trace
