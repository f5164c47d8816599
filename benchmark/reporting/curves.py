"""Accuracy over the stream, and accuracy against what is kept outside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmark.reporting import style
from benchmark.reporting.rows import Row
from benchmark.reporting.statistics import summarize
from benchmark.result import AGNOSTIC, GIVEN, ROUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

_SHAPES = {AGNOSTIC: "o", ROUTED: "s", GIVEN: "D"}
_SHAPE_NAMES = {AGNOSTIC: "one model, domain not given", ROUTED: "router picks the domain", GIVEN: "domain given"}


def over_stream(rows: Sequence[Row], looks: Mapping[str, style.Look], heading: str) -> Figure:
    """Mean accuracy on the domains seen so far, after each domain; a panel per protocol, joint training dashed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [("Domain not given", [row for row in rows if not row.given])]
    panels += [("Domain given", [row for row in rows if row.given])]
    panels = [(name, members) for name, members in panels if members]
    bounds = [row for row in rows if row.upper_bound]
    size = len(rows[0].order)
    most = max(len(members) for _, members in panels)
    height = max(5.2, 0.23 * most + 2.2) + (0 if _fits(rows[0].order) else 1)
    figure = Figure(figsize=(len(panels) * (5.2 + 0.2 * size) + 0.6, height))
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    lowest = min(seen(row)[0].min() for row in rows)
    labels: dict[Axes, list[Annotation]] = {}
    for ax, (name, members) in zip(axes, panels, strict=True):
        drawn = members + [row for row in bounds if row not in members]
        ax.set_ylim(max(0.0, 10 * math.floor((lowest - 4) / 10)), 101)
        _stream_axes(ax, rows[0].order, name if len(panels) > 1 else "")
        for i, row in enumerate(drawn):
            _line(ax, row, looks[row.label], 0.025 * (i - (len(drawn) - 1) / 2))
        labels[ax] = _end_labels(ax, drawn, looks)
    axes[0].set_ylabel("mean accuracy on the domains\nlearned so far (%)")
    interval = ", 95 % interval" if any(len(row.entries) > 1 for row in rows) else ""
    style.headline(figure, f"Accuracy over the stream: {heading}", f"{style.over_seeds(rows)}{interval}")
    FigureCanvasAgg(figure).draw()
    for ax, names in labels.items():
        _part_labels(ax, names)
    return figure


def seen(row: Row) -> tuple[np.ndarray, np.ndarray | None]:
    """Percent [T]: mean over the first t domains after learning them, and half its interval (None with one seed).

    An offline run has one final row; its first t cells are what it reaches on those domains.
    """
    size = len(row.order)
    runs = []
    for entry in row.entries:
        table = np.array(entry.data.accuracy[1:])
        table = table if len(table) == size else np.broadcast_to(table[-1], (size, size))
        runs.append([100 * table[t, : t + 1].mean() for t in range(size)])
    found = [summarize(list(values)) for values in zip(*runs, strict=True)]
    mean = np.array([item.mean for item in found])
    return mean, None if len(runs) == 1 else np.array([item.half_width for item in found])


def _stream_axes(ax: Axes, order: Sequence[str], name: str) -> None:
    size = len(order)
    ax.set_xticks(range(1, size + 1), [style.short(domain) for domain in order], rotation=0 if _fits(order) else 90)
    ax.set_xlim(0.8, size + 0.2)
    ax.set_xlabel("domain just learned")
    ax.set_title(name, fontsize=12)
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.yaxis.grid(True, color="#E3E3E3", linewidth=0.8)
    ax.set_axisbelow(True)


def _fits(order: Sequence[str]) -> bool:
    """Whether the domains' names can stand side by side under an axis."""
    return len(order) * max(map(len, order)) <= 45


def _line(ax: Axes, row: Row, look: style.Look, aside: float) -> None:
    """Draw one row, moved `aside` so that intervals stand next to each other."""
    mean, half = seen(row)
    x = np.arange(1, len(mean) + 1) + aside
    dash = {"linestyle": "--", "linewidth": 1.6} if row.upper_bound else {"marker": look.marker, "markersize": 6}
    ax.plot(x, mean, color=look.color, **{"linewidth": 2, **dash})
    if half is not None:
        low, high = np.clip(mean - half, 0, 100), np.clip(mean + half, 0, 100)
        ax.vlines(x, low, high, color=look.color, alpha=0.55, linewidth=1.2)


