"""The first command of the README, whole: minutes, so `pytest -m slow` runs it."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_default_suite(tmp_path):
    call = [sys.executable, "run_suite.py", "--results", str(tmp_path)]
    subprocess.run(call, cwd=ROOT, check=True)
    with open(tmp_path / "leaderboard.csv", newline="") as file:
        rows = {(row["strategy"], row["track"]): row for row in csv.DictReader(file)}
    assert len({strategy for strategy, _ in rows}) == 9
    acc = {key: float(row["acc"]) for key, row in rows.items()}
    agnostic = {strategy: float(row["bwt"]) for (strategy, track), row in rows.items() if row["bwt"]}
    assert agnostic["finetune"] < 0
    assert float(rows["selora", "given"]["bwt"]) == float(rows["taps", "given"]["bwt"]) == 0.0
    assert acc["joint", "agnostic"] > acc["finetune", "agnostic"] > acc["zero-shot", "agnostic"]
    assert len({row["ood_retention"] for row in rows.values()}) > 5
    start = time.perf_counter()
    subprocess.run(call, cwd=ROOT, check=True)
    assert time.perf_counter() - start < 30
