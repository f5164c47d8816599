"""Tables for a paper: exact Markdown and LaTeX of small reports, marks of the best, and LaTeX that compiles."""

from __future__ import annotations

import random
import re
import shutil
import subprocess

import pytest

from benchmark.reporting.paper import latex, markdown
from benchmark.reporting.paper_tables import paper_tables
from benchmark.reporting.report import Report
from benchmark.result import GIVEN, ROUTED
from tests.synthetic import DOMAINS, STRATEGIES, synthetic
from tests.test_reporting import ORDER, run, selora, several, track

RUNS = [run(seed=seed, last=last, defaults={"lr": 0.01, "rank": 8}) for seed, last in ((0, 0.8), (1, 0.9))]
NAMES = {"lora": "Lora & Söhne", "ewc": "a_b{c}", "lwf": "50% of #1", "taps": "<x>^2\n~ $y\\z|"}


def report():
    """Two strategies that two seeds cannot tell apart, one that is worse, one that lacks a run, both protocols."""
    results = [*RUNS, *(run("ewc", seed, 0.7) for seed in (0, 1)), *(selora(seed, 0.95, 0.78) for seed in (0, 1))]
    return Report.of([*results, run("lwf", 0, 0.99), run("joint", 0, 0.97), run("joint", 1, 0.97)])


def compiled(tmp_path, text):
    """The log of pdflatex over a small article that inputs `text`."""
    (tmp_path / "leaderboard.tex").write_text(text)
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\n\\usepackage{booktabs}\n\\usepackage[textwidth=5.5in]{geometry}\n"
        "\\begin{document}\n\\input{leaderboard}\n\\end{document}\n"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000
    return (tmp_path / "paper.log").read_text(errors="replace")


needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


def test_markdown_by_hand():
    # acc .8 and .9: 85.0, half interval 12.706 * 5.0 = 63.5; bwt and fwt are 0 in both runs
    assert markdown(Report.of(RUNS)) == (
        "# Leaderboard\n\n"
        "## digits, glyphclip\n\n"
        "Order: north \\> south. Budget: 4 epochs a domain, batches of 32. Accuracy, Incremental, BWT, FWT, OOD kept "
        "in percent; mean and half the 95% interval over n runs (Student t). Best accuracy of a protocol: **bold**; "
        "differences are not tested, which takes two runs of each. Formulas (metrics.csv): Accuracy: acc, "
        "Incremental: acc\\_avg\\_incremental, BWT: bwt, FWT: fwt, OOD kept: ood\\_retention, Stored (k): "
        "stored\\_parameters.\n\n"
        "| Strategy                        | n |        Accuracy | Incremental |       BWT |       FWT |   OOD kept | "
        "Stored (k) |\n"
        "|:--------------------------------|--:|----------------:|------------:|----------:|----------:|-----------:|"
        "-----------:|\n"
        "| *Domain not given at test time* |   |                 |             |           |           |            | "
        "           |\n"
        "| lora                            | 2 | **85.0** ± 63.5 | 85.0 ± 63.5 | 0.0 ± 0.0 | 0.0 ± 0.0 | 50.0 ± 0.0 | "
        "       1.2 |\n"
    )


def test_latex_by_hand():
    text = latex(Report.of(RUNS))
    assert text.startswith("% Tables of")
    tabular = text[text.index("\\begin{tabular}") : text.index("\\end{tabular}")]
    assert tabular.splitlines() == [
        r"\begin{tabular}{@{}lrrrrrrr@{}}",
        r"\toprule",
        r"Strategy & n & Accuracy & Incremental & BWT & FWT & OOD kept & Stored (k) \\",
        r"\midrule",
        r"\multicolumn{8}{@{}l}{\emph{Domain not given at test time}} \\",
        r"lora & 2 & \textbf{85.0}\,$\pm$\,63.5 & 85.0\,$\pm$\,63.5 & 0.0\,$\pm$\,0.0 & 0.0\,$\pm$\,0.0"
        r" & 50.0\,$\pm$\,0.0 & 1.2 \\",
        r"\bottomrule",
    ]
    assert r"\label{tab:selora-bench-1}" in text and "acc\\_avg\\_incremental" in text


def test_best_tied_and_unranked_are_told_apart():
    text = markdown(report())
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    lines = {line[0]: line for line in cells}
    # lora 80 and 90 against 78 and 78, or 70 and 70: two seeds cannot tell
    assert lines["lora"][2] == "**85.0** ± 63.5"
    assert lines["selora + router"][2] == "78.0† ± 0.0"
    assert lines["ewc"][2] == "70.0† ± 0.0"
    assert lines["lwf [1]"][2] == "99.0"
    assert lines["selora"][2] == "**95.0** ± 0.0"
    assert lines["joint"][2:4] == ["97.0 ± 0.0", ""], "an upper bound has no steps and is never best"
    assert "[1] not ranked: no run with seed 1" in text
    sections = [title for title, _ in paper_tables(report())[0].sections]
    assert sections == [
        "Domain not given at test time",
        "Domain given at test time",
        "Upper bound: all domains at once",
    ]


