"""What the README promises: each promise names the test that holds it, and the interfaces only grow."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tcscope import Report, cli, errors
from tcscope.model import schema
from tcscope.model.document import Document
from tcscope.model.history import Trend
from tcscope.model.inventory import Inventory
from tcscope.model.sass import Sass
from tcscope.model.verification import Verification
from tests.support.counters import counted_kernels, wide
from tests.support.interface import broken, fields, read_fields, write_fields
from tests.support.mixes import files_of_a_mix
from tests.support.places import FIXTURES, FP16, INT8, INT8_LAYERS, NO_KERNELS, REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
SECTION = re.split(r"\n## ", README.partition("\n## What you can rely on\n")[2])[0]
ROWS = [line.strip("|").split("|") for line in SECTION.splitlines() if line.startswith("| ")][1:]
NAMED = re.compile(r"\[([\w ]+)\]\((tests/[\w/]+\.py)\)")  # a link: the test's name as a sentence, and its file
INTERFACES = Path(__file__).parent / "interfaces"
SHIPPED = sorted((REPOSITORY / "tcscope" / "model").glob("*.schema.json"))
made: Callable[[Any, str], dict[str, Any]] = schema._schema
PROMISED = {file.name.partition(".")[0]: json.loads(file.read_text(encoding="utf-8")) for file in SHIPPED}
PROMISED |= {"history": made(Trend, "tcscope.history/1"), "info": made(Inventory, "tcscope.info/1")}
PROMISED |= {"sass": made(Sass, "tcscope.sass/1"), "verify": made(Verification, "tcscope.verify/1")}


class TestTheTable:
    def test_there_are_promises(self) -> None:
        assert len(ROWS) >= 15

    @pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip()[:50])
    def test_each_promise_names_a_test_that_is_there(self, row: list[str]) -> None:
        promise, holders = row
        found = NAMED.findall(holders)
        assert promise.strip()
        assert found, "no test holds it"
        assert NAMED.sub("", holders).strip(" ,") == "", "something else than tests holds it"
        for sentence, file in found:
            assert f"test_{sentence.replace(' ', '_')}" in names_in(REPOSITORY / file), f"{file} has no such test"


def names_in(file: Path) -> set[str]:
    """Every test of a file, in a class or not."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


class TestFieldsAreOnlyAdded:
    @pytest.mark.parametrize("name", sorted(PROMISED))
    def test_fields_are_only_added_in_every_document(self, name: str, request: pytest.FixtureRequest) -> None:
        listed = INTERFACES / f"{name}.fields"
        earlier, now = read_fields(listed), fields(PROMISED[name])
        assert broken(earlier, now, written_by_users=name == "budget") == set(), f"tcscope.{name}/1 said otherwise"
        if request.config.getoption("--update-goldens"):
            write_fields(listed, now)
        else:
            assert now == earlier, f"pytest --update-goldens adds to {listed.name}, and CHANGELOG.md says what is new"

    def test_there_is_no_document_of_another_name(self) -> None:
        import tcscope.model

        for module in pkgutil.iter_modules(tcscope.model.__path__):
            importlib.import_module(f"tcscope.model.{module.name}")
        kinds: list[Any] = Document.__subclasses__()
        titles = {field.default for kind in kinds for field in dataclasses.fields(kind) if field.name == "schema"}
        assert len(titles) == len({kind.__name__ for kind in kinds})  # with slots each is made twice
        assert titles <= {f"tcscope.{name}/1" for name in PROMISED}

    def test_a_line_of_explain_has_what_it_had(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["explain", "--format", "json", "volta_h884gemm_128x64_ldg8_nn", "who_knows"]) == 0
        for line in capsys.readouterr().out.splitlines():
            keys = {"name", "unit", "precision", "accumulate", "op", "rule", "evidence", "src", "dst", "note"}
            assert keys <= set(json.loads(line))

    @pytest.mark.parametrize(
        ("now", "told"),
        [
            ({"a: integer", "a: required"}, set()),
            ({"a: integer", "a: required", "b: null", "b: integer"}, set()),
            ({"a: required"}, {"a: integer"}),
            ({"a: integer"}, {"a: required"}),
            ({"a: integer", "a: required", "a: null"}, {"a: null"}),
            ({"a: number", "a: required"}, {"a: integer", "a: number"}),
        ],
    )
    def test_of_what_is_written(self, now: set[str], told: set[str]) -> None:
        assert broken({"a: integer", "a: required"}, now) == told

    def test_words_may_come_and_never_go(self) -> None:
        assert broken({'a: "x"'}, {'a: "x"', 'a: "y"'}) == set()
        assert broken({'a: "x"', 'a: "y"'}, {'a: "x"'}) == {'a: "y"'}

    def test_what_users_write_stays_right(self) -> None:
        before = {"a: integer"}
        assert broken(before, {"a: integer", "a: string", "b: string"}, written_by_users=True) == set()
        assert broken(before, {"a: integer", "b: string", "b: required"}, written_by_users=True) == {"b: required"}
        assert broken(before, set(), written_by_users=True) == before


def within(earlier: Any, now: Any, where: str = "report") -> None:
    """Everything an earlier document says is in the later one, which may say more."""
    if isinstance(earlier, dict):
        assert set(earlier) <= set(now), where
        for name, value in earlier.items():
            within(value, now[name], f"{where}.{name}")
    elif isinstance(earlier, list):
        assert len(earlier) == len(now), where
        for number, (one, other) in enumerate(zip(earlier, now, strict=True)):
            within(one, other, f"{where}[{number}]")
    else:
        assert earlier == now, where