def _end_labels(ax: Axes, rows: Sequence[Row], looks: Mapping[str, style.Look]) -> list[Annotation]:
    """Names at the lines' ends instead of a legend, each tied to its line."""
    ends = [(len(row.order), float(seen(row)[0][-1])) for row in rows]
    return [
        ax.annotate(
            style.short(row.label, 30) + (" (router)" if row.track == ROUTED else ""),
            xy=end,
            xytext=(26, end[1]),
            textcoords=("offset points", "data"),
            annotation_clip=False,
            va="center",
            fontsize=10,
            color=looks[row.label].ink,
            arrowprops={
                "arrowstyle": "-",
                "relpos": (0, 0.5),
                "color": looks[row.label].color,
                "linewidth": 0.7,
                "shrinkB": 7,
                "shrinkA": 1,
            },
        )
        for row, end in zip(rows, ends, strict=True)
    ]


def _part_labels(ax: Axes, labels: Sequence[Annotation]) -> None:
    """Move the labels apart, once the layout has settled how high the axes are."""
    low, high = ax.get_ylim()
    line = 13.5 * ax.figure.dpi / 72  # pixels of one line of ten-point text
    gap = (high - low) * line / ax.get_window_extent().height
    places = style.spread([label.xy[1] for label in labels], gap, low, high)
    for label, place in zip(labels, places, strict=True):
        label.set_position((label.get_position()[0], place))


def against_retention(rows: Sequence[Row], looks: Mapping[str, style.Look], heading: str) -> Figure | None:
    """Final accuracy against out-of-domain retention; None if no row has a retention."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    points = [row for row in rows if row.summary("ood_retention") is not None]
    if not points:
        return None
    figure = Figure(figsize=(9.6, max(6.0, 0.22 * len(points) + 3.2)))
    ax = figure.subplots()
    ax.grid(True, color="#E3E3E3", linewidth=0.8)
    ax.set_axisbelow(True)
    for row in points:
        _point(ax, row, looks[row.label])
    links = [(a, b) for a in points for b in points if (a.label, a.track, b.track) == (b.label, ROUTED, GIVEN)]
    for pair in links:
        ax.plot(*zip(*map(_xy, pair), strict=True), color=looks[pair[0].label].color, linewidth=1, zorder=1)
    ax.axvline(100, color="#888888", linewidth=1.2, linestyle=":", zorder=1)
    ax.margins(0.12)
    # Intervals may reach beyond what an accuracy can be; the axis does not.
    ax.set_ylim(max(-2, ax.get_ylim()[0]), min(103, ax.get_ylim()[1]))
    ax.set_xlim(max(-2, ax.get_xlim()[0]), None)
    ax.set_xlabel("out-of-domain accuracy kept (% of the pre-trained model's)")
    ax.set_ylabel("final accuracy, mean over domains (%)")
    tracks = [track for track in _SHAPES if any(row.track == track and not row.upper_bound for row in points)]
    handles = [_handle(Line2D, _SHAPES[track], _SHAPE_NAMES[track], "#333333") for track in tracks]
    if any(row.upper_bound for row in points):
        handles.append(_handle(Line2D, "*", "all domains at once (upper bound)", "#555555"))
    if links:
        handles.append(Line2D([], [], color="#333333", linewidth=1, label="the same strategy"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    interval = ", 95 % intervals" if any(len(row.entries) > 1 for row in points) else ""
    style.headline(figure, f"Learning against keeping: {heading}", f"{style.over_seeds(points)}{interval}")
    _label_points(figure, ax, points, links, looks)
    return figure


def _handle(line: type, marker: str, name: str, color: str) -> object:
    return line([], [], linestyle="", marker=marker, markersize=8, color=color, label=name)


def _xy(row: Row) -> tuple[float, float]:
    return 100 * row.summary("ood_retention").mean, 100 * row.summary("acc").mean


def _half_widths(row: Row) -> tuple[float, float]:
    """Half the intervals of x and y in percent; 0 with one seed."""
    return tuple(100 * (row.summary(name).half_width or 0.0) for name in ("ood_retention", "acc"))


def _point(ax: Axes, row: Row, look: style.Look) -> None:
    (x, y), (across, up) = _xy(row), _half_widths(row)
    if across or up:
        ax.errorbar(x, y, xerr=across, yerr=up, color=look.color, alpha=0.45, linewidth=1.3, zorder=2)
    marker = "*" if row.upper_bound else _SHAPES.get(row.track, "o")
    size = 240 if row.upper_bound else 90
    ax.scatter([x], [y], marker=marker, s=size, color=look.color, edgecolor="white", linewidth=1, zorder=3)


def _label_points(
    figure: Figure, ax: Axes, rows: Sequence[Row], links: Sequence[tuple[Row, Row]], looks: Mapping[str, style.Look]
) -> None:
    """Each name at the first place around its point that covers no name, point or edge; else at the least bad."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # settles the layout, so that places are in pixels
    figure.set_layout_engine("none")
    renderer = canvas.get_renderer()
    scale = figure.dpi / 72
    frame = ax.get_window_extent()
    dots = [ax.transData.transform(_xy(row)) for row in rows]
    taken = [(x - 6 * scale, y - 6 * scale, x + 6 * scale, y + 6 * scale) for x, y in dots]
    taken += [bar for row in rows for bar in _bars(ax, row)]
    taken += [dot for pair in links for dot in _along(ax, *map(_xy, pair))]
    for row, dot in zip(rows, dots, strict=True):
        color = looks[row.label].ink
        text = ax.annotate(
            style.short(row.label, 34), _xy(row), (0, 0), textcoords="offset points", fontsize=10, color=color
        )
        extent = text.get_window_extent(renderer)
        places = _places(extent.width, extent.height, scale)
        costs = [
            _cost((dot[0] + x, dot[1] + y, dot[0] + x + extent.width, dot[1] + y + extent.height), taken, frame.extents)
            + 1e-3 * rank
            for rank, (x, y) in enumerate(places)
        ]
        best = int(np.argmin(costs))
        x, y = places[best]
        text.set_position((x / scale, y / scale))
        taken.append((dot[0] + x, dot[1] + y, dot[0] + x + extent.width, dot[1] + y + extent.height))
        if best >= 8:
            centre = (dot[0] + x + extent.width / 2, dot[1] + y + extent.height / 2)
            ends = ax.transData.inverted().transform([dot, centre])
            ax.plot(*ends.T, color=color, linewidth=0.7, alpha=0.6, zorder=1)
            text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.8})


