"""Heat maps: accuracy matrices with row 0 and out-of-domain columns, and active blocks by layer and task."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmark.reporting import style
from benchmark.reporting.rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GAP = 0.4
"""Cells' widths between the stream's domains and the out-of-domain sets."""
_EMPTY = "#E8E8E8"


def matrices(rows: Sequence[Row], heading: str) -> Figure:
    """One panel per row: mean accuracy over seeds, stages down, domains and out-of-domain sets across."""
    from matplotlib.figure import Figure

    order, ood = rows[0].order, rows[0].entries[0].result.ood_names
    across, down = len(order) + len(ood) + _GAP, len(order) + 1
    numbers = across <= 11
    cell = 0.4 if numbers else 0.2
    columns = _columns(len(rows), across * cell + 0.45, down * cell + 0.6)
    lines = math.ceil(len(rows) / columns)
    figure = Figure(figsize=(max(7.5, columns * (across * cell + 0.45) + 2.6), lines * (down * cell + 0.6) + 2.3))
    figure.get_layout_engine().set(wspace=0.06)
    axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    lowest = min(min(map(min, (*e.data.accuracy, *(o for o in e.data.ood if o)))) for r in rows for e in r.entries)
    for i, ax in enumerate(axes.flat):
        if i >= len(rows):
            ax.set_axis_off()
            # The panel above is now the lowest of its column and must show the names.
            axes.flat[i - columns].tick_params(labelbottom=True)
            continue
        mesh = _matrix(ax, rows[i], numbers, 10 * math.floor(10 * lowest))
    figure.colorbar(mesh, ax=axes, label="accuracy (%)", shrink=min(1.0, 4 / (lines * down * cell)), aspect=25)
    outside = "; right: sets outside the stream" if ood else ""
    style.headline(
        figure,
        f"Accuracy after each domain: {heading}, {style.over_seeds(rows)}",
        f"framed: the domain just learned{outside}",
    )
    figure.supylabel("last domain learned")
    return figure


def _columns(panels: int, width: float, height: float) -> int:
    """Panels side by side so that the figure comes near to a slide's shape and few places stay empty."""

    def unfit(columns: int) -> float:
        lines = math.ceil(panels / columns)
        return abs(math.log(columns * width / (lines * height) / 1.7)) + 0.2 * (columns * lines - panels)

    return min(range(1, panels + 1), key=unfit)


def _matrix(ax: Axes, row: Row, numbers: bool, low: float) -> object:
    """Draw one panel and return what the colour bar needs."""
    order, ood = row.order, row.entries[0].result.ood_names
    size = len(order)
    values = np.full((size + 1, size + 1 + len(ood)), np.nan)
    stages = row.entries[0].data.stages
    values[stages, :size] = 100 * np.mean([entry.data.accuracy for entry in row.entries], axis=0)
    if ood:
        values[stages, size + 1 :] = 100 * np.mean([entry.data.ood for entry in row.entries], axis=0)
    edges = np.concatenate([np.arange(size + 1), np.arange(len(ood) + 1) + size + _GAP])
    mesh = ax.pcolormesh(edges, np.arange(size + 2), values, cmap="viridis", vmin=low, vmax=100)
    centres = (edges[1:] + edges[:-1]) / 2
    if numbers:
        for (i, k), value in np.ndenumerate(values):
            if not np.isnan(value):
                color = "white" if value < low + 0.6 * (100 - low) else "black"
                ax.text(centres[k], i + 0.5, f"{value:.0f}", ha="center", va="center", fontsize=9, color=color)
    _outline(ax, stages, size, edges[-1])
    ax.set_title(style.title(row, max(16, int(10 * ax.bbox.width / ax.figure.dpi))), loc="left", fontweight="bold")
    shown = [k for k in range(len(centres)) if k != size]
    ax.set_xticks(centres[shown], [style.short(name) for name in (*order, *ood)], rotation=90)
    ax.set_yticks(np.arange(size + 1) + 0.5, ["(pre-trained)", *(style.short(name) for name in order)])
    ax.set_ylim(size + 1, 0)
    ax.set_aspect("equal")
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return mesh


