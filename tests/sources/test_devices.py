"""Which GPU a launch ran on, and what that GPU is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcscope import RuleBook, analyze
from tcscope.cli import main
from tcscope.errors import UsageError
from tcscope.model import Device, Report, TensorShare, Unit
from tcscope.sources import open_trace
from tests.support.traces import TraceBuilder

BOOK = RuleBook.builtin()
HGEMM = "sm80_xmma_gemm_f16f16_f16f32_f16_tn_n_tilesize128x128x32_stage4_warpsize2x2x1_tensor16x8x16"


def report_of(builder: TraceBuilder, tmp_path: Path, **options: int) -> Report:
    return analyze(builder.write(tmp_path / "t.sqlite"), book=BOOK, **options)  # type: ignore[arg-type]


def ns_by_device(report: Report) -> dict[int, int]:
    found: dict[int, int] = {}
    for kernel in report.kernels:
        for place in kernel.places:
            found[place.device] = found.get(place.device, 0) + place.ns
    return found


def test_cuda_device_table_maps_ordinals_of_each_process(tmp_path: Path) -> None:
    # GIVEN two processes that each see one GPU as device 0 (CUDA_VISIBLE_DEVICES), and one that sees both turned round
    builder = TraceBuilder().gpu(0).gpu(1)
    builder.cuda_device(1, 0, pid=10).cuda_device(0, 0, pid=20).cuda_device(1, 0, pid=30).cuda_device(0, 1, pid=30)
    builder.launch("k", 0, 1, device=0, pid=10).launch("k", 0, 10, device=0, pid=20)
    builder.launch("k", 0, 100, device=0, pid=30).launch("k", 0, 1000, device=1, pid=30)
    report = report_of(builder, tmp_path)
    assert ns_by_device(report) == {0: 1010, 1: 101}
    assert ns_by_device(report_of(builder, tmp_path, device=1)) == {1: 101}
    (kernel,) = report.kernels
    assert {(p.device, p.process, p.ns) for p in kernel.places} == {
        (1, 10, 1),
        (0, 20, 10),
        (1, 30, 100),
        (0, 30, 1000),
    }


def test_cu_device_is_not_the_id_on_a_host_of_four(tmp_path: Path) -> None:
    builder = TraceBuilder("2022.1")
    for index, ordinal in ((0, 1), (1, 0), (2, 3), (3, 2)):
        builder.gpu(index, f"GPU {index}", cu_device=ordinal)
        builder.launch("k", 0, 10**ordinal, device=ordinal)
    report = report_of(builder, tmp_path)
    assert ns_by_device(report) == {0: 10, 1: 1, 2: 1000, 3: 100}
    assert [device.name for device in report.trace.devices] == ["GPU 0", "GPU 1", "GPU 2", "GPU 3"]
    assert ns_by_device(report_of(builder, tmp_path, device=2)) == {2: 1000}


@pytest.mark.parametrize("first", [True, False], ids=["adapters first", "adapters last"])
def test_adapters_without_sms_on_windows_do_not_multiply_times(first: bool, tmp_path: Path) -> None:
    # GIVEN the integrated GPU and the software adapter, both 'cuDevice 0' with no SM
    builder = TraceBuilder("2023.2")
    adapters = [("Intel(R) UHD Graphics 770", 0 if first else 1), ("Microsoft Basic Render Driver", 1 if first else 2)]
    for name, index in adapters:
        builder.gpu(index, name, None, sm_count=0, cu_device=0, discrete=0)
    builder.gpu(2 if first else 0, "NVIDIA GeForce RTX 4090", "8.9", sm_count=128, cu_device=0)
    builder.launch("k", 100, 250).launch("k", 300, 310).copy(400, 420)
    report = report_of(builder, tmp_path)
    assert (report.totals.launches, report.totals.kernel_ns, report.totals.copy_ns) == (2, 160, 20)
    assert [(d.name, d.sm) for d in report.trace.devices] == [("NVIDIA GeForce RTX 4090", 89)]
    # AND --sm of the real GPU contradicts nothing
    assert report_of(builder, tmp_path, sm=89).totals.kernel_ns == 160


def test_without_ordinals_the_id_is_the_ordinal(tmp_path: Path) -> None:
    builder = TraceBuilder("2022.1").gpu(0, "A", cu_device=None).gpu(1, "B", cu_device=None).launch("k", 0, 5, device=1)
    assert [device.name for device in report_of(builder, tmp_path).trace.devices] == ["B"]


class TestWithoutAnyGpuDescribed:
    """Containers often lack TARGET_INFO_GPU."""

    builder = TraceBuilder().launch(HGEMM, 100, 250).launch("k", 300, 310, device=2)

    def test_the_architecture_is_unknown(self, tmp_path: Path) -> None:
        report = report_of(self.builder, tmp_path)
        assert report.trace.devices == (Device(0), Device(2))
        (finding,) = [f for f in report.findings if f.code == "unknown-architecture"]
        assert finding.ns == 160
        assert "--sm" in finding.hint

    def test_sm_says_it(self, tmp_path: Path) -> None:
        report = report_of(self.builder, tmp_path, sm=87)
        assert report.trace.devices == tuple(Device(index, sm=87, has_tensor_cores=True) for index in (0, 2))
        assert [f.code for f in report.findings if f.code == "unknown-architecture"] == []
        assert report.tensor_share.low == 150 / 160

    def test_sm_of_a_gpu_without_tensor_cores(self, tmp_path: Path) -> None:
        report = report_of(self.builder, tmp_path, sm=53)
        assert report.tensor_share == TensorShare()
        assert {kernel.unit for kernel in report.kernels} == {Unit.CUDA_CORE}

    def test_info_says_what_is_missing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["info", str(self.builder.write(tmp_path / "t.sqlite"))]) == 0
        assert "warning: no GPU is described\n  hint: " in capsys.readouterr().out


def test_sm_that_contradicts_the_trace_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = TraceBuilder().gpu().launch("k", 0, 5).write(tmp_path / "t.sqlite")
    with pytest.raises(UsageError, match="NVIDIA H100 80GB HBM3 is sm_90; --sm 87 contradicts it"):
        analyze(path, sm=87, book=BOOK)
    assert main(["analyze", str(path), "--sm", "87"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("error: ") == err.count("hint: ") == 1
    assert main(["info", str(path), "--sm", "8.7"]) == 2
    assert analyze(path, sm=90, book=BOOK).trace.devices[0].sm == 90


def test_a_gpu_described_without_its_capability(tmp_path: Path) -> None:
    # GIVEN a name that no table knows
    builder = TraceBuilder("2022.1").gpu(0, "Graphics Device", None, chip="").launch(HGEMM, 0, 5)
    assert report_of(builder, tmp_path).trace.devices[0].sm is None
    (device,) = report_of(builder, tmp_path, sm=80).trace.devices
    assert (device.name, device.sm, device.has_tensor_cores) == ("Graphics Device", 80, True)


@pytest.mark.parametrize(
    ("name", "sm", "has_tensor_cores"),
    [("Orin", 87, True), ("Xavier", 72, True), ("NVIDIA Tegra X2", 62, False), ("NVIDIA Tegra X1", 53, False)],
)
def test_a_jetson_is_known_by_its_name(name: str, sm: int, has_tensor_cores: bool, tmp_path: Path) -> None:
    builder = TraceBuilder("2022.1").gpu(0, name, None, sm_count=16, discrete=0).launch(HGEMM, 0, 5)
    (device,) = report_of(builder, tmp_path).trace.devices
    assert (device.sm, device.has_tensor_cores, device.integrated) == (sm, has_tensor_cores, True)
    with pytest.raises(UsageError, match=f"is sm_{sm}; --sm 75 contradicts it"):
        report_of(builder, tmp_path, sm=75)


NO_TENSOR_CORES = [
    ("NVIDIA GeForce GTX 1650", "7.5", "TU117"),
    ("NVIDIA GeForce GTX 1660 Ti", "7.5", "TU116"),
    ("NVIDIA Tegra X1", "5.3", "GM20B"),
    ("NVIDIA Tegra X2", "6.2", "GP10B"),
]


@pytest.mark.parametrize(("name", "capability", "chip"), NO_TENSOR_CORES)
def test_a_gpu_without_tensor_cores_has_no_share(
    name: str, capability: str, chip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN kernels of which one says 'tensor' in its name, and one that nobody knows
    builder = TraceBuilder().gpu(0, name, capability, sm_count=14, chip=chip)
    builder.launch(HGEMM, 0, 50).launch("trt_volta_h884cudnn_256x64_ldg8_relu_exp_small_nhwc_tn_v1", 60, 100)
    path = builder.launch("nobody_knows_me", 200, 210).write(tmp_path / "t.sqlite")
    # WHEN it is analyzed
    report = analyze(path, book=BOOK)
    # THEN everything ran on CUDA cores, and there is no share of something that is not there
    assert report.trace.devices[0].has_tensor_cores is False
    assert report.tensor_share == TensorShare(None, None, None, None)
    assert {kernel.unit for kernel in report.kernels} == {Unit.CUDA_CORE}
    codes = [finding.code for finding in report.findings]
    assert "no-tensor-cores" in codes
    assert "matrix-on-cuda-cores" not in codes
    assert main(["analyze", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "\nn/a" in shown
    assert f"{name}, sm_{capability.replace('.', '')}, 14 SMs, no Tensor Cores" in shown


def test_an_rtx_of_the_same_capability_has_them(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu(0, "NVIDIA GeForce RTX 2080 Ti", "7.5", sm_count=68, chip="TU102")
    report = report_of(builder.launch(HGEMM, 0, 50), tmp_path)
    assert report.trace.devices[0].has_tensor_cores is True
    assert report.tensor_share.low is not None


def test_only_devices_that_ran_something_are_in_the_report(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu(0).gpu(1).gpu(2).launch("k", 0, 5, device=1).graph(0, 9, device=2)
    assert [device.index for device in report_of(builder, tmp_path).trace.devices] == [1, 2]


def test_info_lists_every_gpu(tmp_path: Path) -> None:
    path = TraceBuilder().gpu(0, "A").gpu(1, "B").launch("k", 0, 5).write(tmp_path / "t.sqlite")
    assert [device.name for device in open_trace(path).inventory().trace.devices] == ["A", "B"]
