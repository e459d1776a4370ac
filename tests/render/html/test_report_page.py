"""The page of a report as text: everything is in it, everything is escaped, and nothing is asked of a network."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from functools import cache
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

import tcscope
from tcscope.cli import main
from tcscope.model import Device, Op, Report, TensorShare, TraceInfo, Unit
from tcscope.model.document import Document
from tcscope.render.html import diff as diff_page
from tcscope.render.html import report as report_page
from tests.support import pages
from tests.support.places import FIXTURES, FP16, GRAPHS, INT8, NO_KERNELS, REPOSITORY
from tests.support.reports import kernel, report

LARGEST = 1_500_000  # bytes of a page with 5,000 kernels
VOID = {"meta", "link", "input", "br"}
CLOSED_BY_PARENT = {"td", "option"}


class Outline(HTMLParser):
    """What a page is made of; raises where elements are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.scripts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in CLOSED_BY_PARENT and self.open[-1] == tag:
            self.open.pop()
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs).get("type") or "", ""))
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if self.open[-1] in CLOSED_BY_PARENT and self.open[-1] != tag:
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            kind, said = self.scripts[-1]
            self.scripts[-1] = (kind, said + data)
        elif self.open and self.open[-1] != "style":
            self.text.append(data)


def embedded(page: Outline) -> object:
    kind, data = next(script for script in page.scripts if script[0].startswith("application/"))
    if kind == "application/gzip":
        kind, data = next(s for s in reversed(page.scripts) if s[0] == kind)
        data = gzip.decompress(base64.b64decode(data)).decode()
    return json.loads(data)


REPORTS = {"report": pages.real_report, "large": pages.large_report, "hostile": pages.hostile_report}
DIFFS = {"diff": pages.real_diff, "hostile_diff": pages.hostile_diff}


@cache
def page_of(name: str) -> tuple[Document, str]:
    """A report or diff, and its page."""
    if name in DIFFS:
        return DIFFS[name](), diff_page.as_html(DIFFS[name]())
    return REPORTS[name](), report_page.as_html(REPORTS[name]())


@pytest.fixture(params=[*REPORTS, *DIFFS])
def made(request: pytest.FixtureRequest) -> tuple[Document, str]:
    return page_of(request.param)


def test_a_page_is_sound_and_holds_its_json(made: tuple[Document, str]) -> None:
    document, text = made
    page = Outline(text)
    assert len(page.ids) == len(set(page.ids))
    assert embedded(page) == json.loads(json.dumps(document.to_dict()))
    text.encode("utf-8")  # halves of characters can't be written


def test_a_page_asks_nothing_of_a_network(made: tuple[Document, str]) -> None:
    page = Outline(made[1])
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name != "style"
        if name in ("href", "src", "action", "srcset", "data"):
            assert value.startswith("#") or (tag, value) == ("link", "data:,")
    assert not re.search(r"@import|url\((?!#)", re.findall(r"<style>(.*?)</style>", made[1], re.DOTALL)[0])


def test_the_policy_lets_only_its_own_style_and_script_through(made: tuple[Document, str]) -> None:
    policy = unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', made[1])[0])
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    style = re.findall(r"<style>(.*?)</style>", made[1], re.DOTALL)
    script = re.findall(r"<script>(.*?)</script>", made[1], re.DOTALL)
    for found, rule in ((style, "style-src"), (script, "script-src")):
        assert len(found) == 1
        digest = base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_every_link_inside_the_page_leads_somewhere() -> None:
    for name in ("report", "diff", "hostile"):
        page = Outline(page_of(name)[1])
        wanted = {value[1:] for _, attribute, value in page.attributes if attribute == "href" and value != "data:,"}
        assert wanted <= set(page.ids)


def test_a_large_report_is_small_enough() -> None:
    text = page_of("large")[1]
    assert len(text.encode("utf-8")) < LARGEST


def test_the_rows_that_are_not_shown_at_first_are_packed_in_the_page() -> None:
    report_ = pages.large_report()
    text = page_of("large")[1]
    packed_rows = re.findall(r'class="rest">([^<]*)<', text)
    rest = [gzip.decompress(base64.b64decode(data)).decode() for data in packed_rows]
    kernels = next(part for part in rest if part.startswith("<tr"))
    rows = kernels.count("<tr ") + text.split('id="kernel-table"')[1].split("</table>")[0].count("<tr ")
    assert rows == len(report_.kernels)
    assert escape(report_.kernels[-1].name, quote=False) in kernels


def test_the_same_report_gives_the_same_page() -> None:
    assert report_page.as_html(pages.large_report()) == page_of("large")[1]


def shown(page: str) -> str:
    return re.sub(r"\s+", " ", "".join(Outline(page).text))