def _outline(ax: Axes, stages: Sequence[int], size: int, right: float) -> None:
    """Frame the domain that was just learned; say why an offline run has no rows in between."""
    from matplotlib.patches import Rectangle

    for i in stages[1:] if len(stages) == size + 1 else ():
        ax.add_patch(Rectangle((i - 1, i), 1, 1, fill=False, edgecolor="white", linewidth=1.8))
    if len(stages) < size + 1:
        ax.add_patch(Rectangle((0, 1), right, size - 1, facecolor=_EMPTY, edgecolor="none"))
        ax.text(right / 2, (size + 1) / 2, "all domains at once", ha="center", va="center")


def blocks(rows: Sequence[Row], heading: str) -> Figure:
    """One line of panels per strategy with gates, one panel per adapted matrix: layers down, tasks across."""
    from matplotlib.figure import Figure

    grids = [_active(row) for row in rows]
    kinds = list(dict.fromkeys(kind for grid in grids for kind in grid))
    layers = max(len(array) for grid in grids for array in grid.values())
    tasks = rows[0].order
    height = min(0.3, 2.8 / layers) * layers + 0.8
    figure = Figure(figsize=(len(kinds) * max(1.9, 0.24 * len(tasks)) + 3.2, len(rows) * height + 1.9))
    axes = figure.subplots(len(rows), len(kinds), squeeze=False, sharex=True, sharey=True)
    for line, (row, grid) in enumerate(zip(rows, grids, strict=True)):
        share = 100 * np.nanmean(np.concatenate([array.ravel() for array in grid.values()]))
        axes[line, 0].set_ylabel(f"{style.wrap(row.label, 24, 2)}\n{share:.1f} % active\n\nlayer")
        for ax, kind in zip(axes[line], kinds, strict=True):
            mesh = _layers(ax, grid.get(kind, np.full((layers, len(tasks)), np.nan)), tasks)
            if line == 0:
                ax.set_title(style.short(kind, 24))
    figure.colorbar(
        mesh,
        ax=axes,
        label="share of seeds in which the block is active",
        shrink=min(1.0, 4 / (len(rows) * height)),
        aspect=25,
    )
    style.headline(
        figure, f"Active blocks by layer and task: {heading}, {style.over_seeds(rows).removeprefix('mean of ')}"
    )
    figure.supxlabel("task, in the order learned")
    return figure


def _layers(ax: Axes, values: np.ndarray, tasks: Sequence[str]) -> object:
    layers = len(values)
    ax.set_facecolor(_EMPTY)
    grid = {"edgecolors": "#BBBBBB", "linewidth": 0.5}
    mesh = ax.pcolormesh(np.ma.masked_invalid(values), cmap="Blues", vmin=0, vmax=1, **grid)
    ax.set_xticks(np.arange(len(tasks)) + 0.5, [style.short(name) for name in tasks], rotation=90)
    step = 1 if layers <= 12 else 2
    ax.set_yticks(np.arange(0, layers, step) + 0.5, range(0, layers, step))
    ax.set_ylim(layers, 0)
    ax.tick_params(length=0)
    return mesh


def _active(row: Row) -> dict[str, np.ndarray]:
    """Matrix kind -> float64 [layer, task], the share of seeds in which the block is active; NaN: no such block."""
    names = row.entries[0].result.blocks["names"]
    places = place_blocks(names)
    depth = 1 + max(layer for _, layer in places.values())
    found = {kind: np.full((depth, len(row.order)), np.nan) for kind, _ in places.values()}
    for k, task in enumerate(row.order):
        runs = [entry.result.blocks["tasks"].get(task) for entry in row.entries]
        if None in runs:  # no gates of its own, as when all domains are learned at once
            continue
        for name, share in zip(names, np.mean([run["active"] for run in runs], axis=0), strict=True):
            kind, layer = places[name]
            found[kind][layer, k] = share
    return found


def place_blocks(names: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Name -> (kind, layer): ``blocks.3.attn.qkv`` is ("qkv", 3).

    The kind is the last part of the name, or all but the number where the last part is ambiguous; names without
    a number are in layer 0.
    """
    whole, layers = {}, {}
    for name in names:
        match = re.fullmatch(r"(.*?)(?:^|\.)(\d+)\.(.+)", name)
        whole[name] = f"{match[1]}.{match[3]}".strip(".") if match else name
        layers[name] = int(match[2]) if match else 0
    ends = [kind.rsplit(".", 1)[-1] for kind in set(whole.values())]
    last = {name: kind.rsplit(".", 1)[-1] for name, kind in whole.items()}
    return {name: (last[name] if ends.count(last[name]) == 1 else whole[name], layers[name]) for name in names}
