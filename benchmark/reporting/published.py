"""Published results to compare with, each with its source; the table itself is published.csv beside this.

A point that its source does not tell is ``not stated``; ``any`` is a point that does not matter for that result.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

NOT_STATED, ANY = "not stated", "any"
PATH = Path(__file__).with_name("published.csv")


@dataclass(frozen=True)
class Published:
    """One number of a paper, or of a table that its authors published.

    source: paper and arXiv number. address: where it can be read. table: the table there.
    order: domains, ``a > b``. averaging: ``macro`` (over domains) or ``micro`` (over images).
    metric: an id of `benchmark.metrics.METRICS`, or ``accuracy[SET]``: that of one set at the end.
    strategy: our name of the same method, empty where we have none; name_there: the table's.
    value: a fraction.
    """

    id: str
    source: str
    address: str
    table: str
    stream: str
    split: str
    order: str
    averaging: str
    metric: str
    backbone: str
    pretraining: str
    head: str
    scenario: str
    domain_given: str
    exemplars: str
    strategy: str
    name_there: str
    value: float
    note: str


@cache
def published() -> tuple[Published, ...]:
    """Every published result, in the order of the file."""
    with PATH.open(encoding="utf-8", newline="") as file:
        return tuple(Published(**{**line, "value": float(line["value"])}) for line in csv.DictReader(file))
