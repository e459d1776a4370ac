"""What samples say of verdicts: evidence `sampled` where a name says nothing, findings where it says what is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tcscope import RuleBook, analyze, hardware
from tcscope.analysis.activity.sampled import Thresholds, thresholds, unit_of
from tcscope.analysis.findings.activity import find
from tcscope.model import Estimate, Evidence, Kernel, Measured, Measurement, Op, Report, Shape, TensorShare, Unit
from tests.support.mixtures import Floats, Mixture
from tests.support.reports import H100, kernel
from tests.support.reports import report as report_of

BOOK = RuleBook.builtin()
TENSOR = "sm80_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize{}x64x32_stage3_warpsize2x2x1_tensor16x8x16_kernel"
CUDA = "void genericReformat::copyPackedKernel<float, __half, (bool)1, (bool)1>(int, int{})"


def measured(low: float, high: float, *, issue: float = 10.0, dram: float = 5.0, windows: int = 100) -> Measured:
    value = (low + high) / 2
    return Measured(
        tensor_active=Estimate(value, low, high),
        sm_issue=Estimate(issue, issue - 1, issue + 1),
        dram_read=Estimate(dram, dram - 1, dram + 1),
        dram_write=Estimate(0, 0, 1),
        windows=windows,
        identifiable=True,
    )


KNOWN = Thresholds(reached=8.0, least=20.0)


@pytest.mark.parametrize(
    ("shown", "op", "cycles", "unit"),
    [
        (measured(30, 40), Op.GEMM, 2, Unit.TENSOR_CORE),
        (measured(30, 40), Op.UNKNOWN, 0, Unit.TENSOR_CORE),
        (measured(30, 40, issue=10), Op.UNKNOWN, 2, Unit.TENSOR_CORE),  # above what 11 % of issue slots can do
        (measured(30, 40, issue=20), Op.UNKNOWN, 2, Unit.UNKNOWN),  # packed FP16 arithmetic could do it
        (replace(measured(30, 40), sm_issue=None), Op.UNKNOWN, 2, Unit.UNKNOWN),
        (measured(7, 40), Op.GEMM, 0, Unit.UNKNOWN),  # not clearly above
        (measured(0, 5, issue=60), Op.UNKNOWN, 2, Unit.CUDA_CORE),
        (measured(0, 5, dram=60), Op.GEMM, 2, Unit.CUDA_CORE),
        (measured(0, 5), Op.GEMM, 2, Unit.UNKNOWN),  # it did nothing else either
        (measured(0, 12, issue=60), Op.GEMM, 2, Unit.UNKNOWN),  # not clearly below
        (replace(measured(30, 40), identifiable=False), Op.GEMM, 0, Unit.UNKNOWN),
    ],
)
def test_a_unit_is_taken_from_samples_only_where_they_are_clear(
    shown: Measured, op: Op, cycles: float, unit: Unit
) -> None:
    assert unit_of(shown, KNOWN, op, cycles) is unit


def test_thresholds_are_learnt_from_at_least_three_certain_kernels() -> None:
    cuda = [(Unit.CUDA_CORE, measured(0, high)) for high in (3, 9, 6)]
    tensor = [(Unit.TENSOR_CORE, measured(low, 60)) for low in (30, 12, 44)]
    assert thresholds([*cuda, *tensor]) == Thresholds(reached=9, least=12)
    assert thresholds([*cuda[:2], *tensor]) == Thresholds(reached=None, least=12)
    assert thresholds([(Unit.CUDA_CORE, measured(0, 1))] * 3) == Thresholds(reached=5, least=None)  # the floor
    vague = [(unit, replace(m, identifiable=False)) for unit, m in cuda]
    assert thresholds(vague) == Thresholds(None, None)


def test_nothing_is_taken_without_thresholds() -> None:
    assert unit_of(measured(80, 90), Thresholds(None, None), Op.GEMM, 0) is Unit.UNKNOWN
    assert unit_of(measured(0, 0, issue=90), Thresholds(None, None), Op.GEMM, 0) is Unit.UNKNOWN


def test_packed_arithmetic_counts_where_the_table_says_so_and_where_nobody_knows() -> None:
    assert hardware.packed_cycles(86) == 0
    assert hardware.packed_cycles(90) == hardware.packed_cycles(75) == 2
    assert hardware.packed_cycles(120) == hardware.packed_cycles(None) == 2
    for row in hardware.load_yaml()["tensor_active"]:
        assert set(row) == {"sm", "packed_cycles", "about", "source"}
        assert set(row["sm"]) <= set(hardware.capabilities())
        assert all(source.startswith("https://") for source in row["source"])


class TestTrace:
    """Eight kernels: three on Tensor Cores and three on CUDA cores by name, and two whose names say nothing."""

    ACTIVITY = np.array([40.0, 55.0, 30.0, 0.0, 0.0, 2.0, 45.0, 0.0])
    NAMES = {number: TENSOR.format(64 * (number + 1)) for number in range(3)} | {
        number: CUDA.format(", int" * number) for number in (3, 4, 5)
    }

    def analyzed(self, path: Path, issue: float, activity: Floats, more: dict[int, str] | None = None) -> Report:
        mixture = Mixture(seed=11, kernels=8, launches=5000, activity=activity)
        busy = Mixture(seed=11, kernels=8, launches=5000, activity=np.full(8, issue))
        samples = dict(zip(busy.timestamps.tolist(), busy.values.astype(int).tolist(), strict=True))
        names = {6: "mystery_a", 7: "mystery_b"} | self.NAMES | (more or {})
        return analyze(mixture.write(path / "t.sqlite", names, **{"SM Issue": samples}), book=BOOK)

    def test_a_name_that_says_nothing_is_judged_by_its_samples(self, tmp_path: Path) -> None:
        # GIVEN samples that no packed arithmetic at 15 % of the issue slots can reach
        report = self.analyzed(tmp_path, 15, self.ACTIVITY)
        found = {kernel.name: kernel for kernel in report.kernels}
        # THEN the unknown kernel that measures 45 % is on Tensor Cores, by samples, in all sums
        assert (found["mystery_a"].unit, found["mystery_a"].evidence) == (Unit.TENSOR_CORE, Evidence.SAMPLED)
        assert found["mystery_a"].rule is None
        assert "Tensor Active 4" in found["mystery_a"].note
        assert "kernels without matrix instructions reach at most" in found["mystery_a"].note
        tensor = sum(kernel.ns for kernel in report.kernels if kernel.unit is Unit.TENSOR_CORE)
        assert report.tensor_share.low == tensor / report.totals.kernel_ns
        assert sum(row.ns for row in report.breakdown if row.unit is Unit.TENSOR_CORE) == tensor
        # AND the one that measures nothing, and does little else, stays unknown
        assert (found["mystery_b"].unit, found["mystery_b"].evidence) == (Unit.UNKNOWN, Evidence.NONE)
        # AND names that say something are left alone
        assert all(found[name].evidence is not Evidence.SAMPLED for name in self.NAMES.values())

    def test_what_packed_arithmetic_could_do_proves_nothing(self, tmp_path: Path) -> None:
        report = self.analyzed(tmp_path, 40, self.ACTIVITY)
        found = {kernel.name: kernel for kernel in report.kernels}
        assert found["mystery_a"].unit is Unit.UNKNOWN
        # AND the idle one works elsewhere now: it is on CUDA cores
        assert (found["mystery_b"].unit, found["mystery_b"].evidence) == (Unit.CUDA_CORE, Evidence.SAMPLED)

    def test_names_that_claim_too_much_or_too_little_are_found_out(self, tmp_path: Path) -> None:
        # GIVEN a gemm that measures nothing and a reformat that measures 60 %
        swapped = self.ACTIVITY.copy()
        swapped[[0, 4, 7]] = 0.0, 60.0, 3.0
        report = self.analyzed(tmp_path, 15, swapped, {7: CUDA.format(", int" * 7)})
        lies = {finding.code: finding for finding in report.findings if finding.code.startswith("claims-")}
        assert set(lies) == {"claims-tensor-measures-none", "claims-cuda-measures-tensor"}
        assert lies["claims-tensor-measures-none"].kernels == (self.NAMES[0],)
        assert lies["claims-cuda-measures-tensor"].kernels == (self.NAMES[4],)
        # AND their messages have both: what is claimed, and what was measured
        assert "says tensor_core (" in lies["claims-tensor-measures-none"].message
        assert "but Tensor Active is 0" in lies["claims-tensor-measures-none"].message
        assert "says cuda_core (" in lies["claims-cuda-measures-tensor"].message
        # AND verdicts of names are not changed
        units = {kernel.name: kernel.unit for kernel in report.kernels}
        assert (units[self.NAMES[0]], units[self.NAMES[4]]) == (Unit.TENSOR_CORE, Unit.CUDA_CORE)


def on_tensor_cores(name: str, ns: int, low: float, high: float, shape: Shape | None, dram: float = 5.0) -> Kernel:
    found = replace(measured(low, high, dram=dram), shape=shape)
    return kernel(name, Unit.TENSOR_CORE, Op.GEMM, ns, measured=found)


class TestFindings:
    WHOLE = Measurement(0.99, 0, 50_000, 1000, mean_sampled=20.0, mean_explained=20.2)

    def report(self, *kernels: Kernel, whole: Measurement = WHOLE) -> Report:
        made = report_of(*kernels, devices=(H100,))
        return replace(made, tensor_share=TensorShare(0.5, 0.5, 0.5, 0.5), measurement=whole)

    def test_idle_tensor_cores_are_ranked_by_the_time_lost(self) -> None:
        # GIVEN kernels that lose 0.9 x 1000, 0.7 x 5000 and, above half, nothing
        small = Shape((24, 1, 1), (128, 1, 1), 1, 0.18)
        tail = Shape((264, 1, 1), (128, 1, 1), 1, 2.02)
        report = self.report(
            on_tensor_cores("tiny", 1000, 5, 15, small),
            on_tensor_cores("tailed", 5000, 25, 35, tail),
            on_tensor_cores("busy", 90_000, 60, 70, None),
            kernel("cuda", Unit.CUDA_CORE, Op.GEMM, 70_000, measured=measured(0, 1)),
        )
        (found,) = find(report)
        assert (found.code, found.ns) == ("tensor-cores-idle", 4400)
        assert found.kernels == ("tailed", "tiny")
        assert "tailed 30 % busy, 3.5 us lost: grid 264x1x1, 2.02 waves, a tail of few blocks" in found.message
        assert "tiny 10 % busy, 900 ns lost: grid 24x1x1, 0.18 waves, too few blocks for all SMs" in found.message
        assert "last wave" in found.hint

    def test_a_kernel_that_waits_for_memory_is_told_so(self) -> None:
        (found,) = find(self.report(on_tensor_cores("m", 1000, 5, 15, Shape((24, 1, 1), (128, 1, 1), 1, 0.2), dram=70)))
        assert "DRAM 70 %" in found.message
        assert "fuse" in found.hint

    def test_what_is_not_identifiable_is_not_blamed(self) -> None:
        vague = on_tensor_cores("v", 1000, 5, 15, None)
        assert vague.measured is not None
        assert not list(find(self.report(replace(vague, measured=replace(vague.measured, identifiable=False)))))

    def test_parts_that_miss_the_whole_are_told(self) -> None:
        (found,) = find(self.report(whole=replace(self.WHOLE, mean_explained=24.0)))
        assert found.code == "samples-unexplained"
        assert "24.0 %" in found.message
        assert "20.0 %" in found.message
        (found,) = find(self.report(whole=replace(self.WHOLE, r2=0.5)))
        assert found.code == "samples-unexplained"

    def test_another_program_on_the_gpu_is_told(self) -> None:
        (found,) = find(self.report(whole=replace(self.WHOLE, mean_idle=12.0)))
        assert found.code == "tensor-active-while-idle"

    def test_without_measurement_there_is_nothing_to_find(self) -> None:
        report = self.report(on_tensor_cores("tiny", 1000, 5, 15, None))
        assert not list(find(replace(report, measurement=None)))
