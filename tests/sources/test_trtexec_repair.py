"""JSON that trtexec wrote without escaping: any name survives, and a file that can't be mended is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from tcscope.errors import TraceError, UsageError
from tcscope.sources.trtexec import read_layers, read_profile
from tcscope.sources.trtexec.repair import read_json

# What ends a raw string: a name that holds it can't be told from two names by any reader.
ENDS = re.compile(r'"\s*,\s*"[\w/ .-]+"\s*:|"\s*\}\s*([,\]}]|$)')
NAMES = st.text(
    st.one_of(st.sampled_from('ab/"\\{}[]:, \x1e\t\n'), st.characters(codec="utf-8", exclude_characters="\r")),
    min_size=1,
    max_size=20,
)
_METADATA = "[ONNX Layer: a]\x1e[ONNX Layer: b]"
PER_TEST = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def raw_profile(names: list[str]) -> str:
    rows = [f', {{ "name" : "{name}", "timeMs" : {at}.5, "averageMs" : {at}, "percentage" : 1 }}\n' for at, name in
            enumerate(names)]  # fmt: skip
    return '[\n  { "count" : 3 }\n' + "".join(rows) + "]\n"


def raw_layers(names: list[str]) -> str:
    tensor = '{\n    "Name": "%s",\n    "Dimensions": [1,3],\n    "Format/Datatype": "Row major linear FP32"\n  }'
    layers = [
        f'{{\n  "Name": "{name}",\n  "LayerType": "Reformat",\n  "Inputs": [\n  {tensor % name}],\n'
        f'  "Outputs": [\n  {tensor % name}],\n  "TacticValue": "0x0",\n  "Metadata": "{_METADATA}"\n}}'
        for name in names
    ]
    return '{"Layers": [' + ",".join(layers) + '],\n"Bindings": ["x","y"\n]}'


@PER_TEST
@given(names=st.lists(NAMES, min_size=1, max_size=4))
@example(names=['a"b'])
@example(names=['"', '""', '","'])
@example(names=["C:\\new\\table", 'a", b'])
def test_any_raw_name_survives(names: list[str], tmp_path: Path) -> None:
    # GIVEN a file written without escaping, which one name makes invalid
    names = ['say "hi"', *names]
    assume(not any(ENDS.search(f'{name}"') or ENDS.search(name) for name in names))
    path = tmp_path / "t.json"
    path.write_bytes(raw_profile(names).encode("utf-8", "surrogatepass"))
    # THEN every name and every time is what it was
    rows = read_profile(path).rows
    assert [row.name for row in rows] == names
    assert [row.ns for row in rows] == [round((at + 0.5) * 1e6) for at in range(len(names))]
    path.write_bytes(raw_layers(names).encode("utf-8", "surrogatepass"))
    layers = read_layers(path)
    assert [layer.name for layer in layers] == names
    assert [layer.inputs[0].name for layer in layers] == names
    assert all(layer.nodes == ("a", "b") for layer in layers)


@PER_TEST
@given(names=st.lists(NAMES, max_size=4))
def test_an_escaped_name_is_taken_as_it_stands(names: list[str], tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps([{"count": 1}, *({"name": name, "timeMs": 1} for name in ["x", *names])]))
    assert [row.name for row in read_profile(path).rows] == ["x", *names]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"count": 2}, {"name": "a"b", "timeMs": 1}]', "names with quotes or backslashes that are not escaped"),
        ('[{"count": 2}, {"name": "a\\d", "timeMs": 1}]', "names with quotes or backslashes that are not escaped"),
        ('[{"count": 2}, {"name": "a", "timeMs": 1, "percentage": -nan}]', "numbers that are none"),
    ],
)
def test_a_repair_is_said_on_stderr(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.profile.json").write_text(text)
    read_json(tmp_path / "t.profile.json")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"note: t.profile.json is not valid JSON: {said}; read all the same\n"


def test_valid_json_is_read_in_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        for spelling in ("\\u001e", "\x1e"):  # TensorRT writes the character itself
            (tmp_path / "t.json").write_text(f'{{"a": "{spelling}"}}', encoding=encoding)
            assert read_json(tmp_path / "t.json") == {"a": "\x1e"}
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("cut", [2, 20, 60, 100, 200, 300])
def test_a_file_cut_short_is_refused(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(raw_layers(['a "b"', "c"])[:cut])
    with pytest.raises(TraceError, match=r"is damaged or cut short: no JSON from line \d+ on$"):
        read_json(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^no such file: ") as error:
        read_json(tmp_path / "absent.json")
    assert "--exportLayerInfo" in error.value.hint
