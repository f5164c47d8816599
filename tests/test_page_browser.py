"""The page in a real browser: what a reader clicks, types, hovers and prints."""

from __future__ import annotations

import base64
import io
import json
import re
import time

import pytest
from PIL import Image

from benchmark.reporting.page import render
from benchmark.reporting.report import Report
from tests.browser import Watched, chromium
from tests.pages import HOSTILE, plots_for_tests
from tests.synthetic import DOMAINS, store_of, synthetic

SEEDS = (0, 1, 2)


def picture():
    data = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(data, "JPEG")
    return base64.b64encode(data.getvalue()).decode()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(path of the page, its runs by strategy and seed): three strategies, a hostile one, one gallery."""
    root = tmp_path_factory.mktemp("page")
    results = [synthetic(name, seed) for name in ("finetune", "lora", "selora", "joint") for seed in SEEDS]
    results.append(synthetic("replay", 0, **{HOSTILE: 1.0}))
    store = store_of(root, results)
    item = {"stage": 2, "set": "clipart", "id": "clipart/7.png", "label": "seven", "before": "seven", "after": HOSTILE}
    gallery = {"track": "routed", "size": 64, "items": [{**item, "confidence": 0.9, "image": picture()}]}
    forgetful = next(r for r in results if (r.spec.strategy["name"], r.spec.seed) == ("selora", 0))
    (store.folder(forgetful.spec) / "gallery.json").write_text(json.dumps(gallery))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmark.reporting.page.payload.plots_of", plots_for_tests)
        html = render(Report.of(results, store=store))
    path = root / "report.html"
    path.write_text(html)
    return path, {(r.spec.strategy["name"], r.spec.seed): r.spec.key for r in results}


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as context:
        yield context


@pytest.fixture
def watched(context, written):
    """Opens the page; after the test, nothing may have been complained about or asked of a network."""
    opened = []

    def open_page(fragment="", **how):
        opened.append(Watched(context, written[0], fragment, **how))
        return opened[-1].page

    yield open_page
    for one in opened:
        one.check()


@pytest.fixture(scope="module")
def desk(context, written):
    """One page for many tests, each of which leaves it as it was."""
    opened = Watched(context, written[0])
    yield opened.page
    opened.check()


def soon(read, expected):
    """DataTables and plotly work in turns of their own: wait a moment for what is expected."""
    for _ in range(40):
        if read() == expected:
            break
        time.sleep(0.05)
    assert read() == expected


def first_table(page, column):
    """Cells of a column (from 1) of the first table of the leaderboard, without the interval."""
    cells = page.locator("table.leaderboard").first.locator(f"tbody tr td:nth-child({column})").all_inner_texts()
    return [cell.split("\n")[0].split(" ±")[0].strip() for cell in cells]


def test_a_click_on_a_head_sorts_by_number(desk):
    page = desk
    head = page.locator("table.leaderboard").first.get_by_role("columnheader", name="train time")
    place = 1 + head.evaluate("node => [...node.parentElement.children].indexOf(node)")
    cell = f"table.leaderboard >> nth=0 >> tbody tr td:nth-child({place})"

    def seconds():
        return [float(x) for x in page.locator(cell).evaluate_all("cells => cells.map(c => c.dataset.order)")]

    rising = sorted(seconds())
    assert len(set(rising)) == 4
    head.click()
    soon(seconds, rising)
    head.click()
    soon(seconds, rising[::-1])
    page.locator("table.leaderboard").first.get_by_role("columnheader", name="stored").click()
    # 2, 5, 7 and 10 million: as text, "10.0 M" would come before "2.00 M"
    soon(lambda: first_table(page, place - 1), ["2.00 M", "5.00 M", "7.00 M", "10.0 M"])


def test_search_and_selects_filter_every_table_of_the_board(desk):
    page = desk
    names = page.locator("table.leaderboard tbody tr strong")
    assert set(names.all_inner_texts()) == {"finetune", "lora", "selora", "joint", "replay"}
    page.locator("[data-search]").fill("lora")
    assert set(names.all_inner_texts()) == {"lora", "selora"}
    page.locator("[data-search]").fill("")
    page.locator("[data-strategy]").first.select_option("joint")
    assert names.all_inner_texts() == ["joint"]
    page.locator("select[data-strategy]").select_option("all")
    page.locator("select[data-track]").select_option("domain given")
    assert names.all_inner_texts() == ["selora"]
    page.locator("select[data-track]").select_option("all")


def test_hovering_a_heat_map_shows_its_cell(desk):
    page = desk
    plot = page.locator("#matrix .plot")
    plot.scroll_into_view_if_needed()
    box = plot.locator(".heatmaplayer image").bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])
    soon(page.locator("#matrix .hoverlayer").get_by_text("north: 0.1").count, 1)


def test_a_select_switches_the_figure_and_its_table(desk):
    page = desk
    section = page.locator("#matrix")
    section.scroll_into_view_if_needed()
    assert section.locator("h3").inner_text() == "Matrix of lora"
    section.get_by_text("The same as a table").click()
    soon(section.locator(".cells td").all_inner_texts, ["north", "0.1"])
    section.get_by_label("Show").select_option("selora, given")
    assert section.locator("h3").inner_text() == "Matrix of selora"
    assert section.locator(".plot").get_attribute("aria-label") == "selora: 0.9 on north"
    soon(section.locator(".cells td").all_inner_texts, ["north", "0.9"])
    assert page.locator("#stream .selects").is_hidden(), "one figure needs no select"


def test_a_run_opens_by_its_address_and_back_returns(desk, written):
    page = desk
    key = written[1]["selora", 0]
    page.locator("#runs-table").scroll_into_view_if_needed()
    link = page.locator(f'#runs-table a[href="#run-{key}"]').first
    link.scroll_into_view_if_needed()
    place = page.evaluate("scrollY")
    assert place > 500
    link.click()
    assert page.locator("#run h1").inner_text() == "selora on domainnet, seed 0"
    assert page.locator("#overview").is_hidden()
    heads = page.locator("#run table.matrix").first.locator("thead th").all_inner_texts()
    assert heads == ["after learning", *DOMAINS, "letters", "symbols"]
    assert page.locator("#run pre").inner_text() == "python run_suite.py --stream domainnet"
    assert page.locator("#run .gallery img").evaluate("image => image.complete && image.naturalWidth") == 64
    assert page.get_by_role("heading", name="Wrong after learning infograph").count() == 1
    assert HOSTILE in page.locator("#run .gallery figcaption").inner_text()
    page.go_back()
    assert page.locator("#overview").is_visible() and page.locator("#run").is_hidden()
    assert page.evaluate("scrollY") == place, "back where the reader was"


def test_a_run_can_be_opened_directly_and_an_unknown_one_is_said_to_be_unknown(watched, written):
    page = watched(f"#run-{written[1]['lora', 2]}")
    assert page.locator("#run h1").inner_text() == "lora on domainnet, seed 2"
    page.evaluate("location.hash = 'run-000000000000'")
    assert page.locator("#run h1").inner_text() == "No such run"


def test_the_leaderboard_links_to_the_runs_of_a_row(desk, written):
    page = desk
    row = page.locator('table.leaderboard tr[data-strategy="finetune"]')
    assert row.locator("a").inner_text() == "3"
    row.locator("a").click()
    keys = page.locator("#runs-table tbody tr td:first-child").all_inner_texts()
    assert set(keys) == {written[1]["finetune", seed] for seed in SEEDS}
    assert page.locator("#chosen-row pre").all_inner_texts() == ["python run_suite.py --stream domainnet"]
    page.get_by_text("Show all").click()
    assert page.locator("#runs-table tbody tr").count() == 16  # 13 runs, three of them on two tracks


def test_the_theme_changes_page_and_figures_and_is_remembered(watched):
    page = watched()
    page.locator("#matrix .plot").scroll_into_view_if_needed()
    page.wait_for_selector("#matrix .xtick text")

    def ground():
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    def colours():
        return ground(), page.locator("#matrix .xtick text").first.evaluate("node => getComputedStyle(node).fill")

    assert colours() == ("rgb(246, 246, 243)", "rgb(27, 31, 36)")
    page.get_by_role("button", name="Dark").click()
    soon(colours, ("rgb(18, 21, 24)", "rgb(231, 234, 238)"))
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert ground() == "rgb(18, 21, 24)"
    page.get_by_role("button", name="Auto", exact=True).click()
    assert ground() == "rgb(246, 246, 243)"
    page.emulate_media(color_scheme="dark")
    soon(ground, "rgb(18, 21, 24)")


def test_a_phone_scrolls_tables_and_not_the_page(watched, written):
    page = watched(width=390)
    for part in ("#overview", "#run"):
        page.locator(f"{part} .plot").first.scroll_into_view_if_needed()
        page.wait_for_selector(f"{part} .main-svg")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        box = page.locator(f"{part} .scroll").first
        assert box.evaluate("node => node.scrollWidth > node.clientWidth")
        page.evaluate(f"location.hash = 'run-{written[1]['selora', 0]}'")
        page.wait_for_selector("#run h1")


def test_nothing_in_a_name_becomes_markup(desk, written):
    page = desk
    assert page.evaluate("window.injected") is None
    assert HOSTILE in page.locator('table.leaderboard tr[data-strategy="replay"]').inner_text()
    assert HOSTILE in page.locator("#runs-table").inner_text()
    page.evaluate(f"location.hash = 'run-{written[1]['replay', 0]}'")
    page.wait_for_selector("#run h1")
    assert HOSTILE in page.locator("#run").inner_text()
    assert page.evaluate("window.injected") is None
    page.go_back()


def test_the_page_itself_forbids_other_scripts_and_addresses(context, written):
    opened = Watched(context, written[0])
    opened.page.evaluate("document.body.append(Object.assign(new Image(), {src: 'https://example.org/x.png'}))")
    opened.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<b onclick=\"window.injected=1\">x</b>')")
    opened.page.evaluate("document.body.lastChild.click()")
    assert opened.page.evaluate("window.injected") is None
    soon(lambda: sum("Content Security Policy" in text for text in opened.complaints), 2)
    opened.page.close()


def test_print_shows_every_chosen_figure_and_no_controls(watched):
    page = watched()
    assert page.locator("#stream .main-svg").count() == 0, "not scrolled to, so not drawn"
    soon(lambda: page.evaluate("Boolean(window.Plotly)"), True)
    pdf = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 2
    assert page.locator("#stream .main-svg").count() > 0
    page.emulate_media(media="print")
    assert page.locator(".controls:visible").count() == 0


def test_every_figure_of_the_suite_is_drawn(context, tmp_path):
    """With all that a choice can be set to; the plots themselves are tested elsewhere."""
    results = [synthetic(name, seed) for name in ("lora", "selora", "taps") for seed in (0, 1)]
    store = store_of(tmp_path / "results", results, predictions=True)
    path = tmp_path / "report.html"
    path.write_text(render(Report.of(results, store=store)))
    opened = Watched(context, path)
    sections = opened.page.locator("section.plots").all()
    assert len(sections) >= 6
    for section in sections:
        section.scroll_into_view_if_needed()
        section.locator(".main-svg").first.wait_for(state="attached")
        for select in section.locator(".selects select").all():
            for place in range(select.locator("option").count()):
                select.select_option(index=place)
                assert section.locator(".plot .main-svg").count() > 0
                assert section.locator(".plot").get_attribute("aria-label")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 1280
    opened.check()
