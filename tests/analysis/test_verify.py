"""Verdicts against counters: real ones of an H100, and each way in which they can differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcscope.analysis.pipeline import analyze
from tcscope.analysis.verify import verify
from tcscope.analysis.verify_examples import example_rules
from tcscope.errors import TraceError
from tcscope.model import Op, Precision, Unit
from tcscope.model.verification import Score, Verification
from tcscope.render.verify_rules import as_yaml
from tcscope.rulebook import RuleBook
from tcscope.rulebook.selftest import failures
from tests.support.counters import Launch, counted_kernels, launch, long, wide, written
from tests.support.places import FP16, INT8, INT8_CUDAGRAPH
from tests.support.reports import H100, NAMELESS, kernel, report

TENSOR, CUDA, OPEN = Unit.TENSOR_CORE, Unit.CUDA_CORE, Unit.UNKNOWN


def scores(found: Verification) -> dict[str, str]:
    return {checked.name: str(checked.outcome) for checked in found.kernels}


@pytest.mark.parametrize("trace", [INT8, FP16, INT8_CUDAGRAPH])
@pytest.mark.parametrize("form", [wide, long])
def test_real_engines_on_an_h100_are_right_in_every_kernel(trace: Path, form: object, tmp_path: Path) -> None:
    # GIVEN a trace of Nsight Systems and counts of Nsight Compute, each with its own spelling of the names
    path = written(tmp_path / "counters.csv", form(counted_kernels()))  # type: ignore[operator]
    said = analyze(trace)
    found = verify(said, path)
    # THEN every kernel was found among the counted ones, and unit and precision agree
    assert set(scores(found).values()) == {"right"}
    assert sum(row.ns for row in found.sums) == said.totals.kernel_ns
    assert found.tensor_share == found.said_low == found.said_high == said.tensor_share.low


CASES = [
    (TENSOR, Precision.FP16, {"fp16": 9.0}, "right"),
    (TENSOR, Precision.UNKNOWN, {"fp16": 9.0}, "right"),
    (TENSOR, Precision.INT8, {"fp16": 9.0}, "wrong"),
    (TENSOR, Precision.INT8, {"fp16": 9.0, "int8": 1.0}, "right"),
    (TENSOR, Precision.MIXED, {"fp16": 9.0, "int8": 1.0}, "right"),
    (TENSOR, Precision.MIXED, {"fp16": 9.0}, "wrong"),
    (TENSOR, Precision.FP16, {}, "wrong"),
    (CUDA, Precision.FP32, {}, "right"),
    (CUDA, Precision.FP32, {"tf32": 1.0}, "wrong"),
    (OPEN, Precision.UNKNOWN, {"fp16": 9.0}, "unknown"),
    (OPEN, Precision.UNKNOWN, {}, "unknown"),
]


@pytest.mark.parametrize(("unit", "precision", "above", "score"), CASES)
def test_every_way_to_differ(
    unit: Unit, precision: Precision, above: dict[str, float], score: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "c.csv", wide([launch("k", **above)]))
    found = verify(report(kernel("k", unit, Op.GEMM, 5, precision=precision)), path)
    assert scores(found) == {"k": score}


def test_a_kernel_that_was_not_counted_and_one_that_was_not_traced(tmp_path: Path) -> None:
    path = written(tmp_path / "c.csv", wide([launch("a"), launch("elsewhere")]))
    found = verify(report(kernel("a", CUDA, Op.COPY, 5), kernel("b", TENSOR, Op.GEMM, 15)), path)
    assert scores(found) == {"a": "right", "b": "uncounted"}
    assert found.of(Score.UNCOUNTED)[0].note == "not among the counted kernels"
    assert found.untraced == ("elsewhere",)
    assert found.tensor_share == 0.0  # of the time that was counted


def test_counters_that_were_not_all_read_prove_matrix_work_and_not_its_absence(tmp_path: Path) -> None:
    only = {"sm__ops_path_tensor_src_fp16.sum": 0.0}
    path = written(tmp_path / "c.csv", wide([("a", only), ("b", {**only, "sm__ops_path_tensor_src_fp16.sum": 3.0})]))
    found = verify(report(kernel("a", CUDA, Op.COPY, 5), kernel("b", TENSOR, Op.GEMM, 15)), path)
    assert scores(found) == {"a": "uncounted", "b": "right"}
    assert found.of(Score.UNCOUNTED)[0].note.startswith("not counted: sm__ops_path_tensor_src_fp64, ")


def test_matrix_work_in_any_launch_is_matrix_work_of_the_kernel(tmp_path: Path) -> None:
    path = written(tmp_path / "c.csv", wide([launch("k"), launch("k", int8=4.0), launch("k", int8=6.0)]))
    (checked,) = verify(report(kernel("k", TENSOR, Op.GEMM, 5, precision=Precision.INT8)), path).kernels
    assert (checked.outcome, checked.truth.launches) == (Score.RIGHT, 3)
    assert [value.value for value in checked.truth.counters] == [10.0]


def test_names_in_other_spellings(tmp_path: Path) -> None:
    traced = "void ns::<unnamed>::f<(int)3, (bool)1, float>(const T3 *, T3 *)"
    counted = "void ns::(anonymous namespace)::f<3, true, float>(float const*, float*)"
    found = verify(report(kernel(traced, CUDA, Op.COPY, 5)), written(tmp_path / "c.csv", wide([launch(counted)])))
    assert scores(found) == {traced: "right"}


def test_names_that_differ_only_in_what_an_exporter_drops_must_agree(tmp_path: Path) -> None:
    both = [launch("void f<3>(float const*)", fp16=1.0), launch("void f<3>(int const*)")]
    traced = report(kernel("void f<3>(const T1 *)", TENSOR, Op.GEMM, 5))
    found = verify(traced, written(tmp_path / "c.csv", wide(both)))
    assert found.kernels[0].outcome is Score.UNCOUNTED
    assert "2 counted kernels have this name, and they differ" in found.kernels[0].note
    # its own name as it stands is exact
    exact = report(kernel("void f<3>(int const*)", CUDA, Op.GEMM, 5))
    assert scores(verify(exact, tmp_path / "c.csv")) == {"void f<3>(int const*)": "right"}


def test_other_template_arguments_are_another_kernel(tmp_path: Path) -> None:
    path = written(tmp_path / "c.csv", wide([launch("void f<3>(float*)", fp16=1.0)]))
    assert scores(verify(report(kernel("void f<4>(float*)", CUDA, Op.COPY, 5)), path)) == {
        "void f<4>(float*)": "uncounted"
    }


def test_counts_of_another_gpu_are_of_another_program(tmp_path: Path) -> None:
    path = written(tmp_path / "c.csv", wide([launch("k", 80, fp16=1.0)], sm="8.0"))
    (checked,) = verify(report(kernel("k", TENSOR, Op.GEMM, 5), devices=(H100,)), path).kernels
    assert (checked.outcome, checked.note) == (Score.UNCOUNTED, "counted on another GPU (sm_80)")
    unknown = report(kernel("k", TENSOR, Op.GEMM, 5, device=NAMELESS.index), devices=(NAMELESS,))
    assert scores(verify(unknown, path)) == {"k": "right"}


def test_a_file_without_any_such_counter(tmp_path: Path) -> None:
    path = written(tmp_path / "c.csv", wide([("k", {"sm__inst_executed_pipe_tensor_op_hmma_type_hfma2.sum": 5.0})]))
    with pytest.raises(TraceError, match="no counter of matrix instructions") as caught:
        verify(report(kernel("k", CUDA, Op.COPY, 5)), path)
    assert "sm__ops_path_tensor_src_fp16.sum," in caught.value.hint


KERNELS = st.lists(
    st.tuples(
        st.sampled_from([TENSOR, CUDA, OPEN]),
        st.sampled_from([None, "", "fp16", "int8"]),  # not counted, zero, or this type
        st.integers(0, 10**9),
    ),
    min_size=1,
    max_size=8,
)


@given(rows=KERNELS)
def test_sums_and_shares_equal_those_by_hand(rows: list[tuple[Unit, str | None, int]]) -> None:
    from tests.support.places import REPOSITORY

    launches: list[Launch] = [launch("other", fp16=1.0)]
    launches += [
        launch(f"k{at}", **({word: 5.0} if word else {})) for at, (_, word, _) in enumerate(rows) if word is not None
    ]
    path = written(REPOSITORY / ".hypothesis" / "counters.csv", wide(launches))
    found = verify(report(*(kernel(f"k{at}", unit, Op.GEMM, ns) for at, (unit, _, ns) in enumerate(rows))), path)
    counted = [(unit, word, ns) for unit, word, ns in rows if word is not None]
    right = sum(ns for unit, word, ns in counted if unit is (TENSOR if word else CUDA))
    open_ = sum(ns for unit, _, ns in counted if unit is OPEN)
    whole = sum(ns for *_, ns in counted)
    by_score = {row.outcome: row.ns for row in found.sums}
    assert by_score == {
        Score.RIGHT: right,
        Score.WRONG: whole - right - open_,
        Score.UNKNOWN: open_,
        Score.UNCOUNTED: sum(ns for *_, ns in rows) - whole,
    }
    if whole:
        assert found.tensor_share == sum(ns for _, word, ns in counted if word) / whole
        assert found.said_low == sum(ns for unit, _, ns in counted if unit is TENSOR) / whole


def test_the_differences_become_rules_that_prove_themselves_and_make_all_right(tmp_path: Path) -> None:
    # GIVEN an engine of kernels whose names tell nothing, or the wrong thing
    names = ["__myl_Fc_myl0_1", "__myl_bb0_2_MulMov", "my_'odd'.name+<float, 3>", "void secret::gemm<3>(float*)"]
    book = RuleBook.builtin()
    kernels = [kernel(name, OPEN, Op.UNKNOWN, 10 + at) for at, name in enumerate(names)]
    kernels.append(kernel("volta_sgemm_128x64_nn", CUDA, Op.GEMM, 90, rule="blas-gemm-simt", precision=Precision.FP32))
    said = report(*kernels)
    counted = [
        launch(names[0]),
        launch(names[1], fp16=3.0),
        launch(names[2]),
        launch(names[3], fp16=1, int8=2),
    ]
    path = written(tmp_path / "c.csv", wide([*counted, launch("volta_sgemm_128x64_nn", tf32=7.0)]))
    # WHEN they are verified and the differences written
    found = verify(said, path)
    rules = written(tmp_path / "examples.yaml", as_yaml(example_rules(found, book), found))
    # THEN the file loads, every example and near miss of it holds, and it judges them as the counters do
    larger = RuleBook.load([rules])
    assert len(larger.rules) == len(book.rules) + len(found.of(Score.WRONG)) + len(found.of(Score.UNKNOWN))
    assert [line for line in failures(larger) if line.startswith(str(rules))] == []
    judged = [larger.classify(k.name, 90) for k in kernels]
    again = verify(
        report(*(replace(k, unit=v.unit, precision=v.precision) for k, v in zip(kernels, judged, strict=True))), path
    )
    assert {checked.outcome for checked in again.kernels} <= {Score.RIGHT, Score.UNCOUNTED}
    assert judged[1].evidence == "counter"
    assert larger.classify("my_'odd'_name+<float, 3>", 90).rule is None  # a name stands for itself alone
    assert (judged[4].unit, judged[4].precision) == (TENSOR, Precision.TF32)


def test_nothing_different_is_no_rule(tmp_path: Path) -> None:
    path = written(tmp_path / "c.csv", wide(counted_kernels()))
    found = verify(analyze(INT8), path)
    assert example_rules(found, RuleBook.builtin()) == []
    assert as_yaml([], found).startswith("# no counted kernel was wrong")