def _bars(ax: Axes, row: Row) -> list[tuple[float, ...]]:
    """The row's error bars in pixels, x0, y0, x1, y1."""
    across, up = _half_widths(row)
    (x, y), found = _xy(row), []
    for dx, dy in ((across, 0.0), (0.0, up)) if across or up else ():
        (x0, y0), (x1, y1) = ax.transData.transform([(x - dx, y - dy), (x + dx, y + dy)])
        found.append((x0 - 1, y0 - 1, x1 + 1, y1 + 1))
    return found


def _along(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> list[tuple[float, ...]]:
    """A line as small boxes in pixels."""
    track = np.linspace(*ax.transData.transform([start, end]), 40)
    return [(x - 2, y - 2, x + 2, y + 2) for x, y in track]


def _places(width: float, height: float, scale: float) -> list[tuple[float, float]]:
    """Lower left corners of a label, relative to its point: eight directions, ever farther out."""
    found = []
    for ring in (9, 20, 34, 50, 70, 95):
        away = ring * scale
        for angle in (0, 180, 45, 315, 135, 225, 90, 270):
            across, up = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            found.append((away * across + width * (across - 1) / 2, away * up + height * (up - 1) / 2))
    return found


def _cost(box: tuple[float, ...], taken: Sequence[tuple[float, ...]], frame: Sequence[float]) -> float:
    """Pixels covered, and pixels outside the axes."""
    x0, y0, x1, y1 = box
    covered = sum(max(0.0, min(x1, b[2]) - max(x0, b[0])) * max(0.0, min(y1, b[3]) - max(y0, b[1])) for b in taken)
    inside = max(0.0, min(x1, frame[2]) - max(x0, frame[0])) * max(0.0, min(y1, frame[3]) - max(y0, frame[1]))
    return covered + 3 * ((x1 - x0) * (y1 - y0) - inside)
