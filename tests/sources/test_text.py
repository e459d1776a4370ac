"""Names as they come: not UTF-8, with control characters, with the markup of every output."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
from pathlib import Path

import pytest

from tcscope import Report, analyze
from tcscope.cli import main
from tests.support.traces import TraceBuilder

NAMES = [
    "dot_product [clone .kd]",
    "smile :smile: [bold red]not red[/bold red]",
    "pipe|d <a & b> `tick` \\back* _under_ #1",
    "quoted \"name\", with 'commas', and = 1",
    "=HYPERLINK(1)",
    "<script>alert(1)</script>",
    "mañana 核 ядро",
]
HOSTILE = "bell\x07 escape\x1b[31m red\x1b]0;title\x07 return\r newline\nnext tab\t csi\x9b2J rtl\u202egpj"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")  # all but the newline


def trace(*names: str | bytes, path: Path) -> Path:
    builder = TraceBuilder().gpu()
    for number, name in enumerate(names):
        builder.launch(name, 1000 * number, 1000 * number + 900 - number)
    return builder.write(path)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["analyze", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_whole_in_every_output(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(trace(name, path=tmp_path / "t.sqlite"))
    table = shown(capsys, path)
    assert f"\n       {name}\n" in table
    data = json.loads(shown(capsys, path, "--format", "json"))
    assert [kernel["name"] for kernel in data["kernels"]] == [name]
    rows = list(csv.DictReader(io.StringIO(shown(capsys, path, "--format", "csv"))))
    assert [row["name"] for row in rows] == [name]
    groups = list(csv.DictReader(io.StringIO(shown(capsys, path, "--format", "csv", "--by", "kernel"))))
    assert [row["kernel"] for row in groups] == [name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("by", ["unit", "kernel"])
def test_markdown_shows_a_name_and_obeys_none_of_it(
    name: str, by: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = shown(capsys, str(trace(name, path=tmp_path / "t.sqlite")), "--format", "md", "--by", by)
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert {line.count(" | ") for line in rows[3:]} == {7}  # the kernels' table: no name adds a column
    (row,) = (line for line in rows[5:] if "<code>" in line)
    code = row[row.index("<code>") + 6 : row.index("</code>")]
    assert not re.search(r"[<>|`*_\[\]\\]", code)
    assert _unescaped(code) == name


def _unescaped(text: str) -> str:
    named = text.replace("&lt;", "<").replace("&gt;", ">")
    return re.sub(r"&#(\d+);", lambda mark: chr(int(mark[1])), named).replace("&amp;", "&")


@pytest.mark.parametrize("form", ["table", "md"])
@pytest.mark.parametrize("full", [True, False])
def test_control_characters_never_reach_a_reader(
    form: str, full: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builder = TraceBuilder().gpu(0, f"GPU {HOSTILE}").launch(HOSTILE, 0, 50, call=(10, 20)).nvtx(HOSTILE, 0, 30)
    path = str(builder.write(tmp_path / "t.sqlite"))
    options = ["--format", form, "--by", "kernel,device", "--range", HOSTILE, *(["--full-names"] if full else [])]
    page = shown(capsys, path, *options)
    assert CONTROL.findall(page) == []
    assert "\\x1b[31m" in page.replace("&#92;", "\\").replace("&#91;", "[")
    assert main(["info", path]) == 0
    assert CONTROL.findall(capsys.readouterr().out) == []


def test_json_and_csv_keep_control_characters_as_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(trace(HOSTILE, path=tmp_path / "t.sqlite"))
    assert json.loads(shown(capsys, path, "--format", "json"))["kernels"][0]["name"] == HOSTILE
    (row,) = csv.DictReader(io.StringIO(shown(capsys, path, "--format", "csv"), newline=""))
    assert row["name"] == HOSTILE


def test_text_that_is_not_utf8_is_replaced(tmp_path: Path) -> None:
    # GIVEN Latin-1 in a kernel's name, a range's, the host's properties and the GPU's
    builder = TraceBuilder().gpu(0, b"NVIDIA RTX\xae 4090").system(CpuArchitecture=b"x86\xe9")
    builder.capture(PROCESS_0_COLLECT_CUDA_TRACE="true")
    builder.launch(b"noyau_caf\xe9", 100, 150, call=(10, 20)).nvtx(b"caf\xe9", 0, 30).nvtx("ok", 5, 25)
    builder.row("META_DATA_CAPTURE", name="PROCESS_0:ENVIRONMENT", value=b"\xff\xfe")
    path = builder.write(tmp_path / "t.sqlite")
    # THEN it reads, with the replacement character in its place
    report = analyze(path, range="ok")
    assert [kernel.name for kernel in report.kernels] == ["noyau_caf\ufffd"]
    assert (report.trace.host, report.trace.devices[0].name) == ("x86\ufffd", "NVIDIA RTX\ufffd 4090")
    assert main(["info", str(path)]) == 0
    # AND names that become the same are one kernel
    same = trace(b"k\xe8", b"k\xe9", path=tmp_path / "same.sqlite")
    (kernel,) = analyze(same, stats=True).kernels
    assert (kernel.name, kernel.launches, kernel.ns, kernel.median_ns) == ("k\ufffd", 2, 1799, 900)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
@pytest.mark.parametrize("form", ["table", "json", "csv", "md"])
def test_a_file_name_that_is_not_utf8(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.sqlite")
    os.rename(trace("k", path=tmp_path / "t.sqlite"), path)
    assert shown(capsys, path, "--format", form).encode("utf-8")
    assert analyze(path).trace.file == "caf\ufffd.sqlite"


@pytest.mark.parametrize("name", ["with space.sqlite", "100%.sqlite", "a?mode=rwc.sqlite", "a#b.sqlite", "ünï.sqlite"])
def test_a_file_name_that_means_something_in_a_uri(name: str, tmp_path: Path) -> None:
    path = trace("k", path=tmp_path / "t.sqlite").rename(tmp_path / name)
    assert analyze(path).totals.kernel_ns == 900
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_name_typed_in_another_encoding_is_just_no_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = TraceBuilder().gpu().launch("k", 100, 150, call=(10, 20)).nvtx("r", 0, 30).write(tmp_path / "t.sqlite")
    assert main(["analyze", str(path), "--range", "caf\udce9"]) == 3
    assert "has no NVTX range 'caf?'" in capsys.readouterr().err


def test_names_survive_a_saved_report(tmp_path: Path) -> None:
    report = analyze(trace(*NAMES, HOSTILE, b"\xff", path=tmp_path / "t.sqlite"))
    report.save(tmp_path / "r.json")
    assert Report.load(tmp_path / "r.json") == report
    assert {kernel.name for kernel in report.kernels} == {*NAMES, HOSTILE, "\ufffd"}
