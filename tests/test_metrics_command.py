"""`run_suite.py metrics RUN`: which run is meant, what is shown, what is refused."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.metrics import METRICS
from benchmark.result import AGNOSTIC, Track
from benchmark.variants import VARIANTS
from run_suite import main
from tests.synthetic import DOMAINS, store_of, synthetic

ROOT = Path(__file__).parent.parent
ORDER = ("a", "b", "c")


def worked():
    """The run whose figures are worked by hand in test_metrics and test_variants."""
    rows = [[0.10, 0.20, 0.30], [0.80, 0.95, 0.20], [0.90, 0.90, 0.60], [0.50, 0.70, 1.00]]
    outside = [[0.8], [0.8], [0.6], [0.4]]
    result = synthetic("ewc")
    return replace(
        result,
        spec=replace(result.spec, order=ORDER, stream={"name": "small"}),
        ood_names=["x"],
        counts={"a": 100, "b": 200, "c": 300, "x": 10},
        tracks={AGNOSTIC: Track([0, 1, 2, 3], rows, [], outside)},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    runs = [synthetic("lora"), synthetic("lora", rank=16), synthetic("selora"), synthetic("joint"), worked()]
    store_of(root, runs)
    return root


def shown(capsys, folder, *options):
    assert main(["metrics", *options, "--results", str(folder)]) == 0
    return capsys.readouterr().out


def lines(capsys, folder, *options):
    text = shown(capsys, folder, *options, "--csv")
    return {(row["track"], row["id"]): row for row in csv.DictReader(io.StringIO(text))}


def refused(capsys, folder, run):
    assert main(["metrics", run, "--results", str(folder)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_csv_has_every_cell_metric_and_variant(capsys, folder):
    key = worked().spec.key
    found = lines(capsys, folder, key, "--variants")
    assert {row["run"] for row in found.values()} == {key}
    values = {id: row["value"] for (_, id), row in found.items()}
    assert values["R[2,c]"] == "0.600000" and values["R[0,a]"] == "0.100000" and values["O[3,x]"] == "0.400000"
    assert values["acc"] == f"{2.2 / 3:.6f}" and values["acc_micro"] == f"{490 / 600:.6f}"
    assert values["bwt_plus"] == "0.000000"
    assert values["mammoth/forgetting"] == "0.325000" and values["continuum/forgetting"] == "0.150000"
    assert values["ood_change[x]"] == "-0.400000"
    assert values["intransigence"] == "" and values["router_accuracy"] == ""
    assert set(METRICS) | set(VARIANTS) <= set(values)
    assert len(values) == 12 + 4 + len(METRICS) + 1 + len(VARIANTS)
    row = found[AGNOSTIC, "avalanche/forgetting"]
    assert row["ours"] == "forgetting" and "right after learning" in row["difference"]
    bwt = found[AGNOSTIC, "bwt"]
    assert bwt["formula"] == METRICS["bwt"].formula and "1706.08840" in bwt["source"]
    assert set(lines(capsys, folder, key)) == {place for place in found if "/" not in place[1]}


def test_figures_are_those_of_the_report(capsys, folder):
    """Intransigence needs the joint run beside it, the oracle's gap the other track."""
    found = lines(capsys, folder, "domainnet-selora-seed0")
    joint, selora = synthetic("joint"), synthetic("selora")
    given, routed = selora.tracks["given"].accuracy, selora.tracks["routed"].accuracy
    learned = sum(given[j + 1][j] for j in range(6))
    bound = sum(joint.tracks[AGNOSTIC].accuracy[-1])
    assert float(found["given", "intransigence"]["value"]) == pytest.approx((bound - learned) / 6, abs=1e-6)
    gap = (sum(given[-1]) - sum(routed[-1])) / 6
    assert float(found["routed", "oracle_gap"]["value"]) == pytest.approx(gap, abs=1e-6)
    assert ("given", "oracle_gap") not in found
    assert found["routed", "router_accuracy"]["value"] == "0.900000"


@pytest.mark.parametrize("options", [(), ("--variants",)])
def test_it_is_readable_at_80_columns(capsys, folder, monkeypatch, options):
    monkeypatch.setenv("COLUMNS", "80")
    text = shown(capsys, folder, worked().spec.key, *options)
    assert max(map(len, text.splitlines())) <= 80
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert rows["0"] == ["0", "(before)", "10.0", "20.0", "30.0", "80.0"]
    assert rows["3"] == ["3", "c", "50.0", "70.0", "100.0", "40.0"]
    assert "*x" in text and "order: a > b > c" in text
    assert ("mammoth/forgetting" in text) == bool(options)
    if options:
        assert rows["mammoth/forgetting"][1] == "32.50"
        assert rows["coda-prompt/forgetting"][1] == "10.00"
    else:
        assert rows["acc"][1:3] == ["73.33", "81.67"]
        assert rows["forgetting"][1:3] == ["30.00", "26.67"]
        assert rows["intransigence"][1:3] == ["-", "-"]


def test_a_wide_matrix_is_cut_into_tables_that_fit(capsys, folder, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    text = shown(capsys, folder, "domainnet-joint-seed0")
    assert max(map(len, text.splitlines())) <= 60
    start = [line for line in text.splitlines() if line.strip().startswith("0 (before)")]
    assert len(start) == 2 and sum(len(line.split()) - 2 for line in start) == len(DOMAINS) + 2


def test_a_run_is_found_by_key_beginning_label_and_folder(capsys, folder, tmp_path):
    key = worked().spec.key
    path = folder / "runs" / f"small-ewc-seed0-{key}"
    expected = shown(capsys, folder, key)
    for text in (key[:4], "small-ewc-seed0", path.name, str(path)):
        assert shown(capsys, folder, text) == expected
    shutil.copytree(path, tmp_path / "copy")
    assert shown(capsys, tmp_path / "nowhere", str(tmp_path / "copy")) == expected


def test_what_means_no_run_or_several_is_refused_with_candidates(capsys, folder, tmp_path):
    several = refused(capsys, folder, "domainnet-lora-seed0")
    for result in (synthetic("lora"), synthetic("lora", rank=16)):
        assert f"domainnet-lora-seed0-{result.spec.key}" in several
    assert "give more of the key" in several
    key = worked().spec.key
    assert "no run 'smal-ewc-seed0'" in (error := refused(capsys, folder, "smal-ewc-seed0"))
    assert f"there is small-ewc-seed0-{key}" in error
    assert "a key needs at least 4 characters" in refused(capsys, folder, key[:3])
    assert "no such folder" in refused(capsys, tmp_path / "none", key)
    assert "no finished run" in refused(capsys, tmp_path, key)
    assert "no result.json" in refused(capsys, folder, str(tmp_path))


def test_a_bad_result_is_named(capsys, tmp_path):
    result = worked()
    store = store_of(tmp_path, [result])
    path = store.folder(result.spec) / "result.json"
    data = json.loads(path.read_text())
    data["tracks"][AGNOSTIC]["accuracy"][2][1] = 1.5
    path.write_text(json.dumps(data))
    assert "accuracy at stage 2, domain 'b' is 1.5" in refused(capsys, tmp_path, result.spec.key)
    path.write_text("{")
    assert "left out" in refused(capsys, tmp_path, result.spec.key)
    assert "cannot be read" in refused(capsys, tmp_path, str(path.parent))


def test_it_starts_without_torch(folder):
    code = (
        f"import sys, run_suite; run_suite.main(['metrics', '{worked().spec.key}', '--results', {str(folder)!r}]); "
        "print([m for m in ('torch', 'pandas', 'avalanche', 'matplotlib', 'timm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
