"""Which published results a row of the leaderboard may be compared with, and what stands against it.

Two results are comparable if they agree in every point of POINTS. Budgets and tuning are no point: few papers state
them, and they are part of what a method is there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from benchmark.metrics import METRICS
from benchmark.registry import BUILTIN
from benchmark.reporting.published import ANY, NOT_STATED, Published, published
from benchmark.reporting.rows import Row

if TYPE_CHECKING:
    from benchmark.reporting.report import Report

POINTS = ("split", "order", "backbone", "pretraining", "head", "scenario", "domain_given", "exemplars")
"""Fields of Published in which both sides must agree, beside stream, metric and averaging."""

LARGEST = 100
"""Rows of one stream beyond which only results of the same method are listed: nobody reads thousands of verdicts."""

COMPARABLE, DIFFERENT, UNKNOWN = "comparable", "not comparable", "cannot tell"


@dataclass(frozen=True)
class Verdict:
    """One row and one published result of its stream.

    verdict: `not comparable` if anything differs; else `cannot tell` if a point is not known on one side; else
        `comparable`.
    differs, unknown: those points in words.
    column: the column of leaderboard.csv to compare, or ``accuracy[SET]``, the last stage of matrix.csv; empty if the
        published metric is none of ours.
    ours, difference: our value, mean over runs, and how much it is above the published one; None if undefined here.
    """

    row: Row
    published: Published
    verdict: str
    differs: tuple[str, ...]
    unknown: tuple[str, ...]
    column: str
    ours: float | None
    difference: float | None

    @property
    def same_strategy(self) -> bool:
        """Whether it is the same method."""
        return self.row.strategy == self.published.strategy


def verdicts(report: Report) -> list[Verdict]:
    """Every row against every published result of its stream; in the order of the leaderboard, same method first."""
    return verdicts_of(report.rows)


def verdicts_of(rows: Sequence[Row], results: Sequence[Published] | None = None) -> list[Verdict]:
    """`verdicts` of some rows, with `results` in place of published.csv."""
    results = published() if results is None else results
    streams = [row.entries[0].result.spec.stream["name"] for row in rows]
    found = []
    for row, stream in zip(rows, streams, strict=True):
        rivals = [result for result in results if result.stream == stream]
        chosen = [result for result in rivals if result.strategy == row.strategy]
        others = [result for result in rivals if result.strategy != row.strategy]
        if streams.count(stream) <= LARGEST:
            chosen += others
        ours = tuple(facts(row).items())
        found += [_verdict(row, result, ours) for result in chosen]
    return found


def facts(row: Row) -> dict[str, str]:
    """POINTS of a row, in the words of published.csv; NOT_STATED where its specification does not tell."""
    result = row.entries[0].result
    spec = result.spec
    architecture, pretraining = _backbone(spec.backbone)
    head = _head(spec.backbone, spec.stream, bool(result.traits.get("per_task_head")))
    return {
        "split": _split(spec.stream),
        "order": " > ".join(row.order) if len(row.orders) == 1 else f"{len(row.orders)} orders",
        "backbone": architecture,
        "pretraining": pretraining,
        "head": head,
        "scenario": _scenario(row, head),
        "domain_given": "yes" if row.given else "no",
        "exemplars": "none" if _built_in(spec.strategy) else NOT_STATED,
    }


@cache
def _compared(ours: tuple[tuple[str, str], ...], result: Published) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """(column, differs, unknown) of a row with these facts."""
    column, differs, unknown = _column(result), [], []
    if result.averaging == NOT_STATED:
        unknown.append("averaging: not stated there; acc is macro, acc_micro micro")
    elif not column:
        differs.append(f"metric: {result.metric}, {result.averaging}, is not measured here")
    for point, here in ours:
        there = getattr(result, point)
        if there == ANY or here == there:
            continue
        words = f"{point.replace('_', ' ')}: {here} here, {there} there"
        partly = point == "pretraining" and there != NOT_STATED and here.startswith(f"{there} ")
        (unknown if NOT_STATED in (here, there) or partly else differs).append(words)
    return column, tuple(differs), tuple(unknown)


def _verdict(row: Row, result: Published, ours: tuple[tuple[str, str], ...]) -> Verdict:
    column, differs, unknown = _compared(ours, result)
    verdict = DIFFERENT if differs else UNKNOWN if unknown else COMPARABLE
    value = _value(row, column)
    difference = None if value is None else value - result.value
    return Verdict(row, result, verdict, differs, unknown, column, value, difference)


def _column(result: Published) -> str:
    """Where our figure of the published metric is."""
    if result.metric.startswith("accuracy["):
        return result.metric
    column = result.metric if result.averaging in ("macro", NOT_STATED) else f"{result.metric}_{result.averaging}"
    return column if column in METRICS else ""


def _value(row: Row, column: str) -> float | None:
    if not column.startswith("accuracy["):
        summary = row.summary(column) if column else None
        return None if summary is None else summary.mean
    name = column.removeprefix("accuracy[").removesuffix("]")
    if name not in row.order:
        return None
    last = [entry.data.accuracy[-1][entry.pair[0].index(name)] for entry in row.entries]
    return math.fsum(last) / len(last)


def _split(stream: dict[str, Any]) -> str:
    """``official lists`` only for all of them, as they are."""
    changes = []
    if stream.get("edition") == "original":
        changes.append("uncleaned clipart and painting")
    if stream.get("subset"):
        changes.append("a part: " + " ".join(f"{name}={value}" for name, value in sorted(stream["subset"].items())))
    if stream.get("hold_out"):
        changes.append(f"without {', '.join(stream['hold_out'])}")
    if stream.get("deduplicate"):
        changes.append("without duplicates")
    if stream.get("skipped"):
        changes.append(f"without {stream['skipped']['images']} images that cannot be read")
    whole = "official lists" if "lists" in stream else "a split of this suite" if "listing" in stream else NOT_STATED
    return ", ".join([whole, *changes])


_VIT = re.compile(r"vit_(?P<size>[a-z]+)_patch(?P<patch>\d+)(_[a-z]+)*_(?P<side>\d+)")
_SIZES = {"tiny": "Ti", "small": "S", "base": "B", "large": "L", "huge": "H"}
_TAGS = {"augreg_in21k": "ImageNet-21k", "augreg_in21k_ft_in1k": "ImageNet-21k, then ImageNet-1k", "dino": "DINO"}
_STANDARD_SIDE = "224"


def _backbone(identity: dict[str, Any]) -> tuple[str, str]:
    """Architecture and pre-training, as ``ViT-B/16`` and ``CLIP openai``; our own words where papers have none."""
    kind, _, model = identity["name"].partition(":")
    weights, side = str(identity.get("weights", "")), str(identity.get("image_size") or "")
    name, _, tag = model.partition(".")
    known = _VIT.fullmatch(name) if kind == "timm" else None
    if known and known["size"] in _SIZES:
        architecture = f"ViT-{_SIZES[known['size']]}/{known['patch']}"
        side = side or known["side"]
    elif kind == "clip" and re.fullmatch(r"ViT-[A-Z]-\d+", model):
        architecture = "/".join(model.rsplit("-", 1))
    else:
        architecture = identity["name"]
    if side and side != _STANDARD_SIDE:
        architecture += f" at {side} px"
    if kind == "clip":
        tagged = weights and not re.fullmatch("hub|[0-9a-f]{12}", weights)
        return architecture, f"CLIP {weights}" if tagged else NOT_STATED
    if kind == "timm" and weights == "hub" and tag:
        return architecture, f"CLIP {tag}" if "_clip_" in name else _TAGS.get(tag, tag)
    return architecture, NOT_STATED if kind == "timm" else identity["name"]


def _head(backbone: dict[str, Any], stream: dict[str, Any], per_task: bool) -> str:
    kind = backbone["name"].partition(":")[0]
    if kind not in BUILTIN["backbones"]:
        return NOT_STATED
    if kind == "timm":
        return "linear, one for each task" if per_task else "linear"
    templates = str(stream.get("templates", "simple")).split()[0]
    other = "" if templates == "simple" else f", templates {templates}"
    towers = ", text tower adapted too" if backbone.get("towers") == "both" else ""
    return f"text{other}{towers}"


def _built_in(strategy: dict[str, Any]) -> bool:
    """None of the suite's own strategies keeps images; what a plugged-in one keeps is not recorded."""
    return strategy["name"] in BUILTIN["strategies"] and not strategy.get("source")


def _scenario(row: Row, head: str) -> str:
    if row.upper_bound:
        return "joint training"
    if row.strategy == "zero-shot" and head.startswith("text"):
        return "no training"
    return "classes of each task known" if row.entries[0].result.spec.stream["name"] == "mtil" else "domain-incremental"
