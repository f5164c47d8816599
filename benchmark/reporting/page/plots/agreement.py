"""How far two strategies give the same answers to the same images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from benchmark.agreement import agreement
from benchmark.reporting.page.plots.base import Plot, axis, layout, left_out, name_of
from benchmark.reporting.rows import Entry, Row
from benchmark.store import DAMAGED, Store

MOST = 20
"""Rows of a part that are compared, the best."""
Shares = dict[str, float | None]
"""As `benchmark.agreement.agreement` returns them."""


def plots(part: str, rows: Sequence[Row], store: Store) -> list[Plot]:
    """One plot of the rows of a part, where two of them kept their predictions of the same seed and order."""
    answers, entry = _answers(rows[:MOST], store)
    shares = compared(answers, entry.pair[0])
    return [_plot(part, rows, entry, shares)] if shares else []


def compared(answers: Mapping[str, Mapping[str, np.ndarray]], sets: Sequence[str]) -> dict[tuple[str, str], Shares]:
    """Agreement of every two of `answers` (arrays of `_end`) that were tested on the same images of `sets`."""
    found = {}
    for first, second in combinations(answers, 2):
        try:
            found[first, second] = agreement(answers[first], answers[second], sets, ("end", "end"))
        except ValueError:  # other images: nothing to compare
            continue
    return found


def _answers(rows: Sequence[Row], store: Store) -> tuple[dict[str, dict[str, np.ndarray]], Entry]:
    """Row -> its answers in one run, of the seed and order that most rows have, and an entry of that run."""
    pairs = Counter(pair for row in rows for pair in row.pairs)
    shared = min(pairs, key=lambda pair: (-pairs[pair], pair))
    entries = {name_of(row): entry for row in rows for entry in row.entries if entry.pair == shared}
    found, places = {}, {}
    for name, entry in entries.items():
        ends = _end(store, entry, places)
        if ends is not None:
            found[name] = ends
    return found, next(iter(entries.values()))


def _end(store: Store, entry: Entry, places: dict[tuple[str, ...], int]) -> dict[str, np.ndarray] | None:
    """Labels, answers at the last stage and ids of each domain, images in the order of their ids; None if unknown.

    places: numbers the lists of ids that were met. Equal lists become equal integers, so that every image's name is
    sorted once a run and not once a pair.
    """
    arrays = store.predictions(entry.result.spec)
    if arrays is None:
        return None
    found = {}
    try:
        for name in entry.pair[0]:
            ids = arrays[f"ids/{name}"]
            order = np.argsort(ids, kind="stable")
            known = places.setdefault((name, *ids[order].tolist()), len(places))
            found[f"ids/{name}"] = known * len(ids) + np.arange(len(ids))
            found[f"labels/{name}"] = arrays[f"labels/{name}"][order]
            found[f"end/{name}/class"] = arrays[f"{entry.track}/{entry.data.stages[-1]}/{name}/class"][:, order]
    except (*DAMAGED, KeyError, IndexError):
        return None
    return found


def _plot(part: str, members: Sequence[Row], entry: Entry, shares: Mapping[tuple[str, str], Shares]) -> Plot:
    compared_names = {name for pair in shares for name in pair}
    drawn = [name_of(row) for row in members[:MOST] if name_of(row) in compared_names]
    z: list[list[float | None]] = [[None] * len(drawn) for _ in drawn]
    hover = [[""] * len(drawn) for _ in drawn]
    cells = []
    for (first, second), found in shares.items():
        i, k = drawn.index(first), drawn.index(second)
        same, both, one, other, neither = (
            round(100 * found[key], 1) for key in ("same", "both", "first", "second", "neither")
        )
        kappa = None if found["kappa"] is None else round(found["kappa"], 3)
        z[i][k] = z[k][i] = same
        hover[i][k] = hover[k][i] = (
            f"{first} and {second}<br>same answer {same} %, kappa {'undefined' if kappa is None else kappa}<br>"
            f"both right {both} %, neither {neither} %<br>only {first} {one} %<br>only {second} {other} %"
        )
        cells.append((first, second, same, both, one, other, neither, kappa))
    plain = {"tickvals": list(range(len(drawn))), "ticktext": drawn, "showgrid": False, "zeroline": False}
    trace = {
        **{"type": "heatmap", "z": z, "text": hover, "texttemplate": "%{z:.0f}", "colorscale": "Viridis", "zmax": 100},
        **{"hovertemplate": "%{text}<extra></extra>", "hoverongaps": False, "showscale": False, "xgap": 1, "ygap": 1},
    }
    sides = {"xaxis": axis("", tickangle=-45, **plain), "yaxis": axis("", autorange="reversed", **plain)}
    figure = {"data": [trace], "layout": layout(height=170 + 34 * len(drawn), **sides)}
    absent = [name_of(row) for row in members[:MOST] if name_of(row) not in compared_names]
    missing = f" Without predictions of this run: {', '.join(absent)}." if absent else ""
    caption = (
        f"Test images to which both give the same answer at the end, percent, mean over the domains; one run, seed "
        f"{entry.seed}. Hover for who is right and for Cohen's kappa.{missing}{left_out(members, MOST)}"
    )
    least, most = (end(cells, key=lambda cell: cell[2]) for end in (min, max))
    alt = f"Least alike: {least[0]} and {least[1]}, {least[2]} %; most: {most[0]} and {most[1]}, {most[2]} %."
    header = (
        *("first", "second", "same answer (%)", "both right (%)", "only first (%)", "only second (%)", "neither (%)"),
        "kappa",
    )
    title = "Agreement between strategies (%)"
    return Plot("classes", part, "agreement between strategies", title, caption, figure, alt, header, cells)
