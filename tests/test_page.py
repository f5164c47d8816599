"""report.html as text: what is in it, what is left out, that it is one file and the same again."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from benchmark.reporting.page import assets, board, render
from benchmark.reporting.page.gallery import galleries
from benchmark.reporting.page.pool import Pool
from benchmark.reporting.page.samples import short_samples
from benchmark.reporting.report import Report
from tests.pages import HOSTILE, Reader, data_of, plots_for_tests
from tests.synthetic import DOMAINS, STRATEGIES, store_of, synthetic

SEEDS = (0, 1, 2)
DASH = "\N{EN DASH}"


@pytest.fixture(autouse=True)
def _plots_of_our_own(monkeypatch):
    monkeypatch.setattr("benchmark.reporting.page.payload.plots_of", plots_for_tests)


def some(seeds=SEEDS):
    return [synthetic(name, seed) for name in ("lora", "selora", "joint") for seed in seeds]


def test_numbers_as_a_reader_wants_them():
    assert [board.percent(x) for x in (0.8149, 1.0, -0.0004, -0.021)] == ["81.5", "100.0", "0.0", f"{board.MINUS}2.1"]
    assert [board.signed(x) for x in (0.012, 0.0, -0.012, 0.0004)] == ["+1.2", "0.0", f"{board.MINUS}1.2", "0.0"]
    assert [board.large(x) for x in (999, 1000, 196632, 999_960, 1_234_567, 86e6)] == [
        *("999", "1.00 k", "197 k", "1.00 M", "1.23 M", "86.0 M"),
    ]
    assert [board.duration(x) for x in (4.26, 31.9, 99.6, 306, 7200)] == [
        "4.3 s",
        "32 s",
        "1.7 min",
        "5.1 min",
        "2.0 h",
    ]


def test_protocols_have_tables_of_their_own_readable_without_scripts():
    reader = Reader(render(Report.of(some())))
    assert reader.titles == [
        "Domain not given at test time",
        "Domain given at test time",
        "Upper bound: all domains at once, not ranked",
    ]
    free, given, bound = reader.tables
    assert [(line[0], line[2].split(" lr")[0]) for line in free[1:]] == [("1", "selora with router"), ("2", "lora")]
    assert [(line[0], line[2].split(" lr")[0]) for line in given[1:]] == [("1", "selora domain given")]
    assert [line[0] for line in bound[1:]] == [DASH]
    assert free[0][:5] == ["rank", "group", "strategy", "accuracy", "bwt"]


def test_other_budgets_and_orders_are_named_above_their_table():
    longer = synthetic("lora")
    longer = replace(longer, spec=replace(longer.spec, train=replace(longer.spec.train, epochs=9)))
    (one,) = board.boards(Report.of([synthetic("lora"), longer]))
    domains = " > ".join(DOMAINS)
    assert [table.context for table in one.tables] == [
        f"{domains} (group {number} of 2: not comparable with the others)" for number in (1, 2)
    ]
    assert [line.row.rank for table in one.tables for line in table.lines] == [1, 1]
    (both,) = board.boards(Report.of([synthetic("lora"), synthetic("lora", order=DOMAINS[::-1])]))
    assert [table.context for table in both.tables] == [f"2 orders of {', '.join(sorted(DOMAINS))}"]
    assert both.tables[0].lines[0].runs == "1 seed, 2 orders of domains"


def test_figures_are_the_reports_own():
    report = Report.of(some())
    row = next(row for row in report.rows if row.strategy == "lora")
    acc = row.summary("acc")
    line = next(line for line in Reader(render(report)).tables[0] if "lora" in line[2] and "selora" not in line[2])
    assert line[3] == f"{100 * acc.mean:.1f} ±{100 * acc.half_width:.1f}"
    assert line[-1] == "3"


def test_a_column_without_a_value_is_not_shown():
    heads = Reader(render(Report.of([synthetic("lora")]))).tables[0][0]
    assert "router accuracy" not in heads and "active blocks" not in heads
    assert "router accuracy" in Reader(render(Report.of(some()))).tables[0][0]


def test_a_row_that_is_not_ranked_comes_last_with_its_reason():
    html = render(Report.of([*some(), *(synthetic("ewc", seed) for seed in SEEDS), synthetic("replay", 0)]))
    last = Reader(html).tables[0][-1]
    assert last[0] == DASH and last[2].startswith("replay")
    assert "not ranked: no run with seed 1, 2" in last[2]


def test_heads_have_formula_and_source():
    titles = {a["title"] for tag, a in Reader(render(Report.of(some()))).tags if tag == "th" and "title" in a}
    assert any("mean_{j<T} (R[T,j] - R[j,j])" in title and "arXiv 1706.08840" in title for title in titles)


def test_what_was_left_out_is_said():
    html = render(Report.of(some(), ["runs/x/result.json: left out, <b>schema 1</b>"]))
    assert "runs/x/result.json: left out, &lt;b&gt;schema 1&lt;/b&gt;" in html
    assert "1 result was left out" in html


def test_names_are_escaped_and_the_data_cannot_end_its_script():
    html = render(Report.of([synthetic("lora", 0, **{HOSTILE: 1.0})]))
    assert HOSTILE not in html and "<img src=x" not in html
    assert "&lt;img src=x onerror=window.injected=1&gt;" in html
    (run,) = data_of(html)["runs"].values()
    assert HOSTILE in data_of(html)["shared"]["settings"][run["settings"]]["strategy"]["params"]


def test_one_file_that_fetches_nothing():
    html = render(Report.of(some()))
    assert [url for url in Reader(html).fetched if not url.startswith("data:")] == []
    assert re.findall(r"url\((?!data:)[^)]*\)|@import", html) == []


def test_the_same_runs_give_the_same_bytes():
    results = some()
    assert render(Report.of(results)) == render(Report.of(results[::-1]))


def test_data_of_a_run_are_its_results():
    result = synthetic("selora", 1)
    data = data_of(render(Report.of([result])))
    run = data["runs"][result.spec.key]
    assert run["tracks"]["given"]["accuracy"] == [[round(x, 4) for x in row] for row in result.tracks["given"].accuracy]
    assert run["tracks"]["routed"]["router"] == [None, *[0.9] * 6]
    assert data["shared"]["orders"][run["order"]] == list(DOMAINS)
    assert data["shared"]["environments"][run["environment"]]["data_fingerprint"] == "d1"
    assert run["command"] == "run_suite.py --stream domainnet"
    assert run["history"]["tasks"] == [[domain, 4] for domain in DOMAINS]
    assert run["history"]["loss"][:4] == [1.0, 0.5, 0.3333, 0.25]
    assert [line[:3] for line in data["lines"]] == [[result.spec.key, 0, 1], [result.spec.key, 1, 1]]


def test_what_runs_share_is_kept_once():
    data = data_of(render(Report.of([synthetic("lora", seed) for seed in range(20)])))
    assert len(data["runs"]) == 20
    assert {name: len(values) for name, values in data["shared"].items() if name != "classes"} == {
        **{"environments": 1, "settings": 1, "orders": 1, "counts": 1}
    }


def summary_of(sets=2):
    """Class 0: 4 -> 1 of 4, class 1: 2 -> 2 of 4, class 2: 0 -> 3 of 4, class 3 has no images."""
    part = {
        "n": 12,
        "per_class_before": [[4, 4], [2, 4], [0, 4], [0, 0]],
        "per_class": [[1, 4], [2, 4], [3, 4], [0, 0]],
        "confusion": [[0, 2, 2], [0, 1, 1], [1, 0, 1], [1, 2, 1], [2, 0, 1], [2, 1, 1]],
        "ece": [0.5, 0.123456],
    }
    names = {f"set{i}": ["a", "b", "c", "d"] for i in range(sets)}
    return {"classes": names, "tracks": {"agnostic": {"stages": [0, 1], "sets": dict.fromkeys(names, part)}}}


def test_samples_are_cut_to_the_extremes():
    pools = {"classes": Pool()}
    short = short_samples(summary_of(), pools)
    assert pools["classes"].values[short["classes"]]["set0"] == ["a", "b", "c", "d"]
    assert short["tracks"]["agnostic"]["set1"] == {
        "n": 12,
        "worst": [[0, 1, 4], [1, 2, 4], [2, 3, 4]],
        "lost": [[0, 4, 1, 4]],
        "confusion": [[0, 2, 2], [0, 1, 1], [1, 0, 1], [1, 2, 1], [2, 0, 1]],
        "ece": 0.1235,
    }
    assert len(json.dumps(short_samples(summary_of(20), pools)["tracks"])) < 4096
    assert short_samples(None, pools) is None
    assert short_samples({"version": 9}, pools) is None


def gallery_item(stage, size):
    words = dict.fromkeys(("set", "id", "label", "before", "after"), "x")
    return {"stage": stage, **words, "confidence": 0.5, "image": "A" * size}


def test_galleries_share_the_budget(tmp_path):
    results = [synthetic("lora", seed) for seed in range(4)]
    store = store_of(tmp_path, results)
    sizes = {0: [100] * 3, 1: [100] * 9, 2: [900], 3: None}
    for result in results:
        images = sizes[result.spec.seed]
        if images:
            items = [gallery_item(1 + place % 3, size) for place, size in enumerate(images)]
            text = json.dumps({"track": "agnostic", "size": 64, "items": items})
            (store.folder(result.spec) / "gallery.json").write_text(text)
    # 2000 / 4 = 500: three of 100 fit. 1700 / 3 = 566: five of nine. 1200 / 2 = 600: not the one of 900.
    found = galleries(store, {result.spec.key: result for result in results}, budget=2000)
    shown = [found[result.spec.key] for result in results[:3]]
    assert [(len(one["items"]), one["total"]) for one in shown] == [(3, 3), (5, 9), (0, 1)]
    assert [item[0] for item in shown[1]["items"]] == [1, 1, 2, 2, 3], "stages take turns"
    assert results[3].spec.key not in found


@pytest.mark.parametrize("text", ["{", "[]", '{"items": 3}', '{"items": [3, {}, {"stage": "one"}]}'])
def test_a_damaged_gallery_is_no_gallery(tmp_path, text):
    result = synthetic("lora")
    store = store_of(tmp_path, [result])
    (store.folder(result.spec) / "gallery.json").write_text(text)
    assert galleries(store, {result.spec.key: result}, budget=1000) == {}


def test_a_setting_that_is_no_number_is_said_in_words():
    data = data_of(render(Report.of([synthetic("lora", 0, clip=math.inf)])))
    assert data["shared"]["settings"][0]["strategy"]["params"]["clip"] == "inf"


def test_published_results_are_beside_rows_of_their_stream_only():
    html = render(Report.of([synthetic("ewc")]))
    assert 'id="published"' in html and "arXiv" in html.split('id="published"')[1].split("</section>")[0]
    other = render(Report.of([synthetic("ewc", stream="digits")]))
    assert 'id="published"' not in other and 'href="#published"' not in other


def luminance(colour):
    """Relative, as WCAG 2 defines it (w3.org/TR/WCAG22)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_words_can_be_read_on_their_ground(theme):
    block = assets.text("page.css").split("--page:")[1 + theme].split("}")[0]
    colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", "--page:" + block))
    for ground in ("page", "card", "soft"):
        for ink in ("ink", "muted", "accent", "given", "routed", "warn"):
            low, high = sorted((luminance(colours[ground]), luminance(colours[ink])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground)


def test_the_page_says_whose_pictures_are_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.reporting.page.payload.BUDGET", 10)
    result = synthetic("lora")
    store = store_of(tmp_path, [result])
    text = json.dumps({"track": "agnostic", "size": 64, "items": [gallery_item(1, 100)]})
    (store.folder(result.spec) / "gallery.json").write_text(text)
    assert f"Left out: {result.spec.key}" in render(Report.of([result], store=store))


@pytest.mark.parametrize("configurations", [10, 100])
def test_a_thousand_runs_are_a_small_page_soon(configurations):
    names = STRATEGIES if configurations == 10 else ("lora",)
    sweep = range(configurations // len(names))
    seeds = range(1000 // configurations)
    report = Report.of([synthetic(n, seed, rank=8.0 + i) for n in names for i in sweep for seed in seeds])
    start = time.perf_counter()
    html = render(report)
    assert time.perf_counter() - start < 4  # about one on an idle core
    assert len(html.encode()) < 8_000_000
    assert len(data_of(html)["runs"]) == 1000


def test_the_page_imports_nothing_heavy():
    heavy = ("torch", "pandas", "plotly", "itables", "matplotlib", "avalanche")
    code = "import sys; from benchmark.reporting.page import assets, board, payload, published; assets.libraries();"
    code += f"print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
