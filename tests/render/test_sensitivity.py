"""How a sensitivity is shown: table, CSV, Markdown and page, of answers made by hand."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from tcscope.model import Finding, Level
from tcscope.model.sensitivity import (
    Calibration,
    Histogram,
    LayerSensitivity,
    Metric,
    Mode,
    Propagated,
    Score,
    Sensitivity,
    TensorStats,
)
from tcscope.render.html.sensitivity import as_html
from tcscope.render.sensitivity import as_csv, as_markdown, as_text
from tests.conftest import Golden

HOSTILE = "/a</script><b onmouseover=1>|`*\x1b[31m" + "/very/long/name" * 9


def tensor(name: str, clip: float, saturated: float = 0.0, sqnr: float | None = 40.0, channels: int = 1) -> TensorStats:
    held = Histogram((-2.0, -1.0, 0.0, 1.0, 2.0), (1, 20, 400, 3))
    return TensorStats(name, -2.0, 1.9, clip, clip, 1.5, saturated, sqnr, channels, held)


def layer(name: str, loss: float, *later: str, op: str = "Conv") -> LayerSensitivity:
    score = Score(loss, 20.0 if loss else None, 0.9951, 0.25, 0.984, 0.875)
    arrivals = tuple(Propagated(one, loss / (2 + at)) for at, one in enumerate(later))
    stats = tensor("w", 1.9, channels=64), (tensor("x", 1.0, 0.0021, 23.5),)
    return LayerSensitivity(name, op, (name,), loss, score, *stats, arrivals)


def sensitivity(*layers: LayerSensitivity, **changes: object) -> Sensitivity:
    values: dict[str, object] = {
        "mode": Mode.ONE,
        "layers": layers,
        "int8": Score(0.02, 17.0, 0.9932, 1.5, 0.972, 0.85),
    }
    note = Finding(
        "layers-interact", Level.NOTE, 0, "the layers interact", "tcscope sensitivity MODEL --mode all-but-one"
    )
    values["findings"] = (note,)
    return Sensitivity("resnet.onnx", "0" * 64, 17, "calib.npz", 128, **(values | changes))  # type: ignore[arg-type]


USUAL = sensitivity(
    layer("/conv1/Conv", 0.006, "/layer1/conv1/Conv", "/layer1/conv2/Conv", "/fc/Gemm"),
    layer("/layer1/conv1/Conv", 0.0, "/layer1/conv2/Conv", "/fc/Gemm"),
    layer("/layer1/conv2/Conv", 0.0005, "/fc/Gemm"),
    layer("/fc/Gemm", 0.0035, op="Gemm"),
)
OWN = sensitivity(
    layer("/conv1/Conv", 0.02), layer("/fc/Gemm", -0.004, op="Gemm"), metric=Metric("eval.py:top1", True), fp32=0.9
)
SAVED = sensitivity(layer("/conv1/Conv", 0.02), mode=Mode.ALL_BUT_ONE, calibration=Calibration.PERCENTILE)
EMPTY = sensitivity(int8=None, findings=())
RUDE = sensitivity(layer(HOSTILE, 0.5, HOSTILE, "x"), layer("x", 0.1))
ALL = {"usual": USUAL, "own": OWN, "saved": SAVED, "empty": EMPTY, "rude": RUDE}


@pytest.mark.parametrize("name", ALL)
def test_each_output_is_as_it_was(golden: Golden, name: str) -> None:
    golden(f"sensitivity_{name}.txt", as_text(ALL[name]))
    golden(f"sensitivity_{name}.csv", as_csv(ALL[name]))
    golden(f"sensitivity_{name}.md", as_markdown(ALL[name]))


@pytest.mark.parametrize("name", ALL)
def test_the_table_is_80_columns_wide_and_steers_no_terminal(name: str) -> None:
    shown = as_text(ALL[name])
    assert max(map(len, shown.splitlines())) <= 80
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", shown)


def test_the_csv_has_a_row_a_layer_in_the_networks_order() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(USUAL))))
    assert [row["name"] for row in rows] == [one.name for one in USUAL.layers]
    assert float(rows[0]["activation_saturated"]) == 0.0021


@pytest.mark.parametrize("name", ALL)
def test_the_page_loads_nothing_and_holds_its_json(name: str) -> None:
    page = as_html(ALL[name])
    assert "http" not in re.sub(r"http-equiv", "", page)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert data is not None
    assert Sensitivity.from_dict(json.loads(data[1])) == ALL[name]
    assert "<b onmouseover" not in page
    for at in range(len(ALL[name].layers)):
        assert f'id="layer-{at}"' in page


def test_the_page_shows_where_a_tensor_is_clipped() -> None:
    page = as_html(USUAL)
    assert page.count('stroke-dasharray="4 3"') == 2 * len(USUAL.layers)  # on both sides of each activation
    assert page.count('fill="#c0392b"') == 2 * len(USUAL.layers) + 3  # what lies beyond, and the three costliest
    assert "0.210 % saturate" in page
    assert "a scale for each of 64 channels" in page
