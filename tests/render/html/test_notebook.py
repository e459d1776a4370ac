"""What a notebook shows of a report, and its figure."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from html import unescape

import pytest

import tcscope
from tcscope.errors import UsageError
from tcscope.model import Report, TraceInfo
from tests.support import pages
from tests.support.places import ORIN


def test_a_notebook_shows_the_answer_without_script_or_style_sheet() -> None:
    found = tcscope.analyze(ORIN)
    html = found._repr_html_()
    text = unescape(re.sub(r"<[^>]*>", " ", html))
    assert "71.6 % of the kernel time ran on Tensor Cores" in re.sub(r"\s+", " ", text)
    for part in ("Orin, sm_87, 16 SMs", "tensor_core", found.kernels[0].name, found.findings[0].message):
        assert part in text
    assert not re.search(r"<script|<style|<link|\bid=|\bon\w+=", html)
    assert len(html) < 10_000


def test_a_notebook_shows_an_empty_report_and_a_hostile_one() -> None:
    assert "no kernel time" in Report(TraceInfo("empty.sqlite"))._repr_html_()
    html = pages.hostile_report()._repr_html_()
    assert "<script" not in html
    assert "<img" not in html
    assert "\u202e" not in html
    assert "&lt;/script&gt;&lt;script&gt;window.harm" in html


def test_plot_is_a_figure_with_a_bar_for_each_unit_and_precision() -> None:
    from matplotlib import pyplot
    from matplotlib.figure import Figure

    figure = tcscope.analyze(ORIN).plot()
    assert isinstance(figure, Figure)
    axes = figure.axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    widths = [round(bar.get_width(), 1) for bar in axes.patches]  # type: ignore[attr-defined]
    assert dict(zip(labels, widths, strict=True))["tensor_core int8"] == 55.1
    assert sum(widths) == pytest.approx(100, abs=0.5)
    assert axes.get_title(loc="left") == "71.6 % on Tensor Cores, Orin"
    assert pyplot.get_fignums() == []  # a notebook would show an open one twice
    assert replace(Report(TraceInfo("empty"))).plot().axes


def test_plot_without_matplotlib_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="plot\\(\\) needs matplotlib") as caught:
        Report(TraceInfo("a")).plot()
    assert "tcscope[plot]" in caught.value.hint
