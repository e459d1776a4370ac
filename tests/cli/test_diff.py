"""`tcscope diff`: arguments in, exit code out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tcscope
from tcscope.cli import main
from tests.support.cli import failure
from tests.support.places import FP16, INT8, NO_KERNELS


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(argument) for argument in ("diff", *arguments)]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(("base", "new"), [(FP16, INT8), (INT8, FP16)])
def test_slower_is_no_error(capsys: pytest.CaptureFixture[str], base: Path, new: Path) -> None:
    out = shown(capsys, base, new)
    assert out.startswith(f"base   {base.name}")
    assert len(out.splitlines()) <= 40


def test_options_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert "more (--top N)" in shown(capsys, FP16, INT8, "--top", 2)
    whole = shown(capsys, FP16, INT8, "--top", 99, "--full-names")
    assert (
        "/layer3/layer3.0/downsample/downsample.0/Conv + /layer3/layer3.0/Add + /layer3/layer3.0/relu_1/Relu" in whole
    )
    assert "more (--top N)" not in whole


def test_formats(capsys: pytest.CaptureFixture[str]) -> None:
    diff = tcscope.compare(FP16, INT8)
    assert shown(capsys, FP16, INT8, "--format", "json") == diff.to_json()
    assert shown(capsys, FP16, INT8, "--format", "csv").startswith("name,kind,cause,cause_ns,")
    assert shown(capsys, FP16, INT8, "--format", "md", "--top", 1).count("| <code>") == 1


@pytest.mark.parametrize("suffix", ["json", "csv", "md", "txt"])
def test_files(capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"diff.{suffix}"
    assert main(["diff", str(FP16), str(INT8), "-o", str(path)]) == 0
    out = capsys.readouterr()
    assert (out.out, out.err) == ("", f"wrote {path}\n")
    form = "table" if suffix == "txt" else suffix
    assert path.read_text(encoding="utf-8") == shown(capsys, FP16, INT8, "--format", form)


def test_selection(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(shown(capsys, FP16, INT8, "--range", "inference", "--skip", 5, "--device", 0, "--format", "json"))
    assert (data["base"]["inferences"], data["new"]["inferences"]) == (15, 15)
    assert data["base"]["trace"]["selection"] == {"range": "inference", "skip": 5, "device": 0}


def test_a_saved_baseline_and_a_trace(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    assert main(["analyze", str(FP16), "--by", "layer", "-o", str(baseline)]) == 0
    capsys.readouterr()
    assert shown(capsys, baseline, INT8, "--range", "inference") == shown(capsys, FP16, INT8)


def test_rules_of_the_user(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rule = tmp_path / "my.yaml"
    rule.write_text(
        "schema: tcscope.rules/1\nabout: mine\nrules:\n"
        "  - id: my-int8\n    title: mine\n    match: {regex: '_i8i8_'}\n    unit: cuda_core\n    precision: int8\n"
        "    op: conv\n    evidence: {level: documented, source: mine}\n"
        "    examples: [{name: 'sm80_xmma_i8i8_x', expect: {op: conv}}]\n"
        "    counter_examples: [{name: 'nothing', claimed_by: null}]\n"
    )
    data = json.loads(shown(capsys, FP16, INT8, "--rules", rule, "--format", "json"))
    (left,) = [cause for cause in data["causes"] if cause["cause"] == "left-tensor-cores"]
    assert (left["layers"], left["ns"]) == (14, -91477)
    (finding,) = [finding for finding in data["findings"] if finding["code"] == "left-tensor-cores"]
    assert finding["level"] == "note"  # they are faster all the same


def test_sm(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(shown(capsys, INT8, INT8, "--sm", "90", "--format", "json"))
    assert data["totals"]["delta_ns"] == 0


def test_errors(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    missing = failure(capsys, "diff", FP16, tmp_path / "none.sqlite")
    assert (missing.code, missing.error) == (2, f"no such file: {tmp_path / 'none.sqlite'}")
    assert failure(capsys, "diff", FP16, NO_KERNELS).code == 3
    assert failure(capsys, "diff", FP16).error == "missing: NEW"
    assert failure(capsys, "diff", FP16, INT8, "-o", "diff.xml").error == "the suffix of diff.xml names no format"
    assert failure(capsys, "diff", FP16, INT8, "-o", tmp_path / "no" / "diff.md").code == 2
    assert failure(capsys, "diff", FP16, INT8, "--top", "x").code == 2
    assert failure(capsys, "diff", FP16, INT8, "--range", "nope").code == 3
