"""Budget files, conditions as they are typed, and baselines: broken, of another kind, and made to be slow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcscope import analyze
from tests.fuzz.hold import effort, held
from tests.fuzz.test_json import VALUES, changed, write
from tests.fuzz.test_rules import PIECES
from tests.support.places import INT8

CODES = (0, 1, 2, 3)  # 1: a condition fails
FORMATS = st.sampled_from(["table", "json", "md", "github", "junit"])
YAML = """\
schema: tcscope.budget/1
baseline: base.json
range: inference
skip: 3
fail_on:
  - tensor_share < baseline - 2pp
  - 'kernel["*ffma*"].share > 0%'
warn_on: [kernel_time_per_range > baseline + 5%]
require:
  - layer["/conv1/*"].unit == tensor_core
"""
TOML = """\
[project]
name = "resnet"
[tool.tcscope]
range = "inference"
fail_on = ["tensor_share < 75%", 'kernel["*ffma*"].share > 0%']
warn_on = ["kernel_time_per_range > baseline + 5%"]
require = ["layer[\\"/conv1/*\\"].unit == tensor_core"]
"""
TEXTS = {"tcscope.yaml": YAML, "pyproject.toml": TOML}
WORDS = st.sampled_from(
    [
        *("tensor_share", "kernel_time", "launches", "precision.int8.share", "unit", "op.conv.share", "precision."),
        *('kernel["*"]', "layer['x']", 'kernel["', '"]', ".share", ".unit", "[", "]", "baseline", "tensor_core"),
        *("<", ">", "<=", "==", "!=", "+", "-", "=", "75%", "2pp", "1.2ms", "42", "1e309", "9" * 400, "-0", "1e-400ns"),
        *("nan", "inf", "²", "٣", "\x00", "\x1b[31m", "\u202e", "\n", "::error::", "%0A", "]]>", "<a>", "and", "not"),
    ]
)
CONDITIONS = st.one_of(st.lists(WORDS, max_size=7).map(" ".join), st.lists(WORDS, max_size=7).map("".join), st.text())


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """A saved report of one range, with a few of each."""
    whole = analyze(INT8, range="inference", by=("layer",)).to_dict()
    for name in ("kernels", "layers", "reformats", "groups", "breakdown", "findings"):
        whole[name] = whole[name][:3]
    whole["iterations"]["instances"] = whole["iterations"]["instances"][:4]
    return whole


@effort(60)
@given(
    name=st.sampled_from(sorted(TEXTS)),
    edits=st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 30), st.one_of(PIECES, WORDS)), min_size=1, max_size=4
    ),
    form=FORMATS,
)
def test_budgets_cut_and_spliced(
    report: dict[str, Any],
    name: str,
    edits: list[tuple[int, int, str]],
    form: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("budget")
    text = TEXTS[name]
    for at, length, piece in edits:
        at %= len(text) + 1
        text = text[:at] + piece + text[at + length :]
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    trace = write(folder / "base.json", report)
    held("check", "--validate", path, folder=folder)
    held("check", trace, "--budget", path, "--format", form, folder=folder, codes=CODES)


@effort(30)
@given(name=st.sampled_from(sorted(TEXTS)), noise=st.binary(max_size=60), at=st.integers(0, 400), value=VALUES)
def test_budgets_of_bytes_and_of_any_value(
    name: str, noise: bytes, at: int, value: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("bytes") / name
    text = TEXTS[name].encode()
    path.write_bytes(text[:at] + noise + text[at:])
    held("check", "--validate", path, folder=path.parent)
    path.write_text(json.dumps(value), encoding="utf-8")  # JSON is YAML
    held("check", "--validate", path, folder=path.parent)


ALIASES = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
SLOW = {
    "aliases.yaml": f"a0: &a0 [x, x]\n{ALIASES}fail_on: *a29\n",
    "deep.yaml": "fail_on: " + "[" * 20_000,
    "deep-maps.yaml": "fail_on: " + "{a: " * 20_000,
    "deep.toml": "[tool.tcscope]\nfail_on = " + "[" * 20_000,
    "dotted.toml": "tool.tcscope" + ".a" * 3_000 + " = 1",
    "digits.toml": "[tool.tcscope]\nskip = " + "9" * 50_000,
    "hex.toml": "[tool.tcscope]\nskip = 0x" + "f" * 50_000,
    "digits.yaml": "skip: " + "9" * 50_000,
    "conditions.yaml": "fail_on:\n" + "  - tensor_share < baseline + nonsense\n" * 2_000,
    "globs.yaml": "fail_on: ['kernel[\"" + "*a" * 60 + "b\"].share > 0%']",
    "classes.yaml": "fail_on: ['layer[\"" + "[!" * 5_000 + "\"].share > 0%']",
    "a-number.yaml": "fail_on: ['launches > " + "9" * 50_000 + "']",
    "a-time.yaml": "fail_on: ['kernel_time > " + "1" * 5_000 + "." + "1" * 5_000 + "ms']",
    "blanks.yaml": "fail_on: ['tensor_share" + " " * 100_000 + "< x']",
}


@pytest.mark.parametrize("name", SLOW)
def test_budgets_made_to_be_slow(report: dict[str, Any], name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(SLOW[name], encoding="utf-8")
    trace = write(tmp_path / "r.json", report)
    held("check", "--validate", path, folder=tmp_path)
    held("check", trace, "--budget", path, folder=tmp_path, codes=CODES)


@effort(60)
@given(
    conditions=st.lists(CONDITIONS, min_size=1, max_size=3),
    option=st.sampled_from(["--fail-on", "--warn-on", "--require"]),
    form=FORMATS,
)
def test_conditions_as_they_are_typed(
    report: dict[str, Any], conditions: list[str], option: str, form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.mktemp("typed") / "r.json", report)
    given = [f"{option}={condition}" for condition in conditions]
    held("check", path, *given, "--baseline", path, "--format", form, folder=path.parent, codes=CODES)


@effort(50)
@given(data=st.data(), form=FORMATS)
def test_a_baseline_with_other_values(
    report: dict[str, Any], data: st.DataObject, form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("baseline")
    trace, base = write(folder / "r.json", report), write(folder / "b.json", changed(report, data))
    if data.draw(st.booleans()):
        trace, base = base, trace
    conditions = ("kernel_time > baseline + 5%", "kernel_time_per_range > baseline", 'layer["*"].unit != baseline')
    given = [f"--fail-on={condition}" for condition in (*conditions, "tensor_share < baseline - 2pp")]
    mismatch = data.draw(st.sampled_from([(), ("--allow-mismatch",)]))
    held("check", trace, *given, "--baseline", base, "--format", form, *mismatch, folder=folder, codes=CODES)
