"""`tcscope verify` as it is typed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tcscope.cli import main
from tcscope.model.verification import VERIFY_SCHEMA, Verification
from tests.conftest import Golden
from tests.support.cli import failure
from tests.support.counters import Launch, counted_kernels, launch, wide, written
from tests.support.places import INT8

PAD = "void nvinfer1::rt::cuda::padBiasWeights<float, 32>(nvinfer1::rt::cuda::PadBiasLaunchParams<float>)"


def changed() -> list[Launch]:
    """The real counts but three: a copy that multiplied, a convolution that didn't, and one kernel less."""
    made: list[Launch] = []
    for name, values in counted_kernels():
        if "padBiasWeights" in name:
            made.append(launch(name, fp16=12_345))
        elif "sm80_trt_conv_act_pool" in name:
            made.append(launch(name))
        elif "pooling_IMMA" not in name:
            made.append((name, values))
    return made


@pytest.fixture
def counters(tmp_path: Path) -> Path:
    return written(tmp_path / "counters.csv", wide(changed()))


def test_the_page_says_what_is_right_and_what_is_not(
    counters: Path, capsys: pytest.CaptureFixture[str], golden: Golden
) -> None:
    assert main(["verify", str(INT8), "--ncu", str(counters)]) == 1
    out, err = capsys.readouterr()
    golden("verify.txt", out)
    assert max(len(line) for line in out.splitlines()) <= 80
    assert err == f"  hint: tcscope verify {INT8} --ncu {counters} -o examples.yaml  # as rules\n"


def test_all_right_is_exit_code_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "c.csv", wide(counted_kernels()))
    assert main(["verify", str(INT8), "--ncu", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "right           15   100.0      5.437\n" in out
    assert err == ""


def test_a_saved_report_verifies_as_its_trace(
    counters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", str(INT8), "-o", str(tmp_path / "report.json")]) == 0
    capsys.readouterr()
    pages = []
    for trace in (INT8, tmp_path / "report.json"):
        assert main(["verify", str(trace), "--ncu", str(counters)]) == 1
        pages.append(capsys.readouterr().out)
    assert pages[0] == pages[1]


def test_rules_for_the_differences(counters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = tmp_path / "examples.yaml"
    assert main(["verify", str(INT8), "--ncu", str(counters), "-o", str(rules)]) == 1
    out, err = capsys.readouterr()
    assert "Wrong\n" in out  # the file holds the rules, the answer is still told
    assert err == f"wrote {rules}\n"
    # the rules are a rule file: with them everything that was counted is right
    assert main(["verify", str(INT8), "--ncu", str(counters), "--rules", str(rules)]) == 0
    out = capsys.readouterr().out
    assert "wrong            0     0.0      0.000\n" in out
    assert main(["verify", str(INT8), "--ncu", str(counters), "--format", "yaml"]) == 1
    assert capsys.readouterr().out == rules.read_text()


def test_json_and_csv_hold_every_kernel(counters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(INT8), "--ncu", str(counters), "--format", "json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert (data["schema"], len(data["kernels"])) == (VERIFY_SCHEMA, 15)
    assert Verification.from_dict(data).to_dict() == data
    assert main(["verify", str(INT8), "--ncu", str(counters), "--format", "csv"]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["outcome"] for row in rows] == [kernel["outcome"] for kernel in data["kernels"]]
    (pad,) = (row for row in rows if "padBiasWeights" in row["name"])
    assert (pad["unit"], pad["counted_unit"], pad["counters"]) == (
        "cuda_core",
        "tensor_core",
        "sm__ops_path_tensor_src_fp16=12345",
    )


def test_a_part_of_the_trace(counters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(INT8), "--ncu", str(counters), "--range", "inference", "--skip", "19"]) == 1
    assert "right" in capsys.readouterr().out


def test_what_can_not_be_verified(tmp_path: Path, counters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = failure(capsys, "verify", INT8, "--ncu", tmp_path / "no.csv")
    assert (said.code, said.error) == (2, f"no such file: {tmp_path / 'no.csv'}")
    said = failure(capsys, "verify", INT8, "--ncu", INT8)
    assert said.code == 3
    assert "is no CSV of ncu" in said.error
    said = failure(capsys, "verify", INT8, "--ncu", counters, "-o", "x.doc")
    assert (said.code, said.error) == (2, "the suffix of x.doc names no format")
    said = failure(capsys, "verify", INT8)
    assert (said.code, said.error) == (2, "missing: --ncu")
