"""Bad input gets one clear sentence, one hint and the right exit code; and no input is ever changed."""

from __future__ import annotations

import gc
import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tcscope import analyze
from tcscope.cli import main
from tcscope.errors import TcscopeError
from tcscope.model import Selection
from tcscope.sources import NsysTrace, open_source
from tests.support.cli import failure, run
from tests.support.places import FP16, GRAPHS, INT8, NO_KERNELS, ORIN
from tests.support.traces import TraceBuilder

Capture = pytest.CaptureFixture[str]
USAGE, CANT_ANSWER = 2, 3


class TestFilesThatAreNoTrace:
    def test_no_such_file(self, tmp_path: Path, capsys: Capture) -> None:
        for command in ("analyze", "info"):
            said = failure(capsys, command, tmp_path / "typo.sqlite")
            assert (said.code, said.error) == (USAGE, f"no such file: {tmp_path / 'typo.sqlite'}")
        assert list(tmp_path.iterdir()) == []

    def test_a_directory(self, tmp_path: Path, capsys: Capture) -> None:
        said = failure(capsys, "analyze", tmp_path)
        assert (said.code, said.error) == (USAGE, f"{tmp_path} is a directory")
        assert "nsys export --type sqlite" in said.hint

    def test_a_directory_with_a_trace_in_it(self, tmp_path: Path, capsys: Capture) -> None:
        (tmp_path / "b.sqlite").touch()
        (tmp_path / "a.sqlite").touch()
        assert failure(capsys, "analyze", tmp_path).hint == f"tcscope analyze {tmp_path / 'a.sqlite'}"

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (b"", "is empty"),
            (b"just some text\n", "is no SQLite file, no nsys report and no saved report"),
            (b"\x7fELF\x02\x01\x01" + bytes(500), "is no SQLite file, no nsys report and no saved report"),
            (b"SQLite format 2\x00", "is no SQLite file, no nsys report and no saved report"),
            (b"SQLite", "is no SQLite file, no nsys report and no saved report"),
        ],
    )
    def test_not_sqlite(self, content: bytes, what: str, tmp_path: Path, capsys: Capture) -> None:
        path = tmp_path / "t.sqlite"
        path.write_bytes(content)
        for command in ("analyze", "info"):
            said = failure(capsys, command, path)
            assert (said.code, said.error) == (CANT_ANSWER, f"{path} {what}")
            assert said.hint.startswith("a trace is a .sqlite made by `nsys export --type sqlite`")

    def test_sqlite_but_not_nsys(self, tmp_path: Path, capsys: Capture) -> None:
        path = tmp_path / "cookies.sqlite"
        with closing(sqlite3.connect(path)) as db:
            db.execute("create table cookies (name text)")
        said = failure(capsys, "analyze", path)
        assert said.code == CANT_ANSWER
        assert said.error == f"{path} is an SQLite file, but no nsys export: it has no table StringIds"
        assert said.hint == "make one with `nsys export --type sqlite FILE.nsys-rep`"

    @pytest.mark.parametrize("suffix", [".qdrep", ".qdstrm"])
    def test_an_old_recording(self, suffix: str, tmp_path: Path, capsys: Capture) -> None:
        path = tmp_path / f"old{suffix}"
        path.write_bytes(b"\x00\x01\x02")
        said = failure(capsys, "analyze", path)
        assert (said.code, said.error) == (CANT_ANSWER, f"{path} is a raw recording of nsys")
        assert said.hint.startswith(f"nsys export --type sqlite -o {path.with_suffix('.sqlite')} {path}")


