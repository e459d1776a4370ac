"""Random and mutated JSON: saved reports, layer files, profiles."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcscope import analyze
from tests.fuzz.hold import effort, held
from tests.support.places import INT8, INT8_LAYERS, ORIN

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("analyze",),
    ("analyze", "--format", "md"),
    ("analyze", "--format", "csv", "--by", "op"),
    ("analyze", "--by", "layer"),
    ("analyze", "--format", "json"),
    ("info",),
    ("rules", "coverage"),
)
commands = st.sampled_from(COMMANDS)
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from(["", "tcscope.report/1", "tensor_core", "int8", "\x1b[31m", "\ud800", "\u202e", "²", "x" * 5000]),
    st.text(max_size=10),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """A saved report with everything in it, and few of each."""
    whole = analyze(INT8, by=("layer",), stats=True).to_dict()
    for name in ("kernels", "layers", "reformats", "groups", "breakdown", "findings"):
        whole[name] = whole[name][:2]
    whole["iterations"]["instances"] = whole["iterations"]["instances"][:2]
    return whole


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(way for key, child in inner for way in places(child, (*path, key)))]


def changed(value: Any, data: st.DataObject) -> Any:
    """The value with a few of its parts replaced, dropped or doubled."""
    value = {"root": copy.deepcopy(value)}
    for _ in range(data.draw(st.integers(1, 4))):
        *way, last = data.draw(st.sampled_from([way for way in places(value) if way]))
        parent = value
        for key in way:
            parent = parent[key]
        kind = data.draw(st.sampled_from(["replace", "replace", "drop", "double"]))
        if kind == "drop" and len(parent) > 1:
            del parent[last]
        elif kind == "double" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[last]))
        else:
            parent[last] = data.draw(VALUES)
    return value.get("root")


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


@effort(50)
@given(command=commands, data=st.data())
def test_a_saved_report_with_other_values(
    report: dict[str, Any], command: tuple[str, ...], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.mktemp("report") / "r.json", changed(report, data))
    held(*command, path, folder=path.parent)


@effort(15)
@given(data=st.data())
def test_a_diff_of_such_reports(
    report: dict[str, Any], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("diff")
    base, new = (write(folder / name, changed(report, data)) for name in ("base.json", "new.json"))
    form = data.draw(st.sampled_from(["table", "json", "md", "csv"]))
    held("diff", base, new, "--format", form, folder=folder)


@effort(50)
@given(command=commands, value=VALUES, tail=st.sampled_from(["", "}", "\x00", ",]", "NaN", '"'] * 2 + ["\ufeff"]))
def test_any_json(command: tuple[str, ...], value: Any, tail: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("any") / "r.json"
    path.write_text(json.dumps(value) + tail, encoding="utf-8")
    held(*command, path, folder=path.parent)


@effort(50)
@given(data=st.data(), of_trace=st.booleans())
def test_layer_files_and_profiles_with_other_values(
    data: st.DataObject, of_trace: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("layers")
    layers = json.loads(INT8_LAYERS.read_text(encoding="utf-8"), strict=False)
    profile = json.loads(INT8_LAYERS.with_name("h100_trt86_resnet18s_int8.profile.json").read_text(encoding="utf-8"))
    layers["Layers"], profile = layers["Layers"][:4], profile[:5]
    which = data.draw(st.sampled_from(["layers", "profile", "both"]))
    write(folder / "e.layers.json", changed(layers, data) if which != "profile" else layers)
    write(folder / "e.profile.json", changed(profile, data) if which != "layers" else profile)
    source = (
        ["analyze", ORIN, "--layers", folder / "e.layers.json"] if of_trace else ["analyze", folder / "e.layers.json"]
    )
    held(*source, "--format", data.draw(st.sampled_from(["table", "json", "md"])), folder=folder)


@effort(40)
@given(data=st.data(), command=commands)
def test_bytes_of_a_report_flipped(
    report: dict[str, Any], data: st.DataObject, command: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    raw = bytearray(json.dumps(report).encode())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path = tmp_path_factory.mktemp("flip") / "r.json"
    path.write_bytes(raw)
    held(*command, path, folder=path.parent)


DEEP = 100_000
LARGE = {
    "deep lists": "[" * DEEP + "]" * DEEP,
    "deep objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "deep layers": '{"Layers":' * DEEP + "[]" + "}" * DEEP,
    "a million": "[" + "0," * 1_000_000 + "0]",
    "a number of a million digits": '{"schema": "tcscope.report/1", "totals": ' + "9" * 1_000_000 + "}",
    "keys twice": '{"schema": "tcscope.report/1", "schema": 1, "trace": {}, "trace": []}',
    "an exponent": '{"schema": "tcscope.report/1", "trace": {"file": "x"}, "tensor_share": {"low": 1e999, "high": 0}}',
    "quotes": '{"Layers": [{"Name": "' + '"' * 200_000,
    "blanks": '{"Layers": [{"Name": "x"' + " " * 500_000 + "x",
    "names": '{"Layers": [' + '{"Name": "a"b", "LayerType": "x"},' * 20_000 + "]}",
}


@pytest.mark.parametrize("what", LARGE)
@pytest.mark.parametrize("command", [("analyze",), ("rules", "coverage")], ids=" ".join)
def test_large_and_deep(what: str, command: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(LARGE[what], encoding="utf-8")
    assert held(*command, path, folder=tmp_path).code in ((3,) if command == ("analyze",) else (0, 2, 3))
    held("analyze", ORIN, "--layers", path, folder=tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    with path.open("wb") as file:
        file.write(b'{"schema": "tcscope.report/1"')
        file.truncate(2_000_000_000)  # a hole: it takes no room on the disk
    said = held_without_reading("analyze", path)
    assert "is larger than 25 MB" in said
    assert "is larger than 25 MB" in held_without_reading("analyze", ORIN, "--layers", path)


def held_without_reading(*arguments: object) -> str:
    folder = Path(str(arguments[-1])).parent / "empty"
    folder.mkdir(exist_ok=True)
    return held(*arguments, folder=folder, codes=(3,)).err
