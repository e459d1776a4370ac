"""`tcscope analyze` of several traces: arguments in, exit code out."""

from __future__ import annotations

import io
import json
import re
import sys
import time
from pathlib import Path

import pytest

from tcscope.cli import main, many
from tests.support.cli import failure, run
from tests.support.places import FIXTURES, FP16, INT8, INT8_CUDAGRAPH, NO_KERNELS, ORIN
from tests.support.ranks import FFMA, GEMM, RELU, rank

USAGE, CANT_ANSWER = 2, 3


@pytest.fixture
def ranks(tmp_path: Path) -> list[Path]:
    """Four ranks, of which the last runs its GEMM on CUDA cores."""
    usual = [rank(tmp_path / f"rank{i}.sqlite", {GEMM: 5_000_000 + 1_000 * i, RELU: 400_000}) for i in range(3)]
    return [*usual, rank(tmp_path / "rank3.sqlite", {FFMA: 9_000_000, RELU: 400_000})]


def shown(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> tuple[str, str]:
    assert main([str(argument) for argument in ("analyze", *arguments)]) == code
    out, err = capsys.readouterr()
    return out, err


def test_the_slow_rank_and_its_kernel_are_named(ranks: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    out, err = shown(capsys, *ranks)
    assert err == ""
    assert "slowest  rank3.sqlite, 9.400 ms, 74.0 % above the median" in out
    assert re.search(r"cuda_core fp32 gemm  rank3\.sqlite\n +sm80_xmma_gemm_f32f32.*ffma", out)
    assert re.search(r"tensor_core fp16 gemm  all but rank3\.sqlite", out)


def test_json_is_the_set(ranks: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(shown(capsys, *ranks, "--format", "json")[0])
    assert data["schema"] == "tcscope.set/1"
    assert [member["file"] for member in data["traces"]] == [path.name for path in ranks]
    assert data["peers"][0]["slowest"] == 3


@pytest.mark.parametrize(("suffix", "begins"), [("csv", "file,"), ("md", "### "), ("txt", "set "), ("json", "{")])
def test_an_output_file(
    suffix: str, begins: str, ranks: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / f"set.{suffix}"
    assert shown(capsys, *ranks, "-o", output) == ("", f"wrote {output}\n")
    assert output.read_text().startswith(begins)


def test_one_bad_file_spoils_nothing_and_is_reported(ranks: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    bad = ranks[0].with_name("cut.sqlite")
    bad.write_bytes(INT8.read_bytes()[:50_000])
    out, err = shown(capsys, *ranks, bad, NO_KERNELS)
    assert "set    6 traces, 2 of them not read" in out
    assert "cut.sqlite" in out.partition("Not read")[2]
    assert "h100_no_kernels.sqlite holds no kernels" in re.sub(r"\s+", " ", out)
    assert err == "note: 2 of 6 traces could not be read\n"
    table, alone = (
        text[text.index("rank0") : text.index("Kernels")].split() for text in (out, shown(capsys, *ranks)[0])
    )
    assert table == alone


def test_strict_makes_a_bad_file_an_error(ranks: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    shown(capsys, *ranks, "--strict")
    out, _ = shown(capsys, *ranks, NO_KERNELS, "--strict", code=CANT_ANSWER)
    assert "rank3.sqlite" in out


def test_where_none_can_be_read_each_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty.sqlite"
    empty.touch()
    out, err = shown(capsys, empty, tmp_path / "gone.sqlite", tmp_path, code=CANT_ANSWER)
    assert out == ""
    errors, hint = err.splitlines()[:-1], err.splitlines()[-1]
    assert [line.partition(":")[0] for line in errors] == ["error"] * 3
    assert errors[1] == "error: no such file: gone.sqlite"
    assert hint.startswith("  hint: ")


def test_a_glob_that_matches_one_file_gives_what_its_options_say(
    ranks: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def schema(*arguments: str) -> str:
        return str(json.loads(shown(capsys, ranks[0], "--format", "json", *arguments)[0])["schema"])

    assert schema() == "tcscope.report/1"
    assert [schema("--jobs", "1"), schema("--strict")] == ["tcscope.set/1"] * 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--by", "op"], "--by"),
        (["--view", "summary"], "--view"),
        (["--keep-fp16"], "--keep-fp16"),
        (["--layers", "l.json"], "--layers"),
        (["--profile", "p.json"], "--profile"),
        (["--range-depth", "2"], "--range-depth"),
        (["--format", "html"], "an HTML page"),
        (["-o", "set.html"], "an HTML page"),
    ],
)
def test_what_shows_one_trace_is_refused(
    arguments: list[str], named: str, ranks: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    said = failure(capsys, "analyze", *ranks, *arguments)
    assert said.code == USAGE
    assert said.error.startswith(named)
    assert "4 are given" in said.error


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--jobs", "0"], "no whole number from 1 on"),
        (["--jobs", "two"], "no whole number from 1 on"),
        (["--jobs", "2", "--dask", "tcp://127.0.0.1:1"], "--dask asks workers elsewhere"),
        (["--sm", "blackwell"], "blackwell"),
        (["--rules", "gone.yaml"], "gone.yaml"),
        (["-o", "gone/set.json"], "gone"),
    ],
)
def test_what_is_typed_wrong_is_one_error(
    arguments: list[str], named: str, ranks: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    said = failure(capsys, "analyze", *ranks, *arguments)
    assert said.code == USAGE
    assert named in said.error


def test_a_trace_given_twice_is_refused(ranks: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    said = failure(capsys, "analyze", *ranks, ranks[1])
    assert (said.code, said.hint) == (USAGE, "name each trace once")
    assert "given twice" in said.error


def test_without_a_trace_it_is_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--jobs", "2"], ["--strict"]):
        assert failure(capsys, "analyze", *arguments).error == "no trace is given"


def test_the_files_are_left_as_they_are(ranks: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in ranks[0].parent.iterdir()}
    shown(capsys, *ranks, "--jobs", "2")
    assert {path.name: path.read_bytes() for path in ranks[0].parent.iterdir()} == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_from_a_shell_over_real_traces(jobs: int) -> None:
    done = run("analyze", FP16, INT8, INT8_CUDAGRAPH, ORIN, "--jobs", jobs, "--format", "csv")
    assert (done.returncode, done.stderr) == (0, "")
    rows = done.stdout.splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == [path.name for path in (FP16, INT8, INT8_CUDAGRAPH, ORIN)]
    assert "7927337" in rows[1]
    assert "5437102" in rows[2]


def test_a_trtexec_pair_is_a_trace_too(capsys: pytest.CaptureFixture[str]) -> None:
    pair = FIXTURES / "h100_trt86_resnet18s_int8.layers.json"
    out, _ = shown(capsys, pair, INT8)
    assert "note: the traces are of 2 kinds" in out


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal", "patience", "speaks"), [(True, 0.0, True), (True, 60, False), (False, 0.0, False)]
)
def test_progress_is_for_who_watches_and_waits(
    terminal: bool, patience: float, speaks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Screen() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(many, "_PATIENCE_S", patience)
    monkeypatch.setattr(many, "_EVERY_S", 0.005)
    with many.Progress(2) as progress:
        progress.step()
        end = time.monotonic() + 10
        while speaks and "1 of 2 traces ..." not in stream.getvalue():
            assert time.monotonic() < end
            time.sleep(0.005)
    assert bool(stream.getvalue()) == speaks
    if speaks:  # the line is gone from the screen
        assert stream.getvalue().endswith("\r" + " " * len("1 of 2 traces ...") + "\r")
