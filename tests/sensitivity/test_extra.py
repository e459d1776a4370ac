"""What is said first where the network's file is missing, with and without the packages of the `ptq` extra."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support import digits
from tests.support.cli import failure
from tests.support.mixes import fp16, int8, sensitivity

COUNT = len(digits.LAYERS)
ADVISE = ("advise", "fp16.json", "int8.json", "--sensitivity", "s.json", "--model")


@pytest.fixture(params=["with the packages", "without them"], autouse=True)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "without them":
        monkeypatch.setitem(sys.modules, "onnx", None)
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
    fp16([40_000] * COUNT, digits.LAYERS).save(tmp_path / "fp16.json")
    int8([30_000] * COUNT, digits.LAYERS).save(tmp_path / "int8.json")
    sensitivity([0.01] * COUNT, digits.LAYERS).save(tmp_path / "s.json")
    (tmp_path / "some folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("sensitivity",), "tcscope sensitivity model.onnx --random 16"),
        (("cut", "--around", "/a b/Conv"), "tcscope cut model.onnx --around '/a b/Conv' --random 16"),
        (ADVISE, "--model model.onnx --random 16"),
    ],
    ids=["sensitivity", "cut", "advise"],
)
@pytest.mark.parametrize(
    ("network", "error"), [("no.onnx", "no such network: no.onnx"), ("some folder", "some folder is a folder")]
)
def test_a_missing_network_is_said_first(
    words: tuple[str, ...], hint: str, network: str, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = failure(capsys, *words, network, "--random", 4)
    assert (said.code, said.error, said.hint) == (2, error, hint)


@pytest.mark.parametrize(
    ("words", "begins"),
    [(("sensitivity",), "tcscope sensitivity m.onnx"), (("cut", "--around", "x"), "tcscope cut m.onnx --around x")],
)
def test_what_is_missing_besides_is_said_for_the_command_that_was_typed(
    words: tuple[str, ...], begins: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "m.onnx").write_bytes(b"")
    said = failure(capsys, *words, "m.onnx")
    if sys.modules.get("onnx", sys) is None:
        assert (said.error, said.hint) == ("this needs onnx and onnxruntime", "pip install 'tcscope[ptq]'")
    else:
        assert (said.error, said.hint) == (
            "what shall the network be fed?",
            f"{begins} --data calib.npz  # or --random 16",
        )
