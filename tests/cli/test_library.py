"""tcscope as a library: the few names, and what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tcscope

FIXTURES = Path(__file__).parents[2] / "fixtures"
INT8 = FIXTURES / "h100_trt86_resnet18s_int8.sqlite"


def test_public_names() -> None:
    for name in tcscope.__all__:
        assert getattr(tcscope, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = tcscope.nope


def test_the_true_share_of_a_real_int8_engine() -> None:
    # Hardware counters: of this engine's kernels, every convolution issued IMMA and nothing else issued any.
    report = tcscope.analyze(INT8)
    assert report.totals.kernel_ns == 5437102
    assert report.totals.launches == 840
    tensor = sum(kernel.ns for kernel in report.kernels if kernel.unit == "tensor_core")
    assert tensor == 4231328
    assert report.tensor_share == tcscope.Report.from_dict(report.to_dict()).tensor_share
    assert report.tensor_share.low == report.tensor_share.high == tensor / 5437102
    assert (report.tensor_share.eligible_low, report.tensor_share.eligible_high) == (1.0, 1.0)
    assert {kernel.precision for kernel in report.kernels if kernel.unit == "tensor_core"} == {"int8"}


def test_a_report_becomes_a_frame() -> None:
    frame = tcscope.analyze(INT8, range="inference").to_frame()
    assert frame["ns"].sum() == 5437102
    assert frame["share"].sum() == pytest.approx(1.0)
    assert list(frame.columns[:4]) == ["name", "rule", "unit", "precision"]


def test_a_saved_report_says_the_same(tmp_path: Path) -> None:
    report = tcscope.analyze(INT8, stats=True)
    report.save(tmp_path / "report.json")
    assert tcscope.Report.load(tmp_path / "report.json") == report
    assert tcscope.analyze(tmp_path / "report.json") == report


def test_classify() -> None:
    book = tcscope.RuleBook.builtin()
    verdict = book.classify("volta_h884cudnn_256x64_ldg8_relu_exp_small_nhwc_tn_v1", sm=72)
    assert (verdict.unit, verdict.precision, verdict.accumulate, verdict.op) == ("tensor_core", "fp16", "fp16", "conv")
    assert book.classify("volta_h884cudnn_256x64_ldg8_relu_exp_small_nhwc_tn_v1", sm=62).unit == "cuda_core"
    assert book.classify("nothing that anybody ever called a kernel").unit == "unknown"


def test_a_plain_analysis_starts_without_the_heavy_packages() -> None:
    # numpy alone is a tenth of a second; a GROUP BY needs none of them
    script = (
        "import sys; from tcscope.cli import main; main(['analyze', sys.argv[1]]);"
        "print(sorted({'numpy', 'pandas', 'sqlite_utils'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(INT8)], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
