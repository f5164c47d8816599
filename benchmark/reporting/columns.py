"""The columns of every CSV file, in order, and the unit of every figure; README.md beside this says what each means."""

from __future__ import annotations

from typing import NamedTuple

from benchmark.metrics import METRICS
from benchmark.reporting.measured import COSTS


class Figure(NamedTuple):
    """A figure that is measured or follows from two tracks, described as `benchmark.metrics.METRICS` describes its."""

    formula: str
    source: str
    higher_is_better: bool
    unit: str


OURS = "selora-bench"
MEASURED: dict[str, Figure] = {
    "active_fraction": Figure("active blocks / gated blocks, mean over tasks", OURS, False, "fraction"),
    "trainable_parameters": Figure("parameters that are trained in the last task", OURS, False, "parameters"),
    "stored_parameters": Figure("parameters added to, or changed in, the pre-trained model", OURS, False, "parameters"),
    "train_seconds": Figure("time spent in training", OURS, False, "s"),
    "eval_seconds": Figure("time spent in evaluation", OURS, False, "s"),
    "images_per_second": Figure("training images a second", OURS, True, "images/s"),
    "peak_memory_mb": Figure("largest memory of the process, or on the GPU", OURS, False, "MiB"),
    "oracle_gap": Figure("acc with the domain given - acc behind the router", OURS, False, "fraction"),
    "ood_change[SET]": Figure("O[T,SET] - O[0,SET]; in runs.csv only", OURS, True, "fraction"),
}
"""Figures that no formula of METRICS makes."""

_FIRST = (
    "acc",
    "acc_micro",
    "acc_avg_incremental",
    "bwt",
    "forgetting",
    "fwt",
    "plasticity",
    "ood_retention",
    "zero_shot_drop",
    "active_fraction",
    "trainable_parameters",
    "stored_parameters",
    "train_seconds",
    "eval_seconds",
    "peak_memory_mb",
    "router_accuracy",
    "oracle_gap",
)
SUMMARIZED = tuple(dict.fromkeys((*_FIRST, *METRICS, *COSTS)))
"""Figures of the leaderboard: NAME is the mean over runs, NAME_ci95 half its 95 % interval, NAME_se its standard error.

A new metric is entered at the end, so that columns keep their places.
"""

IDENTITY = (
    "stream",
    "backbone",
    "order",
    "orders",
    "strategy",
    "track",
    "domain_given",
    "upper_bound",
    "settings",
    "rank",
    "rank_group",
    "apart",
    "seeds",
    "runs",
)
IMAGE_INTERVAL = ("acc_image_low", "acc_image_high")
LEADERBOARD = (
    *IDENTITY,
    *(column for name in SUMMARIZED for column in (name, f"{name}_ci95", f"{name}_se")),
    *IMAGE_INTERVAL,
    "comparable",
    "note",
)
RUN = ("key", "stream", "backbone", "order", "strategy", "settings", "track", "seed")
"""What names one run on one track."""
RUNS = (*RUN, "metric", "value")
MATRIX = (*RUN, "stage", "after", "kind", "set", "accuracy", "images", "k")
METRIC_TABLE = ("id", "formula", "source", "higher_is_better", "needs_steps", "unit")
COMPARABILITY = (
    "stream",
    "backbone",
    "order",
    "strategy",
    "settings",
    "track",
    "published",
    "source",
    "table",
    "name_there",
    "same_strategy",
    "verdict",
    "column",
    "ours",
    "theirs",
    "difference",
    "differs",
    "unknown",
)

DOMAIN, OOD, OTHER_K = "domain", "out-of-domain", "out-of-domain, other k"
"""Kinds of cells in MATRIX; the third is measured beside the second and enters no metric."""

_DECIMALS = {"parameters": 1, "s": 2, "images/s": 2, "MiB": 1}


def unit(name: str) -> str:
    """Unit of a figure; every metric of METRICS is a fraction, or a difference or quotient of fractions."""
    return MEASURED[name].unit if name in MEASURED else "fraction"


def decimals(name: str) -> int:
    """Decimals with which a figure, or its interval or error, is written."""
    return _DECIMALS.get(unit(name.removesuffix("_ci95").removesuffix("_se")), 6)
