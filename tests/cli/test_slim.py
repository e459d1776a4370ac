"""`tcscope slim`: what it refuses, what it says, and that neither input nor neighbours are touched."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tcscope import analyze
from tcscope.cli import main
from tests.sources.test_bad_input import snapshot
from tests.sources.test_nsys_rep import stand_in
from tests.support.cli import failure
from tests.support.places import INT8, NO_KERNELS, ORIN
from tests.support.traces import TraceBuilder

Capture = pytest.CaptureFixture[str]
OK, FOUND, USAGE, CANT_ANSWER = 0, 1, 2, 3


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return Path(shutil.copy(INT8, tmp_path / "t.sqlite"))


class TestTheCopy:
    def test_it_is_small_and_the_trace_is_as_it_was(self, trace: Path, tmp_path: Path, capsys: Capture) -> None:
        before = snapshot(tmp_path)
        target = tmp_path / "out" / "share.sqlite"
        target.parent.mkdir()
        assert main(["slim", str(trace), "-o", str(target)]) == OK
        out, err = capsys.readouterr()
        assert out == ""
        assert err == f"wrote {target}: {round(target.stat().st_size / 1e3)} kB of 500 kB\n"
        assert list(target.parent.iterdir()) == [target]
        target.rename(tmp_path / "share.sqlite")
        target.parent.rmdir()
        after = snapshot(tmp_path)
        del after["share.sqlite"]
        assert after == before

    def test_it_has_the_rights_of_any_new_file(self, trace: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.touch()
        assert main(["slim", str(trace), "-o", str(tmp_path / "share.sqlite")]) == OK
        assert (tmp_path / "share.sqlite").stat().st_mode == other.stat().st_mode

    def test_a_cut_says_how_many_inferences_it_has(self, trace: Path, tmp_path: Path, capsys: Capture) -> None:
        target = tmp_path / "share.sqlite"
        assert main(["slim", str(trace), "-o", str(target), "--range", "inference", "--keep", "3"]) == OK
        assert capsys.readouterr().err.endswith(" of 500 kB, 3 inferences\n")
        assert main(["slim", str(target), "-o", str(tmp_path / "again.sqlite")]) == OK
        assert analyze(tmp_path / "again.sqlite").kernels == analyze(target).kernels

    def test_names_that_look_private_are_told(self, tmp_path: Path, capsys: Capture) -> None:
        path = TraceBuilder().gpu().launch("k", 1, 2).nvtx("/home/joe/net.onnx", 0, 9).write(tmp_path / "t.sqlite")
        target = tmp_path / "share.sqlite"
        assert main(["slim", str(path), "-o", str(target)]) == OK
        _, note, hint = capsys.readouterr().err.splitlines()
        assert note.startswith("note: 1 name of a range or kernel looks like a path, a host or a user")
        assert hint == f"  hint: tcscope slim {target} --check --show"
        assert main(["slim", str(path), "-o", str(target), "--force", "--short-paths"]) == OK
        assert len(capsys.readouterr().err.splitlines()) == 1

    def test_a_trace_without_kernels_can_be_shared_too(self, tmp_path: Path) -> None:
        assert main(["slim", str(NO_KERNELS), "-o", str(tmp_path / "share.sqlite")]) == OK
        assert main(["slim", str(tmp_path / "share.sqlite"), "--check"]) == OK

    @pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with a #! line")
    def test_a_recording_is_exported_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NSYS", str(stand_in(tmp_path / "bin" / "nsys")))
        recording = tmp_path / "run.nsys-rep"
        recording.write_bytes(b"a recording")
        assert main(["slim", str(recording), "-o", str(tmp_path / "share.sqlite")]) == OK
        assert analyze(tmp_path / "share.sqlite").kernels == analyze(ORIN).kernels
        assert {path.name for path in tmp_path.iterdir()} == {"bin", "run.nsys-rep", "share.sqlite"}

    def test_a_write_ahead_log_is_not_touched(self, trace: Path, tmp_path: Path) -> None:
        with closing(sqlite3.connect(trace)) as db:
            db.execute("pragma journal_mode = wal")
        assert main(["slim", str(trace), "-o", str(tmp_path / "share.sqlite")]) == OK
        assert {path.name for path in tmp_path.iterdir()} == {"t.sqlite", "share.sqlite"}
        assert (tmp_path / "share.sqlite").read_bytes()[18:20] == b"\x01\x01"


class TestRefusals:
    def test_out_is_the_trace(self, trace: Path, tmp_path: Path, capsys: Capture) -> None:
        before = snapshot(tmp_path)
        (tmp_path / "link.sqlite").symlink_to(trace)
        os.link(trace, tmp_path / "hard.sqlite")
        for name in ("t.sqlite", "link.sqlite", "hard.sqlite"):
            said = failure(capsys, "slim", trace, "-o", tmp_path / name, "--force")
            assert (said.code, said.error) == (
                USAGE,
                f"{tmp_path / name} is the trace itself, which is never written",
            )
        assert snapshot(tmp_path)["t.sqlite"] == before["t.sqlite"]

    def test_out_is_the_export_beside_a_recording(self, trace: Path, tmp_path: Path, capsys: Capture) -> None:
        recording = tmp_path / "t.nsys-rep"
        recording.write_bytes(b"a recording")
        os.utime(recording, (0, 0))
        assert main(["slim", str(recording), "-o", str(trace), "--force"]) == USAGE
        assert f"error: {trace} is the trace itself" in capsys.readouterr().err
        assert trace.read_bytes() == INT8.read_bytes()

    def test_out_exists(self, trace: Path, tmp_path: Path, capsys: Capture) -> None:
        target = tmp_path / "share.sqlite"
        target.write_text("precious")
        said = failure(capsys, "slim", trace, "-o", target)
        assert (said.code, said.error) == (USAGE, f"{target} exists")
        assert said.hint.startswith("--force")
        assert target.read_text() == "precious"
        assert main(["slim", str(trace), "-o", str(target), "--force"]) == OK
        assert analyze(target).totals == analyze(trace).totals

    def test_an_old_copy_stays_when_the_new_one_fails(self, trace: Path, tmp_path: Path, capsys: Capture) -> None:
        target = tmp_path / "share.sqlite"
        target.write_text("precious")
        said = failure(capsys, "slim", trace, "-o", target, "--force", "--range", "nowhere")
        assert said.code == CANT_ANSWER
        assert target.read_text() == "precious"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["share.sqlite", "t.sqlite"]

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ([], "slim writes a copy: -o is missing"),
            (["-o", "{}/no/share.sqlite"], "can't write {}/no/share.sqlite: No such file or directory"),
            (["-o", "{}"], "{} is a directory"),
            (["-o", "/dev/null", "--force"], "/dev/null is no plain file"),
            (["-o", "{}/s.sqlite", "--keep", "0"], "--keep 0 keeps nothing"),
            (["-o", "{}/s.sqlite", "--show"], "--show belongs to --check"),
            (["-o", "{}/s.sqlite", "--check"], "--check writes nothing and looks at the whole file"),
        ],
    )
    def test_what_makes_no_sense(
        self, options: list[str], error: str, trace: Path, tmp_path: Path, capsys: Capture
    ) -> None:
        before = snapshot(tmp_path)
        said = failure(capsys, "slim", trace, *(option.format(tmp_path) for option in options))
        assert (said.code, said.error) == (USAGE, error.format(tmp_path))
        assert snapshot(tmp_path) == before

    @pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
    def test_a_folder_that_is_read_only(self, trace: Path, tmp_path: Path, capsys: Capture) -> None:
        folder = tmp_path / "sealed"
        folder.mkdir(mode=0o555)
        said = failure(capsys, "slim", trace, "-o", folder / "share.sqlite")
        assert (said.code, said.error) == (USAGE, f"can't write {folder / 'share.sqlite'}: Permission denied")

    @pytest.mark.parametrize("room", [4096, 60_000, 200_000])
    def test_a_full_disk_leaves_nothing_behind(self, room: int, trace: Path, tmp_path: Path) -> None:
        # GIVEN a disk on which files can't grow beyond some size
        before = snapshot(tmp_path)
        command = [sys.executable, "-m", "tcscope", "slim", str(trace), "-o", str(tmp_path / "share.sqlite")]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
        )
        # THEN it says so in one line, and the folder is as it was
        assert (done.returncode, done.stdout) == (USAGE, "")
        error, hint = done.stderr.splitlines()
        assert error.startswith(f"error: can't write {tmp_path / 'share.sqlite'}: ")
        assert hint.startswith("  hint: ")
        assert snapshot(tmp_path) == before


class TestCheck:
    def dirty(self, folder: Path) -> Path:
        builder = TraceBuilder().gpu().launch("k", 1, 2).capture(PROCESS_0_ENVIRONMENT="TOKEN=hunter2\x1b[31m")
        return builder.system(Hostname="gpubox17").write(folder / "t.sqlite")

    def test_it_lists_kinds_and_places_but_no_values(self, tmp_path: Path, capsys: Capture) -> None:
        path = self.dirty(tmp_path)
        assert main(["slim", str(path), "--check"]) == FOUND
        out, err = capsys.readouterr()
        assert out.splitlines() == [
            " values  what         where",
            "      1  environment  META_DATA_CAPTURE.PROCESS_0:ENVIRONMENT",
            "      1  host         TARGET_INFO_SYSTEM_ENV.Hostname",
        ]
        assert err.startswith(f"  hint: tcscope slim {path} -o ")
        assert "hunter2" not in out + err
        assert "gpubox17" not in out + err

    def test_values_on_request_without_what_steers_a_terminal(self, tmp_path: Path, capsys: Capture) -> None:
        assert main(["slim", str(self.dirty(tmp_path)), "--check", "--show"]) == FOUND
        out = capsys.readouterr().out
        assert "    TOKEN=hunter2\\x1b[31m\n" in out
        assert "    gpubox17\n" in out
        assert "\x1b" not in out

    def test_a_clean_file(self, tmp_path: Path, capsys: Capture) -> None:
        assert main(["slim", str(self.dirty(tmp_path)), "-o", str(tmp_path / "s.sqlite")]) == OK
        capsys.readouterr()
        assert main(["slim", str(tmp_path / "s.sqlite"), "--check"]) == OK
        assert capsys.readouterr() == ("nothing in it tells of a machine, a user or a folder\n", "")
