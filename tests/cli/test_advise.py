"""`tcscope advise`: from two reports and a table to a page and files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import onnx
import pytest

import tcscope
from tcscope.cli import main
from tcscope.model.advise import MixAdvice
from tcscope.model.schema import advice_schema
from tests.support import digits
from tests.support.cli import failure
from tests.support.mixes import fp16, int8, sensitivity

COUNT = len(digits.LAYERS)
SCHEMA = Path(tcscope.__file__).parent / "model" / "advice.schema.json"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fp16([40_000] * COUNT, digits.LAYERS).save(tmp_path / "fp16.json")
    int8([30_000] * COUNT, digits.LAYERS).save(tmp_path / "int8.json")
    sensitivity([0.01, 0.03, *[0.001] * (COUNT - 2)], digits.LAYERS).save(tmp_path / "s.json")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    return tmp_path


ADVISE = ("advise", "fp16.json", "int8.json", "--sensitivity", "s.json")


def test_the_page_fits_80_columns_but_for_what_is_to_be_copied(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ADVISE]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "keep 2 layers in FP16" in out
    long = [line for line in out.splitlines() if len(line) > 80]
    assert all(line.startswith(("--int8 --fp16", "  hint: ")) for line in long)


def test_json_is_the_document_and_keeps_its_schema(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ADVISE, "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    jsonschema.validate(data, json.loads(SCHEMA.read_text()))
    advice = MixAdvice.from_dict(data)
    assert [choice.name for choice in advice.kept] == ["/conv1/Conv", "/conv0/Conv"]


def test_the_schema_that_ships_is_that_of_the_code() -> None:
    assert json.loads(SCHEMA.read_text()) == advice_schema()


def test_the_files_in_the_folder_are_of_one_answer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ADVISE, "-o", "mix"]) == 0
    capsys.readouterr()
    mix = folder / "mix"
    assert sorted(path.name for path in mix.iterdir()) == ["advice.json", "advice.md", "layers.txt", "trtexec.txt"]
    advice = MixAdvice.from_dict(json.loads((mix / "advice.json").read_text()))
    assert (mix / "layers.txt").read_text().splitlines() == list(advice.nodes) == ["/conv1/Conv", "/conv0/Conv"]
    assert (mix / "trtexec.txt").read_text() == advice.arguments + "\n"
    assert (mix / "advice.md").read_text().startswith("### Keep 2 layers in FP16")


def test_files_that_are_there_are_not_written_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mix").mkdir()
    (folder / "mix" / "layers.txt").write_text("mine\n")
    said = failure(capsys, *ADVISE, "-o", "mix")
    assert (said.code, said.error) == (2, "mix holds layers.txt already")
    assert (folder / "mix" / "layers.txt").read_text() == "mine\n"
    assert main([*ADVISE, "-o", "mix", "--force"]) == 0


def test_with_the_network_the_mix_is_run_and_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digits.write(folder, 64)
    given = ["digits.onnx", "--data", "digits.npz"]
    assert (
        main(["sensitivity", *given, "--metric", "metric.py:likelihood", "--calibration", "min-max", "-o", "s.json"])
        == 0
    )
    capsys.readouterr()
    run = [*ADVISE, "--model", *given, "--metric", "metric.py:likelihood", "-o", "mix"]
    assert main(run) == 0
    out, _ = capsys.readouterr()
    assert re.search(r"^64 samples +predicted +measured$", out, re.MULTILINE)
    assert "\ntrtexec --onnx=mix/mixed.onnx --int8 --fp16\n" in out
    assert ">trtexec --onnx=mixed.onnx --int8 --fp16<" in (folder / "mix" / "advice.md").read_text()
    onnx.checker.check_model(str(folder / "mix" / "mixed.onnx"), full_check=True)
    advice = MixAdvice.from_dict(json.loads((folder / "mix" / "advice.json").read_text()))
    assert advice.measured is not None
    assert advice.measured.recovered >= 0.8
    assert {node for choice in advice.kept for node in choice.nodes} == set(advice.measured.keep)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--max-loss", "1"], "--max-loss 1 has no unit"),
        (["--max-slower", "fast"], "--max-slower fast is no percentage"),
        (["--data", "x.npz"], "--data without the network that it is for"),
        (["--max-loss", "1dB", "--max-slower", "2%"], "argument --max-slower: not allowed with argument --max-loss"),
    ],
)
def test_what_is_typed_wrong_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], error: str
) -> None:
    said = failure(capsys, *ADVISE, *arguments)
    assert (said.code, said.error) == (2, error)


def test_a_report_is_no_sensitivity_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = failure(capsys, "advise", "fp16.json", "int8.json", "--sensitivity", "fp16.json")
    assert said.error == "fp16.json is no sensitivity table: it is a tcscope.report/1"


def test_names_that_match_nothing_stand_beside_the_nearest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sensitivity([0.1], ["conv0.Conv"]).save(folder / "s.json")
    said = failure(capsys, *ADVISE)
    assert said.code == 3
    assert "'conv0.Conv' is nearest to '/conv0/Conv'" in said.error