def test_the_answer_is_a_bracket_where_something_is_unknown() -> None:
    lost = kernel("mystery", Unit.UNKNOWN, Op.GEMM, 58, note="only the short name is known")
    found = report(kernel("hmma", Unit.TENSOR_CORE, Op.GEMM, 643), lost, kernel("relu", Unit.CUDA_CORE, Op.OTHER, 299))
    found = replace(found, tensor_share=TensorShare(0.643, 0.701, 0.917, 1.0))
    text = shown(report_page.as_html(found))
    assert "64.3 to 70.1 % of the kernel time ran on Tensor Cores" in text
    assert "5.8 % of the kernel time, in 1 kernel: the evidence at hand can't tell" in text
    assert "only the short name is known" in text


@pytest.mark.parametrize(("has", "why"), [(False, "there are none"), (None, "no kernel time")])
def test_a_missing_share_has_its_reason(has: bool | None, why: str) -> None:
    empty = Report(TraceInfo("a.sqlite", devices=(Device(0, "GPU", 75, 1, has),)))
    assert f"No share of Tensor Cores to tell: {why}" in shown(report_page.as_html(empty))


def test_every_part_of_the_report_is_on_the_page() -> None:
    found = pages.real_report()
    text = shown(report_page.as_html(found))
    for finding in found.findings:
        assert finding.message in text
        assert finding.hint in text
    for part in [*(layer.name for layer in found.layers), *(k.rule or "" for k in found.kernels)]:
        assert re.sub(r"\s+", " ", part) in text
    for line in (
        "NVIDIA H100 80GB HBM3, sm_90, 132 SMs",
        "43 layers, known by NVTX ranges",
        "Nsight Systems 2025.3.2.0",
    ):
        assert line in text


def test_what_graphs_hide_is_said() -> None:
    opaque = replace(pages.real_report().totals, graph_launches=3, graph_ns=5_000, unplaced_launches=2, unplaced_ns=70)
    text = shown(report_page.as_html(replace(pages.real_report(), totals=opaque)))
    assert "5.0 us 3 CUDA graph launches whose kernels the trace doesn't show" in text
    assert "70 ns 2 launches without a launch call in the trace" in text


def test_without_layers_the_page_says_how_to_get_them() -> None:
    text = shown(report_page.as_html(tcscope.analyze(GRAPHS)))
    assert "This trace names no layers" in text
    assert "tcscope profile ENGINE" in text


def test_the_words_are_those_of_the_readme() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## What the words mean")[2].partition("\n## ")[0].replace(", see below", "")
    rows = re.findall(r"^\| (?!word|---)(.*?) \| (.*?) \|$", section, re.MULTILINE)
    assert len(rows) >= 6
    words = report_page.as_html(Report(TraceInfo("a"))).partition('<dl class="words">')[2].partition("</dl>")[0]
    defined = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", words)
    assert [(word, unescape(re.sub("</?code>", "`", said))) for word, said in defined] == rows


def test_the_command_line_writes_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a trace and a report saved of it
    saved = tmp_path / "report.json"
    assert main(["analyze", str(INT8), "--by", "layer", "-o", str(saved)]) == 0
    capsys.readouterr()
    # WHEN each is written as a page, by suffix or by --format
    assert main(["analyze", str(INT8), "-o", str(tmp_path / "trace.html")]) == 0
    assert main(["analyze", str(saved), "-o", str(tmp_path / "saved.html")]) == 0
    assert main(["diff", str(FP16), str(saved), "-o", str(tmp_path / "diff.html")]) == 0
    out, err = capsys.readouterr()
    assert (out, err.count("wrote ")) == ("", 3)
    # THEN both have the layers, which nobody asked for by name
    for name in ("trace", "saved"):
        assert "Strip of 30 layers" in (tmp_path / f"{name}.html").read_text(encoding="utf-8")
    assert "Why, cause by cause" in (tmp_path / "diff.html").read_text(encoding="utf-8")
    assert main(["analyze", str(INT8), "--format", "html"]) == 0
    assert capsys.readouterr().out.startswith("<!doctype html>")


def test_a_trace_without_kernels_has_a_page(tmp_path: Path) -> None:
    main(["analyze", str(NO_KERNELS), "-o", str(tmp_path / "none.html")])
    for path in tmp_path.iterdir():
        Outline(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "trace", [*sorted(FIXTURES.glob("*graph*.sqlite")), FIXTURES / "orin_trt85_resnet_reconstructed.sqlite"]
)
def test_real_traces_have_a_sound_page(trace: Path, tmp_path: Path) -> None:
    assert main(["analyze", str(trace), "-o", str(tmp_path / "page.html")]) == 0
    Outline((tmp_path / "page.html").read_text(encoding="utf-8"))
