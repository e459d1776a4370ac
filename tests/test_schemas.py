"""JSON Schemas of answers that commands give: they are the code's, and the answers keep to them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import tcscope
from tcscope.cli import main
from tcscope.model import schema
from tests.support.places import FIXTURES, INT8
from tests.support.sass import FATBIN, needs_cuobjdump

MODEL = Path(tcscope.__file__).parent / "model"
MADE = {"verify": schema.verify_schema, "sass": schema.sass_schema, "history": schema.history_schema}


@pytest.mark.parametrize("name", MADE)
def test_the_schema_that_ships_is_that_of_the_code(name: str) -> None:
    shipped = MODEL / f"{name}.schema.json"
    assert json.loads(shipped.read_text()) == MADE[name](), f"python -m tcscope.model.schema {name} > {shipped}"


def keeps_to(name: str, answer: str) -> None:
    """Raise ValidationError where an answer breaks the schema that ships."""
    jsonschema.validate(json.loads(answer), json.loads((MODEL / f"{name}.schema.json").read_text()))


def test_a_verification_keeps_to_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    counters = FIXTURES / "h100_trt86_resnet18s_int8.ncu.csv"
    assert main(["verify", str(INT8), "--ncu", str(counters), "--format", "json"]) == 0
    answer = capsys.readouterr().out
    keeps_to("verify", answer)
    with pytest.raises(jsonschema.ValidationError):
        keeps_to("verify", answer.replace('"right"', '"fine"'))


@needs_cuobjdump
def test_machine_code_keeps_to_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sass", str(FATBIN), "--format", "json"]) == 0
    keeps_to("sass", capsys.readouterr().out)


def test_a_trend_keeps_to_its_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = str(tmp_path / "h.db")
    assert main(["check", str(INT8), "--require", "launches > 1", "--history", history, "--commit", "abcdef1"]) == 0
    capsys.readouterr()
    assert main(["history", history, "--format", "json"]) == 0
    keeps_to("history", capsys.readouterr().out)
