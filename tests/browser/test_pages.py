"""The pages in a real browser: what a reader does with them, by mouse, by keyboard and without JavaScript."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import pages

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
PAGES = ("report", "diff", "large", "hostile", "hostile_diff")
AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
ROWS = "#kernel-table tbody tr"


def texts(page: Page, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_without_error_or_request_and_is_as_wide_as_its_window(show: Open, name: str) -> None:
    page = show(name)
    assert page.locator("h1").is_visible()
    assert page.locator("#download").is_visible()
    page.locator(".strip a").nth(3).click(force=True)
    page.evaluate("document.querySelectorAll('details').forEach((entry) => (entry.open = true))")
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_heads_of_the_table_sort_it(show: Open) -> None:
    # GIVEN kernels, longest first
    page = show("report")
    kernels = pages.real_report().kernels
    table = page.locator("#kernel-table")
    total = table.get_by_role("columnheader", name="Total ms")
    assert total.get_attribute("aria-sort") == "descending"
    # WHEN they are sorted by launches, most first, then fewest first
    launches = table.get_by_role("columnheader", name="Launches")
    launches.get_by_role("button").click()
    # THEN rows and the head say so
    shown = [int(row.replace(",", "")) for row in texts(page, f"{ROWS} td:nth-child(7)")]
    assert shown == sorted((kernel.launches for kernel in kernels), reverse=True)
    assert (launches.get_attribute("aria-sort"), total.get_attribute("aria-sort")) == ("descending", "none")
    launches.get_by_role("button").press("Enter")
    assert launches.get_attribute("aria-sort") == "ascending"
    assert [int(row) for row in texts(page, f"{ROWS} td:nth-child(7)")] == sorted(shown)
    # AND words are sorted from A to Z first
    ops = table.get_by_role("columnheader", name="Op")
    ops.get_by_role("button").click()
    assert ops.get_attribute("aria-sort") == "ascending"
    assert texts(page, f"{ROWS} td:nth-child(4)") == sorted(kernel.op for kernel in kernels)


def test_the_filter_takes_words_of_any_column_and_says_how_many_are_left(show: Open) -> None:
    page = show("report")
    page.get_by_role("searchbox", name="Filter").fill("CUDA_CORE reformat")
    wanted = [k for k in pages.real_report().kernels if k.unit == "cuda_core" and k.op == "reformat"]
    assert page.locator(ROWS).count() == len(wanted) > 1
    assert page.get_by_role("status").inner_text() == f"{len(wanted)} of 15 kernels"
    page.get_by_role("searchbox", name="Filter").fill("")
    page.get_by_role("combobox", name="Unit").select_option("tensor_core")
    assert set(texts(page, f"{ROWS} td:nth-child(2)")) == {"tensor_core"}
    page.get_by_role("searchbox", name="Filter").fill("no kernel is called so")
    assert page.locator(ROWS).count() == 0
    assert page.get_by_role("status").inner_text() == "0 of 15 kernels"


def test_a_layer_of_the_strip_shows_what_is_known_of_it(show: Open) -> None:
    page = show("report")
    panel = page.get_by_role("region", name="Chosen layer")
    assert panel.is_hidden()
    page.locator(".strip").get_by_role("link", name=": /conv1/Conv + 2 more").click()
    shown = panel.inner_text()
    for part in (
        "/conv1/Conv + /relu/Relu + /maxpool/MaxPool",
        "CaskConvActPool",  # type
        "int8 CHW32 [32 \u00d7 64 \u00d7 56 \u00d7 56]",  # format
        "sm80_trt_conv_act_pool_v3_tile_rows_8_tile_cols_120_execute_kernel_trt",
        "trt-conv-act-pool",  # rule
        "evidence: counter",
        "61.2 % (58.0 to 64.4)",  # measured
        "these values mean little",
    ):
        assert part in shown
    panel.get_by_role("button", name="Close").click()
    assert panel.is_hidden()


def test_the_strip_works_by_keyboard(show: Open) -> None:
    page = show("report")
    blocks = page.locator(".strip a")
    # GIVEN one stop for the Tab key
    assert blocks.evaluate_all("all => all.filter((block) => block.tabIndex === 0).length") == 1
    blocks.first.focus()
    # WHEN the third layer is chosen by arrows and Enter
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    heading = page.locator(".panel h4")
    assert heading.inner_text() == "Identity_2"
    # THEN the arrows go on from there, to the end and not beyond, and Escape closes
    page.keyboard.press("ArrowLeft")
    assert heading.inner_text() == "Identity_1"
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert heading.inner_text() == "/fc/Gemm"
    assert blocks.last.get_attribute("aria-current") == "true"
    page.keyboard.press("Escape")
    assert page.locator(".panel").is_hidden()
    assert page.evaluate("document.activeElement.getAttribute('href')") == blocks.last.get_attribute("href")


def test_the_first_tab_leads_to_the_answer(show: Open) -> None:
    page = show("report")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the answer"


def test_a_link_to_a_finding_and_to_a_layer_opens_it(show: Open) -> None:
    page = show("diff")
    page.locator("#change-table a").first.click()
    page.wait_for_function("location.hash && document.querySelector(location.hash).open")
    assert page.locator("#all-layers").get_attribute("open") is not None


@pytest.mark.parametrize(("name", "file"), [("report", "report.json"), ("diff", "diff.json"), ("large", "report.json")])
def test_the_json_can_be_taken_out_of_the_page(show: Open, name: str, file: str, tmp_path: Path) -> None:
    page = show(name)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download JSON").click()
    assert waiting.value.suggested_filename == file
    waiting.value.save_as(tmp_path / file)
    whole = {"report": pages.measured(pages.real_report()), "diff": pages.real_diff(), "large": pages.large_report()}
    assert json.loads((tmp_path / file).read_text(encoding="utf-8")) == whole[name].to_dict()


def test_five_thousand_kernels_are_all_there_and_filtered_in_under_100_ms(show: Open) -> None:
    page = show("large")
    assert page.get_by_role("status").inner_text() == "5,000 kernels"
    # GIVEN more rows than are shown at first
    assert page.locator(ROWS).count() == 100
    page.get_by_role("button", name="Show 100 more of 4,900").click()
    assert page.locator(ROWS).count() == 200
    # WHEN words are typed THEN the page follows at once
    measure = """(word) => {
        const input = document.querySelector('.controls input');
        const start = performance.now();
        input.value = word;
        input.dispatchEvent(new Event('input'));
        document.body.offsetHeight;  // the browser lays the page out now
        return performance.now() - start;
    }"""
    best = [min(page.evaluate(measure, word) for _ in range(5)) for word in ("g", "gemm", "gemm cuda_core", "")]
    assert max(best) < 100, best
    # AND the shortest of them, packed until now, is found, and its name is whole
    page.get_by_role("searchbox", name="Filter").fill(".4999]")
    assert page.locator(ROWS).count() == 1
    assert pages.large_report().kernels[-1].name in (page.locator(ROWS).text_content() or "")
    assert page.locator("#all-layers .entry").count() == len(pages.large_report().layers)


@pytest.mark.parametrize("name", ["report", "diff"])
def test_without_javascript_tables_layers_and_findings_can_be_read(show: Open, name: str) -> None:
    page = show(name, java_script_enabled=False)
    assert not page.locator("#download, .controls").first.is_visible()  # nothing that would do nothing
    assert page.locator(".finding").first.is_visible()
    page.locator("#all-layers > summary").click()
    page.locator("#layer-13 > summary").click()
    assert page.locator("#layer-13 h4").is_visible()
    rows = page.locator(".listing tbody tr")
    assert rows.count() == len(pages.real_report().kernels if name == "report" else pages.real_diff().layers)
    assert rows.last.is_visible()


def test_without_javascript_a_long_table_has_its_longest_rows_and_says_so(show: Open) -> None:
    page = show("large", java_script_enabled=False)
    assert page.locator(ROWS).count() == 200
    assert "The 200 with most time; 4,800 more need JavaScript" in page.locator("#kernels").inner_text()


@pytest.mark.parametrize("name", ["report", "diff"])
def test_axe_finds_nothing_serious_in_light_and_dark(show: Open, name: str) -> None:
    page = show(name)
    page.locator(".strip a").nth(13).click()
    page.evaluate("[...document.querySelectorAll('details')].slice(0, 12).forEach((entry) => (entry.open = true))")
    page.evaluate(AXE)
    assert serious(page, "axe.run()") == []
    page.emulate_media(color_scheme="dark")
    assert serious(page, "axe.run({ runOnly: ['color-contrast'] })") == []


def serious(page: Page, run: str) -> list[tuple[str, str, list[str]]]:
    """The serious and critical violations, each with the first elements that have it."""
    found: list[dict[str, Any]] = page.evaluate(f"{run}.then((result) => result.violations)")
    return [
        (rule["id"], rule["impact"], [node["html"][:200] for node in rule["nodes"][:3]])
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]


def luminance(colour: str) -> float:
    return sum(map(int, re.findall(r"\d+", colour)[:3]))


def test_dark_mode_is_dark(show: Open) -> None:
    read = "getComputedStyle(document.body).backgroundColor + '|' + getComputedStyle(document.body).color"
    for scheme, is_dark in (("dark", True), ("light", False)):
        back, ink = show("report", color_scheme=scheme).evaluate(read).split("|")
        assert (luminance(back) < luminance(ink)) is is_dark


def test_on_paper_the_layers_are_open_and_the_controls_gone(show: Open) -> None:
    page = show("report", color_scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator(".controls").first.is_visible()
    assert page.locator("#layer-13 > summary").is_visible()
    assert luminance(page.evaluate("getComputedStyle(document.body).backgroundColor")) == 3 * 255


@pytest.mark.parametrize("name", ["hostile", "hostile_diff", "hostile_sensitivity"])
def test_hostile_names_do_nothing_and_are_shown_as_they_are(show: Open, name: str) -> None:
    page = show(name)
    for block in range(0, page.locator(".strip a").count(), 7):
        page.locator(".strip a").nth(block).click(force=True)
    page.evaluate("document.querySelectorAll('details').forEach((entry) => (entry.open = true))")
    for element in page.locator("main details summary, main a").all()[:12]:
        element.dispatch_event("click")
    assert page.evaluate("window.harm") is None
    # only what the templates write is there
    tags = set(page.evaluate("[...new Set([...document.querySelectorAll('*')].map((e) => e.tagName.toLowerCase()))]"))
    assert not tags & {"img", "iframe", "object", "embed", "form", "base", "raw"}
    assert page.locator("script").count() == 2
    links = page.evaluate("[...document.querySelectorAll('a')].map((a) => a.getAttribute('href'))")
    assert all(re.fullmatch(r"#[a-z]+(-[a-z0-9]+)?", link) for link in links), links
    shown = page.locator("body").inner_text()
    for part in (
        "</script><script>window.harm = 1</script>",
        "{{ 7*7 }}",
        "\\u202e\\u2066\\u200f mark \\x1b[31m\\x00",
        "🔥",
    ):
        assert part in shown
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", shown)


def test_both_sides_of_a_layer_are_shown(show: Open) -> None:
    page = show("diff")
    page.locator(".strip").get_by_role("link", name=": /conv1/Conv + 2 more").click()
    shown = page.get_by_role("region", name="Chosen layer").inner_text()
    assert "several layers became one: tensor_core fp16 -> int8" in shown
    assert "/maxpool/MaxPool 29.4 us" in shown
    assert "sm80_trt_conv_act_pool_v3_tile_rows_8_tile_cols_120_execute_kernel_trt" in shown
