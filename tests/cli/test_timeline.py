"""`tcscope timeline` as it is typed."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pytest

from tcscope.cli import main
from tests.support.cli import failure
from tests.support.places import INT8, INT8_LAYERS
from tests.support.traces import TraceBuilder


@pytest.mark.parametrize("name", ["t.perfetto", "t.pftrace", "t.json", "t.json.gz", "t.pftrace.gz"])
def test_the_suffix_picks_the_format(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / name
    assert main(["timeline", str(INT8), "-o", str(target)]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"wrote {target}: 840 launches; open it at ")
    data = gzip.decompress(target.read_bytes()) if name.endswith(".gz") else target.read_bytes()
    assert data.startswith(b'{"displayTimeUnit"' if ".json" in name else b"\x0a")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_same_trace_makes_the_same_file(tmp_path: Path) -> None:
    files = [tmp_path / "a.pftrace.gz", tmp_path / "b.pftrace.gz"]
    for file in files:
        assert main(["timeline", str(INT8), "-o", str(file)]) == 0
    assert files[0].read_bytes() == files[1].read_bytes()


def test_layers_of_the_engine_are_described(tmp_path: Path) -> None:
    target = tmp_path / "t.json"
    assert main(["timeline", str(INT8), "--layers", str(INT8_LAYERS), "-o", str(target)]) == 0
    events = json.loads(target.read_text())["traceEvents"]
    layers = [event["args"] for event in events if event.get("cat") == "layer"]
    assert any(args.get("tactic", "").startswith("sm80_xmma_fprop_implicit_gemm_interleaved_i8i8") for args in layers)
    assert all(args["type"] for args in layers if "tactic" in args)


def test_a_suffix_that_names_no_format_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = failure(capsys, "timeline", INT8, "-o", tmp_path / "t.html")
    assert said.code == 2
    assert "names no format" in said.error


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = failure(capsys, "timeline", INT8, "-o", tmp_path / "missing" / "t.json")
    assert (said.code, said.error) == (2, f"can't write {tmp_path / 'missing' / 't.json'}: No such file or directory")


def test_the_trace_is_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "trace.json"  # a name that would pass for an output
    trace.write_bytes(INT8.read_bytes())
    said = failure(capsys, "timeline", trace, "-o", trace)
    assert (said.code, said.error) == (2, f"{trace} is the trace itself")
    assert trace.read_bytes() == INT8.read_bytes()


def test_a_failure_on_the_way_leaves_what_was_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a Python without the package perfetto, and an older timeline
    target = tmp_path / "t.perfetto"
    target.write_text("older")
    monkeypatch.setitem(sys.modules, "perfetto.protos.perfetto.trace", None)
    said = failure(capsys, "timeline", INT8, "-o", target)
    assert said.code == 2
    assert said.hint.startswith("pip install 'tcscope[timeline]'")
    assert target.read_text() == "older"
    assert list(tmp_path.iterdir()) == [target]


def test_negative_durations_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = TraceBuilder().gpu().launch("a", 10, 5).launch("b", 20, 30).write(tmp_path / "trace.sqlite")
    assert main(["timeline", str(trace), "-o", str(tmp_path / "t.json")]) == 0
    assert "note: 1 launch ends before it starts: it takes 0 ns" in capsys.readouterr().err


@pytest.mark.parametrize("asked", [["--range", "nothing"], ["--device", "7"], ["--skip", "840"]])
def test_a_selection_of_nothing_says_why(asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = failure(capsys, "timeline", INT8, *asked, "-o", tmp_path / "t.json")
    assert said.code == 3
    assert not list(tmp_path.iterdir())


def test_a_device_that_takes_what_is_written_is_not_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["timeline", str(INT8), "--format", "chrome", "-o", "/dev/null"]) == 0
    assert Path("/dev/null").is_char_device()