def test_a_distinguishable_row_is_not_marked():
    results = [run(name, seed, last + 0.01 * seed) for name, last in (("a", 0.9), ("b", 0.7)) for seed in range(4)]
    text = markdown(Report.of(results))
    assert re.search(r"\| a .*\*\*91\.5\*\* ±", text) and re.search(r"\| b .* 71\.5 ±", text)
    assert "paired t-tests" in text


def test_signs_units_and_missing_intervals():
    lost = {GIVEN: track(0.9), ROUTED: track(0.8, router=0.9)}
    lost[ROUTED].accuracy[2][0] = 0.6
    result = run("taps", tracks=lost, cost=run().cost | {"stored_parameters": 86_567_656})
    text = latex(Report.of([result, *(run("ewc", seed) for seed in (0, 1))]))
    routed = next(line for line in text.splitlines() if "+ router" in line)
    # R = [.5 .5], [.8 .5], [.6 .8]: acc 70, bwt .6 - .8 = -20; what one run lacks is left as wide as where it is there
    assert r" & 1 & 70.0\phantom{\,$\pm$\,0.0} & " in routed
    assert r" & $-$20.0\phantom{\,$\pm$\,0.0} & " in routed
    assert routed.endswith(r" & 86.57 \\") and "Stored (M)" in text


def test_data_budget_and_order_part_tables():
    budget = run(train=run().spec.train.__class__(epochs=8))
    found = paper_tables(Report.of([run(), run(order=ORDER[::-1]), budget, run(stream={"name": "PACS", "version": 1})]))
    assert [table.title for table in found] == ["PACS, glyphclip", "digits, glyphclip", "digits, glyphclip"]
    assert found[1].caption[:2] == [
        "Order: 2 orders: north > south | south > north.",
        "Budget: 4 epochs a domain, batches of 32.",
    ]
    assert found[2].caption[1] == "Budget: 8 epochs a domain, batches of 32."
    assert re.findall(r"label\{(.*?)\}", latex(Report.of([run(), budget]))) == [
        "tab:selora-bench-1",
        "tab:selora-bench-2",
    ]


def test_special_letters_are_escaped():
    odd = Report.of([run(name, last=0.9 - place / 10) for place, name in enumerate(NAMES.values())])
    text, marked = latex(odd), markdown(odd)
    for expected in (
        r"Lora \& Söhne",
        r"a\_b\{c\}",
        r"50\% of \#1",
        r"\textless{}x\textgreater{}\textasciicircum{}2 \textasciitilde{} \$y\textbackslash{}z\textbar{}",
    ):
        assert f"\n{expected} & 1 & " in text, expected
    assert r"\<x\>^2 \~ $y\\z\|" in marked and r"a\_b\{c\}" in marked and r"Lora \& Söhne" in marked
    table = [line for line in marked.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1, "each line has as many cells"


def test_texts_do_not_depend_on_the_order_of_runs():
    results = [*several((0, 1, 2)), run(params={"rank": 4}), run(order=ORDER[::-1])]
    before = Report.of(results)
    random.Random(0).shuffle(results)
    after = Report.of(results)
    assert (markdown(before), latex(before)) == (markdown(after), latex(after))


@needs_latex
def test_latex_compiles_and_fits_the_page(tmp_path):
    results = [synthetic(name, seed) for name in STRATEGIES for seed in range(3)]
    log = compiled(tmp_path, latex(Report.of([*results, synthetic("lwf", 4)])))
    assert re.findall(r"(?:Over|Under)full.*", log) == []


@needs_latex
def test_latex_with_special_letters_long_names_and_many_orders_compiles(tmp_path):
    odd = [run(name, last=0.9 - place / 10) for place, name in enumerate(NAMES.values())]
    long = [run(params={"blocks": "attention and feed-forward", "warmup": 0.25, "rank": 4}), run(order=ORDER[::-1])]
    orders = [synthetic("ewc", 0, DOMAINS[k:] + DOMAINS[:k], stream="x_y") for k in range(6)]
    compiled(tmp_path, latex(Report.of([*odd, *long, *orders, selora()])))


def test_only_notes_on_what_the_table_shows_are_printed():
    # a joint run with seed 0 only: intransigence is undefined with seed 1, and no column of these tables
    found = Report.of([*RUNS, run("joint", 0, 0.97)])
    assert any(note.startswith("intransigence") for note in found.rows[0].notes)
    assert paper_tables(found)[0].notes == []
    broken = track(0.9)
    broken.ood[0][0] = 0.0
    table = paper_tables(Report.of([RUNS[0], run(seed=1, tracks={"agnostic": broken})]))[0]
    assert table.notes == ["ood_retention undefined with seed 1"]
    (line,) = table.sections[0][1]
    assert line.marks == (1,) and line.cells[4] == ("", "", 0)
