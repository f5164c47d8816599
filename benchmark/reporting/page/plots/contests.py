"""Which differences between strategies are more than noise."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.reporting.contests import Contest
from benchmark.reporting.page.plots.base import MOST, Plot, axis, layout, left_out, name_of, parts, percent
from benchmark.reporting.page.plots.palette import LOSS_TO_GAIN
from benchmark.reporting.rows import Row

_MARKS = {"better": "better", "worse": "worse", "indistinguishable": "=", "untested": "?"}
_OTHER = {"better": "worse", "worse": "better"}


def plots(contests: Sequence[Contest], rows: Sequence[Row]) -> list[Plot]:
    """Differences of each contest with tests, and mean ranks where there are enough runs."""
    titles = {members[0].family: part for part, members in parts(rows)}
    found = []
    for contest in contests:
        part = titles[contest.rows[0].family]
        choice = "domain given" if contest.given else "domain not given"
        if contest.tests:
            found.append(_differences(contest, part, choice))
        if contest.mean_ranks is not None:
            found.append(_ranks(contest, part, choice))
    return found


def _differences(contest: Contest, part: str, choice: str) -> Plot:
    drawn = contest.rows[:MOST]
    place = {id(row): i for i, row in enumerate(drawn)}
    size = len(drawn)
    z: list[list[float | None]] = [[None] * size for _ in drawn]
    text, hover = ([[""] * size for _ in drawn] for _ in range(2))
    cells = []
    for test in contest.tests:
        if id(test.first) not in place or id(test.second) not in place:
            continue
        i, j, verdict = place[id(test.first)], place[id(test.second)], test.verdict
        p = "untested" if test.p is None else f"p = {test.p:.3g}"
        for a, b, sign, word in ((i, j, 1, verdict), (j, i, -1, _OTHER.get(verdict, verdict))):
            value = percent(sign * test.difference)
            z[a][b], text[a][b] = value, f"{value:+.1f}<br>{_MARKS[word]}"
            names = f"{name_of(drawn[a])} - {name_of(drawn[b])}"
            hover[a][b] = f"{names}: {value:+.2f}<br>{p}, n = {test.n}<br>{word}"
        half = percent(test.half_width)
        cells.append((name_of(test.first), name_of(test.second), z[i][j], half, test.p, test.n, verdict))
    limit = max((abs(v) for line in z for v in line if v is not None), default=1.0) or 1.0
    ticks = {"tickvals": list(range(size)), "ticktext": [name_of(row) for row in drawn], "showgrid": False}
    trace = {
        **{"type": "heatmap", "z": z, "text": text, "customdata": hover, "texttemplate": "%{text}", "xgap": 1},
        **{"hovertemplate": "%{customdata}<extra></extra>", "colorscale": LOSS_TO_GAIN, "zmin": -limit, "zmax": limit},
        **{"showscale": False, "ygap": 1, "hoverongaps": False},
    }
    sides = {"xaxis": axis("", **ticks), "yaxis": axis("", autorange="reversed", **ticks)}
    figure = {"data": [trace], "layout": layout(height=170 + 44 * size, **sides)}
    caption = (
        "Accuracy of the first (line) minus the second (column), percent, over shared runs. Paired t-tests with Holm's "
        f"correction at 5 %; = cannot be told apart, ? untested. {_diagram(contest)}{left_out(contest.rows)}"
    )
    apart = sum(test.verdict in _OTHER for test in contest.tests)
    alt = f"{apart} of {len(contest.tests)} pairs differ by more than noise, {choice}."
    header = ("first", "second", "difference", "half of 95 % interval", "p", "n", "verdict")
    return Plot("tests", part, f"{choice}: pairs", f"Differences, {choice}", caption, figure, alt, header, cells)


def _diagram(contest: Contest) -> str:
    return f"No critical-difference diagram: {contest.reason}." if contest.reason else ""


def _ranks(contest: Contest, part: str, choice: str) -> Plot:
    ranked = sorted(zip(contest.mean_ranks, contest.rows, strict=True), key=lambda pair: pair[0])
    values, critical = [round(value, 4) for value, _ in ranked], contest.critical_difference
    names = [name_of(row) for _, row in ranked]
    places = list(range(len(ranked)))
    data = [
        {
            **{"type": "scatter", "mode": "markers", "x": values, "y": places, "showlegend": False},
            **{"marker": {"size": 10, "color": "#0072B2"}, "hovertemplate": "mean rank %{x:.2f}<extra></extra>"},
        }
    ]
    for first, last in joined(values, critical):
        line = {"color": "#808080", "width": 4}
        side = len(data) * 0.12
        xs, ys = [values[first], values[last]], [last + side, last + side]
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": xs,
                "y": ys,
                "line": line,
                "showlegend": False,
                "hoverinfo": "skip",
            }
        )
    sides = {
        "xaxis": axis("mean rank (1 is best)"),
        "yaxis": axis("", tickvals=places, ticktext=names, autorange="reversed", zeroline=False),
    }
    figure = {"data": data, "layout": layout(height=150 + 32 * len(ranked), **sides)}
    caption = (
        f"Place of each strategy, mean over {contest.runs} runs. Grey bars join those whose mean ranks differ by less "
        f"than the critical difference, {critical:.2f} (Nemenyi, 5 %; Demsar, JMLR 7, 2006)."
    )
    alt = f"Best mean rank: {names[0]}, {values[0]:.2f}; critical difference {critical:.2f}."
    cells = list(zip(names, values, strict=True))
    header = ("strategy", "mean rank")
    return Plot("tests", part, f"{choice}: ranks", f"Mean ranks, {choice}", caption, figure, alt, header, cells)


def joined(ranks: Sequence[float], critical: float) -> list[tuple[int, int]]:
    """Longest runs of ascending `ranks` that span less than `critical`, as first and last place; pairs at least."""
    found: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = max(k for k in range(first, len(ranks)) if ranks[k] - ranks[first] < critical or k == first)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
