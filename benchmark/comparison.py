"""Rows of two sides, paired run by run: what got better or worse, and whether that is more than noise.

Only runs of the same stream, backbone, weights, data, budget, order and seed are compared with each other.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmark.comparison_sides import Side, check_one_each
from benchmark.metrics import METRICS
from benchmark.one_run import NotTheSame, accuracy_difference
from benchmark.reporting.columns import MEASURED
from benchmark.reporting.identity import canonical
from benchmark.reporting.measured import COSTS
from benchmark.reporting.notes import listed, runs_in_words
from benchmark.reporting.rows import Entry, Row
from benchmark.reporting.statistics import ALPHA, holm, paired

COMPARED = ("acc", "acc_avg_incremental", "bwt", "forgetting", "plasticity", "ood_retention", "zero_shot_drop")
"""Metrics that are compared; a test's correction is over these, and over the costs apart."""
OF_MACHINE = ("train_seconds", "eval_seconds", "images_per_second", "peak_memory_mb")
"""Costs that say nothing of a strategy unless both sides ran on the same machine in the same way."""
MACHINE = ("device", "platform", "cpu_count", "threads", "workers", "accumulate", "compile")
"""Entries of the environment that must agree before times and memory are judged."""

BETTER, WORSE, NOISE, IDENTICAL, UNTESTED, NOT_JUDGED = (
    "better", "worse", "noise", "identical", "untested", "not judged",
)  # fmt: skip
_ROUNDING = 1e-12


class Line(NamedTuple):
    """One figure of two rows: means over shared runs, B - A, its 95 % interval, and what to make of it.

    p: two-sided, corrected by Holm's method; None if there was no test. verdict: better or worse (B against A),
    noise (p is not below ALPHA), identical, untested (too few runs), not judged (other machines).
    """

    metric: str
    first: float
    second: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    verdict: str


@dataclass(frozen=True)
class Compared:
    """A row of A with a row of B, over the runs that both have."""

    first: Row
    second: Row
    runs: int
    lines: list[Line]
    notes: list[str]


class Refused(NamedTuple):
    """Rows that cannot be compared, and why."""

    first: Row
    second: Row
    reason: str


@dataclass(frozen=True)
class Comparison:
    """All of A against all of B; only_first, only_second: rows without a counterpart."""

    compared: list[Compared] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    only_first: list[Row] = field(default_factory=list)
    only_second: list[Row] = field(default_factory=list)


def compare(first: Side, second: Side) -> Comparison:
    """Pair rows and runs, and test; UsageError if a side's strategy means several rows.

    Two different strategies are compared in each stream and budget, domain given and not given apart. The same
    strategy, or all of two folders or commits, by configuration; another version of a strategy is said, not refused.
    """
    two_strategies = first.strategy != second.strategy
    if two_strategies:
        check_one_each(first)
        check_one_each(second)
    levels = [_protocol] if two_strategies else [_configuration, _unversioned]
    if first.strategy is not None and not two_strategies:
        levels.append(_protocol)
    found = Comparison(only_first=list(first.rows), only_second=list(second.rows))
    for level in levels:
        for one, other in _take(found, level):
            done = _compared(one, other, first, second)
            (found.refused if isinstance(done, Refused) else found.compared).append(done)
    near = _near if first.strategy is not None else _near_configuration
    for one, other in _take(found, near):
        found.refused.append(Refused(one, other, _mismatch(one, other)))
    return found


