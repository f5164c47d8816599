"""The command line as a user meets it: whole suites, plug-ins, failures, and every wrong input in one line."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from pathlib import Path

import pytest

import run_suite
from benchmark.suite import SuiteConfig, plan

ROOT = Path(__file__).parent.parent
PLUGIN = """
from dataclasses import dataclass
from strategies.finetune import Finetune

@dataclass(frozen=True)
class HeadFirst(Finetune):
    depth: int = 1

    def prepare(self, model):
        model.requires_grad_(False)
        model.tower.blocks[-self.depth:].requires_grad_(True)

@dataclass(frozen=True)
class Failing(Finetune):
    def begin_task(self, model, task):
        if task == "south":
            raise RuntimeError("the third domain is too much")
"""


def tiny(tmp_path, *more):
    return ["--stream", "tiny", "--backbone", "tiny", "--epochs", "1", "--results", str(tmp_path / "out"), *more]


def leaderboard(tmp_path):
    with open(tmp_path / "out" / "leaderboard.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def plugin(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    return path


def test_help_answers_in_under_a_second_and_names_every_option():
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "run_suite.py", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and time.perf_counter() - start < 1.0
    for option in ("--stream", "--backbone", "--strategies", "--seeds", "--order", "--set", "--epochs", "--device",
                   "--results", "--dry-run", "--force", "report", "ls"):  # fmt: skip
        assert option in done.stdout


def test_a_suite_runs_and_a_second_call_only_rebuilds_the_tables(tmp_path, installed_plugins, capsys):
    call = tiny(tmp_path, "--strategies", "zero-shot", "lora", "joint", "selora", "--seeds", "0", "1")
    assert run_suite.main(call) == 0
    rows = leaderboard(tmp_path)
    assert [row["strategy"] for row in rows].count("selora") == 2  # with the domain given, and routed
    assert {(row["strategy"], row["domain_given"]) for row in rows} == {
        ("zero-shot", "no"), ("lora", "no"), ("joint", "no"), ("selora", "yes"), ("selora", "no"),
    }  # fmt: skip
    given = next(row for row in rows if row["domain_given"] == "yes")
    assert float(given["bwt"]) == 0.0 and given["seeds"] == "2"
    assert next(row for row in rows if row["strategy"] == "joint")["upper_bound"] == "yes"
    files = {p.relative_to(tmp_path / "out"): p.stat().st_mtime_ns for p in (tmp_path / "out").glob("runs/*/*")}
    table = (tmp_path / "out" / "leaderboard.csv").read_bytes()
    capsys.readouterr()
    assert run_suite.main(call) == 0
    assert "8 runs, 8 done before" in capsys.readouterr().out
    assert {p.relative_to(tmp_path / "out"): p.stat().st_mtime_ns for p in (tmp_path / "out").glob("runs/*/*")} == files
    assert (tmp_path / "out" / "leaderboard.csv").read_bytes() == table
    assert run_suite.main(["report", "--results", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "leaderboard.csv").read_bytes() == table
    assert not (tmp_path / "out" / "figures").exists()
    assert run_suite.main(["report", "--figures", "--results", str(tmp_path / "out")]) == 0
    assert list((tmp_path / "out" / "figures").glob("*.png"))


def test_force_runs_again(tmp_path, installed_plugins, capsys):
    call = tiny(tmp_path, "--strategies", "zero-shot")
    assert run_suite.main(call) == 0
    result = next((tmp_path / "out").glob("runs/*/result.json"))
    before = result.stat().st_mtime_ns
    assert run_suite.main([*call, "--force"]) == 0
    assert result.stat().st_mtime_ns > before


def test_dry_run_shows_the_runs_and_writes_nothing(tmp_path, installed_plugins, capsys):
    call = tiny(tmp_path, "--strategies", "lora", "--set", "lora.rank=3", "--dry-run")
    assert run_suite.main(call) == 0
    out = "".join(capsys.readouterr().out.split())
    assert "rank=3" in out and "torun" in out
    assert not (tmp_path / "out").exists()


def test_a_strategy_from_a_file_runs_and_a_changed_file_is_another_run(tmp_path, installed_plugins, plugin):
    call = tiny(tmp_path, "--strategies", f"{plugin}:HeadFirst", "--set", "HeadFirst.depth=2")
    assert run_suite.main(call) == 0
    assert leaderboard(tmp_path)[0]["strategy"] == "HeadFirst"
    plugin.write_text(PLUGIN + "\n# edited\n")
    assert run_suite.main(call) == 0
    assert len(list((tmp_path / "out").glob("runs/*/result.json"))) == 2


def test_a_failed_run_leaves_its_error_and_the_others_go_on(tmp_path, installed_plugins, plugin, capsys):
    call = tiny(tmp_path, "--strategies", f"{plugin}:Failing", "zero-shot")
    assert run_suite.main(call) == 1
    assert "1 of 2 runs failed" in capsys.readouterr().out
    error = next((tmp_path / "out").glob("runs/*Failing*/error.txt")).read_text()
    assert "RuntimeError: the third domain is too much" in error
    assert [row["strategy"] for row in leaderboard(tmp_path)] == ["zero-shot"]
    plugin.write_text(PLUGIN.replace('"south"', '"nowhere"'))
    assert run_suite.main(call) == 0


def test_check_says_whether_a_strategy_keeps_its_promises(plugin, capsys):
    assert run_suite.main(["check", f"{plugin}:HeadFirst"]) == 0
    assert "HeadFirst passes" in capsys.readouterr().out
    plugin.write_text(PLUGIN.replace('task == "south"', "True"))
    assert run_suite.main(["check", f"{plugin}:Failing"]) == 1
    assert "the third domain is too much" in capsys.readouterr().out


def test_a_plugged_in_backbone_without_a_choice_of_towers_says_so(installed_plugins, tmp_path, capsys):
    assert run_suite.main(tiny(tmp_path, "--towers", "both")) == 2
    assert "--towers both: backbone tiny offers no choice of towers" in capsys.readouterr().err


def test_a_backbone_from_a_file_has_the_files_hash_in_its_identity(installed_plugins, tmp_path):
    file = tmp_path / "backbone.py"
    keys = []
    for comment in ("# one", "# two"):
        file.write_text(f"from tests.conftest import TinyCLIP\n\n\nclass Mine(TinyCLIP):\n    {comment}\n    pass\n")
        suite = plan(SuiteConfig(stream="tiny", backbone=f"{file}:Mine", strategies=("lora",)))
        keys.append(suite.runs[0].spec.key)
        assert len(suite.runs[0].spec.backbone["source"]) == 12
    assert keys[0] != keys[1]


def test_ls_lists_everything_and_imports_no_plugin(installed_plugins, capsys):
    assert run_suite.main(["ls"]) == 0
    out = capsys.readouterr().out
    for name in ("digits", "folder:PATH", "glyphclip", "timm:NAME", "selora-merged", "tiny", "absent", "reversed"):
        assert name in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strategies", "selroa"], "unknown strategy 'selroa'; did you mean 'selora'?"),
        (["--stream", "digit"], "unknown stream 'digit'; did you mean 'digits'?"),
        (["--stream", "folder"], "'folder' needs folder:PATH"),
        (["--stream", "folder:/nowhere/at/all"], "there is no folder"),
        (["--stream", "digits:x"], "'digits' takes nothing after a colon"),
        (["--backbone", "glyph"], "unknown backbone 'glyph'; did you mean 'glyphclip'?"),
        (["--backbone", "timm:vit_tiny_patch16_224@/no/file"], "there is no file"),
        (["--order", "mnst,street"], "unknown domain 'mnst'; did you mean 'mnist'?"),
        (["--order", "revers"], "unknown order or domain 'revers'; did you mean 'reversed'?"),
        (["--order", "mnist,mnist"], "a domain is named twice"),
        (["--hold-out", "steet"], "did you mean 'street'?"),
        (["--set", "selora.bugdet=0.1"], "unknown field of selora 'bugdet'; did you mean 'budget'?"),
        (["--set", "selora.rank=many"], "--set selora.rank=many: expected int"),
        (["--set", "selora"], "expected STRATEGY.FIELD=VALUE"),
        (["--set", "selroa.rank=2"], "did you mean 'selora'?"),
        (["--set", "ewc.mode=offline"], "mode is 'separate' or 'online'"),
        (["--set", "selora.budget=2"], "budget is a fraction"),
        (["--epochs", "0"], "epochs and batch_size must be at least 1"),
        (["--augment", "flop"], "unknown augmentation 'flop'"),
        (["--device", "tpu"], "--device tpu: not available here"),
        (["--image-size", "64"], "glyphclip"),
        (["--strategies", "nowhere.py:Mine"], "there is no file nowhere.py"),
        (["--strategies", "nowhere.py"], "expected FILE.py:CLASS"),
        (["report", "--results", "no/such/folder"], "no finished run there"),
        (["reprot"], "unknown command 'reprot'; did you mean 'report'?"),
        (["check", "selroa"], "did you mean 'selora'?"),
        (["--ood", "cifar11"], "unknown source 'cifar11'; did you mean 'cifar10'?"),
        (["--per-class", "3", "--fraction", "0.1"], "--per-class and --fraction exclude each other"),
        (["--fraction", "2"], "--fraction 2.0: expected a number above 0 and up to 1"),
        (["--templates", "openai"], "unknown template set 'openai'; did you mean 'openai-7'"),
        (["--precision", "int8"], "precision is one of fp32, bf16, fp16, got 'int8'"),
        (["--workers", "-1"], "workers must be at least 0"),
        (["--device", "cuda:9"], "--device cuda:9: not available here"),
        (["--towers", "txt"], "txt"),
        (["--backbone", "timm:vit_tiny_patch16_224", "--towers", "both"], "both"),
        (["--backbone", "clip:ViT-B-16"], "expected clip:MODEL/PRETRAINED, such as clip:ViT-B-16/openai"),
    ],
)
def test_bad_input_exits_2_with_one_line(arguments, message, tmp_path, capsys):
    if arguments[0].startswith("--"):
        arguments = ["--results", str(tmp_path / "out"), *arguments]
    assert run_suite.main(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("\n") == 1 and captured.out == ""
    assert not (tmp_path / "out").exists()


def test_a_plugin_file_that_cannot_be_imported_is_named(tmp_path, capsys):
    (tmp_path / "bad.py").write_text("import nothing_of_that_name\n")
    assert run_suite.main(["--strategies", f"{tmp_path / 'bad.py'}:Mine"]) == 2
    assert "importing" in capsys.readouterr().err


def test_a_missing_class_in_a_plugin_file_names_the_nearest(plugin, capsys):
    assert run_suite.main(["--strategies", f"{plugin}:HeadFrist"]) == 2
    assert "did you mean 'HeadFirst'?" in capsys.readouterr().err
