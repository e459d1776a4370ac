"""`tcscope analyze` with the files of trtexec: what works, and what is refused with one sentence and one hint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tcscope.cli import main
from tests.support.cli import failure
from tests.support.hidden import hidden
from tests.support.places import FP16, FP16_LAYERS, GRAPHS, INT8, INT8_LAYERS

Capture = pytest.CaptureFixture[str]
USAGE, CANT_ANSWER = 2, 3
INT8_PROFILE = INT8_LAYERS.with_name("h100_trt86_resnet18s_int8.profile.json")


def answer(capsys: Capture, *arguments: object) -> dict[str, object]:
    assert main(["analyze", *map(str, arguments), "--format", "json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A layer file without a profile beside it, escaped anew: reading it says nothing."""
    path = tmp_path / "net.layers.json"
    path.write_text(json.dumps(json.loads(INT8_LAYERS.read_text(), strict=False)))
    return path


def test_four_ways_to_name_a_pair(alone: Path, capsys: Capture) -> None:
    wanted = answer(capsys, alone, "--profile", INT8_PROFILE)
    assert answer(capsys, f"{alone}:{INT8_PROFILE}") == wanted
    assert answer(capsys, "--layers", alone, "--profile", INT8_PROFILE) == wanted
    shutil.copy(INT8_PROFILE, alone.with_name("net.profile.json"))
    assert answer(capsys, alone) == wanted
    assert answer(capsys, "--layers", alone) == wanted


def test_the_control_characters_that_tensorrt_always_writes_are_no_news(capsys: Capture) -> None:
    assert b"\x1e" in INT8_LAYERS.read_bytes()
    assert main(["analyze", str(INT8_LAYERS), "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("name,rule,unit")
    assert err == ""


def test_layers_of_a_trace(capsys: Capture) -> None:
    assert main(["analyze", str(INT8), "--layers", str(INT8_LAYERS)]) == 0
    assert "\nLayers\n" in capsys.readouterr().out


def test_a_join_is_said(tmp_path: Path, capsys: Capture) -> None:
    assert main(["analyze", str(hidden(FP16, "graphs", tmp_path)), "--layers", str(FP16_LAYERS)]) == 0
    out = capsys.readouterr().out
    assert "joined by tactic and order of launches" in out
    assert "their layers are hidden" not in out


class TestRefused:
    def test_nothing_to_analyze(self, capsys: Capture) -> None:
        said = failure(capsys, "analyze")
        assert (said.code, said.error) == (USAGE, "no trace is given")

    def test_a_profile_alone(self, capsys: Capture) -> None:
        said = failure(capsys, "analyze", "--profile", INT8_PROFILE)
        assert (said.code, said.error) == (USAGE, "a profile has times, but no kernels")
        assert "--layers" in said.hint
        said = failure(capsys, "analyze", INT8_PROFILE)
        assert said.code == CANT_ANSWER
        assert said.hint == f"tcscope analyze {INT8_LAYERS}"

    def test_no_profile(self, alone: Path, capsys: Capture) -> None:
        for arguments in ([alone], ["--layers", alone]):
            said = failure(capsys, "analyze", *arguments)
            assert (said.code, said.error) == (
                CANT_ANSWER,
                f"{alone} says what the layers are, not how long they take",
            )
            assert "--exportProfile=" in said.hint

    def test_names_only(self, tmp_path: Path, capsys: Capture) -> None:
        (tmp_path / "l.json").write_text('{"Layers": ["a"], "Bindings": []}')
        for arguments in ([tmp_path / "l.json"], [INT8, "--layers", tmp_path / "l.json"]):
            said = failure(capsys, "analyze", *arguments)
            assert said.code == CANT_ANSWER
            assert "names of its layers only" in said.error
            assert said.hint.startswith("rebuild with --profilingVerbosity=detailed")

    def test_a_file_that_is_not_there(self, alone: Path, tmp_path: Path, capsys: Capture) -> None:
        absent = tmp_path / "absent.json"
        for arguments in ([INT8, "--layers", absent], [alone, "--profile", absent], [f"{alone}:{absent}"], [absent]):
            said = failure(capsys, "analyze", *arguments)
            assert (said.code, said.error) == (USAGE, f"no such file: {absent}")

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ([INT8, "--layers", INT8_LAYERS, "--profile", INT8_PROFILE], "--profile has no place beside a trace"),
            ([INT8_PROFILE, "--layers", INT8_LAYERS], "is a profile"),
            ([INT8, "--layers", INT8_LAYERS, "--by", "range"], "--layers describes layers, not ranges"),
        ],
    )
    def test_what_does_not_go_together(self, arguments: list[object], error: str, capsys: Capture) -> None:
        assert error in failure(capsys, "analyze", *arguments).error

    def test_a_layer_file_or_a_report_in_the_place_of_the_trace(
        self, alone: Path, tmp_path: Path, capsys: Capture
    ) -> None:
        shutil.copy(INT8_PROFILE, alone.with_name("net.profile.json"))
        said = failure(capsys, "analyze", alone, "--layers", alone)
        assert (said.code, said.hint) == (USAGE, "leave out --layers")
        assert main(["analyze", str(INT8), "-o", str(tmp_path / "r.json")]) == 0
        capsys.readouterr()
        said = failure(capsys, "analyze", tmp_path / "r.json", "--layers", alone)
        assert said.error == f"--layers describes the layers of a trace, and {tmp_path / 'r.json'} is a saved report"

    def test_layers_that_a_trace_does_not_show(self, tmp_path: Path, capsys: Capture) -> None:
        said = failure(capsys, "analyze", GRAPHS, "--by", "layer")
        assert (said.code, said.error) == (
            CANT_ANSWER,
            f"{GRAPHS} has no layers: there are no TensorRT ranges in it",
        )
        path = hidden(FP16, "graphs", tmp_path)
        said = failure(capsys, "analyze", path, "--by", "layer")
        assert (said.code, said.error) == (
            CANT_ANSWER,
            f"{path} shows no layers: CUDA graphs launched its kernels, which hides them",
        )
        assert said.hint.startswith(f"tcscope analyze {path} --by range")
