"""How the house is built: imports point one way, SQL has one room, the help is quick and complete."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tcscope import cli
from tests.support.places import REPOSITORY

PACKAGE = REPOSITORY / "tcscope"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 300
HEAVY = (
    *("pandas", "numpy", "scipy", "yaml", "sqlite_utils", "rich", "jinja2", "matplotlib"),
    *("nvtx", "tensorrt", "pycuda", "onnx", "onnxruntime", "distributed"),
)

# A room may import itself, the rooms of lower floors, and nothing else; rooms of one floor don't know each other unless
# `BESIDE` says so.
FLOORS = (
    ("errors", "wording", "progress"),
    ("data", "model"),
    ("hardware", "rulebook", "sources"),
    ("analysis",),
    ("render", "capture", "sensitivity"),  # the last runs networks on the CPU; it draws nothing and records nothing
    ("cli",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
BESIDE = {("rulebook", "hardware"), ("sources", "hardware")}  # verdicts and devices are limited by what a GPU can do
FRONT = ("__init__", "__main__")  # the public names and `python -m tcscope` look into the house from outside
# the one room that may import each heavy module when it is loaded, and not only when a function of it runs
HOMES = {"rich": ("render",), "yaml": ("rulebook",), "numpy": ("sources", "sensitivity"), "sqlite_utils": ("sources",)}
HOMES |= {"onnx": ("sensitivity",)}


def named(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(path: Path) -> Iterator[str]:
    """Every module that a module imports, wherever in it the import stands; relative imports are not used."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)}:{node.lineno}: a relative import"
            # `from tcscope import hardware` names a module of the package
            yield from (
                f"{node.module}.{alias.name}" if node.module == "tcscope" else str(node.module) for alias in node.names
            )


def rooms_imported(path: Path) -> set[str]:
    parts = [module.split(".") for module in imports(path)]
    return {part[1] for part in parts if part[0] == "tcscope" and len(part) > 1} - {"__version__"}


def may_import(room: str, other: str) -> bool:
    return room == other or FLOOR[other] < FLOOR[room] or (room, other) in BESIDE


def test_every_room_has_its_floor() -> None:
    assert {room_of(path) for path in MODULES} - set(FRONT) <= set(FLOOR)


@pytest.mark.parametrize("path", [p for p in MODULES if room_of(p) not in FRONT], ids=named)
def test_imports_point_one_way(path: Path) -> None:
    room = room_of(path)
    wrong = {other for other in rooms_imported(path) if not may_import(room, other)}
    assert wrong == set(), f"{named(path)} must not import {', '.join(sorted(wrong))}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    at = {".".join(path.relative_to(REPOSITORY).with_suffix("").parts): path for path in MODULES}
    rooms = {module: set(imports(path)) & set(at) - {module} for module, path in at.items()}
    try:
        TopologicalSorter(rooms).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_public_names_are_imported_on_use() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    loaded = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert loaded == {"__future__", "typing"}


SQL = re.compile(
    r"\bselect\s+(?!--).*\bfrom\b|\bselect\s+\d|\bpragma\s|\binsert\s+into\b|\bcreate\s+table\b", re.I | re.S
)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a module, an f-string as one with its values left out, but its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            skipped.add(node.value)
        if isinstance(node, ast.JoinedStr):
            skipped.update(node.values)
            parts = [str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values]
            yield node.lineno, "".join(parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield node.lineno, node.value


def sql_of(path: Path) -> list[int]:
    return [line for line, text in texts(path) if SQL.search(text) and not text.startswith(("sqlite3 ", "nsys "))]


SQL_ROOMS = ("tcscope/sources/nsys/", "tcscope/sources/history.py")  # traces are read, a history is written


@pytest.mark.parametrize("path", [p for p in MODULES if not named(p).startswith(SQL_ROOMS)], ids=named)
def test_sql_is_written_in_one_room(path: Path) -> None:
    assert sql_of(path) == []
    assert "sqlite3" not in set(imports(path))


def test_sql_is_found_where_it_is() -> None:
    with_sql = {path.stem for path in MODULES if sql_of(path)}
    assert {"activity", "database", "devices", "header", "inventory", "totals"} <= with_sql


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_is_shorter_than_300_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < LONGEST


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    assert docstring.splitlines()[0].rstrip(")`'\"")[-1] in ".?:"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_heavy_modules_are_imported_on_use(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    on_load = {module.split(".")[0] for module in _imported_on_load(tree)}
    at_home = {heavy for heavy, rooms in HOMES.items() if room_of(path) in rooms}
    assert on_load & set(HEAVY) <= at_home


def _imported_on_load(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def in_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], [], ["analyze", "--help"], ["rules", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys, io, contextlib\n"
        "from tcscope.cli import main\n"
        f"with contextlib.redirect_stdout(io.StringIO()) as out: code = main({arguments!r})\n"
        f"print(code, bool(out.getvalue()), *sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    assert in_python(code) == "0 True"


def test_reading_a_trace_needs_neither_pandas_nor_a_gpu_package() -> None:
    code = (
        "import sys, tcscope\n"
        f"tcscope.analyze({str(REPOSITORY / 'fixtures' / 'h100_trt86_resnet18s_int8.sqlite')!r})\n"
        "print(*sorted({'pandas', 'numpy', 'scipy', 'rich', 'tensorrt', 'pycuda', 'nvtx'} & set(sys.modules)))"
    )
    assert in_python(code) == ""


def commands(
    parser: argparse.ArgumentParser, name: str = "tcscope"
) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """(its words, its parser, its line in the list of its parent) of every command and subcommand."""
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        lines = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for word, made in action.choices.items():
            yield f"{name} {word}", made, lines.get(word, "")
            yield from commands(made, f"{name} {word}")


COMMANDS = list(commands(cli.parser()))


def test_the_commands_are_known() -> None:
    known = {name for name, _, _ in COMMANDS}
    assert known >= {f"tcscope {name}" for name in ("analyze", "explain", "info", "rules", "rules list", "rules test")}


@pytest.mark.parametrize(("name", "parser", "line"), COMMANDS, ids=[name for name, _, _ in COMMANDS])
def test_every_command_has_help_with_an_example(name: str, parser: argparse.ArgumentParser, line: str) -> None:
    shown = parser.format_help()
    last = shown.rstrip().splitlines()[-1]
    assert last.startswith(f"example: {name}")
    assert line
    assert line[-1] == "."
    assert re.sub(r"\s+", " ", line) in re.sub(
        r"\s+", " ", shown
    )  # its line in the list is what its own help says first


@pytest.mark.parametrize("module", cli.COMMANDS, ids=lambda module: module.__name__.rsplit(".", 1)[-1])
def test_the_help_line_is_the_first_line_of_the_docstring(module: object) -> None:
    name = str(module.__name__).rsplit(".", 1)[-1]  # type: ignore[attr-defined]
    lines = {words: line for words, _, line in COMMANDS}
    docstring = importlib.import_module(f"tcscope.cli.{name}").__doc__
    assert docstring is not None
    assert lines[f"tcscope {name.replace('_', '-')}"] == docstring.splitlines()[0]


def test_the_top_help_ends_with_an_example() -> None:
    shown = cli.parser().format_help()
    assert shown.rstrip().splitlines()[-1].startswith("example: tcscope ")
    for words, _, line in COMMANDS:
        if words.count(" ") == 1:
            assert line in re.sub(r"\s+", " ", shown)
