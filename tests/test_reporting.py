"""Tables and figures from synthetic runs: what is averaged, ranked, refused and drawn."""

from __future__ import annotations

import io
import math
import random
import re
import subprocess
import sys
import time
from dataclasses import replace

import pandas as pd
import pytest
from PIL import Image
from rich.console import Console

from benchmark.config import RunSpec
from benchmark.reporting import style, write_report
from benchmark.reporting.heatmaps import place_blocks
from benchmark.reporting.report import Report
from benchmark.reporting.statistics import summarize
from benchmark.reporting.tables import LEADERBOARD, RUNS, leaderboard, runs, to_csv
from benchmark.reporting.terminal import show
from benchmark.result import AGNOSTIC, GIVEN, ROUTED, RunResult, Track
from strategies.base import TrainConfig

ORDER = ("north", "south")
BLOCKS = [f"tower.blocks.{layer}.{kind}" for layer in range(3) for kind in ("attn.qkv", "mlp.fc1")]
DEFAULTS = {name: {"lr": 0.01, "rank": 8} for name in ("lora", "selora", "joint", "ewc")}


def track(last, order=ORDER, offline=False, router=None, ood=("letters",), kept=0.5):
    """Half right at first, `last` on every domain once it is learned; out-of-domain sets fall from .8 to .8 kept."""
    size = len(order)
    rows = [[last if j < stage else 0.5 for j in range(size)] for stage in range(size + 1)]
    outside = [[0.8 - 0.8 * (1 - kept) * stage / size] * len(ood) for stage in range(size + 1)]
    stages = [0, size] if offline else list(range(size + 1))
    routed = None if router is None else [None, *[router] * size]
    return Track(stages, [rows[i] for i in stages], [], [outside[i] for i in stages], routed)


def run(strategy="lora", seed=0, last=0.9, *, tracks=None, params=None, order=ORDER, ood=("letters",), **changes):
    """One finished run; `changes` replace fields of the result or of its specification."""
    offline = strategy == "joint"
    gates = {"active": [k % 2 == seed % 2 for k in range(len(BLOCKS))], "scores": [0.1] * len(BLOCKS)}
    spec = RunSpec(
        stream=changes.pop("stream", {"name": "digits", "version": 1}),
        order=order,
        backbone={"name": "glyphclip", "version": 1},
        strategy={"name": strategy, "version": 1, "params": {"lr": 0.01, "rank": 8} | (params or {})},
        train=changes.pop("train", TrainConfig()),
        seed=seed,
    )
    gated = tracks is not None or strategy.startswith("selora")
    result = RunResult(
        spec=spec,
        traits={"needs_task_id": tracks is not None, "per_task_head": False, "offline": offline},
        ood_names=list(ood),
        tracks=tracks or {AGNOSTIC: track(last, order, offline, ood=ood)},
        counts={name: 100 for name in (*order, *ood)},
        history=[],
        cost={
            "trainable_parameters": 1200,
            "stored_parameters": 1200,
            "active_fraction": 0.5 if gated else None,
            "train_seconds": 10.0 + seed,
            "eval_seconds": 1.0,
            "images_per_second": 100.0,
            "peak_memory_mb": 512.0,
        },
        environment={"data_fingerprint": "d1", "backbone_fingerprint": "b1", "device": "cpu"},
        blocks={"names": BLOCKS, "tasks": dict.fromkeys(order, gates)} if gated else None,
        defaults=DEFAULTS.get(strategy),
    )
    return replace(result, **changes)


def selora(seed=0, given=0.95, routed=0.85, **changes):
    tracks = {GIVEN: track(given, kept=1.0), ROUTED: track(routed, router=0.9, kept=0.9)}
    return run("selora", seed, tracks=tracks, **changes)


def several(seeds=(0, 1)):
    """Four strategies, the last an upper bound."""
    return [
        result
        for seed in seeds
        for result in (run(seed=seed, last=0.8), run("ewc", seed, 0.7), selora(seed), run("joint", seed, 0.97))
    ]


def only(frame, **where):
    found = frame.loc[(frame[list(where)] == pd.Series(where)).all(axis=1)]
    assert len(found) == 1
    return found.iloc[0]