@pytest.mark.parametrize("file", sorted(INTERFACES.glob("report-*.json")), ids=lambda file: file.stem)
def test_a_report_of_an_earlier_version_is_read_whole(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    earlier = json.loads(file.read_text(encoding="utf-8"))
    within(earlier, Report.load(file).to_dict())
    assert cli.main(["analyze", str(file)]) == 0
    assert f"{earlier['totals']['kernel_ns'] / 1e6:.3f} ms" in capsys.readouterr().out


def test_there_is_an_earlier_report() -> None:
    assert list(INTERFACES.glob("report-*.json"))


class TestExitCodes:
    """0 answered, 1 a gate failed, 2 typed or configured wrong, 3 the trace can't answer; and nothing else."""

    def test_0_answered(self) -> None:
        assert cli.main(["analyze", str(INT8)]) == 0
        assert cli.main(["--help"]) == 0

    def test_1_is_a_failed_gate_alone(self, tmp_path: Path) -> None:
        assert cli.main(["check", str(INT8), "--fail-on", "launches > 1"]) == 1
        rules = tmp_path / "mine.yaml"
        rules.write_text(RULE_WITH_A_WRONG_EXAMPLE)
        assert cli.main(["rules", "test", str(rules)]) == 1

    @pytest.mark.parametrize(
        "arguments",
        [
            ["analyse", str(INT8)],
            ["analyze", str(INT8), "--format", "pdf"],
            ["analyze", str(INT8), "--rules", "missing.yaml"],
            ["analyze", "missing.sqlite"],
            ["check", str(INT8), "--fail-on", "launches"],
        ],
        ids=" ".join,
    )
    def test_2_is_the_command_line_or_a_configuration(self, arguments: list[str]) -> None:
        assert cli.main(arguments) == 2

    @pytest.mark.parametrize(
        "arguments",
        [
            ["analyze", str(NO_KERNELS)],
            ["analyze", str(INT8), "--range", "no such range"],
            ["check", str(NO_KERNELS), "--fail-on", "launches > 1"],
            ["diff", str(FP16), str(NO_KERNELS)],
        ],
        ids=" ".join,
    )
    def test_3_is_a_trace_that_can_t_answer(self, arguments: list[str]) -> None:
        assert cli.main(arguments) == 3

    def test_a_fault_of_tcscope_is_never_1(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def broken(_: Path) -> None:
            raise RuntimeError("out of order")

        monkeypatch.setattr(Report, "load", broken)
        assert cli.main(["check", str(REPOSITORY / ".github" / "tensor-cores.json"), "--fail-on", "launches > 1"]) == 2
        assert "out of order" in capsys.readouterr().err

    def test_no_error_has_another(self) -> None:
        kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
        assert len(kinds) > 3
        assert {kind.exit_code for kind in kinds} == {2, 3}  # type: ignore[attr-defined]


RULE_WITH_A_WRONG_EXAMPLE = r"""
schema: tcscope.rules/1
about: A rule whose example says something else than the rule.
rules:
  - id: mine-wrong
    title: Mine
    match: {regex: '^mine_'}
    unit: tensor_core
    precision: fp16
    op: gemm
    evidence: {level: named, source: 'the name'}
    examples:
      - {name: 'mine_kernel', expect: {unit: cuda_core}}
    counter_examples:
      - {name: 'yours_kernel', claimed_by: null}
"""

# Python tells its audit hooks of every socket: https://docs.python.org/3/library/audit_events.html
WATCHED = """
import contextlib, io, sys
told = []
def hook(event, arguments):
    if event.startswith(("socket.", "urllib.", "http.", "ftplib.", "smtplib.")):
        told.append((event, str(arguments)))
sys.addaudithook(hook)
from tcscope.cli import main
for arguments in COMMANDS:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(arguments)
    if code:
        print(arguments, code, err.getvalue())
print(told or "nothing")
"""


def test_no_command_opens_a_connection(tmp_path: Path) -> None:
    trace, base = str(INT8), str(FP16)
    commands = [
        *(["analyze", trace, "--stats", "-o", f"r.{kind}"] for kind in ("json", "html", "md", "csv", "txt")),
        ["analyze", trace, "--by", "layer", "--layers", str(INT8_LAYERS)],
        ["analyze", trace, base],
        ["diff", base, trace, "-o", "d.html"],
        ["check", trace, "--fail-on", "launches < 1", "--history", "h.db", "--commit", "c0ffee1"],
        ["history", "h.db"],
        ["info", trace],
        ["explain", "volta_h884gemm_128x64_ldg8_nn"],
        ["rules", "test"],
        ["slim", trace, "-o", "s.sqlite"],
        ["timeline", trace, "-o", "t.json"],
        ["analyze", str(FIXTURES / "h100_trt86_resnet18s_int8_metrics.sqlite")],
        ["verify", trace, "--ncu", "counters.csv"],
        ["advise", "fp16.json", "int8.json", "--sensitivity", "s.json", "-o", "mix"],
        ["cut", "model.onnx", "--around", "/conv1/Conv", "--random", "1", "-o", "part"],
        ["sensitivity", "model.onnx", "--random", "1", "-o", "again.json"],
    ]
    (tmp_path / "counters.csv").write_text(wide(counted_kernels()))
    files_of_a_mix(tmp_path)
    code = WATCHED.replace("COMMANDS", repr(commands))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "nothing\n"


def test_the_hook_would_tell() -> None:
    code = WATCHED.replace("from tcscope.cli import main", "import socket; socket.socket().close()")
    done = subprocess.run(
        [sys.executable, "-c", code.replace("COMMANDS", "[]")], capture_output=True, text=True, timeout=60, check=True
    )
    assert "socket.__new__" in done.stdout
