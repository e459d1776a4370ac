"""Counters in each form that Nsight Compute writes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcscope.errors import TcscopeError, TraceError, UsageError
from tcscope.sources.ncu import read_counters
from tests.support.counters import ENOUGH, launch, long, wide, written

KERNEL = "void f<float, 3>(float const*, std::pair<int, int>)"
FP16 = "sm__ops_path_tensor_src_fp16.sum"


@pytest.mark.parametrize("form", [wide, long])
def test_launches_their_gpu_and_their_values(form: object, tmp_path: Path) -> None:
    path = written(tmp_path / "c.csv", form([launch(KERNEL, fp16=ENOUGH), launch("plain")]))  # type: ignore[operator]
    first, second = read_counters(path)
    assert (first.name, first.sm, first.values[FP16]) == (KERNEL, 90, ENOUGH)
    assert (second.name, second.values[FP16]) == ("plain", 0)
    assert len(first.values) == len(second.values) == 7  # H100: one for each operand type


def test_both_forms_hold_the_same(tmp_path: Path) -> None:
    launches = [launch(KERNEL, int8=3), launch("plain"), launch(KERNEL, fp64=12_345_678_901)]
    made = [read_counters(written(tmp_path / f"{form.__name__}.csv", form(launches))) for form in (wide, long)]
    assert made[0] == made[1]


VALUES = st.integers(0, 10**15) | st.floats(0, 1e6).map(lambda value: round(value, 3))
LAUNCHES = st.lists(
    st.tuples(
        st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1).filter(
            lambda name: "==" not in name
        ),
        st.dictionaries(st.sampled_from(["sm__a.sum", "sm__b.avg", "gpu__t.sum"]), VALUES, min_size=1),
    ),
    min_size=1,
    max_size=6,
)


@given(launches=LAUNCHES)
def test_any_name_and_number_comes_back(launches: list[tuple[str, dict[str, float]]]) -> None:
    from tcscope.sources.ncu.table import parse

    for form in (wide, long):
        found = parse(form(launches), "c.csv")
        assert [(counted.name, dict(counted.values)) for counted in found] == launches


def test_the_programs_own_output_stands_between(tmp_path: Path) -> None:
    lines = wide([launch(KERNEL, fp16=5), launch("plain")]).splitlines()
    lines.insert(1, "epoch 1, loss 0.5")
    lines.insert(5, 'done "a", "b"')
    assert [c.name for c in read_counters(written(tmp_path / "c.csv", "\n".join(lines)))] == [KERNEL, "plain"]


def test_scaled_units_and_cells_without_a_number(tmp_path: Path) -> None:
    text = (
        '"ID","Kernel Name","CC","sm__x.sum","sm__y.sum","sm__z.sum"\n"","","","Minst","Kinst/s",""\n'
        '"0","k","8.7","1.5","2","n/a"\n'
    )
    (only,) = read_counters(written(tmp_path / "c.csv", "\ufeff" + text))
    assert (only.sm, only.values) == (87, {"sm__x.sum": 1.5e6, "sm__y.sum": 2e3})


def test_a_file_without_units_and_capability(tmp_path: Path) -> None:
    (only,) = read_counters(written(tmp_path / "c.csv", "ID,Kernel Name,sm__x.sum\n0,k,7\n"))
    assert (only.name, only.sm, only.values) == ("k", None, {"sm__x.sum": 7})


@pytest.mark.parametrize(
    ("text", "error", "hint"),
    [
        ("", "is no CSV of ncu: no line has a column 'Kernel Name'", "tcscope profile --counters"),
        ("a,b\n1,2\n", "is no CSV of ncu", "--page raw"),
        ("==ERROR== ERR_NVGPUCTRPERM - The user does not have permission", "had no permission", "sudo -E"),
        ('"ID","Kernel Name","sm__x.sum"\n', "holds no kernel", "tcscope profile --counters"),
    ],
)
def test_files_that_hold_no_counters(text: str, error: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=error) as caught:
        read_counters(written(tmp_path / "c.csv", text))
    assert hint in caught.value.hint


def test_what_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "no.csv", tmp_path, tmp_path / "no.ncu-rep"):
        with pytest.raises(UsageError):
            read_counters(path)
    written(tmp_path / "counters.csv", wide([launch("k")]))
    with pytest.raises(UsageError) as caught:
        read_counters(tmp_path)
    assert caught.value.hint == f"--ncu {tmp_path / 'counters.csv'}"


def test_a_report_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("ncu_report", exc_type=ImportError)
    with pytest.raises(TraceError, match=r"c\.ncu-rep"):
        read_counters(written(tmp_path / "c.ncu-rep", "no report"))


def test_a_report_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ncu_report", None)
    with pytest.raises(TcscopeError, match="needs the package ncu-report") as caught:
        read_counters(written(tmp_path / "c.ncu-rep", ""))
    assert "tcscope[ncu]" in caught.value.hint
    assert f"ncu --import {tmp_path / 'c.ncu-rep'} --csv" in caught.value.hint
