"""What stands beside a trace: counters of Nsight Compute, machine code, and other traces that are broken."""

from __future__ import annotations

import copy
import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcscope import analyze
from tests.fuzz.hold import effort, held
from tests.fuzz.test_files import ODD
from tests.fuzz.test_json import VALUES, changed, write
from tests.fuzz.test_sqlite import SPOKEN, whole
from tests.support.counters import launch, wide
from tests.support.places import FIXTURES, INT8
from tests.support.sass import FATBIN, LISTING, needs_cuobjdump

COUNTERS = FIXTURES / "h100_trt86_resnet18s_int8.ncu.csv"
FORMATS = st.sampled_from(["table", "json", "csv", "yaml"])
CELLS = st.one_of(
    st.sampled_from(["", "n/a", "1e999", "-1", "nan", "1,2,3", "9" * 400, "0x10", "²", "9.0", "99.9", "-1.0", "inst"]),
    st.sampled_from(["sm__ops_path_tensor_src_int8.sum", "sm__ops_path_tensor_src_x.sum", "Kernel Name", "K/", "\x00"]),
    SPOKEN,
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "r.json"
    analyze(INT8).save(path)
    return path


def table(rows: list[list[str]]) -> str:
    """Written by hand: Python 3.10's csv writes no zero byte."""
    quoted = (",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    return "".join(f"{line}\r\n" for line in quoted)


@effort(40)
@given(
    edits=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30), CELLS), min_size=1, max_size=6),
    is_wide=st.booleans(),
    form=FORMATS,
)
def test_counters_with_other_cells(
    report: Path, edits: list[tuple[int, int, str]], is_wide: bool, form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    names = [kernel["name"] for kernel in json.loads(report.read_text(encoding="utf-8"))["kernels"]]
    text = wide([launch(name, int8=3) for name in names[:6]]) if is_wide else COUNTERS.read_text(encoding="utf-8")
    rows = [row for row in csv.reader(io.StringIO(text)) if len(row) > 4][:40]
    for at, column, cell in edits:
        row = rows[at % len(rows)]
        row[column % len(row)] = cell
    path = tmp_path_factory.mktemp("cells") / "c.csv"
    path.write_text(table(rows), encoding="utf-8", errors="replace", newline="")
    held("verify", report, "--ncu", path, "--format", form, folder=path.parent, codes=(0, 1, 2, 3))


@effort(40)
@given(data=st.data(), suffix=st.sampled_from([".csv", ".csv", ".csv", ".ncu-rep"]), form=FORMATS)
def test_counters_of_other_bytes(
    report: Path, data: st.DataObject, suffix: str, form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    raw = bytearray(COUNTERS.read_bytes()[:6000])
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 300))] = data.draw(
            st.one_of(st.binary(max_size=5), st.sampled_from([b'"', b"\r", b"\n", b'""', b"\x00", b'"' * 300]))
        )
    path = tmp_path_factory.mktemp("bytes") / f"c{suffix}"
    path.write_bytes(raw)
    held("verify", report, "--ncu", path, "--format", form, folder=path.parent, codes=(0, 1, 2, 3))


HEADER = '"ID","Process ID","Kernel Name","CC","Metric Name","Metric Unit","Metric Value"\n'
LARGE = {
    "an open quote": HEADER + '"' + "x" * 300_000,
    "a field beyond the limit of csv": HEADER + '"0","1","' + "k" * 200_000 + '","9.0","a","b","1"\n',
    "many columns": '"Kernel Name"' + ',"a__b"' * 50_000 + "\n" + '"k"' + ',"1"' * 50_000 + "\n",
    "headers": HEADER * 20_000,
    "headers in no line": '"Kernel Name' * 50_000,
    "nothing": "",
    "a million digits": HEADER + '"0","1","k","9.0","sm__ops_path_tensor_src_int8.sum","inst","' + "9" * 100_000 + '"',
}