class TestDamage:
    def test_a_trace_cut_anywhere(self, tmp_path: Path, capsys: Capture) -> None:
        whole = INT8.read_bytes()
        path = tmp_path / "cut.sqlite"
        cuts = [1, 15, 16, 17, 18, 19, 20, 23, 24, 50, 99, 100, 101, 511, 512, 1000, 4095, 4096, 4097, 5000, 8192]
        cuts += [len(whole) * part // 29 for part in range(1, 29)] + [len(whole) - 4096 - 1, len(whole) - 4096]
        for cut in cuts:
            path.write_bytes(whole[:cut])
            said = failure(capsys, "analyze", path)
            assert said.code == CANT_ANSWER, cut
            assert said.error.startswith(f"{path} is "), cut
            assert str(path) in failure(capsys, "info", path).error
        assert f"{path} is damaged or cut short: " in said.error
        assert said.hint == "copy the file again, or export it again with `nsys export --type sqlite FILE.nsys-rep`"

    @pytest.mark.parametrize("left", [1, 100, 4000])
    def test_a_trace_cut_in_its_last_page_is_right_or_refused(self, left: int, tmp_path: Path) -> None:
        path = tmp_path / "cut.sqlite"
        path.write_bytes(INT8.read_bytes()[:-left])
        try:
            found = NsysTrace(path).select(Selection())
        except TcscopeError as error:
            assert error.exit_code == CANT_ANSWER  # noqa: PT017 - both ends are right
        else:
            assert sum(launches.ns for launches in found.launches) == 5_437_102

    def test_any_byte_of_the_header_flipped(self, tmp_path: Path) -> None:
        # GIVEN a trace of which one byte of the 100 that describe the file is wrong
        path = TraceBuilder().gpu().launch("k", 100, 250).launch("k", 300, 310).write(tmp_path / "t.sqlite")
        whole, refused = path.read_bytes(), 0
        for at in range(100):
            for mask in (0xFF, 0x01):
                path.write_bytes(whole[:at] + bytes([whole[at] ^ mask]) + whole[at + 1 :])
                # WHEN it is read
                try:
                    source = open_source(path)
                    assert isinstance(source, NsysTrace)
                    found = source.select(Selection())
                # THEN it is refused, or the numbers are right: a wrong one never comes out
                except TcscopeError as error:
                    assert error.exit_code == CANT_ANSWER  # noqa: PT017 - both ends are right
                    assert str(path) in error.message  # noqa: PT017
                    refused += 1
                else:
                    assert [(s.name, s.ns) for s in found.launches] == [("k", 160)], at
        assert refused > 40  # the magic alone has 16 bytes

    def test_a_schema_that_is_no_text(self, tmp_path: Path, capsys: Capture) -> None:
        path = TraceBuilder().gpu().launch("k", 100, 250).write(tmp_path / "t.sqlite")
        whole = path.read_bytes()
        assert whole.count(b"TABLE StringIds") == 1
        path.write_bytes(whole.replace(b"TABLE StringIds", b"TABLE \xff\xfetringI"))
        said = failure(capsys, "analyze", path)
        assert said.code == CANT_ANSWER
        assert said.error.startswith(f"{path} is damaged or cut short: ")

    @pytest.mark.filterwarnings("error")
    def test_a_query_left_off_in_the_middle_is_let_go_in_silence(self) -> None:
        trace = NsysTrace(INT8)
        rows = trace.db.rows("select id from StringIds")
        assert len(next(rows)) == 1
        trace.close()
        del rows
        gc.collect()

    def test_a_page_of_noise(self, tmp_path: Path, capsys: Capture) -> None:
        path = tmp_path / "t.sqlite"
        whole = bytearray(INT8.read_bytes())
        for first in range(4096, len(whole), 4096 * 7):
            whole[first : first + 64] = b"\xa5" * 64
        path.write_bytes(whole)
        said = failure(capsys, "analyze", path)
        assert said.code == CANT_ANSWER
        assert f"{path} is damaged or cut short: " in said.error


AGAIN = "nsys profile -t cuda,nvtx --cuda-graph-trace=node -o again COMMAND"
NO_KERNEL_REASONS: dict[str, tuple[TraceBuilder, str, str]] = {
    "graphs": (
        TraceBuilder().gpu().graph(0, 9).graph(10, 20).api("cudaGraphLaunch_v10000", 0, 1),
        "all its work is in 2 CUDA graph launches, traced as a whole (--cuda-graph-trace=graph)",
        AGAIN,
    ),
    "one graph": (
        TraceBuilder().gpu().graph(0, 9),
        "all its work is in 1 CUDA graph launch, traced as a whole (--cuda-graph-trace=graph)",
        AGAIN,
    ),
    "records lost": (
        TraceBuilder().gpu().api("cuLaunchKernel", 0, 1).api("cudaLaunchKernel_v7000", 2, 3).api("cudaFree", 4, 5),
        "it has 2 launch calls, but the GPU's records of them were not collected",
        "cudaProfilerStop()",
    ),
    "not traced": (
        TraceBuilder().gpu().capture(PROCESS_0_COLLECT_CUDA_TRACE="false"),
        "it was captured without CUDA tracing",
        AGAIN,
    ),
    "range never entered": (
        TraceBuilder().gpu().capture(START_TRIGGER="CudaProfilerApi", PROCESS_0_COLLECT_CUDA_TRACE="true"),
        "the capture was to begin at 'CudaProfilerApi', and no CUDA work came after that",
        AGAIN,
    ),
    "nothing launched": (
        TraceBuilder().gpu().capture(START_TRIGGER="Immediate").api("cudaMalloc", 0, 1),
        "the program called CUDA, but launched nothing while it was recorded",
        "profile the process that runs the engine",
    ),
    "nothing at all": (
        TraceBuilder("2022.1"),
        "no CUDA activity was recorded: the program ran none, or it ended before its records were flushed",
        "profile the process that runs the engine",
    ),
    "an empty table": (
        TraceBuilder().launch("k", 1, 2).then("delete from CUPTI_ACTIVITY_KIND_KERNEL"),
        "no CUDA activity was recorded: the program ran none, or it ended before its records were flushed",
        AGAIN,
    ),
}


class TestNoKernels:
    @pytest.mark.parametrize("why", NO_KERNEL_REASONS)
    def test_each_reason_has_its_sentence(self, why: str, tmp_path: Path, capsys: Capture) -> None:
        builder, reason, advice = NO_KERNEL_REASONS[why]
        path = builder.write(tmp_path / "t.sqlite")
        said = failure(capsys, "analyze", path)
        assert (said.code, said.error) == (CANT_ANSWER, f"{path} holds no kernels: {reason}")
        assert said.hint.startswith(AGAIN)
        assert advice in said.hint
        for options in (["--stats"], ["--skip", "1"], ["--device", "0"]):
            assert failure(capsys, "analyze", path, *options) == said

    @pytest.mark.parametrize("why", NO_KERNEL_REASONS)
    def test_info_says_it_too_and_answers(self, why: str, tmp_path: Path, capsys: Capture) -> None:
        builder, reason, _ = NO_KERNEL_REASONS[why]
        path = builder.write(tmp_path / "t.sqlite")
        assert main(["info", str(path)]) == 0
        out = capsys.readouterr().out
        assert "kernels  none\n" in out
        assert f"error: {path} holds no kernels: {reason}\n  hint: {AGAIN}" in out

    def test_a_real_one(self, capsys: Capture) -> None:
        said = failure(capsys, "analyze", NO_KERNELS)
        assert said.code == CANT_ANSWER
        assert said.error.endswith("the program ran none, or it ended before its records were flushed")

    def test_opaque_graphs_beside_kernels_are_named(self, capsys: Capture) -> None:
        assert main(["analyze", str(GRAPHS)]) == 0
        out = capsys.readouterr().out
        assert "\nwarning: 10 CUDA graph launches of 24.951 ms were traced as a whole" in out
        assert "--cuda-graph-trace=node" in out


class TestSelections:
    def test_an_unknown_range(self, capsys: Capture) -> None:
        said = failure(capsys, "analyze", INT8, "--range", "inferense")
        assert said.code == CANT_ANSWER
        assert said.error == f"{INT8} has no NVTX range 'inferense', did you mean 'inference'?"
        assert said.hint.startswith(f"tcscope info {INT8}")

    def test_a_trace_without_ranges(self, tmp_path: Path, capsys: Capture) -> None:
        path = TraceBuilder().gpu().launch("k", 1, 2).write(tmp_path / "t.sqlite")
        said = failure(capsys, "analyze", path, "--range", "r")
        assert (said.code, said.error) == (CANT_ANSWER, f"{path} has no NVTX ranges")
        assert "-t cuda,nvtx" in said.hint

    def test_a_range_without_launches(self, tmp_path: Path, capsys: Capture) -> None:
        builder = TraceBuilder().gpu().launch("k", 100, 200, call=(10, 20)).nvtx("empty", 30, 40)
        path = builder.write(tmp_path / "t.sqlite")
        said = failure(capsys, "analyze", path, "--range", "empty")
        assert (said.code, said.error) == (
            CANT_ANSWER,
            f"no kernel of {path} was launched inside the range 'empty'",
        )
        assert "open on its own thread" in said.hint

    def test_a_range_that_holds_opaque_graphs_only(self, tmp_path: Path, capsys: Capture) -> None:
        builder = TraceBuilder().gpu().launch("k", 100, 200, call=(10, 20)).nvtx("replay", 30, 40)
        path = builder.api("cudaGraphLaunch", 32, 34, corr=5).graph(300, 400, corr=5).write(tmp_path / "t.sqlite")
        said = failure(capsys, "analyze", path, "--range", "replay")
        assert (said.code, said.hint) == (CANT_ANSWER, AGAIN)
        assert said.error == (
            f"the range 'replay' of {path} holds no kernels, but 1 CUDA graph launch traced as a whole"
        )

    def test_a_range_in_a_trace_without_launch_calls(self, tmp_path: Path, capsys: Capture) -> None:
        path = TraceBuilder().gpu().launch("k", 100, 200).nvtx("r", 0, 999).write(tmp_path / "t.sqlite")
        said = failure(capsys, "analyze", path, "--range", "r")
        assert (said.code, said.hint) == (CANT_ANSWER, AGAIN)
        assert said.error == f"{path} has no launch calls, so that no range can hold a kernel"

    def test_more_skipped_than_there_is(self, capsys: Capture) -> None:
        said = failure(capsys, "analyze", INT8, "--range", "inference", "--skip", "20")
        assert said.code == CANT_ANSWER
        assert said.error == "--skip 20 leaves nothing: range 'inference' has 20 instances"
        assert said.hint.startswith("--skip 19 ")
        said = failure(capsys, "analyze", INT8, "--skip", "840")
        assert (said.code, said.hint) == (CANT_ANSWER, f"tcscope info {INT8}  # says how many it has")
        assert said.error == f"--skip 840 leaves nothing: {INT8} has no more launches than that"

    def test_an_unknown_device(self, capsys: Capture) -> None:
        for options in ([], ["--stats"], ["--range", "inference"]):
            said = failure(capsys, "analyze", INT8, "--device", "3", *options)
            assert (said.code, said.error) == (CANT_ANSWER, f"{INT8} has no kernel on device 3")
            assert said.hint == "--device takes one of: 0"

    def test_an_unknown_dimension(self, capsys: Capture) -> None:
        said = failure(capsys, "analyze", INT8, "--by", "unit,precison")
        assert (said.code, said.error) == (
            USAGE,
            "--by can't group by 'precison', did you mean 'precision'?",
        )
        assert said.hint.startswith("it knows unit, precision, accumulate, op, evidence, rule, kernel, device, process")

    @pytest.mark.parametrize("sm", ["87x", "", "9000", "orin", "-87"])
    def test_no_such_capability(self, sm: str, capsys: Capture) -> None:
        said = failure(capsys, "analyze", INT8, f"--sm={sm}")
        assert (said.code, said.error) == (USAGE, f"no such compute capability: '{sm}'")
        assert "Jetson Orin is 8.7" in said.hint

    @pytest.mark.parametrize("option", ["--skip", "--device", "--top"])
    @pytest.mark.parametrize("value", ["-1", "1.5", "ten", "", "²"])
    def test_numbers_that_are_none(self, option: str, value: str, capsys: Capture) -> None:
        assert main(["analyze", str(INT8), f"{option}={value}"]) == USAGE
        out, err = capsys.readouterr()
        assert out == ""
        assert f"argument {option}: '{value}' is no whole number from 0 on" in err


class TestSavedReports:
    def save(self, tmp_path: Path, change: dict[str, Any] | str) -> Path:
        path = tmp_path / "r.json"
        if isinstance(change, str):
            path.write_text(change)
        else:
            data = json.loads(analyze(ORIN).to_json())
            path.write_text(json.dumps(data | change))
        return path

    @pytest.mark.parametrize(
        ("change", "what"),
        [
            ("{", " is not JSON: "),
            ('{"schema": "tcscope.report/1"', " is not JSON: "),
            ("{}", " is no tcscope report: it has no schema, expected 'tcscope.report/1'"),
            ({"schema": "tcscope.report/9"}, " its schema is 'tcscope.report/9', expected 'tcscope.report/1'"),
            ({"trace": None}, "report.trace must be an object, not 'None'"),
            ({"trace": {}}, "report.trace.file is missing"),
            ({"totals": {"launches": "many"}}, "report.totals.launches must be a whole number, not 'many'"),
            ({"totals": {"launches": True}}, "report.totals.launches must be a whole number, not 'True'"),
            ({"kernels": {}}, "report.kernels must be a list, not '{}'"),
            ({"kernels": [{}]}, "report.kernels[0].name is missing"),
            ({"breakdown": [{"unit": "tensor"}]}, "report.breakdown[0].unit must be one of tensor_core, cuda_core,"),
        ],
    )
    def test_a_broken_one(self, change: dict[str, Any] | str, what: str, tmp_path: Path, capsys: Capture) -> None:
        path = self.save(tmp_path, change)
        said = failure(capsys, "analyze", path)
        assert said.code == CANT_ANSWER
        assert said.error.startswith(f"{path} is ")
        assert what in said.error
        assert said.hint.endswith("with `tcscope analyze TRACE -o report.json`")

    @pytest.mark.parametrize(
        "options", [["--range", "r"], ["--skip", "1"], ["--device", "0"], ["--sm", "87"], ["--stats"]]
    )
    def test_it_can_not_be_selected_from(self, options: list[str], tmp_path: Path, capsys: Capture) -> None:
        said = failure(capsys, "analyze", self.save(tmp_path, {}), *options)
        assert said.code == USAGE
        assert said.error.endswith("is a saved report: what it holds can't be selected again")

    def test_info_wants_a_trace(self, tmp_path: Path, capsys: Capture) -> None:
        said = failure(capsys, "info", self.save(tmp_path, {}))
        assert said.code == USAGE
        assert said.error.endswith("is a saved report; this needs the trace itself")


BROKEN_RULES = """\
schema: tcscope.rules/1
about: broken
rules:
  - id: Not Kebab
    title: t
    match: {regex: '('}
    unit: tensor_cor
    op: gemm
    evidence: {level: named, source: s}
  - id: second
    title: t
    matc: {regex: 'x'}
    unit: cuda_core
    op: gemm
    evidence: {level: named, source: s}
"""


class TestRuleFiles:
    def test_all_errors_at_once_each_with_its_line(self, tmp_path: Path, capsys: Capture) -> None:
        path, other = tmp_path / "a.yaml", tmp_path / "b.yaml"
        path.write_text(BROKEN_RULES)
        other.write_text("schema: tcscope.rulez/1\n")
        for arguments in (["analyze", str(INT8), "--rules", str(tmp_path)], ["rules", "test", str(path), str(other)]):
            assert main(arguments) == USAGE
            out, err = capsys.readouterr()
            assert out == ""
            *errors, hint = err.splitlines()
            places = [line.removeprefix("error: ").split(" ")[0] for line in errors]
            assert set(places) == {f"{path}:{line}:" for line in (4, 6, 7, 10, 12)} | {f"{other}:1:"}
            assert f"error: {path}:7: 'tensor_cor' is no unit, did you mean 'tensor_core'?" in errors
            assert hint.startswith("  hint: ")

    def test_no_such_rule_file(self, tmp_path: Path, capsys: Capture) -> None:
        assert main(["analyze", str(INT8), "--rules", str(tmp_path / "no.yaml")]) == USAGE
        assert capsys.readouterr().err.startswith(f"error: no such rule file: {tmp_path / 'no.yaml'}\n")

    def test_not_yaml(self, tmp_path: Path, capsys: Capture) -> None:
        path = tmp_path / "a.yaml"
        path.write_bytes(b"schema: [unclosed\nrules: \xff\x00\n")
        assert main(["analyze", str(INT8), "--rules", str(path)]) == USAGE
        out, err = capsys.readouterr()
        assert (out, "itself failed" in err) == ("", False)
        assert err.startswith(f"error: {path}:")


class TestOutputFiles:
    def test_a_missing_folder(self, tmp_path: Path, capsys: Capture) -> None:
        path = tmp_path / "no" / "r.json"
        assert main(["analyze", str(INT8), "-o", str(path)]) == USAGE
        out, err = capsys.readouterr()
        assert out == ""
        assert err.splitlines()[0] == f"error: can't write {path}: No such file or directory"

    @pytest.mark.parametrize("name", ["r.xml", "r", "r.JSONX"])
    def test_an_unknown_suffix(self, name: str, tmp_path: Path, capsys: Capture) -> None:
        said = failure(capsys, "analyze", INT8, "-o", tmp_path / name)
        assert (said.code, said.error) == (USAGE, f"the suffix of {tmp_path / name} names no format")
        assert ".json" in said.hint
        assert "--format" in said.hint
        assert list(tmp_path.iterdir()) == []

    def test_format_decides_where_the_suffix_can_not(self, tmp_path: Path, capsys: Capture) -> None:
        assert main(["analyze", str(INT8), "-o", str(tmp_path / "r"), "--format", "json"]) == 0
        out, err = capsys.readouterr()
        assert (out, err) == ("", f"wrote {tmp_path / 'r'}\n")
        assert json.loads((tmp_path / "r").read_text())["totals"]["kernel_ns"] == 5_437_102


class TestProcesses:
    """A few through a process of their own: what a shell and CI see."""

    def test_no_such_file(self) -> None:
        done = run("analyze", "no.sqlite")
        assert (done.returncode, done.stdout) == (USAGE, "")
        assert done.stderr.startswith("error: no such file: no.sqlite\n  hint: ")

    def test_no_kernels(self) -> None:
        done = run("analyze", NO_KERNELS, "--format", "json")
        assert (done.returncode, done.stdout) == (CANT_ANSWER, "")
        assert done.stderr.count("\n") == 2

    def test_a_damaged_trace(self, tmp_path: Path) -> None:
        path = tmp_path / "t.sqlite"
        path.write_bytes(FP16.read_bytes()[:200_000])
        done = run("analyze", path)
        assert (done.returncode, done.stdout) == (CANT_ANSWER, "")
        assert done.stderr.startswith(f"error: {path} is damaged or cut short: ")

    def test_a_reader_that_has_seen_enough(self) -> None:
        command = [sys.executable, "-m", "tcscope", "analyze", str(INT8), "--format", "json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(timeout=60) == 0


Snapshot = dict[str, tuple[str, int, int]]


def snapshot(folder: Path) -> Snapshot:
    return {
        path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns, path.stat().st_ino)
        for path in folder.iterdir()
    }


READS = (
    ["analyze"],
    ["analyze", "--stats", "--format", "json"],
    ["analyze", "--range", "inference", "--skip", "2"],
    ["analyze", "--by", "kernel,device", "--format", "md"],
    ["info"],
)


class TestTheInputIsNeverChanged:
    def read(self, path: Path) -> None:
        for command, *options in READS:
            assert main([command, str(path), *options]) == 0

    @pytest.mark.parametrize("fixture", [INT8, ORIN], ids=lambda path: path.stem)
    def test_a_trace(self, fixture: Path, tmp_path: Path) -> None:
        path = Path(shutil.copy(fixture, tmp_path))
        before = snapshot(tmp_path)
        self.read(path)
        assert snapshot(tmp_path) == before

    def test_a_read_only_file_in_a_read_only_folder(self, tmp_path: Path) -> None:
        path = Path(shutil.copy(INT8, tmp_path))
        path.chmod(0o444)
        tmp_path.chmod(0o555)
        before = snapshot(tmp_path)
        try:
            self.read(path)
            assert snapshot(tmp_path) == before
        finally:
            tmp_path.chmod(0o755)

    def test_a_file_in_wal_mode(self, tmp_path: Path) -> None:
        path = Path(shutil.copy(INT8, tmp_path))
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("pragma journal_mode = wal").fetchone() == ("wal",)
        before = snapshot(tmp_path)
        assert list(before) == [path.name]
        self.read(path)
        assert snapshot(tmp_path) == before

    def test_a_file_in_wal_mode_whose_log_holds_changes(self, tmp_path: Path, capsys: Capture) -> None:
        # GIVEN a trace into which some program wrote and has not merged its log yet
        made, path = tmp_path / "made.sqlite", tmp_path / "copy" / "t.sqlite"
        path.parent.mkdir()
        shutil.copy(INT8, made)
        with closing(sqlite3.connect(made)) as db:
            db.execute("pragma journal_mode = wal")
            db.execute("delete from CUPTI_ACTIVITY_KIND_KERNEL where rowid < 100")
            db.commit()
            for suffix in ("", "-wal"):
                shutil.copy(f"{made}{suffix}", f"{path}{suffix}")
        before = snapshot(path.parent)
        # THEN no stale number comes out, and nothing is put beside the file
        for command in ("analyze", "info"):
            said = failure(capsys, command, path)
            assert (said.code, said.error) == (CANT_ANSWER, f"{path} has changes that still lie in t.sqlite-wal")
            assert said.hint.startswith(f"sqlite3 {path} 'pragma wal_checkpoint(truncate)'")
        assert snapshot(path.parent) == before

    def test_a_trace_that_is_refused(self, tmp_path: Path, capsys: Capture) -> None:
        path = tmp_path / "t.sqlite"
        path.write_bytes(INT8.read_bytes()[:100_000])
        before = snapshot(tmp_path)
        assert failure(capsys, "analyze", path).code == failure(capsys, "info", path).code == CANT_ANSWER
        assert snapshot(tmp_path) == before

    def test_a_saved_report(self, tmp_path: Path) -> None:
        analyze(INT8).save(tmp_path / "r.json")
        before = snapshot(tmp_path)
        assert main(["analyze", str(tmp_path / "r.json"), "--by", "op"]) == 0
        assert snapshot(tmp_path) == before

    def test_the_connection_could_not_write(self, tmp_path: Path) -> None:
        trace = NsysTrace(Path(shutil.copy(INT8, tmp_path)))
        for connection in (trace.db.connection, trace.db.connect()):
            with closing(connection), pytest.raises(sqlite3.OperationalError, match="readonly database"):
                connection.execute("create table mine (x)")