def _take(found: Comparison, key: Callable[[Row], Hashable]) -> list[tuple[Row, Row]]:
    """Remove and return rows that are alone of their key on both sides."""
    groups: dict[Hashable, tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for row in found.only_first:
        groups[key(row)][0].append(row)
    for row in found.only_second:
        groups[key(row)][1].append(row)
    pairs = [(a[0], b[0]) for a, b in groups.values() if len(a) == len(b) == 1]
    for one, other in pairs:
        found.only_first.remove(one)
        found.only_second.remove(other)
    return pairs


def _protocol(row: Row) -> Hashable:
    return (row.family, row.given)


def _configuration(row: Row) -> Hashable:
    return (row.family, row.track, canonical(_strategy(row)))


def _unversioned(row: Row) -> Hashable:
    return (row.family, row.track, _name_and_settings(row))


def _near(row: Row) -> Hashable:
    spec = row.entries[0].result.spec
    return (spec.stream["name"], spec.backbone["name"], row.given)


def _near_configuration(row: Row) -> Hashable:
    return (_near(row), row.track, _name_and_settings(row))


def _strategy(row: Row) -> dict:
    return row.entries[0].result.spec.strategy


def _name_and_settings(row: Row) -> str:
    return canonical([_strategy(row)["name"], _strategy(row)["params"]])


def _mismatch(first: Row, second: Row) -> str:
    """In what two families differ, in words."""
    kinds = ("stream", "backbone", "domains", "training", "")
    found = []
    for kind, one, other in zip(kinds, first.family, second.family, strict=True):
        if one == other:
            continue
        if kind == "domains":
            found.append(f"domains {one} against {other}")
            continue
        a, b = (dict(json.loads(text)) for text in (one, other))
        names = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
        found += [f"{kind} {name} {_show(a.get(name))} against {_show(b.get(name))}".lstrip() for name in names]
    return "; ".join(found) or "several rows of one side could be meant"


def _show(value: object) -> str:
    return "none" if value in (None, "") else value if isinstance(value, str) else json.dumps(value)


def _compared(first: Row, second: Row, one: Side, other: Side) -> Compared | Refused:
    """Test two rows of one family on their shared runs."""
    shared = sorted(first.pairs & second.pairs)
    orders = len({*first.orders, *second.orders})
    if not shared:
        words = [runs_in_words(row.pairs, orders) for row in (first, second)]
        return Refused(first, second, f"no shared run: A has {words[0]}, B has {words[1]}")
    entries = [_entries(first, shared), _entries(second, shared)]
    alone = (("A", first.pairs - second.pairs), ("B", second.pairs - first.pairs))
    notes = [f"left out, only in {name}: {runs_in_words(extra, orders)}" for name, extra in alone if extra]
    notes += _changed(*entries)
    measured = [_line(metric, METRICS[metric].higher_is_better, *entries) for metric in COMPARED]
    if len(shared) == 1 and measured[0] is not None and measured[0].verdict != IDENTICAL:
        measured[0], said = _over_images(measured[0], entries[0][0], entries[1][0], one, other)
        notes.append(said)
    undefined = [name for name, line in zip(COMPARED, measured, strict=True) if line is None]
    if undefined:
        notes.append(f"undefined for a run, so not compared: {listed(undefined)}")
    machines = _differing(MACHINE, *entries)
    if machines:
        notes.append(f"times and memory are not judged: {machines}")
    costs = [_line(name, MEASURED[name].higher_is_better, *entries) for name in COSTS]
    if machines:
        costs = [line and (_unjudged(line) if line.metric in OF_MACHINE else line) for line in costs]
    return Compared(first, second, len(shared), [*_corrected(measured), *_corrected(costs)], notes)


def _entries(row: Row, shared: Sequence[Hashable]) -> list[Entry]:
    by_pair = {entry.pair: entry for entry in row.entries}
    return [by_pair[pair] for pair in shared]


def _line(metric: str, higher: bool, first: Iterable[Entry], second: Iterable[Entry]) -> Line | None:
    """One metric, p not corrected yet; None where it is undefined for a run."""
    values = [(a.values.get(metric), b.values.get(metric)) for a, b in zip(first, second, strict=True)]
    if any(None in pair for pair in values):
        return None
    test = paired([b - a for a, b in values])
    a, b = (sum(column) / len(values) for column in zip(*values, strict=True))
    if all(abs(y - x) <= _ROUNDING for x, y in values):
        return Line(metric, a, b, 0.0, 0.0, 0.0, None, IDENTICAL)
    low, high = (None, None) if test.half_width is None else (test.mean - test.half_width, test.mean + test.half_width)
    return Line(metric, a, b, test.mean, low, high, test.p, BETTER if (test.mean > 0) == higher else WORSE)


def _over_images(line: Line, first: Entry, second: Entry, one: Side, other: Side) -> tuple[Line, str]:
    """A single run's accuracy tested over its images, where the predictions of both are there; and what to say."""
    said = "one run on each side: acc is tested over its images (bootstrap), the rest not; another seed may differ"
    stored = [side.store.predictions(entry.result.spec) for side, entry in ((one, first), (other, second))]
    try:
        difference, low, high, p = accuracy_difference((first, stored[0]), (second, stored[1]))
    except NotTheSame as error:
        return line, f"one run on each side: nothing is tested, {error}"
    return line._replace(difference=difference, low=low, high=high, p=p), said


def _corrected(lines: Sequence[Line | None]) -> list[Line]:
    """Holm's correction over what was tested, and the verdicts that follow."""
    there = [line for line in lines if line is not None]
    return [
        line._replace(p=p, verdict=_verdict(line, p)) for line, p in zip(there, holm([x.p for x in there]), strict=True)
    ]


def _verdict(line: Line, p: float | None) -> str:
    if line.verdict in (IDENTICAL, NOT_JUDGED):
        return line.verdict
    if p is None:
        return UNTESTED
    return line.verdict if p < ALPHA else NOISE


def _unjudged(line: Line) -> Line:
    return line if line.verdict == IDENTICAL else line._replace(p=None, verdict=NOT_JUDGED)


def _differing(names: Sequence[str], first: Sequence[Entry], second: Sequence[Entry]) -> str:
    """Entries of the environment in which two runs that are compared differ, in words; empty if none."""
    found = []
    for name in names:
        pairs = [
            tuple(str(entry.result.environment.get(name)) for entry in pair) for pair in zip(first, second, strict=True)
        ]
        if any(one != other for one, other in pairs):
            one, other = (listed(dict.fromkeys(column)) for column in zip(*pairs, strict=True))
            found.append(f"{name} {one} against {other}")
    return "; ".join(found)


def _changed(first: Sequence[Entry], second: Sequence[Entry]) -> list[str]:
    """What differs though it is no setting, and may explain a difference."""
    found = []
    one, other = (entries[0].result.spec.strategy for entries in (first, second))
    if one["name"] == other["name"] and one.get("version") != other.get("version"):
        found.append(f"version of {one['name']}: {one.get('version')} against {other.get('version')}")
    return [*found, *filter(None, [_differing(("commit", "torch"), first, second)])]