@pytest.mark.parametrize("what", LARGE)
def test_large_counters(what: str, report: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(LARGE[what], encoding="utf-8")
    held("verify", report, "--ncu", path, folder=tmp_path, codes=(0, 1, 2, 3))


SAVED: dict[str, Any] = {
    "schema": "tcscope.sass/1",
    "files": [{"file": "a.so", "kernels": 1, "ptx": ["sm_90"]}],
    "kernels": [
        {
            "name": "k<1>",
            "mangled": "_Z1kv",
            "file": "a.so",
            "sm": 90,
            "variant": "a",
            "unit": "tensor_core",
            "precision": "fp16",
            "accumulate": "fp32",
            "instructions": [{"opcode": "HMMA.16816.F32", "count": 3, "precision": "fp16", "accumulate": "fp32"}],
            "note": "",
        }
    ],
}


@effort(40)
@given(data=st.data(), form=st.sampled_from(["table", "json", "csv"]))
def test_saved_machine_code_with_other_values(
    data: st.DataObject, form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("sass")
    saved = write(
        folder / "s.json", changed(copy.deepcopy(SAVED), data) if data.draw(st.booleans()) else data.draw(VALUES)
    )
    held("sass", saved, "--format", form, folder=folder)
    held("analyze", whole().write(folder / "t.sqlite"), "--sass", saved, folder=folder)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"schema": ' * 50_000, "9" * 1_000_000, '{"schema": NaN}', "\x00"])
def test_saved_machine_code_that_is_deep_or_long(text: str, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(text, encoding="utf-8")
    held("sass", path, folder=tmp_path, codes=(2, 3))


@needs_cuobjdump
@pytest.mark.parametrize("kind", ["random", "an ELF head", "cut", "flipped", "a text", "nothing", "a listing"])
def test_machine_code_of_other_bytes(kind: str, tmp_path: Path) -> None:
    code = FATBIN.read_bytes()
    raw = {
        "random": bytes(at * 7919 % 251 for at in range(5000)),
        "an ELF head": b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 8,
        "cut": code[: len(code) // 3],
        "flipped": bytes(byte ^ (at % 97 == 0) for at, byte in enumerate(code)),
        "a text": b"\x1b[31mred\x1b]0;title\x07\n" * 9,
        "nothing": b"",
        "a listing": LISTING.read_bytes(),
    }[kind]
    (tmp_path / "k.cubin").write_bytes(raw)
    held("sass", tmp_path / "k.cubin", folder=tmp_path)


@effort(8)
@given(data=st.data(), form=st.sampled_from(["table", "json", "csv", "md"]))
def test_several_traces_with_bad_ones_among_them(
    report: Path, data: st.DataObject, form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("many")
    trace = whole().write(folder / "whole.sqlite")
    saved = json.loads(report.read_text(encoding="utf-8"))
    paths = [trace]
    for number in range(data.draw(st.integers(1, 3))):
        kind = data.draw(st.sampled_from(["cut", "flipped", "report", "noise", "missing"]))
        path = folder / f"{number}.sqlite"
        raw = bytearray(trace.read_bytes())
        if kind == "report":
            write(path, changed(saved, data))
        elif kind == "cut":
            path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
        elif kind == "flipped":
            at = data.draw(st.integers(0, len(raw) - 9))
            raw[at : at + 8] = data.draw(st.binary(min_size=8, max_size=8))
            path.write_bytes(raw)
        elif kind == "noise":
            path.write_bytes(data.draw(st.binary(max_size=50)))
        paths.insert(data.draw(st.integers(0, len(paths))), path)
    held("analyze", *paths, "--jobs", "1", "--format", form, folder=folder, goes_on=True)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of Unix")
@pytest.mark.parametrize("what", [what for what in ODD if what != "a folder"])
def test_what_is_no_file(what: str, report: Path, tmp_path: Path) -> None:
    path = ODD[what](tmp_path / "t.sqlite")
    for command in (
        ("verify", report, "--ncu", path),
        ("check", report, "--budget", path),
        ("check", report, "--baseline", path, "--fail-on", "launches > baseline"),
        ("check", "--validate", path),
        ("history", path),
        ("sass", path),
        ("timeline", path, "-o", tmp_path / "t.json"),
        ("slim", path, "-o", tmp_path / "s.sqlite"),
    ):
        held(*command, folder=tmp_path, codes=(2, 3))
    if what not in ("a symlink to nothing", "a name that steers a terminal"):  # in which a history may begin
        condition = ("--fail-on", "launches > 10000")
        held("check", report, *condition, "--history", path, "--commit", "abcdef1", folder=tmp_path, codes=(2, 3))
