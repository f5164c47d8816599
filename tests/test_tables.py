"""The CSV files: documented columns, one type in each, exact values, and a reader's view of them."""

from __future__ import annotations

import csv
import io
import random
import re
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import benchmark.reporting
from benchmark.bootstrap import accuracy_interval
from benchmark.metrics import METRICS
from benchmark.reporting import tables
from benchmark.reporting.columns import LEADERBOARD, MATRIX, MEASURED, SUMMARIZED, decimals
from benchmark.reporting.report import Report
from benchmark.result import AGNOSTIC, ROUTED
from tests.synthetic import STRATEGIES, synthetic
from tests.test_reporting import ORDER, only, run, selora, several, track

README = (Path(benchmark.reporting.__file__).parent / "README.md").read_text()
FILES = {
    "leaderboard.csv": tables.leaderboard_of,
    "runs.csv": tables.runs_of,
    "matrix.csv": tables.matrix_of,
    "metrics.csv": lambda rows: tables.metrics_table(),
    "comparability.csv": tables.comparability_of,
}
FORM = {
    "text": r"(?s).*",
    "yes/no": "yes|no",
    "whole": r"-?\d+",
    "whole?": r"(-?\d+)?",
    "number": r"-?\d+\.\d+",
    "number?": r"(-?\d+\.\d+)?",
}


def documented(name):
    """Column -> type, as the README has them; figures of the leaderboard in the order it gives."""
    section = README.split(f"\n## {name}\n")[1].split("\n## ")[0]
    lines = re.findall(r"^\| (`[^|]+`) \| ([a-z/?]+) \|", section, re.M)
    found = {column: kind for names, kind in lines for column in re.findall(r"`([^`]+)`", names)}
    if "NAME" not in found:
        return found
    figures = re.findall(r"`([^`]+)`", section.split("NAME is, in this order:")[1].split("\n\n")[0])
    start = list(found).index("NAME")
    items = list(found.items())
    middle = [(name.replace("NAME", figure), kind) for figure in figures for name, kind in items[start : start + 3]]
    return dict(items[:start] + middle + items[start + 3 :])


def everything():
    """Runs of two streams, several seeds and orders, gates, k-NN, a bound, bad neighbours in their settings."""
    knn = replace(track(0.9), ood_by_k={"10": [[0.1], [0.2], [0.3]], "20": track(0.9).ood})
    odd = run(params={"mode": 'a,"b"\nc'}, tracks={AGNOSTIC: knn})
    return [
        *several(),
        odd,
        run(order=ORDER[::-1]),
        *(synthetic(name, seed) for name in STRATEGIES for seed in (0, 1)),
        synthetic("ewc", 0, lr=0.5),
    ]


@pytest.fixture(scope="module")
def rows():
    return Report.of(everything()).rows


@pytest.mark.parametrize("name", FILES)
def test_columns_are_the_documented_ones_and_each_has_one_type(name, rows):
    lines = list(csv.reader(io.StringIO(tables.to_csv(FILES[name](rows)).decode())))
    kinds = documented(name)
    assert lines[0] == list(kinds)
    assert len(lines) > 3
    for line in lines[1:]:
        for (column, kind), cell in zip(kinds.items(), line, strict=True):
            assert re.fullmatch(FORM[kind], cell), (column, kind, cell)


@pytest.mark.parametrize("name", FILES)
def test_pandas_reads_back_what_was_written(name, rows):
    frame = FILES[name](rows)
    kinds = documented(name)
    text = {column: "str" for column, kind in kinds.items() if kind in ("text", "yes/no")}
    may_be_empty = {column: "Int64" for column, kind in kinds.items() if kind == "whole?"}
    read = pd.read_csv(
        io.BytesIO(tables.to_csv(frame)),
        dtype=text | may_be_empty,
        keep_default_na=False,
        na_values={column: [""] for column in kinds if column not in text},
    )
    pd.testing.assert_frame_equal(read, frame.astype(text), check_exact=True)


@pytest.mark.parametrize("name", FILES)
def test_plain_reading_gives_numbers_where_numbers_are(name, rows):
    read = pd.read_csv(io.BytesIO(tables.to_csv(FILES[name](rows))), dtype={"key": str})
    for column, kind in documented(name).items():
        if kind.startswith(("whole", "number")):
            assert read[column].dtype in ("int64", "float64"), column
        elif read[column].notna().any():
            assert pd.api.types.is_string_dtype(read[column]), column


def test_every_metric_has_a_column_a_description_and_a_line_in_the_readme():
    assert set(METRICS) <= set(SUMMARIZED) <= set(LEADERBOARD)
    table = tables.metrics_table()
    assert list(table["id"]) == [*METRICS, *MEASURED]
    assert set(SUMMARIZED) <= set(table["id"])
    for line in table.itertuples():
        cells = (f"`{line.id}`", f"`{line.formula}`", line.source, line.higher_is_better, line.needs_steps, line.unit)
        assert f"| {' | '.join(cells)} |" in README, f"README.md lacks: | {' | '.join(cells)} |"
    assert only(table, id="forgetting")["higher_is_better"] == "no"
    assert only(table, id="acc")["needs_steps"] == "no"
    assert [decimals(name) for name in ("acc_se", "train_seconds_ci95", "stored_parameters")] == [6, 2, 1]


def test_leaderboard_counts_orders_seeds_and_runs():
    row = only(tables.leaderboard([run(last=0.8), run(last=0.9, order=ORDER[::-1])]), strategy="lora")
    assert (row["orders"], row["seeds"], row["runs"]) == (2, 1, 2)
    assert row["order"] == "2 orders: north > south | south > north"
    # .8 and .9: deviations of .05, variance .005, error sqrt(.005 / 2) = .05
    assert row["acc_se"] == pytest.approx(0.05)
    assert row["acc_ci95"] == pytest.approx(12.706205 * 0.05, abs=1e-5)
    assert pd.isna(row["acc_image_low"]) and pd.isna(row["acc_image_high"])


