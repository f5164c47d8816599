"""The command this project exists for, on a miniature DomainNet of the official form behind a loopback server."""

from __future__ import annotations

import csv
import json

import pytest

import run_suite
from tests.miniature import build_miniature, serve, use_miniature

STRATEGIES = ["zero-shot", "finetune", "lwf", "lora", "selora"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    return build_miniature(tmp_path_factory.mktemp("served"))


def test_one_command_downloads_and_runs(served, tmp_path, monkeypatch, capsys):
    arguments = ["--stream", "domainnet", "--data-root", str(tmp_path / "data"), "--hold-out", "sketch",
                 "--order", "clipart,painting,real", "--strategies", *STRATEGIES, "--epochs", "1", "--batch-size", "64",
                 "--results", str(tmp_path / "results")]  # fmt: skip
    with serve(served) as server:
        use_miniature(monkeypatch, served, server.url)
        assert run_suite.main(arguments) == 2
        told = capsys.readouterr().err
        assert "missing the images of clipart, infograph, painting, quickdraw, real, sketch" in told
        assert f"--stream domainnet --data-root {tmp_path / 'data'} --download" in told and len(told.splitlines()) == 1

        server.faults.cut["infograph.zip"] = [200_000, *[0] * 20]  # the line goes dead again and again
        monkeypatch.setattr("benchmark.data.transfer.ATTEMPTS", 1)
        assert run_suite.main([*arguments, "--download"]) == 2
        assert "infograph.zip" in capsys.readouterr().err
        server.faults.cut.clear()
        assert run_suite.main([*arguments, "--download"]) == 0  # goes on where it was cut
    assert any(span.startswith("bytes=") for span in server.asked["infograph.zip"])
    with open(tmp_path / "results" / "leaderboard.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["strategy"] for row in rows} == set(STRATEGIES)
    assert all(0 <= float(row["acc"]) <= 1 and float(row["ood_retention"]) > 0 for row in rows)
    result = json.loads(next((tmp_path / "results" / "runs").glob("*lora-seed0*/result.json")).read_text())
    assert result["counts"] == {"clipart": 345, "painting": 344, "real": 345, "sketch": 345}
    assert result["ood_names"] == ["sketch"]

    # Without the server: what was fetched is found, checked in moments, and nothing is run again.
    assert "domainnet: images not checked yet; `run_suite.py check-data`" in capsys.readouterr().err
    assert run_suite.main(arguments) == 0
    assert "5 runs, 5 done before" in capsys.readouterr().out
    assert run_suite.main(["check-data", "--stream", "domainnet", "--data-root", str(tmp_path / "data")]) == 0
    report = capsys.readouterr().out
    assert "4,138 images" in report and "errors: 0" in report
    assert "1 of 345 (t-shirt)" in report and "1 of 345 (syringe)" in report

    # A broken file is found, refused, and left out only when that is asked for.
    broken = next((tmp_path / "data" / "domainnet" / "real" / "zebra").glob("*_000001.jpg"))
    broken.write_bytes(broken.read_bytes()[:100])
    assert run_suite.main(["check-data", "--stream", "domainnet", "--data-root", str(tmp_path / "data")]) == 1
    assert f"real/train real/zebra/{broken.name}: damaged" in capsys.readouterr().out
    assert run_suite.main(arguments) == 2
    told = capsys.readouterr().err
    assert f"1 images cannot be used: real/zebra/{broken.name}" in told and "--on-bad-image skip" in told
    few = [*arguments, "--strategies", "zero-shot", "--on-bad-image", "skip"]
    assert run_suite.main(few) == 0
    results = [json.loads(path.read_text()) for path in (tmp_path / "results" / "runs").glob("*zero-shot*/result.json")]
    assert sorted(result["spec"]["stream"].get("skipped", {}).get("images", 0) for result in results) == [0, 1]
    assert len({result["environment"]["data_fingerprint"] for result in results}) == 2


def test_the_cost_is_told_before_anything_is_fetched(tmp_path, capsys):
    arguments = ["--stream", "domainnet", "--dry-run", "--strategies", "lora", "--epochs", "1",
                 "--data-root", str(tmp_path), "--download", "--mirror", "http://127.0.0.1:9",
                 "--device", "cuda:63"]  # fmt: skip
    assert run_suite.main(arguments) == 0
    assert list(tmp_path.iterdir()) == []
    told = capsys.readouterr().out
    # 409,832 training images less a tenth; 7 evaluations of 176,743 test images and that tenth
    assert "368,849" in told and f"{7 * (176_743 + 40_983):,}" in told
    assert "fetch with: python run_suite.py --stream domainnet" in told
