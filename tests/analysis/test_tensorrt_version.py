"""The version of TensorRT: from the layer file that `profile` writes into the report, and from there into the gate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import tcscope
from tcscope.analysis.budget.likeness import differences
from tcscope.capture.runner.passes import layer_info
from tcscope.cli import main
from tcscope.render.text import captured_with
from tests.support.places import FIXTURES

NAME = "h100_trt86_resnet18s_int8"


@pytest.fixture
def layers(tmp_path: Path) -> Path:
    """A layer file as `profile` writes it, and the profile beside it."""
    told = json.loads((FIXTURES / f"{NAME}.layers.json").read_text(), strict=False)
    path = tmp_path / f"{NAME}.layers.json"
    path.write_text(json.dumps({**told, "TensorRT": "8.6.0"}))
    path.with_name(f"{NAME}.profile.json").write_bytes((FIXTURES / f"{NAME}.profile.json").read_bytes())
    return path


def test_the_runner_writes_it_beside_what_the_inspector_says() -> None:
    told = '{"Layers": [{"Name": "a\x1eb"}], "Bindings": []}'
    inspector = SimpleNamespace(get_engine_information=lambda form: told)
    engine = SimpleNamespace(create_engine_inspector=lambda: inspector)
    trt = SimpleNamespace(__version__="8.6.0", LayerInformationFormat=SimpleNamespace(JSON="json"))
    written = json.loads(layer_info(trt, engine, None))
    assert written == {"Layers": [{"Name": "a\x1eb"}], "Bindings": [], "TensorRT": "8.6.0"}


def test_a_report_has_the_version_that_the_layer_file_names(layers: Path) -> None:
    of_trace = tcscope.analyze(FIXTURES / f"{NAME}.sqlite", layers=layers)
    of_pair = tcscope.analyze(layers)
    assert of_trace.trace.tensorrt == of_pair.trace.tensorrt == "8.6.0"
    assert "TensorRT 8.6.0" in captured_with(of_trace.trace)
    without = tcscope.analyze(FIXTURES / f"{NAME}.sqlite")
    assert "tensorrt" not in without.to_dict()["trace"]
    assert "TensorRT" not in captured_with(without.trace)


def test_engines_of_two_versions_are_not_compared(
    layers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tcscope.analyze(FIXTURES / f"{NAME}.sqlite", layers=layers)
    newer = replace(report, trace=replace(report.trace, tensorrt="10.3.0"))
    assert differences(report, newer) == ["the baseline ran with TensorRT 8.6.0, this with 10.3.0"]
    assert differences(replace(report, trace=replace(report.trace, tensorrt=None)), newer) == []
    report.save(tmp_path / "base.json")
    newer.save(tmp_path / "new.json")
    gate = ["check", str(tmp_path / "new.json"), "--baseline", str(tmp_path / "base.json")]
    gate += ["--fail-on", "tensor_share < baseline - 2pp"]
    assert main(gate) == 3
    assert "the baseline ran with TensorRT 8.6.0, this with 10.3.0" in capsys.readouterr().err
    assert main([*gate, "--allow-mismatch"]) == 0
