"""The page of a sensitivity in a real browser: loaded, sorted, filtered, opened, taken out, with hostile names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.test_pages import AXE, luminance, serious, texts
from tests.support import pages

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
PAGES = ("sensitivity", "blocks", "hostile_sensitivity")
ROWS = "#layer-table tbody tr"
TOO_WIDE = """[...document.querySelectorAll('main *')]
    .filter((one) => one.clientWidth && !one.closest('svg') && one.scrollWidth > one.clientWidth)
    .filter((one) => getComputedStyle(one).overflowX === 'visible')
    .map((one) => one.outerHTML)"""
OPEN_ALL = "document.querySelectorAll('details').forEach((entry) => (entry.open = true))"


@pytest.mark.parametrize("name", PAGES)
def test_the_page_loads_without_error_or_request_and_is_as_wide_as_its_window(show: Open, name: str) -> None:
    page = show(name)
    assert page.locator("h1").is_visible()
    assert page.locator("#download").is_visible()
    page.evaluate(OPEN_ALL)
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(TOO_WIDE) == []
        inside = "[...document.querySelectorAll('.entry .body *')].map((e) => e.getBoundingClientRect().right)"
        assert max(page.evaluate(inside)) <= width


def test_the_heads_of_the_table_sort_it(show: Open) -> None:
    # GIVEN layers, costliest first
    page = show("sensitivity")
    found = pages.sensitivity()
    assert texts(page, f"{ROWS} td:first-child") == [layer.name for layer in found.ranked()]
    # WHEN they are sorted by SQNR, the largest first, then the smallest
    head = page.locator("#layer-table").get_by_role("columnheader", name="SQNR")
    head.get_by_role("button").click()
    # THEN a layer that loses nothing has the largest
    assert head.get_attribute("aria-sort") == "descending"
    cells = texts(page, f"{ROWS} td:nth-child(5)")
    assert cells[0] == "-" or not re.match(r"\d", cells[0])
    shown = [float(cell) for cell in cells[1:]]
    assert shown == sorted(shown, reverse=True)
    head.get_by_role("button").press("Enter")
    assert texts(page, f"{ROWS} td:nth-child(5)") == cells[::-1]
    # AND names go from A to Z first
    page.locator("#layer-table").get_by_role("columnheader", name="Layer").get_by_role("button").click()
    assert texts(page, f"{ROWS} td:first-child") == sorted(layer.name for layer in found.layers)


def test_a_users_metric_sorts_from_the_best_to_the_worst(show: Open) -> None:
    page = show("blocks")
    head = page.locator("#layer-table").get_by_role("columnheader", name="Metric")
    head.get_by_role("button").click()
    assert texts(page, f"{ROWS} td:last-child") == ["0.904", "-"]


def test_the_filter_finds_layers_and_says_how_many_are_left(show: Open) -> None:
    page = show("sensitivity")
    page.get_by_role("searchbox", name="Filter").fill("LAYER3 conv2")
    assert texts(page, f"{ROWS} td:first-child") == ["/layer3/conv2/Conv"]
    assert page.get_by_role("status").inner_text() == "1 of 24 layers"
    page.get_by_role("searchbox", name="Filter").fill("no layer is called so")
    assert page.locator(ROWS).count() == 0


def test_a_row_and_a_bar_open_what_is_known_of_a_layer(show: Open) -> None:
    page = show("sensitivity")
    for link in (page.locator(f"{ROWS} a").first, page.locator("#layers svg a").nth(4)):
        place = link.get_attribute("href") or ""
        entry = page.locator(place)
        assert entry.get_attribute("open") is None
        link.focus()
        page.keyboard.press("Enter")
        page.wait_for_function("(place) => document.querySelector(place).open", arg=place)
        assert entry.locator("figure").count() == 2
        assert "a scale for each of 64 channels" in entry.inner_text()
    assert page.locator("#layer-4 h4").inner_text() == pages.sensitivity().layers[4].name


def test_the_json_can_be_taken_out_of_the_page(show: Open, tmp_path: Path) -> None:
    page = show("sensitivity")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download JSON").click()
    assert waiting.value.suggested_filename == "sensitivity.json"
    waiting.value.save_as(tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8")) == pages.sensitivity().to_dict()


def test_without_javascript_layers_and_tensors_can_be_read(show: Open) -> None:
    page = show("sensitivity", java_script_enabled=False)
    assert not page.locator("#download, .controls").first.is_visible()
    assert page.locator(ROWS).count() == len(pages.sensitivity().layers)
    assert page.locator(".finding").first.is_visible()
    page.locator("#layer-13 > summary").click()
    assert page.locator("#layer-13 figure").first.is_visible()


@pytest.mark.parametrize("name", ["sensitivity", "blocks"])
def test_axe_finds_nothing_serious_in_light_and_dark(show: Open, name: str) -> None:
    page = show(name)
    page.evaluate(OPEN_ALL)
    page.evaluate(AXE)
    assert serious(page, "axe.run()") == []
    page.emulate_media(color_scheme="dark")
    assert serious(page, "axe.run({ runOnly: ['color-contrast'] })") == []
    read = "getComputedStyle(document.body).backgroundColor + '|' + getComputedStyle(document.body).color"
    back, ink = page.evaluate(read).split("|")
    assert luminance(back) < luminance(ink)
