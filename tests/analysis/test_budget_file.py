"""Budget files: YAML and TOML say the same, every complaint has its line, and all come at once."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

import tcscope
from tcscope.analysis.budget.budget import Budget
from tcscope.analysis.budget.file import find_budget, read_budget, validate
from tcscope.errors import ConfigError, UsageError
from tcscope.model import Selection
from tcscope.model.check import Clause

YAML = """\
schema: tcscope.budget/1
baseline: baselines/h100.json
range: inference
skip: 3
layers: engine.layers.json
history: tcscope.db
fail_on:
  - tensor_share < baseline - 2pp
  - 'kernel["*ffma*"].share > 0%'
warn_on:
  - kernel_time_per_range > baseline + 5%
require:
  - layer["/conv1/*"].unit == tensor_core
"""
TOML = """\
[project]
name = "resnet"
fail_on = ["another tool's"]

[tool.tcscope]
baseline = "baselines/h100.json"
range = "inference"
skip = 3
layers = "engine.layers.json"
history = "tcscope.db"
fail_on = [
  "tensor_share < baseline - 2pp",
  'kernel["*ffma*"].share > 0%',
]
warn_on = ["kernel_time_per_range > baseline + 5%"]
require = ["layer[\\"/conv1/*\\"].unit == tensor_core"]

[tool.other]
speed = 3
"""


def written(folder: Path, text: str, name: str = "tcscope.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def wrong(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        read_budget(path)
    return [line.removeprefix(f"{path}:") for line in raised.value.problems]


def places(budget: Budget) -> list[tuple[Clause, str, int | None, int | None]]:
    return [(entry.clause, entry.text, entry.line, entry.column) for entry in budget.entries]


def test_a_yaml_file(tmp_path: Path) -> None:
    budget = read_budget(written(tmp_path, YAML))
    assert budget is not None
    assert (budget.baseline, budget.layers) == (tmp_path / "baselines" / "h100.json", tmp_path / "engine.layers.json")
    assert budget.history == tmp_path / "tcscope.db"
    assert budget.selection == Selection("inference", 3)
    assert places(budget) == [
        (Clause.FAIL_ON, "tensor_share < baseline - 2pp", 8, 5),
        (Clause.FAIL_ON, 'kernel["*ffma*"].share > 0%', 9, 6),
        (Clause.WARN_ON, "kernel_time_per_range > baseline + 5%", 11, 5),
        (Clause.REQUIRE, 'layer["/conv1/*"].unit == tensor_core', 13, 5),
    ]


def test_a_table_of_pyproject_says_the_same_with_its_own_lines(tmp_path: Path) -> None:
    budget, other = read_budget(written(tmp_path, TOML, "pyproject.toml")), read_budget(written(tmp_path, YAML))
    assert budget is not None
    assert other is not None
    assert [row[:2] for row in places(budget)] == [row[:2] for row in places(other)]
    assert [row[2:] for row in places(budget)] == [(12, 4), (13, 4), (15, 13), (16, 13)]
    assert (budget.baseline, budget.selection, budget.history) == (other.baseline, other.selection, other.history)


def test_all_that_is_wrong_in_yaml_comes_at_once_with_its_line(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "schema: tcscope.budget/2\n"
        "baseine: x.json\n"
        "skip: -1\n"
        "device: two\n"
        "range: 5\n"
        "fail_on:\n"
        "  - tensr_share < 75%\n"
        "  - kernel_time > 5%\n"
        '  - layer["a: b"].unit == int8\n'
        "  - 5\n"
        "  - ''\n"
        "warn_on: tensor_share < 75%\n"
        "fail_on: []\n",
    )
    assert sorted(wrong(path), key=lambda line: int(line.partition(":")[0])) == [
        "1: 'schema: tcscope.budget/2' is not known; this is 'tcscope.budget/1'",
        "2: unknown key 'baseine', did you mean 'baseline'?",
        "3: 'skip:' must be a whole number from 0 on",
        "4: 'device:' must be a whole number",
        "5: 'range: 5' is no text in YAML; put it in quotes",
        "7:5: no metric 'tensr_share', did you mean 'tensor_share'?",
        "8:19: 5% is no time: write 1.2ms or baseline + 5%",
        "9: a condition under 'fail_on:' must be text; one that holds ': ' stands in single quotes",
        "10: a condition under 'fail_on:' must be text, such as: tensor_share < 75%",
        "11: an empty condition under 'fail_on:'",
        "12: 'warn_on:' must be a list",
        "13: key 'fail_on' is given twice",
    ]


def test_all_that_is_wrong_in_toml_comes_at_once_with_its_line(tmp_path: Path) -> None:
    text = (
        "[tool.tcscope]\n"
        'baseine = "x.json"\n'
        "skip = true\n"
        "fail_on = ['tensor_share < 75', \"kernel_time > 5%\",\n"
        '  "tensor_share < 75",\n'
        "  4.5]\n"
        "warn_on = 'tensor_share < 75%'\n"
    )
    assert wrong(written(tmp_path, text, "pyproject.toml")) == [
        "2: unknown key 'baseine', did you mean 'baseline'?",
        "4:28: a share is 75% or less than 1",
        "4:48: 5% is no time: write 1.2ms or baseline + 5%",
        "5:19: a share is 75% or less than 1",
        "4: a condition under 'fail_on:' must be text, such as: tensor_share < 75%",
        "7: 'warn_on:' must be a list",
        "3: 'skip:' must be a whole number",
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("tcscope.yaml", "", "1: a mapping is expected at the top"),
        ("tcscope.yaml", "- tensor_share < 75%\n", "1: a mapping is expected at the top"),
        ("tcscope.yaml", "a: [\n", "2: not YAML"),
        ("tcscope.yaml", "fail_on: []\n", "1: 'schema:' is missing"),
        ("pyproject.toml", "[tool.tcscope]\nskip 3\n", "2: not TOML"),
        ("pyproject.toml", "[tool.tcscope]\nskip = [\n", "3: not TOML"),
        ("pyproject.toml", "[tool]\ntcscope = 3\n", "1: 'tool.tcscope' must be a table"),
    ],
)
def test_what_is_no_budget_file(name: str, text: str, said: str, tmp_path: Path) -> None:
    assert wrong(written(tmp_path, text, name))[0].startswith(said)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    for name in ("tcscope.yaml", "pyproject.toml"):
        path = tmp_path / name
        path.write_bytes(b"a = '\xff'\n")
        assert wrong(path) == ["1: not UTF-8 text (byte 5)"]


def test_a_folder_s_budget_is_found_by_itself(tmp_path: Path) -> None:
    assert find_budget(None, tmp_path) == Budget()
    written(tmp_path, "[project]\nname = 'x'\n", "pyproject.toml")
    assert find_budget(None, tmp_path) == Budget()
    project = written(tmp_path, TOML, "pyproject.toml")
    assert find_budget(None, tmp_path).file == str(project)
    own = written(tmp_path, YAML)
    assert find_budget(None, tmp_path).file == str(own)
    assert find_budget(project, tmp_path).file == str(project)


def test_a_named_file_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such budget"):
        find_budget(tmp_path / "absent.yaml", tmp_path)
    with pytest.raises(UsageError, match=r"has no \[tool.tcscope\]"):
        find_budget(written(tmp_path, "[project]\n", "other.toml"), tmp_path)


def test_files_are_validated_together(tmp_path: Path) -> None:
    good = written(tmp_path, YAML)
    none = written(tmp_path, "[project]\n", "pyproject.toml")
    found = validate([good, none])
    assert [(path, budget and len(budget.entries)) for path, budget in found] == [(good, 4), (none, None)]
    bad = [written(tmp_path, f"schema: x{at}\n", f"bad{at}.yaml") for at in range(2)]
    with pytest.raises(ConfigError) as raised:
        validate([bad[0], good, bad[1]])
    assert len(raised.value.problems) == 2


BAD: list[dict[str, object]] = [
    {"fail_on": ["tensr_share < 75%"]},
    {"fail_on": "tensor_share < 75%"},
    {"fail_on": ["kernel_time > 5%"]},
    {"require": ['layer["x"].unit == fp16']},
    {"skip": -1},
    {"baseine": "x.json"},
    {"schema": "tcscope.budget/2"},
]


def test_the_schema_for_editors_takes_what_the_reader_takes() -> None:
    schema = json.loads((Path(tcscope.__file__).parent / "model" / "budget.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    assert list(validator.iter_errors(yaml.safe_load(YAML))) == []
    for data in BAD:
        assert list(validator.iter_errors({"schema": "tcscope.budget/1"} | data)), data


@pytest.mark.parametrize("data", BAD, ids=str)
def test_the_reader_refuses_what_the_schema_refuses(data: dict[str, object], tmp_path: Path) -> None:
    text = yaml.safe_dump({"schema": "tcscope.budget/1"} | data)
    assert wrong(written(tmp_path, text))