def test_statistics_by_hand():
    # mean 2; deviations -1, 0, 1: variance 2 / 2 = 1; error 1 / sqrt(3); t(.975, 2) = 4.302653
    summary = summarize([1.0, 2.0, 3.0])
    assert summary.mean == 2.0
    assert summary.standard_error == pytest.approx(1 / math.sqrt(3))
    assert summary.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert summarize([0.5]) == (0.5, None, None, 1)
    for bad in ([], [1.0, math.nan]):
        with pytest.raises(ValueError, match="finite"):
            summarize(bad)


def test_leaderboard_by_hand():
    frame = leaderboard([run(seed=0, last=0.8), run(seed=1, last=0.9)])
    assert list(frame.columns) == list(LEADERBOARD)
    row = only(frame, strategy="lora")
    assert (row["stream"], row["backbone"], row["order"]) == ("digits", "glyphclip", "north > south")
    assert (row["track"], row["domain_given"], row["upper_bound"], row["settings"]) == (AGNOSTIC, "no", "no", "")
    assert (row["rank"], row["seeds"], row["note"]) == (1, 2, "")
    # mean (.8 + .9) / 2; deviations of .05 give an error of .05; t(.975, 1) = 12.706205
    assert row["acc"] == pytest.approx(0.85)
    assert row["acc_ci95"] == pytest.approx(12.706205 * 0.05, abs=1e-5)
    # R = [.5 .5], [a .5], [a a]
    assert row["bwt"] == row["forgetting"] == row["fwt"] == 0.0
    assert row["plasticity"] == pytest.approx(0.85)
    assert row["ood_retention"] == 0.5
    assert row["zero_shot_drop"] == pytest.approx(0.4)
    assert row["train_seconds"] == 10.5
    assert row["stored_parameters"] == 1200
    assert pd.isna(row["active_fraction"]) and pd.isna(row["router_accuracy"])


def test_one_seed_has_no_interval():
    row = only(leaderboard([run()]), strategy="lora")
    assert row["seeds"] == 1
    assert row[[name for name in LEADERBOARD if name.endswith("_ci95")]].isna().all()


def test_given_and_not_given_are_ranked_apart_and_bounds_not_at_all():
    frame = leaderboard(several())
    order = frame[["strategy", "track", "domain_given", "upper_bound", "rank"]].astype(object)
    assert order.where(order.notna(), None).values.tolist() == [
        ["selora", ROUTED, "no", "no", 1],
        ["lora", AGNOSTIC, "no", "no", 2],
        ["ewc", AGNOSTIC, "no", "no", 3],
        ["joint", AGNOSTIC, "no", "yes", None],
        ["selora", GIVEN, "yes", "no", 1],
    ]
    routed = only(frame, track=ROUTED)
    assert routed["oracle_gap"] == pytest.approx(0.10)  # .95 - .85
    assert routed["router_accuracy"] == pytest.approx(0.9)
    assert pd.isna(only(frame, track=GIVEN)["oracle_gap"])


def test_equal_accuracies_share_a_rank():
    frame = leaderboard([run("a", last=0.8), run("b", last=0.8), run("c", last=0.7)])
    assert frame["rank"].tolist() == [1, 1, 3]


def test_streams_domains_and_budgets_are_ranked_apart():
    pacs = {"name": "PACS", "version": 1}
    results = [run(), run(order=("north",)), run(stream=pacs), run(train=TrainConfig(epochs=8))]
    frame = leaderboard([*results, run("ewc", last=0.7)])
    assert frame["rank"].tolist().count(1) == 4
    assert only(frame, strategy="ewc")["rank"] == 2
    assert sorted(frame["settings"]) == ["", "epochs=4", "epochs=4", "epochs=4", "epochs=8"]
    assert only(frame, stream="PACS")["settings"] == ""


def test_orders_are_averaged_and_kept_apart_for_figures():
    there, back = run(last=0.8), run(last=0.9, order=ORDER[::-1])
    report = Report.of([there, back, run("ewc", last=0.7), run("ewc", last=0.7, order=ORDER[::-1])])
    assert [(row.strategy, row.rank, row.orders) for row in report.rows] == [
        ("lora", 1, (ORDER, ORDER[::-1])),
        ("ewc", 2, (ORDER, ORDER[::-1])),
    ]
    assert report.rows[0].summary("acc").mean == pytest.approx(0.85)
    assert sorted((row.strategy, row.rank, row.orders) for row in report.by_order) == [
        ("ewc", 2, (ORDER,)),
        ("ewc", 2, (ORDER[::-1],)),
        ("lora", 1, (ORDER,)),
        ("lora", 1, (ORDER[::-1],)),
    ]


