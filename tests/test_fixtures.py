"""The committed fixtures: small, described, without secrets, and the reconstructed one reproducible."""

from __future__ import annotations

import importlib.util
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.places import FIXTURES, INT8_CUDAGRAPH, ORIN

TRACES = sorted(FIXTURES.glob("*.sqlite"))
LIMIT = 6_000_000


def named(path: Path) -> str:
    return path.name


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        db.text_factory = lambda raw: raw.decode("utf-8", "replace")
        return list(db.execute(sql))


def tables(path: Path) -> list[str]:
    return [str(name) for (name,) in rows(path, "select name from sqlite_master where type = 'table' order by name")]


def test_the_fixtures_are_those_that_tests_use() -> None:
    assert {path.stem for path in TRACES} >= {
        "h100_trt86_resnet18s_int8",
        "h100_trt86_resnet18s_int8_cudagraph",
        "h100_trt86_resnet18s_fp16",
        "h100_resnet50_fp16_graph",
        "h100_no_kernels",
        "orin_trt85_resnet_reconstructed",
    }


def test_together_they_are_small() -> None:
    assert sum(path.stat().st_size for path in FIXTURES.rglob("*") if path.is_file()) < LIMIT


def test_each_has_a_row_in_the_readme() -> None:
    table = [line for line in (FIXTURES / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    described = {match[1]: line for line in table if (match := re.match(r"\| `([^`]+)` \|", line))}
    assert {path.name for path in TRACES} <= set(described)
    for path in TRACES:
        kind = "**reconstructed**" if "reconstructed" in path.name else "capture"
        assert f"| {kind} |" in described[path.name]
    assert {name for name in described if name.endswith(".sqlite")} == {path.name for path in TRACES}


@pytest.mark.parametrize("path", TRACES, ids=named)
def test_nothing_lies_beside_it(path: Path) -> None:
    assert not [path.name for suffix in ("-wal", "-shm", "-journal") if Path(f"{path}{suffix}").exists()]
    assert path.read_bytes()[18:20] == b"\x01\x01"  # no write-ahead log: readable on a read-only disk
    assert rows(path, "pragma integrity_check") == [("ok",)]
    assert rows(path, "pragma freelist_count") == [(0,)]  # nothing that was deleted is still inside


# What the export and the capture say of a machine: rows that must be gone or empty, and rows that may hold a bare word,
# such as a file's name without its folder.
GONE = re.compile(r"environ|host_?name|user|WORKING_DIR", re.I)
BARE = re.compile(r"COMMAND|ARGUMENT_\d+$|_PATH|_FILE$|CLI_", re.I)
WORD = re.compile(r"\w[\w.-]*")


SECRET_TEXTS = (
    re.compile(r"(?<![\w.>])/(home|root|Users|tmp|work|mnt|usr|opt|var|etc|data|workspace)/"),
    re.compile(r"[A-Za-z]:\\\\?(Users|Windows|Program)"),
    re.compile(r"\b[A-Z][A-Z0-9_]{3,}=[^=]"),  # VARIABLE=value
    re.compile(r"\b(LD_LIBRARY_PATH|PYTHONPATH|AWS_\w+|\w*_TOKEN|\w*API_KEY|PASSWORD)\b"),
    re.compile(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b(?!\.)"),
    re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+"),
)


@pytest.mark.parametrize("path", TRACES, ids=named)
def test_it_names_no_environment_host_or_path(path: Path) -> None:
    for table in ("META_DATA_CAPTURE", "META_DATA_EXPORT", "TARGET_INFO_SYSTEM_ENV"):
        if table not in tables(path):
            continue
        for name, value in rows(path, f"select name, value from {table}"):
            if GONE.search(str(name)):
                assert value in (None, ""), f"{table}: {name} = {value}"
            if BARE.search(str(name)) and value:
                assert WORD.fullmatch(str(value)), f"{table}: {name} = {value}"


@pytest.mark.parametrize("path", TRACES, ids=named)
def test_no_text_in_it_looks_like_a_secret(path: Path) -> None:
    versions = {"EXPORT_PRODUCT_VERSION"}  # four numbers, like an address
    for table in tables(path):
        columns = [str(row[1]) for row in rows(path, f"pragma table_info({table})")]
        for row in rows(path, f"select * from {table}"):
            if versions & {str(cell) for cell in row}:
                continue
            for column, cell in zip(columns, row, strict=True):
                found = [secret.pattern for secret in SECRET_TEXTS if isinstance(cell, str) and secret.search(cell)]
                assert found == [], f"{table}.{column}: {str(cell)[:80]!r}"


def test_the_search_for_secrets_finds_them() -> None:
    for text in ("/home/me/run.py", "HOME=/x", "C:\\Users\\me", "AWS_SECRET", "me@example.org", "10.0.0.12"):
        assert any(secret.search(text) for secret in SECRET_TEXTS), text
    for text in ("/layer1/layer1.0/conv1/Conv + /relu/Relu", "580.159.04", "void f<a>(T1 *, T2 &)", "resnet.onnx"):
        assert not any(secret.search(text) for secret in SECRET_TEXTS), text


def script(name: str) -> ModuleType:
    """A script of fixtures/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, FIXTURES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestScrub:
    TOLD = "/home/me/TOKEN=hunter2"

    def test_what_it_made_it_leaves_as_it_is(self, tmp_path: Path) -> None:
        script("scrub").scrub(INT8_CUDAGRAPH, tmp_path / "again.sqlite")
        assert dump(tmp_path / "again.sqlite") == dump(INT8_CUDAGRAPH)

    def test_nothing_of_the_machine_is_left(self, tmp_path: Path) -> None:
        # GIVEN an export that holds the machine wherever a real one does
        dirty, clean = tmp_path / "dirty.sqlite", tmp_path / "clean.sqlite"
        dirty.write_bytes(INT8_CUDAGRAPH.read_bytes())
        with closing(sqlite3.connect(dirty)) as db:
            db.execute("create table PROCESSES (name text)")
            db.execute("insert into PROCESSES values (?)", (self.TOLD,))
            for table, name in (
                ("META_DATA_CAPTURE", "PROCESS_0:ENVIRONMENT_VARIABLE"),
                ("META_DATA_CAPTURE", "PROCESS_12:WORKING_DIR"),
                ("META_DATA_EXPORT", "EXPORT_HOST"),
            ):
                db.execute(f"insert into {table} (name, value) values (?, ?)", (name, self.TOLD))
            db.execute("insert into TARGET_INFO_SYSTEM_ENV values (1, '', 'DeviceEnvironment', 610, ?)", (self.TOLD,))
            db.execute("insert into StringIds values (900001, ?)", (self.TOLD,))
            db.execute("update NVTX_EVENTS set jsonTextId = 900001, jsonText = ?, binaryData = ?", (self.TOLD,) * 2)
            db.execute("update TARGET_INFO_GPU set uuid = ?, busLocation = ?", (self.TOLD,) * 2)
            db.execute("update TARGET_INFO_SYSTEM_ENV set devStateName = ?", (self.TOLD,))
            db.commit()
        # WHEN it is scrubbed
        script("scrub").scrub(dirty, clean)
        # THEN it is as it was
        assert b"hunter2" in dirty.read_bytes()
        assert b"hunter2" not in clean.read_bytes()
        assert dump(clean) == dump(INT8_CUDAGRAPH)


class TestReconstruction:
    @pytest.fixture
    def maker(self) -> ModuleType:
        return script("make_orin_reconstructed")

    def test_it_is_what_its_script_writes(self, maker: ModuleType, tmp_path: Path) -> None:
        before = ORIN.read_bytes()
        maker.make(tmp_path / "again.sqlite")
        assert dump(tmp_path / "again.sqlite") == dump(ORIN)
        assert ORIN.read_bytes() == before

    def test_writing_it_again_replaces_it(self, maker: ModuleType, tmp_path: Path) -> None:
        (tmp_path / "t.sqlite").write_text("something else")
        maker.make(tmp_path / "t.sqlite")
        maker.make(tmp_path / "t.sqlite")
        assert dump(tmp_path / "t.sqlite") == dump(ORIN)

    def test_it_says_so_inside(self) -> None:
        ((said,),) = rows(ORIN, "select value from META_DATA_EXPORT where name = 'RECONSTRUCTED'")
        assert "not a measurement" in str(said)
        readme = (FIXTURES / "README.md").read_text(encoding="utf-8")
        assert re.search(r"a test input and\s+never a measurement", readme)


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return list(db.iterdump())
