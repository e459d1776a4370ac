"""What was measured, as a reader sees it; the goldens of the fixture with GPU metrics are those of all outputs."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest

from tcscope import Report, analyze
from tcscope.model import Estimate, Measured, Measurement
from tcscope.render import comma, terminal
from tcscope.render.markdown import as_markdown
from tests.support.places import INT8, INT8_METRICS, REPOSITORY


@pytest.fixture(scope="module")
def report() -> Report:
    return analyze(INT8_METRICS)


def test_the_readme_shows_what_is_printed(report: Report) -> None:
    section = (REPOSITORY / "README.md").read_text(encoding="utf-8").partition("## Measured")[2]
    shown = re.findall(r"```text\n(.*?)```", section, re.DOTALL)[0].split("\n\n")
    printed = terminal.as_text(report, top=2)
    for part in shown:
        assert part.rstrip("\n") in printed


def test_without_metrics_no_output_speaks_of_them() -> None:
    report = analyze(INT8)
    assert "easured" not in terminal.as_text(report)
    assert "easured" not in as_markdown(report)
    assert "tensor_active" not in comma.kernels_csv(report)


def test_csv_has_every_number(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(comma.kernels_csv(report))))
    for row, kernel in zip(rows, report.kernels, strict=True):
        assert kernel.measured is not None
        assert kernel.measured.dram_write is not None
        assert float(row["dram_write_high"]) == kernel.measured.dram_write.high
        assert row["identifiable"] == str(kernel.measured.identifiable)


def test_a_clock_that_drifts_and_a_metric_that_is_missing_are_shown(report: Report) -> None:
    whole = Measurement(0.9712, -1500, 100_000, 2000, drift_ppm=-12.5)
    bare = Measured(Estimate(40, 30.04, 50), windows=3)
    changed = replace(report, measurement=whole, kernels=(replace(report.kernels[0], measured=bare),))
    shown = terminal.as_text(changed)
    assert "from 2,000 samples of 100.0 us (R2 0.971, clocks 1.5 us apart, drifting 12.5 ppm)" in shown
    assert re.search(r"40\.0  30\.0 to 50\.0 +- +- +- +3  not identifiable", shown)
    assert "| 40.0 | 30.0 to 50.0 | - | - | - | 3 | not identifiable |" in as_markdown(changed)
    assert ",40,30.04,50,,,,,,,,,,3,False" in comma.kernels_csv(changed)