def test_a_row_that_lacks_runs_is_shown_apart():
    full = [run(name, seed, 0.7) for name in ("lora", "ewc") for seed in (0, 1)]
    rows = {row.strategy: row for row in Report.of([*full, run("new", 0, 0.9)]).rows}
    assert [row.strategy for row in Report.of([*full, run("new", 0, 0.9)]).rows][-1] == "new"
    assert rows["new"].rank is None and rows["new"].apart == "not ranked: no run with seed 1"
    assert rows["lora"].rank == rows["ewc"].rank == 1
    third = [run("finetune", seed, 0.6) for seed in (0, 1)]
    more = {row.strategy: row for row in Report.of([*full, *third, run("lora", 2, 0.7)]).rows}
    assert more["lora"].rank == 1 and more["lora"].notes == ["runs that others lack: seed 2"]
    half = {row.strategy: row for row in Report.of([run(), run("ewc", order=ORDER[::-1])]).rows}
    assert half["ewc"].rank is None  # equally common: the first in order counts
    assert half["ewc"].apart == "not ranked: no run with seed 0 in order north > south"


def test_mixed_versions_of_a_method_are_two_rows():
    old = run(seed=1)
    old = replace(old, spec=replace(old.spec, strategy={**old.spec.strategy, "version": 2}))
    frame = leaderboard([run(seed=0), old])
    assert frame["seeds"].tolist() == [1, 1]
    assert sorted(frame["settings"]) == ["version=1", "version=2"]


def test_runs_of_several_commits_are_averaged_and_said():
    at = [run(seed=seed, environment={"commit": f"c{seed}", "torch": "2.14"}) for seed in (0, 1)]
    assert only(leaderboard(at), strategy="lora")["note"] == "runs of several commits: c0, c1"


def test_settings_show_what_is_not_the_default():
    results = [run(), run(params={"rank": 4}), run(params={"rank": 4, "lr": 0.1})]
    assert set(leaderboard(results)["settings"]) == {"", "rank=4", "lr=0.1 rank=4"}
    unknown = replace(results[0], defaults=None)
    assert set(leaderboard([unknown])["settings"]) == {"lr=0.01 rank=8"}, "unknown defaults: nothing is hidden"


def test_same_name_other_content_is_told_apart():
    results = [run(stream={"name": "folder", "listing": text}) for text in ("abc", "xyz")]
    assert sorted(leaderboard(results)["stream"]) == ["folder listing=abc", "folder listing=xyz"]


def test_mixed_fingerprints_are_not_averaged():
    other = {"data_fingerprint": "d2", "backbone_fingerprint": "b1", "device": "cpu"}
    frame = leaderboard([run(seed=0, last=0.9), run(seed=1, last=0.8, environment=other)])
    assert frame["seeds"].tolist() == [1, 1]
    assert frame["rank"].tolist() == [1, 1]
    notes = {round(row["acc"], 6): row["note"] for _, row in frame.iterrows()}
    assert notes[0.9] == "data fingerprint d1: not averaged or ranked with others"
    assert notes[0.8] == "data fingerprint d2: not averaged or ranked with others"


def test_notes_on_what_hinders_comparison():
    cuda = {"data_fingerprint": "d1", "backbone_fingerprint": "b1", "device": "cuda"}
    results = [run(seed=0), run(seed=1, environment=cuda), run(seed=2), run("ewc", 1)]
    frame = leaderboard(results)
    assert only(frame, strategy="ewc")["note"] == "not ranked: no run with seed 0, 2"
    assert only(frame, strategy="lora")["note"] == "seconds are a mean over cpu, cuda"


def test_a_metric_undefined_for_one_seed_is_not_averaged_over_the_others():
    empty = track(0.9)
    empty.ood[0][0] = 0.0
    row = only(leaderboard([run(seed=0), run(seed=1, tracks={AGNOSTIC: empty})]), strategy="lora")
    assert pd.isna(row["ood_retention"]) and pd.isna(row["ood_retention_ci95"])
    assert "ood_retention, ood_retention_min, ood_retention_avg undefined with seed 1" in row["note"]


