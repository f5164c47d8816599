"""Which blocks each task switched on, and how far tasks share them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.reporting.heatmaps import place_blocks
from benchmark.reporting.page.plots.base import MOST, Plot, axis, layout, left_out, parts
from benchmark.reporting.rows import Row

OPEN = [[0, "rgba(128,128,128,0.14)"], [0.001, "rgba(128,128,128,0.14)"], [0.002, "#7795AC"], [1, "#1F7FC0"]]
"""Closed in all runs, then from active in some to active in all: shows on a light and on a dark page."""


def plots(rows: Sequence[Row]) -> list[Plot]:
    """Two plots for each strategy with gates: active blocks, and overlap between tasks."""
    found = []
    for part, members in parts(rows):
        # The gates are those of training: the same on every track of a run.
        gated = list({row.label: row for row in members if all(e.result.blocks for e in row.entries)}.values())
        for row in gated[:MOST]:
            tasks = [task for task in row.order if all(task in e.result.blocks["tasks"] for e in row.entries)]
            if tasks:
                rest = left_out(gated)
                found += [_blocks(row, part, tasks, rest), _overlap(row, part, tasks, rest)]
    return found


def jaccard(first: Sequence[bool], second: Sequence[bool]) -> float | None:
    """Blocks active in both / blocks active in either; None where no block is active in either."""
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    either = int((a | b).sum())
    return int((a & b).sum()) / either if either else None


def _blocks(row: Row, part: str, tasks: Sequence[str], rest: str) -> Plot:
    names = row.entries[0].result.blocks["names"]
    places = place_blocks(names)
    kinds = list(dict.fromkeys(kind for kind, _ in places.values()))
    depth = 1 + max(layer for _, layer in places.values())
    width = len(tasks) + 1  # an empty column between kinds
    z: list[list[float | None]] = [[None] * (width * len(kinds) - 1) for _ in range(depth)]
    text, hover = ([[""] * len(z[0]) for _ in range(depth)] for _ in range(2))
    cells = []
    for k, task in enumerate(tasks):
        runs = [entry.result.blocks["tasks"][task] for entry in row.entries]
        active = np.mean([run["active"] for run in runs], axis=0)
        scores = np.mean([run["scores"] for run in runs], axis=0)
        for name, share, score in zip(names, active.tolist(), scores.tolist(), strict=True):
            kind, layer = places[name]
            column = kinds.index(kind) * width + k
            z[layer][column] = round(share, 3)
            text[layer][column] = "●" if share > 0.5 else "◐" if share else ""
            hover[layer][column] = f"{name}, {task}<br>active in {100 * share:.0f} % of runs<br>mean score {score:.4g}"
            cells.append((name, task, round(share, 3), round(score, 5)))
    trace = {
        **{"type": "heatmap", "z": z, "text": text, "customdata": hover, "texttemplate": "%{text}", "zmin": 0},
        **{"hovertemplate": "%{customdata}<extra></extra>", "zmax": 1, "colorscale": OPEN, "showscale": False},
        **{"xgap": 1, "ygap": 1, "hoverongaps": False},
    }
    middle = [i * width + (len(tasks) - 1) / 2 for i in range(len(kinds))]
    figure = {
        "data": [trace],
        "layout": layout(
            height=150 + 24 * depth,
            xaxis=axis("matrix; in each, a column a task", tickvals=middle, ticktext=kinds, showgrid=False),
            yaxis=axis("layer", autorange="reversed", showgrid=False, zeroline=False),
        ),
    }
    share = np.mean([cell[2] for cell in cells])
    caption = (
        f"Blocks by layer and matrix; the columns of each matrix are the tasks in order: {', '.join(tasks)}. ● active "
        f"in more than half of {len(row.entries)} runs, ◐ in fewer, no mark: closed. Hover for the score.{rest}"
    )
    alt = f"{row.label}: {100 * share:.1f} % of the blocks are active, mean over {len(tasks)} tasks."
    header = ("block", "task", "share of runs", "mean score")
    return Plot(
        "masks", part, f"{row.label}: blocks", f"{row.label}, active blocks", caption, figure, alt, header, cells
    )


def _overlap(row: Row, part: str, tasks: Sequence[str], rest: str) -> Plot:
    masks = [[entry.result.blocks["tasks"][task]["active"] for task in tasks] for entry in row.entries]
    table = [[_mean([jaccard(run[i], run[j]) for run in masks]) for j in range(len(tasks))] for i in range(len(tasks))]
    places = list(range(len(tasks)))
    ticks = {"tickvals": places, "ticktext": list(tasks), "showgrid": False, "zeroline": False}
    trace = {
        **{"type": "heatmap", "z": table, "texttemplate": "%{z:.2f}", "zmin": 0, "zmax": 1, "colorscale": "Viridis"},
        **{"showscale": False, "xgap": 1, "ygap": 1, "hovertemplate": "%{z:.3f}<extra></extra>"},
    }
    sides = {"xaxis": axis("task", **ticks), "yaxis": axis("task", autorange="reversed", **ticks)}
    figure = {"data": [trace], "layout": layout(height=160 + 34 * len(tasks), **sides)}
    others = [v for i, line in enumerate(table) for v in line[i + 1 :] if v is not None]
    p = [np.mean([run[i] for run in masks]) for i in places]
    chance = [p[i] * p[j] / (p[i] + p[j] - p[i] * p[j]) for i in places for j in places[i + 1 :] if p[i] + p[j] > 0]
    expected = f" Random masks of these sizes: about {np.mean(chance):.2f} on average." if chance else ""
    caption = f"Blocks active in both tasks / in either, mean over runs; 1: the same blocks.{expected}{rest}"
    alt = f"{row.label}: mean overlap between two tasks {np.mean(others):.2f}." if others else f"{row.label}: one task."
    cells = [(task, *line) for task, line in zip(tasks, table, strict=True)]
    title = f"{row.label}, overlap between tasks"
    return Plot("masks", part, f"{row.label}: overlap", title, caption, figure, alt, ("task", *tasks), cells)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None
