"""Files that are no files, files in use, and files larger than memory: mostly in processes with a limit of 1 GB."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.fuzz.hold import contents, held
from tests.support.places import INT8
from tests.support.traces import TraceBuilder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes, devices and limits of Unix")

GIGABYTE = 1_000_000_000
COMMANDS: tuple[tuple[str, ...], ...] = (("analyze",), ("info",), ("rules", "coverage"), ("slim", "--check"))


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def loop(path: Path) -> Path:
    path.symlink_to(path.name)
    return path


def dangling(path: Path) -> Path:
    path.symlink_to("nowhere.sqlite")
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


ODD: dict[str, Callable[[Path], Path]] = {
    "a pipe": pipe,
    "a symlink to itself": loop,
    "a symlink to nothing": dangling,
    "a folder": folder,
    "an endless device": lambda _: Path("/dev/zero"),
    "an empty device": lambda _: Path("/dev/null"),
    "a name that is too long": lambda path: path.with_name("x" * 5000),
    "a name with a zero byte": lambda path: path.with_name("a\0b.sqlite"),
    "a name that steers a terminal": lambda path: path.with_name("a\x1b[31m\u202eb.sqlite"),
}


@pytest.mark.parametrize("what", ODD)
def test_what_is_no_file(what: str, tmp_path: Path) -> None:
    path = ODD[what](tmp_path / "t.sqlite")
    for command in COMMANDS:
        assert held(*command, path, folder=tmp_path, codes=(2,)).code == 2
    held("diff", path, INT8, folder=tmp_path, codes=(2,))
    held("analyze", INT8, "--layers", path, folder=tmp_path, codes=(2,))
    if what != "a folder":
        held("rules", "test", path, folder=tmp_path, codes=(2,))
        held("explain", "x", "--rules", path, folder=tmp_path, codes=(2,))


HEADS = {
    "encrypted": os.urandom(16) + os.urandom(8176),
    "zeros": bytes(8192),
    "a head and noise": b"SQLite format 3\x00" + bytes(range(256)) * 64,
    "a head alone": b"SQLite format 3\x00",
    "a page size of 65536": b"SQLite format 3\x00\x00\x01\x01\x01\x00\x40\x20\x20" + bytes(4096),
}


@pytest.mark.parametrize("what", HEADS)
def test_heads_without_a_body(what: str, tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    path.write_bytes(HEADS[what])
    for command in COMMANDS:
        held(*command, path, folder=tmp_path, codes=(3,) if command != ("rules", "coverage") else (0, 2, 3))


class TestFilesInUse:
    def test_a_writer_with_a_log_of_changes(self, tmp_path: Path) -> None:
        path = Path(shutil.copy(INT8, tmp_path / "t.sqlite"))
        with closing(sqlite3.connect(path)) as db:
            db.execute("pragma journal_mode = wal")
            db.execute("delete from CUPTI_ACTIVITY_KIND_KERNEL where rowid < 100")
            db.commit()
            for command in COMMANDS:
                held(*command, path, folder=tmp_path, codes=(3,))

    def test_a_writer_in_the_middle_of_a_change(self, tmp_path: Path) -> None:
        path = Path(shutil.copy(INT8, tmp_path / "t.sqlite"))
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("pragma cache_size = 1")
            db.execute("begin exclusive")
            db.execute("update CUPTI_ACTIVITY_KIND_KERNEL set start = start + 1")
            for command in COMMANDS:
                said = held(*command, path, folder=tmp_path, codes=(3,))
                assert said.err.startswith(f"error: {path} is being written\n")
            db.execute("rollback")

    def test_a_journal_left_by_a_writer_that_died(self, tmp_path: Path) -> None:
        # GIVEN a half-written file and the journal that would undo it: only a writer may do that
        path, made = tmp_path / "t.sqlite", tmp_path / "made" / "t.sqlite"
        made.parent.mkdir()
        shutil.copy(INT8, made)
        with closing(sqlite3.connect(made, isolation_level=None)) as db:
            db.execute("pragma cache_size = 1")
            db.execute("begin exclusive")
            db.execute("update CUPTI_ACTIVITY_KIND_KERNEL set start = start + 1")
            for suffix in ("", "-journal"):
                shutil.copy(f"{made}{suffix}", f"{path}{suffix}")
            db.execute("rollback")
        shutil.rmtree(made.parent)
        assert Path(f"{path}-journal").stat().st_size > 512
        for command in COMMANDS:
            said = held(*command, path, folder=tmp_path, codes=(3,))
            assert said.err.startswith(f"error: {path} was left half-written: t.sqlite-journal beside it")

    def test_a_folder_that_is_read_only(self, tmp_path: Path) -> None:
        path = Path(shutil.copy(INT8, tmp_path / "t.sqlite"))
        path.chmod(0o444)
        tmp_path.chmod(0o555)
        try:
            for command in COMMANDS:
                held(*command, path, folder=tmp_path, codes=(0, 1))
        finally:
            tmp_path.chmod(0o755)


def limited(*arguments: object, folder: Path, codes: tuple[int, ...] = (0, 2, 3)) -> None:
    """The command in a process of 1 GB: what a container would kill says one sentence instead, or answers."""
    before = contents(folder)
    done = subprocess.run(
        [sys.executable, "-m", "tcscope", *map(str, arguments)],
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (GIGABYTE, GIGABYTE)),
    )
    err = done.stderr.decode()
    assert "Traceback" not in err
    assert "itself failed" not in err, err
    assert done.returncode in codes, err
    if done.returncode > 1:
        assert err.startswith("error: "), err
        assert done.stdout == b""
    assert contents(folder) == before


class TestSizes:
    @pytest.mark.parametrize(
        "change",
        [
            "update StringIds set value = cast(zeroblob({0}) as text)",
            "update StringIds set value = replace(hex(zeroblob({0} / 2)), '0', 'a')",
            "update NVTX_EVENTS set text = replace(hex(zeroblob({0} / 2)), '0', 'b')",
            "update TARGET_INFO_SYSTEM_ENV set value = replace(hex(zeroblob({0} / 2)), '0', 'c')",
        ],
        ids=["zero bytes", "a name", "a range", "a property"],
    )
    def test_texts_of_two_hundred_megabytes(self, change: str, tmp_path: Path) -> None:
        builder = TraceBuilder().gpu().launch("k", 50, 60, call=(10, 20)).system(CpuArchitecture="x86_64")
        path = builder.nvtx("r", 0, 90).then("delete from StringIds where id <> 1").write(tmp_path / "t.sqlite")
        with closing(sqlite3.connect(path)) as db:
            db.execute("pragma synchronous = off")
            db.execute(f"{change.format(200_000_000)} where rowid = 1")
            db.commit()
        limited("analyze", path, "--by", "range", folder=tmp_path)
        limited("slim", path, "--check", folder=tmp_path, codes=(0, 1, 2, 3))
        path.unlink()

    def test_a_thousand_tables(self, tmp_path: Path) -> None:
        builder = TraceBuilder().gpu().launch("k", 50, 60)
        for number in range(1_000):
            builder.then(f"create table t{number} (a, b)")
        path = builder.write(tmp_path / "t.sqlite")
        limited("analyze", path, folder=tmp_path, codes=(0,))
        limited("info", path, folder=tmp_path, codes=(0,))
        limited("slim", path, "--check", folder=tmp_path, codes=(0,))

    def test_two_thousand_columns(self, tmp_path: Path) -> None:
        columns = " ".join(f"c{number}" for number in range(1_900))
        path = TraceBuilder().gpu().launch("k", 50, 60).with_column("StringIds", columns).write(tmp_path / "t.sqlite")
        limited("analyze", path, folder=tmp_path, codes=(0,))
        limited("slim", path, "--check", folder=tmp_path, codes=(0,))

    def test_reports_rules_and_names(self, tmp_path: Path) -> None:
        report, rules = tmp_path / "r.json", tmp_path / "r.yaml"
        report.write_text('{"schema": "tcscope.report/1", "kernels": [' + "[]," * 8_000_000 + "[]]}")
        limited("analyze", report, folder=tmp_path, codes=(2, 3))
        report.unlink()
        rules.write_text("schema: tcscope.rules/1\nabout: x\nrules:\n" + "- a\n" * 200_000)
        limited("rules", "test", rules, folder=tmp_path, codes=(2,))