def test_bad_runs_are_named_and_left_out():
    spoiled = track(0.9)
    spoiled.accuracy[1][0] = math.nan
    bad, costly = run(seed=3, tracks={AGNOSTIC: spoiled}), run(seed=4, cost={"train_seconds": math.nan})
    short = run(seed=5, tracks={AGNOSTIC: replace(track(0.9), accuracy=[[0.5], [0.5], [0.5]])})
    report = Report.of([run(), bad, costly, short, run()])
    assert [entry.seed for row in report.rows for entry in row.entries] == [0]
    left_out = "(lora on digits, seed {}): left out, "
    assert report.problems == sorted(
        [
            f"run {bad.spec.key} {left_out.format(3)}track agnostic: accuracy at stage 1, domain 'north' is nan, "
            "expected a fraction in [0, 1]",
            f"run {costly.spec.key} {left_out.format(4)}cost train_seconds is nan, expected a finite number",
            f"run {short.spec.key} {left_out.format(5)}track agnostic: accuracy at stage 0 has no cell for domain "
            "'south'",
            f"run {run().spec.key} {left_out.format(0)}it is there twice",
        ]
    )


def test_a_bad_bound_spoils_no_other_run():
    spoiled = track(0.9, offline=True)
    spoiled.accuracy[-1][0] = 7.0
    report = Report.of([run(), run("joint", tracks={AGNOSTIC: spoiled})])
    assert [row.strategy for row in report.rows] == ["lora"]
    assert report.rows[0].summary("intransigence") is None


def test_long_form_has_every_defined_value():
    frame = runs(several())
    assert list(frame.columns) == list(RUNS)
    selora_run = frame[(frame["strategy"] == "selora") & (frame["seed"] == 1) & (frame["track"] == ROUTED)]
    values = selora_run.set_index("metric")["value"]
    assert values["acc"] == pytest.approx(0.85)
    assert values["ood_change[letters]"] == pytest.approx(-0.08)  # .8 * .9 - .8
    assert values["intransigence"] == pytest.approx(0.12)  # joint .97 - .85
    assert values["oracle_gap"] == pytest.approx(0.10)
    assert selora_run["key"].nunique() == 1
    joint = frame[(frame["strategy"] == "joint") & (frame["seed"] == 0)]
    assert "bwt" not in set(joint["metric"])


