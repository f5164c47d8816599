"""What other suites compute under the same names, reproduced from a track's accuracy matrix. Numpy only.

R[i, j] as in `benchmark.metrics`. Each formula was read from the suite's public code, which the source names. Their
figures are percentages, some of them rounded to two decimals; ours are fractions. Where a suite measures only the
domains learned so far (the lower triangle, j <= i), no cell above the diagonal enters, unless it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmark import metrics
from benchmark.matrix import Matrix, matrix
from benchmark.metrics import Value
from benchmark.result import Track


class Formula(NamedTuple):
    """What is computed: from which cells of R, and why it is not our metric `ours`; "" if it is the same formula."""

    ours: str
    text: str
    cells: str
    difference: str
    function: Callable[[Matrix], Value]


class Variant(NamedTuple):
    """A figure of another suite: `name` is what it is called there, `source` where its code was read."""

    suite: str
    name: str
    source: str
    formula: Formula

    @property
    def needs_steps(self) -> bool:
        """Undefined for an offline run, which has only stages 0 and T."""
        return self.formula.cells != LAST


LOWER, LAST = "lower triangle", "last row"
"""Cells of the domains learned so far; of the end."""


def compute(
    track: Track, counts: Mapping[str, int], order: Sequence[str], ood_names: Sequence[str]
) -> dict[str, float | None]:
    """Every variant of VARIANTS, by id, as a fraction; None where it is undefined. Arguments as `metrics.compute`."""
    m = matrix(track, counts, order, ood_names)
    return {
        name: variant.formula.function(m) if m.complete or not variant.needs_steps else None
        for name, variant in VARIANTS.items()
    }


def _several(function: Callable[[Matrix], float]) -> Callable[[Matrix], Value]:
    """None for a stream of one domain, whatever a suite returns then."""
    return lambda m: function(m) if m.domains > 1 else None


def _forgetting_with_last_row(m: Matrix) -> float:
    best = np.array([m.R[j:, j - 1].max() for j in range(1, m.domains)])
    return float((best - m.R[-1, :-1]).mean())


def _forgetting_of_mammoth(m: Matrix) -> float:
    best = np.array([m.R[max(j - 1, 1) :, j - 1].max() for j in range(1, m.domains)])
    return float((best - m.R[-1, :-1]).mean())


def _drops(m: Matrix) -> float:
    return float(np.mean([(m.R[t, :t] - m.R[t + 1, :t]).mean() for t in range(1, m.domains)]))


def _lower_mean(m: Matrix) -> float:
    return float(m.R[1:][np.tril_indices(m.domains)].mean())


def _change_two_stages_on(m: Matrix) -> float:
    change = np.tril(m.R[1:] - m.learned, -2)
    return float(change.sum() / (m.domains * (m.domains - 1) / 2))


def _mean_below_diagonal(m: Matrix) -> float:
    return float(m.R[1:][np.tril_indices(m.domains, -1)].mean())


def _forgetting_of_continuum(m: Matrix) -> float:
    last = m.domains - 2
    drops = [m.R[j : last + 1, j - 1].max() - m.R[-1, j - 1] for j in range(1, last + 1)]
    return float(sum(drops) / (m.domains - 1))


_BEST_OF_ALL = "the end is among the stages whose best counts, so a gain counts as 0: never negative"
_BY_IMAGE = "over images: the same as our {}_micro"
_LEAVES_OUT = "follows from continuum/backward_transfer, which leaves pairs out"

_FINAL = Formula("acc", "mean_j R[T,j]", LAST, "", metrics.acc)
_FINAL_BY_IMAGE = Formula(
    "acc", "sum_j n_j R[T,j] / sum_j n_j", LAST, _BY_IMAGE.format("acc"), metrics.METRICS["acc_micro"].function
)
_INCREMENTAL_BY_IMAGE = Formula(
    "acc_avg_incremental",
    "mean_t (sum_{j<=t} n_j R[t,j] / sum_{j<=t} n_j)",
    LOWER,
    _BY_IMAGE.format("acc_avg_incremental"),
    metrics.METRICS["acc_avg_incremental_micro"].function,
)
_BACKWARD = Formula("bwt", "mean_{j<T} (R[T,j] - R[j,j])", LOWER, "", metrics.bwt)
_FORWARD = Formula("fwt", "mean_{j>=2} (R[j-1,j] - R[0,j])", "above the diagonal, row 0", "", metrics.fwt)
_FORGETTING = Formula("forgetting", "mean_{j<T} (max_{j<=l<=T-1} R[l,j] - R[T,j])", LOWER, "", metrics.forgetting)
_FORGETTING_BEST_OF_ALL = Formula(
    "forgetting",
    "mean_{j<T} (max_{j<=l<=T} R[l,j] - R[T,j])",
    LOWER,
    _BEST_OF_ALL,
    _several(_forgetting_with_last_row),
)
_SOURCES = {
    "mammoth": "aimagelab/mammoth, utils/metrics.py",
    "pycil": "G-U-N/PyCIL, trainer.py, utils/toolkit.py",
    "pilot": "sun-hailong/LAMDA-PILOT, trainer.py, utils/toolkit.py",
    "avalanche": "avalanche-lib 0.6, avalanche/evaluation/metrics",
    "continuum": "continuum 1.2.7, continuum/metrics/metrics.py",
    "coda-prompt": "GT-RIPL/CODA-Prompt",
    "s-prompts": "iamwangyabin/S-Prompts, methods/sprompt.py, utils/toolkit.py",
    "ranpac": "RanPAC/RanPAC, trainer.py, utils/toolkit.py, utils/data.py (DomainNet: one test set of all domains)",
    "ka-prompt": "zhoujiahuan1991/ICML2025-KA-Prompt, cal_mean_std_af.py",
    "zscl": "Thunderbeee/ZSCL, mtil/results.ipynb",
}


def _variant(id: str, formula: Formula, place: str = "") -> tuple[str, Variant]:
    suite, name = id.split("/")
    return id, Variant(suite, name, ", ".join(filter(None, (_SOURCES[suite], place))), formula)


VARIANTS: dict[str, Variant] = dict(
    [
        _variant("mammoth/accuracy", _FINAL, "utils/loggers.py"),
        _variant("mammoth/backward_transfer", _BACKWARD),
        _variant("mammoth/forward_transfer", _FORWARD, "b_j of a model before any training"),
        _variant(
            "mammoth/forgetting",
            Formula(
                "forgetting",
                "mean_{j<T} (max_{max(j-1,1)<=l<=T} R[l,j] - R[T,j])",
                "lower triangle, above the diagonal",
                f"{_BEST_OF_ALL}; the stage before a domain was learned is among them too",
                _several(_forgetting_of_mammoth),
            ),
            "utils/training.py (with enable_other_metrics)",
        ),
        _variant("pycil/average_accuracy", _INCREMENTAL_BY_IMAGE),
        _variant("pycil/forgetting", _FORGETTING_BEST_OF_ALL),
        _variant("pilot/average_accuracy", _INCREMENTAL_BY_IMAGE),
        _variant("pilot/forgetting", _FORGETTING_BEST_OF_ALL),
        _variant("avalanche/stream_accuracy", _FINAL_BY_IMAGE, "StreamAccuracy"),
        _variant("avalanche/bwt", _BACKWARD, "StreamBWT"),
        _variant(
            "avalanche/forgetting",
            Formula(
                "forgetting",
                "mean_{j<T} (R[j,j] - R[T,j])",
                LOWER,
                "from the accuracy right after learning, not from the best: bwt with the other sign",
                _several(lambda m: -metrics.bwt(m)),
            ),
            "StreamForgetting",
        ),
        _variant("avalanche/forward_transfer", _FORWARD, "StreamForwardTransfer"),
        _variant("continuum/accuracy", _FINAL_BY_IMAGE, "logger.py"),
        _variant(
            "continuum/accuracy_A",
            Formula(
                "acc_avg_incremental",
                "sum_{i>=j} R[i,j] / (T(T+1)/2)",
                LOWER,
                "every cell weighs the same, so late stages, which have more of them, weigh more",
                _lower_mean,
            ),
        ),
        _variant("continuum/average_incremental_accuracy", _INCREMENTAL_BY_IMAGE, "logger.py"),
        _variant(
            "continuum/backward_transfer",
            Formula(
                "bwt_all",
                "sum_{i>j+1} (R[i,j] - R[j,j]) / (T(T-1)/2)",
                LOWER,
                "its loop ends one early: the stage right after a domain is left out of the sum, not of the divisor",
                _several(_change_two_stages_on),
            ),
        ),
        _variant(
            "continuum/positive_backward_transfer",
            Formula(
                "bwt_plus",
                "max(B, 0), B = continuum/backward_transfer",
                LOWER,
                _LEAVES_OUT,
                _several(lambda m: max(_change_two_stages_on(m), 0.0)),
            ),
        ),
        _variant(
            "continuum/remembering",
            Formula(
                "rem",
                "1 - abs(min(B, 0)), B = continuum/backward_transfer",
                LOWER,
                _LEAVES_OUT,
                _several(lambda m: 1.0 - abs(min(_change_two_stages_on(m), 0.0))),
            ),
        ),
        _variant(
            "continuum/forward_transfer",
            Formula(
                "fwt",
                "sum_{i>j} R[i,j] / (T(T-1)/2)",
                LOWER,
                "rows and columns are exchanged: accuracy on domains learned before, with nothing subtracted",
                _several(_mean_below_diagonal),
            ),
        ),
        _variant(
            "continuum/forgetting",
            Formula(
                "forgetting",
                "sum_{j<=T-2} (max_{j<=l<=T-2} R[l,j] - R[T,j]) / (T-1)",
                LOWER,
                "its loops end one early: stage T-1 is left out, and domain T-1 of the sum, not of the divisor",
                _several(_forgetting_of_continuum),
            ),
        ),
        _variant("coda-prompt/accuracy", _FINAL, "trainer.py"),
        _variant(
            "coda-prompt/forgetting",
            Formula(
                "forgetting",
                "mean_{t<T} mean_{j<=t} (R[t,j] - R[t+1,j])",
                LOWER,
                "mean loss from one stage to the next, not over the stream",
                _several(_drops),
            ),
            "utils/calc_forgetting.py",
        ),
        _variant("s-prompts/accuracy", _FINAL_BY_IMAGE),
        _variant("ranpac/accuracy", _FINAL_BY_IMAGE),
        _variant("ka-prompt/accuracy", _FINAL),
        _variant("ka-prompt/forgetting", _FORGETTING),
        _variant("zscl/last", _FINAL),
        _variant("zscl/avg", Formula("avg", "mean_{i>=1} mean_j R[i,j]", "rows 1..T", "", metrics.avg)),
        _variant(
            "zscl/transfer",
            Formula("transfer", "mean_{j>=2} mean_{1<=i<j} R[i,j]", "above the diagonal", "", metrics.transfer),
        ),
    ]
)
"""``SUITE/NAME`` -> what it is."""
