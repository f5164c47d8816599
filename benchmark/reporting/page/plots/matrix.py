"""Accuracy matrices: what each model knew before the first domain and after every one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.reporting.page.plots.base import MOST, Plot, axis, layout, left_out, name_of, parts, percent
from benchmark.reporting.page.plots.palette import LOSS_TO_GAIN
from benchmark.reporting.rows import Row

_CAPTION = (
    "Each line is the model after one more domain, the first one before any; right of the gap: sets outside the "
    "stream. Framed: the domain just learned. {runs} and the changes."
)

FINE = 12
"""Columns up to which there is room for a decimal in each cell."""


def plots(rows: Sequence[Row]) -> list[Plot]:
    """Two plots a row: accuracy, and its change against the pre-trained model."""
    found = []
    for part, members in parts(rows):
        rest = left_out(members)
        for row in members[:MOST]:
            found += [_plot(row, part, rest, change) for change in (False, True)]
    return found


def _plot(row: Row, part: str, rest: str, change: bool) -> Plot:
    mean, deviation = _tables(row)
    shown = mean - mean[0] if change else mean
    first = row.entries[0]
    columns, stages = [*row.order, *first.result.ood_names], first.data.stages
    lines = [_after(row, stage) for stage in stages]
    places = [k if k < len(row.order) else k + 1 for k in range(len(columns))]
    z: list[list[float | None]] = [[None] * (max(places) + 1) for _ in stages]
    hover = [[""] * (max(places) + 1) for _ in stages]
    for i in range(len(stages)):
        for k, place in enumerate(places):
            z[i][place] = percent(shown[i, k])
            hover[i][place] = _hover(row, mean, deviation, i, k, lines[i], columns[k])
    figure = {
        "data": [_heat(z, hover, change)],
        "layout": layout(
            height=130 + 34 * len(lines),
            xaxis=axis(
                "", tickvals=places, ticktext=columns, showgrid=False, zeroline=False, ticklabeloverflow="allow"
            ),
            yaxis=axis(
                "after", tickvals=list(range(len(lines))), ticktext=lines, autorange="reversed", showgrid=False,
                zeroline=False,
            ),
            shapes=_frames(len(row.order), stages),
        ),
    }  # fmt: skip
    name, word = name_of(row), "change against the pre-trained model" if change else "accuracy"
    size = len(row.order)
    alt = (
        f"{name}: mean over the domains {100 * mean[0, :size].mean():.1f} % before and "
        f"{100 * mean[-1, :size].mean():.1f} % after the stream."
    )
    caption = _CAPTION.format(runs=_runs(row)) + rest
    cells = [(line, *(percent(value) for value in values)) for line, values in zip(lines, shown.tolist(), strict=True)]
    return Plot(
        "matrix", part, f"{name}: {word}", f"{name}, {word} (%)", caption, figure, alt, ("after", *columns), cells
    )


def _runs(row: Row) -> str:
    runs = len(row.entries)
    return "One run; hover for the figure" if runs == 1 else f"Mean over {runs} runs; hover for the deviation"


def _tables(row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over runs, [stage, domain and out-of-domain set]; NaN deviation with one run."""
    runs = np.array([[[*a, *o] for a, o in zip(e.data.accuracy, e.data.ood, strict=True)] for e in row.entries])
    return runs.mean(axis=0), runs.std(axis=0, ddof=1) if len(runs) > 1 else np.full(runs.shape[1:], np.nan)


def _after(row: Row, stage: int) -> str:
    if stage == 0:
        return "(pre-trained)"
    return "all domains at once" if row.upper_bound else f"{stage} {row.order[stage - 1]}"


def _hover(row: Row, mean: np.ndarray, deviation: np.ndarray, i: int, k: int, line: str, column: str) -> str:
    text = f"{column} after {line}<br>accuracy {100 * mean[i, k]:.1f} %"
    if not np.isnan(deviation[i, k]):
        text += f"<br>standard deviation {100 * deviation[i, k]:.1f}"
    text += f"<br>against pre-trained {100 * (mean[i, k] - mean[0, k]):+.1f}"
    stages = row.entries[0].data.stages
    if k < len(row.order) and not row.upper_bound and k + 1 in stages:
        text += f"<br>against just learned {100 * (mean[i, k] - mean[stages.index(k + 1), k]):+.1f}"
    return text


def _heat(z: list[list[float | None]], hover: list[list[str]], change: bool) -> dict:
    values = [abs(value) for line in z for value in line if value is not None]
    limit = max(values, default=1.0) or 1.0
    scale = (
        {"colorscale": LOSS_TO_GAIN, "zmin": -limit, "zmax": limit}
        if change
        else {"colorscale": "Viridis", "zmax": 100}
    )
    return {
        "type": "heatmap",
        "z": z,
        "text": hover,
        "hovertemplate": "%{text}<extra></extra>",
        "hoverongaps": False,
        "texttemplate": f"%{{z:{'+' if change else ''}.{1 if len(z[0]) <= FINE else 0}f}}",
        "xgap": 1,
        "ygap": 1,
        "showscale": False,
        **scale,
        **({} if change else {"zmin": 0}),
    }


def _frames(size: int, stages: Sequence[int]) -> list[dict]:
    """Around each domain at the stage at which it was learned; none for a run that learned all at once."""
    if len(stages) != size + 1:
        return []
    line = {"color": "#D55E00", "width": 2}
    return [
        {"type": "rect", "x0": k - 0.5, "x1": k + 0.5, "y0": k + 0.5, "y1": k + 1.5, "line": line} for k in range(size)
    ]