def test_files_are_byte_identical_whatever_the_order(tmp_path):
    results = [*several((0, 1, 2)), run(params={"rank": 4}), run(order=ORDER[::-1])]
    write_report(Report.of(results), tmp_path / "a")
    random.Random(0).shuffle(results)
    stored = [RunResult.from_dict(result.as_dict()) for result in results]
    write_report(Report.of(stored), tmp_path / "b")
    for name in ("leaderboard.csv", "runs.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_rounding_error_is_not_shown_as_a_loss():
    almost = track(0.9)
    almost.accuracy[2][0] -= 1e-9
    results = [run(tracks={AGNOSTIC: almost})]
    assert only(leaderboard(results), strategy="lora")["bwt"] == 0.0
    assert b"-0.000000" not in to_csv(leaderboard(results)) + to_csv(runs(results))


def test_pandas_reads_the_files_back():
    results = several()
    board = pd.read_csv(io.BytesIO(to_csv(leaderboard(results))), keep_default_na=True)
    assert board["seeds"].dtype == "int64"
    assert [name for name in LEADERBOARD if "acc" in name and board[name].dtype != "float64"] == []
    assert pd.api.types.is_string_dtype(board["strategy"])
    pd.testing.assert_frame_equal(
        board[["acc", "bwt", "train_seconds"]], leaderboard(results)[["acc", "bwt", "train_seconds"]]
    )
    long = pd.read_csv(io.BytesIO(to_csv(runs(results))), dtype={"key": str})
    assert long["seed"].dtype == "int64" and long["value"].dtype == "float64"
    assert long["value"].notna().all()


def test_a_thousand_runs_take_seconds():
    results = [result for seed in range(250) for result in several((seed,))]
    start = time.perf_counter()
    rows = Report.of(results).rows
    assert len(rows) == 5 and len(results) == 1000
    assert time.perf_counter() - start < 5  # about one on an idle core


def printed(frame, width=110):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    show(frame, console)
    return console.file.getvalue()


def test_terminal_keeps_the_protocols_apart():
    text = re.sub(r"\s+", " ", printed(leaderboard([*several(), run("ewc", 2, 0.7)])))
    free, given = text.index("Domain not given at test time"), text.index("Domain given at test time")
    bound = text.index("Upper bound: all domains at once, not ranked")
    assert free < text.index("1 a selora + router") < text.index("2 b lora") < text.index("3 c ewc") < given
    assert given < text.index("1 - selora ", given) < bound < text.index("- - joint")
    assert "group: rows that share a letter cannot be told apart" in " ".join(text.split())
    assert "85.0 ±0.0" in text
    assert "runs that others lack: seed 2" in text


@pytest.mark.parametrize("width", [80, 100, 120])
def test_terminal_fits_its_width_and_cuts_no_figure(width):
    text = printed(leaderboard([*several(), run(params={"rank": 4, "lr": 0.123456})]), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "accuracy" in text and "OOD kept" in text


def test_without_results_there_is_no_report(tmp_path):
    with pytest.raises(ValueError, match="no finished runs in"):
        write_report(Report.of([]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def opened(path):
    with Image.open(path) as image:
        image.load()
        return image.convert("RGB")


def test_figures_are_drawn_replaced_and_the_same_again(tmp_path):
    pacs = run(stream={"name": "PACS", "version": 1}, ood=())
    write_report(Report.of([*several(), pacs]), tmp_path, figures=True)
    figures = tmp_path / "figures"
    ours = {f"{kind}-digits-glyphclip.png" for kind in ("matrix", "stream", "retention", "blocks")}
    theirs = {"matrix-PACS-glyphclip.png", "stream-PACS-glyphclip.png"}  # no gates, no out-of-domain sets
    assert {path.name for path in figures.iterdir()} == ours | theirs
    for name in ours | theirs:
        image = opened(figures / name)
        assert min(image.size) >= 400 and len(image.getcolors(1 << 24)) > 50, name
    before = {name: (figures / name).read_bytes() for name in ours}
    (figures / "mine.png").write_bytes(b"kept")
    write_report(Report.of(several()[::-1]), tmp_path)
    assert {path.name for path in figures.iterdir()} == ours | {"mine.png"}
    assert {name: (figures / name).read_bytes() for name in ours} == before
    assert [path.name for path in tmp_path.rglob("*.tmp")] == []


@pytest.mark.parametrize(
    "results",
    [
        [run("only", order=("one",), ood=())],
        [run(f"strategy-number-{i}", seed, 0.5 + i / 30) for i in range(12) for seed in (0, 1)],
        [run("selora-merged", order=tuple(f"a_domain_with_a_long_name_{i}" for i in range(20)))],
    ],
    ids=["one-domain", "twelve-strategies", "twenty-domains"],
)
def test_unusual_shapes_are_drawn(results, tmp_path):
    write_report(Report.of(results), tmp_path, figures=True)
    drawn = {path.name.split("-")[0] for path in (tmp_path / "figures").iterdir()}
    assert {"matrix", "stream"} <= drawn


def test_several_orders_have_files_of_their_own(tmp_path):
    write_report(Report.of([run(), run(order=ORDER[::-1])]), tmp_path, figures=True)
    assert len(list((tmp_path / "figures").glob("matrix-digits-glyphclip-*.png"))) == 2


def test_a_strategy_looks_the_same_in_every_figure():
    rows = Report.of(several()).rows
    looks = style.looks(rows)
    assert style.looks(rows[::-1]) == looks
    assert set(looks) == {"selora", "lora", "ewc", "joint"}
    assert len({look.color for look in looks.values()}) == 4


def test_labels_are_spread_and_stay_within():
    placed = style.spread([5.0, 5.0, 5.1, 0.0], 1.0, 0.0, 10.0)
    assert placed == pytest.approx([5.0333 - 1, 5.0333, 5.0333 + 1, 0.0], abs=1e-3)
    assert style.spread([9.9, 9.9], 1.0, 0.0, 10.0) == pytest.approx([9.0, 10.0])
    assert style.spread([1.0, 9.0], 1.0, 0.0, 10.0) == [1.0, 9.0]


def test_blocks_are_placed_by_layer_and_kind():
    assert place_blocks(["tower.blocks.3.attn.qkv", "tower.blocks.11.mlp.fc1"]) == {
        "tower.blocks.3.attn.qkv": ("qkv", 3),
        "tower.blocks.11.mlp.fc1": ("fc1", 11),
    }
    both = place_blocks(["b.0.attn.proj", "b.0.mlp.proj", "head"])
    assert both == {"b.0.attn.proj": ("b.attn.proj", 0), "b.0.mlp.proj": ("b.mlp.proj", 0), "head": ("head", 0)}


def test_importing_the_package_loads_neither_pandas_nor_matplotlib():
    code = "import sys, benchmark.reporting; print([m for m in ('torch', 'pandas', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
