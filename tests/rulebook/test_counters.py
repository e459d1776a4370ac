"""What hardware counters prove, and what they don't."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcscope import hardware
from tcscope.errors import ConfigError
from tcscope.model import Precision, Unit
from tcscope.rulebook.counters import FILE, counter_table, read_counter_table
from tests.support.counters import metrics_of
from tests.support.places import REPOSITORY

TABLE = counter_table()
SMS = sorted(set[int]().union(*(counter.sms for counter in TABLE.exact)))
PIPE = "sm__inst_executed_pipe_tensor.sum"


def zeros(sm: int) -> dict[str, float]:
    return dict.fromkeys(metrics_of(sm), 0.0)


@pytest.mark.parametrize("sm", SMS)
def test_the_exact_counters_leave_out_no_type_that_the_gpu_multiplies(sm: int) -> None:
    gpu = hardware.gpu(sm)
    assert gpu is not None
    counted = frozenset[Precision]().union(*(c.precisions for c in TABLE.exact if sm in c.sms))
    assert gpu.precisions <= counted
    assert TABLE.judge(zeros(sm), sm).unit is Unit.CUDA_CORE


@pytest.mark.parametrize("sm", SMS)
def test_any_counter_above_zero_is_matrix_work_of_its_type(sm: int) -> None:
    for counter in TABLE.exact:
        if sm in counter.sms:
            found = TABLE.judge({**zeros(sm), f"{counter.metric}.sum": 1.0}, sm)
            assert (found.unit, found.above) == (Unit.TENSOR_CORE, ((counter.metric, 1.0),))
            assert found.precisions <= counter.precisions


@pytest.mark.parametrize("sm", SMS)
def test_zeros_prove_nothing_where_a_counter_was_not_read(sm: int) -> None:
    for missing in metrics_of(sm):
        values = zeros(sm)
        del values[missing]
        found = TABLE.judge(values, sm)
        assert (found.unit, found.lacking) == (Unit.UNKNOWN, (missing.removesuffix(".sum"),))


def test_several_types_are_all_told() -> None:
    found = TABLE.judge({**zeros(90), "sm__ops_path_tensor_src_fp16.sum": 4, "sm__ops_path_tensor_src_int8.sum": 8}, 90)
    assert found.precisions == {Precision.FP16, Precision.INT8}


def test_the_gpu_narrows_a_counter_of_several_types_down() -> None:
    turing = TABLE.judge({"sm__ops_path_tensor_src_fp16_bf16_tf32_dst_fp32.sum": 1}, 75)
    assert turing.precisions == {Precision.FP16}
    blackwell = TABLE.judge({"sm__ops_path_tensor_src_fp4_fp6_fp8_dst_fp32.sum": 1}, 100)
    assert blackwell.precisions == {Precision.FP4, Precision.FP6, Precision.FP8}


def test_the_tensor_pipe_of_a_hopper_proves_nothing_for_it_runs_packed_fp16_too() -> None:
    for sm in (80, 87, 90):
        for name in (PIPE, "sm__inst_executed_pipe_tensor_op_hmma.sum"):
            assert TABLE.judge({name: 1e6}, sm).unit is Unit.UNKNOWN


def test_older_counters_where_they_are_sure() -> None:
    assert TABLE.judge({PIPE: 7}, 70).unit is Unit.TENSOR_CORE
    assert TABLE.judge({PIPE: 0}, 70).unit is Unit.CUDA_CORE
    hmma, imma = (f"sm__inst_executed_pipe_tensor_op_{op}mma.sum" for op in "hi")
    assert TABLE.judge({hmma: 7}, 75).precisions == {Precision.FP16}
    assert TABLE.judge({hmma: 0, imma: 0}, 75).unit is Unit.CUDA_CORE
    assert TABLE.judge({hmma: 0}, 75).unit is Unit.UNKNOWN
    # GA102 and AD102 have FP64 matrix instructions, and these counters don't see them
    assert TABLE.judge({hmma: 0, imma: 0}, 86).unit is Unit.UNKNOWN
    assert TABLE.judge({hmma: 3, imma: 0}, 89).unit is Unit.TENSOR_CORE


def test_sparse_and_dense_counts_are_one_together_and_half_a_proof_alone() -> None:
    values = zeros(90)
    del values["sm__ops_path_tensor_src_int8.sum"]
    on, off = (f"sm__ops_path_tensor_src_int8_sparsity_o{x}.sum" for x in ("n", "ff"))
    assert TABLE.judge({**values, on: 0, off: 0}, 90).unit is Unit.CUDA_CORE
    assert TABLE.judge({**values, on: 0}, 90).unit is Unit.UNKNOWN
    assert TABLE.judge({**values, on: 2, off: 0}, 90).precisions == {Precision.INT8}
    assert TABLE.judge({on: 2}, 90).unit is Unit.TENSOR_CORE


def test_peaks_averages_and_minima_are_no_counts() -> None:
    for form in ("sum.peak_sustained", "min", "avg", "avg.pct_of_peak_sustained_elapsed"):
        assert TABLE.judge({**{m.replace(".sum", f".{form}"): 5.0 for m in metrics_of(90)}}, 90).unit is Unit.UNKNOWN
    assert TABLE.judge({"sm__ops_path_tensor_src_fp16.sum.per_second": 5.0}, 90).unit is Unit.TENSOR_CORE


def test_what_ncu_is_asked_for() -> None:
    beside = ["gpu__time_duration.sum", "sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed"]
    assert TABLE.wanted(90) == [*metrics_of(90), *beside]
    known = [*(m.removesuffix(".sum") for m in metrics_of(87)), "gpu__time_duration", "sm__pipe_tensor_cycles_active"]
    assert TABLE.wanted(None, known) == [*metrics_of(87), *beside]
    assert TABLE.wanted(None, ["sm__inst_executed_pipe_tensor"]) == [PIPE]


def test_a_wrong_table_says_where(tmp_path: Path) -> None:
    text = (REPOSITORY / "rules" / FILE).read_text(encoding="utf-8")
    path = tmp_path / FILE
    path.write_text(text.replace("[fp8]", "[fp7]", 1).replace("schema: tcscope.counters/1", "schema: x", 1))
    with pytest.raises(ConfigError) as caught:
        read_counter_table(path)
    assert [problem.partition(": ")[2] for problem in caught.value.problems] == [
        "'schema: tcscope.counters/1' is expected",
        "'fp7' is no precision",
    ]
