"""A real browser, one for all tests: the system's Chromium. Without one they are skipped, or fail where it must be."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tcscope.render.html import diff as diff_page
from tcscope.render.html import report as report_page
from tcscope.render.html import sensitivity as sensitivity_page
from tests.support import pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DESKTOP = {"width": 1280, "height": 900}

Open = Callable[..., "Page"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        why = f"no browser: none of {', '.join(NAMES)} is on the PATH"
        if os.environ.get("TCSCOPE_NEED_BROWSER"):
            pytest.fail(why, pytrace=False)
        pytest.skip(why)
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=options)
        yield started
        started.close()


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages, written as `-o` writes them."""
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "report": report_page.as_html(pages.measured(pages.real_report())),
        "diff": diff_page.as_html(pages.real_diff()),
        "large": report_page.as_html(pages.large_report()),
        "hostile": report_page.as_html(pages.hostile_report()),
        "hostile_diff": diff_page.as_html(pages.hostile_diff()),
        "sensitivity": sensitivity_page.as_html(pages.sensitivity()),
        "blocks": sensitivity_page.as_html(pages.sensitivity_of_a_block()),
        "hostile_sensitivity": sensitivity_page.as_html(pages.hostile_sensitivity()),
    }
    for name, text in made.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture
def show(browser: Browser, files: dict[str, Path]) -> Iterator[Open]:
    """`show("report", color_scheme="dark")` is that page, ready; errors and requests fail the test at its end."""
    contexts = []
    wrong: list[str] = []

    def is_own(url: str, own: str) -> bool:
        return url.startswith((own, "blob:", "data:"))

    def opened(name: str, **options: object) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, **options})  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        own = files[name].as_uri()
        page.on("request", lambda request: None if is_own(request.url, own) else wrong.append(request.url))
        page.goto(own)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("html[data-ready=true]", state="attached")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []
