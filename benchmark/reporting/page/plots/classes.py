"""Which classes gained and which lost: accuracy by class and domain, before and after the stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.reporting.page.plots import agreement, confusion
from benchmark.reporting.page.plots.base import Plot, axis, layout, left_out, name_of, parts, percent
from benchmark.reporting.page.plots.class_tables import Domain, domains
from benchmark.reporting.page.plots.palette import LOSS_TO_GAIN
from benchmark.reporting.rows import Row
from benchmark.store import Store

ROWS, CLASSES = 12, 40
"""Most rows of a part that are drawn, and most classes of a row."""
ALL = "all domains"

Counts = tuple[int, int, int]
"""Images of a class in a domain that were right before the stream, right after it, and all of them."""


def plots(rows: Sequence[Row], store: Store | None) -> list[Plot]:
    """Changes by class and mistakes of each row with samples, then agreement between the rows of a part."""
    if store is None:
        return []
    found = []
    for part, members in parts(rows):
        rest = left_out(members, ROWS)
        for row in members[:ROWS]:
            tables = domains(row, store)
            if tables:
                found += [_plot(row, part, tables, rest), confusion.plot(row, part, tables, rest)]
        found += agreement.plots(part, members, store)
    return found


def counts(tables: Mapping[str, Domain]) -> dict[str, dict[str, Counts]]:
    """Class -> domain and, last, ALL -> counts; only classes and domains with images."""
    found: dict[str, dict[str, Counts]] = {}
    for name, table in tables.items():
        for called, (before, total), (after, _) in zip(table.names, table.before, table.after, strict=False):
            if total:
                found.setdefault(called, {})[name] = (before, after, total)
    for line in found.values():
        line[ALL] = tuple(sum(column) for column in zip(*line.values(), strict=True))
    return found


def change(cell: Counts) -> float:
    """Accuracy after minus accuracy before, in percent of the images."""
    before, after, total = cell
    return 100 * (after - before) / total


def most_changed(lines: Mapping[str, Mapping[str, Counts]], most: int) -> list[str]:
    """At most `most` classes with the largest changes over all domains, the largest loss first."""
    size = {name: change(line[ALL]) for name, line in lines.items()}
    kept = sorted(size, key=lambda name: (-abs(size[name]), name))[:most]
    return sorted(kept, key=lambda name: (size[name], name))


def _plot(row: Row, part: str, tables: Mapping[str, Domain], rest: str) -> Plot:
    lines = counts(tables)
    shown, columns = most_changed(lines, CLASSES), [*tables, ALL]
    places = [*range(len(tables)), len(tables) + 1]
    z: list[list[float | None]] = [[None] * (len(columns) + 1) for _ in shown]
    hover: list[list[str]] = [[""] * (len(columns) + 1) for _ in shown]
    cells = []
    for i, name in enumerate(shown):
        for column, place in zip(columns, places, strict=True):
            if column not in lines[name]:
                continue
            before, after, total = lines[name][column]
            z[i][place] = round(change(lines[name][column]), 1) + 0.0
            shares = percent(before / total), percent(after / total)
            hover[i][place] = f"{name}, {column}<br>before {shares[0]:.1f} %, after {shares[1]:.1f} %, {total} images"
            cells.append((name, column, *shares, total))
    limit = max((abs(value) for line in z for value in line if value is not None), default=1.0) or 1.0
    trace = {
        **{"type": "heatmap", "z": z, "text": hover, "texttemplate": "%{z:+.0f}", "xgap": 1, "ygap": 1},
        **{"hovertemplate": "%{text}<br>%{z:+.1f}<extra></extra>", "hoverongaps": False, "showscale": False},
        **{"colorscale": LOSS_TO_GAIN, "zmin": -limit, "zmax": limit},
    }
    plain = {"showgrid": False, "zeroline": False}
    sides = {
        "xaxis": axis("domain", tickvals=places, ticktext=columns, tickangle=-45, **plain),
        "yaxis": axis("", tickvals=list(range(len(shown))), ticktext=shown, autorange="reversed", **plain),
    }
    figure = {"data": [trace], "layout": layout(height=150 + 24 * len(shown), **sides)}
    cut = f"The {CLASSES} of {len(lines)} classes that changed most. " if len(lines) > len(shown) else ""
    caption = (
        f"Accuracy on each class at the end minus that of the pre-trained model, percent of its test images. {cut}"
        f"The largest loss over all domains is on top. Hover for both accuracies. First run (seed "
        f"{row.entries[0].seed}).{rest}"
    )
    name = name_of(row)
    title = f"{name}, change by class (points)"
    header = ("class", "domain", "before (%)", "after (%)", "images")
    return Plot("classes", part, f"{name}: change", title, caption, figure, _alt(name, lines, shown), header, cells)


def _alt(name: str, lines: Mapping[str, Mapping[str, Counts]], shown: Sequence[str]) -> str:
    changes = {called: change(line[ALL]) for called, line in lines.items()}
    worse, better = (sum(sign * value > 0 for value in changes.values()) for sign in (-1, 1))
    ends = (f"{called} {changes[called]:+.1f}" for called in dict.fromkeys((shown[0], shown[-1])))
    return (
        f"{name}: over all domains {worse} of {len(lines)} classes lost accuracy and {better} gained; the ends in "
        f"points: {', '.join(ends)}."
    )
