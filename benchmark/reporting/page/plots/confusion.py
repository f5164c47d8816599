"""Which classes are taken for which: a matrix of few classes, the most frequent mistakes of many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from benchmark.reporting.page.plots.base import Plot, axis, layout, name_of
from benchmark.reporting.page.plots.class_tables import Domain
from benchmark.reporting.rows import Row

LARGEST, BARS, LISTED = 20, 20, 10
"""Most classes of a matrix, most bars of a domain, most mistakes of a domain in the table."""
# Viridis, its dark end stretched: most mistakes are rare, and a few per cent must show.
_SCALE = [[0, "#440154"], [0.0625, "#3B528B"], [0.25, "#21918C"], [0.5625, "#5EC962"], [1, "#FDE725"]]


def plot(row: Row, part: str, tables: Mapping[str, Domain], rest: str) -> Plot:
    """Mistakes at the end of the stream, a menu switches between the domains."""
    classes = list(dict.fromkeys(name for table in tables.values() for name in table.names))
    few = len(classes) <= LARGEST
    traces = [_matrix(table, classes) if few else _bars(table) for table in tables.values()]
    for trace in traces[1:]:
        trace["visible"] = False
    height = 190 + 26 * len(classes) if few else 190 + 22 * max(len(trace["y"]) for trace in traces)
    figure = {"data": traces, "layout": layout(height=height, updatemenus=[_menu(list(tables))], **_axes(classes, few))}
    figure["layout"]["margin"] = {"l": 48, "r": 12, "t": 64, "b": 48}
    told = sum(count for table in tables.values() for *_, count in table.mistakes)
    wrong = sum(table.wrong for table in tables.values())
    how = (
        "Line: the class of the image; column: the answer; percent of the class's images; the diagonal is right. "
        if few
        else f"Images of the first class that were taken for the second, the {BARS} most frequent pairs. "
    )
    rare = f" Rare pairs are not kept: {100 * told / wrong:.0f} % of the mistakes are shown." if told < wrong else ""
    caption = (
        f"{how}End of the stream, first run (seed {row.entries[0].seed}); the menu switches the domain."
        f"{rare if few else ''}{rest}"
    )
    name = name_of(row)
    cells = [(domain, *mistake) for domain, table in tables.items() for mistake in table.mistakes[:LISTED]]
    header = ("domain", "class", "taken for", "images")
    title = f"{name}, classes taken for others"
    return Plot("classes", part, f"{name}: mistakes", title, caption, figure, _alt(name, tables, wrong), header, cells)


def _matrix(table: Domain, classes: list[str]) -> dict[str, Any]:
    z: list[list[float | None]] = [[None] * len(classes) for _ in classes]
    images: list[list[int | None]] = [[None] * len(classes) for _ in classes]
    totals = {}
    for name, (right, total) in zip(table.names, table.after, strict=False):
        if total:
            i, totals[name] = classes.index(name), total
            z[i][i], images[i][i] = round(100 * right / total, 1), right
    for label, answer, count in table.mistakes:
        i, k = classes.index(label), classes.index(answer)
        z[i][k], images[i][k] = round(100 * count / totals[label], 1), count
    return {
        **{"type": "heatmap", "x": classes, "y": classes, "z": z, "customdata": images, "zmin": 0, "zmax": 100},
        **{"texttemplate": "%{z:.0f}", "colorscale": _SCALE, "showscale": False, "xgap": 1, "ygap": 1},
        "hovertemplate": "%{y} taken for %{x}<br>%{z:.1f} %, %{customdata} images<extra></extra>",
        "hoverongaps": False,
    }


def _bars(table: Domain) -> dict[str, Any]:
    drawn = table.mistakes[:BARS]
    totals = Counter({name: total for name, (_, total) in zip(table.names, table.after, strict=False)})
    return {
        **{"type": "bar", "orientation": "h", "x": [count for *_, count in drawn]},
        **{"y": [f"{label} → {answer}" for label, answer, _ in drawn], "marker": {"color": "#0072B2"}},
        **{"customdata": [totals[label] for label, *_ in drawn], "text": [count for *_, count in drawn]},
        **{"textposition": "auto", "hovertemplate": "%{y}: %{x} of %{customdata} images<extra></extra>"},
        "showlegend": False,
    }


def _axes(classes: list[str], few: bool) -> dict[str, Any]:
    if not few:
        return {"xaxis": axis("images"), "yaxis": axis("", autorange="reversed")}
    plain = {"type": "category", "categoryorder": "array", "categoryarray": classes, "showgrid": False}
    return {"xaxis": axis("answer", tickangle=-45, **plain), "yaxis": axis("class", autorange="reversed", **plain)}


def _menu(names: list[str]) -> dict[str, Any]:
    buttons = [
        {"method": "restyle", "label": name, "args": ["visible", [other == name for other in names]]} for name in names
    ]
    return {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "pad": {"b": 12}}


def _alt(name: str, tables: Mapping[str, Domain], wrong: int) -> str:
    images = sum(table.images for table in tables.values())
    most = [
        (count, domain, label, answer) for domain, table in tables.items() for label, answer, count in table.mistakes
    ]
    if not most:
        return f"{name}: no mistake on {images} images."
    count, domain, label, answer = max(most, key=lambda mistake: mistake[0])
    return (
        f"{name}: {wrong} of {images} images are wrong at the end; most often {label} is taken for {answer}, "
        f"{count} images of {domain}."
    )