def test_one_run_has_an_interval_over_images():
    row = only(tables.leaderboard([run(last=0.9)]), strategy="lora")
    low, high = accuracy_interval([0.9, 0.9], [100, 100])
    assert (row["acc_image_low"], row["acc_image_high"]) == (round(low, 6), round(high, 6))
    assert low < row["acc"] == 0.9 < high
    assert pd.isna(row["acc_se"]) and pd.isna(row["acc_ci95"])


def test_leaderboard_says_why_a_row_is_apart_and_which_rows_belong_together():
    results = [run("a", seed, 0.80 + 0.01 * seed) for seed in (0, 1)] + [run("b", seed, 0.80) for seed in (0, 1)]
    frame = tables.leaderboard([*results, run("c", 0, 0.9), run("joint", 0, 0.95)])
    assert frame.set_index("strategy")["rank_group"].to_dict() == {"a": "a", "b": "a", "c": "", "joint": ""}
    assert frame.set_index("strategy")["apart"].to_dict() == {
        "a": "",
        "b": "",
        "c": "not ranked: no run with seed 1",
        "joint": "upper bound: it sees all domains at once",
    }


def test_matrix_by_hand():
    knn = replace(track(0.9), ood_by_k={"20": track(0.9).ood, "10": [[0.1], [0.2], [0.3]]})
    result = run(tracks={AGNOSTIC: knn}, counts={"north": 100, "south": 50, "letters": 30})
    frame = tables.matrix_of(Report.of([result]).rows)
    assert list(frame.columns) == list(MATRIX)
    who = (result.spec.key, "digits", "glyphclip", "north > south", "lora", "", AGNOSTIC, 0)
    assert set(frame[list(MATRIX[:8])].itertuples(index=False, name=None)) == {who}
    cells = frame[list(MATRIX[8:])].astype(object)
    assert cells.where(cells.notna(), None).values.tolist() == [
        [0, "pre-trained", "domain", "north", 0.5, 100, None],
        [0, "pre-trained", "domain", "south", 0.5, 50, None],
        [0, "pre-trained", "out-of-domain", "letters", 0.8, 30, 20],
        [0, "pre-trained", "out-of-domain, other k", "letters", 0.1, 30, 10],
        [1, "north", "domain", "north", 0.9, 100, None],
        [1, "north", "domain", "south", 0.5, 50, None],
        [1, "north", "out-of-domain", "letters", 0.6, 30, 20],
        [1, "north", "out-of-domain, other k", "letters", 0.2, 30, 10],
        [2, "south", "domain", "north", 0.9, 100, None],
        [2, "south", "domain", "south", 0.9, 50, None],
        [2, "south", "out-of-domain", "letters", 0.4, 30, 20],
        [2, "south", "out-of-domain, other k", "letters", 0.3, 30, 10],
    ]


def test_matrix_of_a_bound_and_of_both_tracks():
    frame = tables.matrix_of(Report.of([selora(), run("joint", last=0.97)]).rows)
    joint = frame[frame["strategy"] == "joint"]
    assert joint[["stage", "after"]].drop_duplicates().values.tolist() == [[0, "pre-trained"], [2, "all domains"]]
    assert set(frame["track"]) == {AGNOSTIC, "given", ROUTED}
    assert frame["k"].isna().all()


def test_figures_can_be_computed_anew_from_the_matrix_file(rows):
    matrix = pd.read_csv(io.BytesIO(tables.to_csv(tables.matrix_of(rows))), dtype={"key": str})
    figures = pd.read_csv(io.BytesIO(tables.to_csv(tables.runs_of(rows))), dtype={"key": str})
    last = matrix[matrix["stage"] == matrix.groupby(["key", "track"])["stage"].transform("max")]
    domains, outside = last[last["kind"] == "domain"], last[last["kind"] == "out-of-domain"]
    first = matrix[(matrix["stage"] == 0) & (matrix["kind"] == "out-of-domain")]
    by = ["key", "track"]
    kept = outside.set_index([*by, "set"])["accuracy"] / first.set_index([*by, "set"])["accuracy"]
    weighed = (domains["accuracy"] * domains["images"]).groupby([domains[name] for name in by]).sum()
    anew = {
        "acc": domains.groupby(by)["accuracy"].mean(),
        "acc_micro": weighed / domains.groupby(by)["images"].sum(),
        "ood_retention": kept.groupby(by).mean(),
    }
    for name, values in anew.items():
        written = figures[figures["metric"] == name].set_index(by)["value"]
        assert len(written) == len(values) > 20
        pd.testing.assert_series_equal(values.sort_index(), written.sort_index(), check_names=False, atol=2e-6)


def test_files_do_not_depend_on_the_order_of_runs(rows):
    results = everything()
    random.Random(0).shuffle(results)
    shuffled = Report.of(results).rows
    for name, write in FILES.items():
        assert tables.to_csv(write(rows)) == tables.to_csv(write(shuffled)), name


def test_a_thousand_runs_are_written_in_seconds():
    results = [synthetic(name, seed) for name in STRATEGIES for seed in range(100)]
    rows = Report.of(results).rows
    start = time.process_time()  # of this process alone: what else the machine does is left out
    sizes = [len(tables.to_csv(write(rows))) for write in FILES.values()]
    assert time.process_time() - start < 4  # about one on an idle core
    assert max(sizes) < 15e6
