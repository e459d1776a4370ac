"""Findings on the layers of a network: when each is made, what it says, and when it keeps silent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

import tcscope.analysis.findings as findings_package
from tcscope import analyze
from tcscope.analysis.findings import find
from tcscope.analysis.findings.remedies import MATRIX, REMEDIES
from tcscope.analysis.ledger.entries import ledger
from tcscope.model import Dtype, Finding, Iterations, Layer, Layering, Level, Op, Precision, Report, TensorShare, Unit
from tests.support.networks import layer, network, ran
from tests.support.places import FP16, INT8
from tests.support.reports import GTX, H100, REPORTS

TC, CUDA = Unit.TENSOR_CORE, Unit.CUDA_CORE
IMMA = ran("sm80_xmma_i8816", TC, Precision.INT8, Op.CONV, 1000)
HMMA = ran("sm80_xmma_h16816", TC, Precision.FP16, Op.CONV, 1000)
DP4A = ran("ampere_fp32_icudnn_int8x4", CUDA, Precision.INT8, Op.CONV, 300)
COPY = ran("copy", CUDA, Precision.UNKNOWN, Op.REFORMAT, 100)
RELU = ran("relu", CUDA, Precision.UNKNOWN, Op.ELEMENTWISE, 50)
V100 = replace(H100, name="Tesla V100", sm=70, chip="GV100")


def codes(made: Report) -> list[str]:
    return [finding.code for finding in find(made)]


def found(code: str, made: Report) -> Finding:
    (finding,) = [finding for finding in find(made) if finding.code == code]
    return finding


def test_the_int8_engine_of_the_h100() -> None:
    findings = {finding.code: finding for finding in analyze(INT8, by=["layer"]).findings}
    assert set(findings) == {"launch-bound", "constant-reformat", "io-reformat"}
    assert findings["launch-bound"].message == (
        "the GPU waits for launches: of the 460.7 us from an inference's first kernel to its last none runs for"
        " 188.8 us (41.0 %); faster kernels hardly shorten it"
    )
    constants = findings["constant-reformat"]
    assert constants.message == (
        "constants are reformatted in every inference: 43.7 us an inference, 16.1 % of the kernel time;"
        " 11.0 % in padBiasWeights of 12 layers, 5.0 % in 12 layers of their own"
    )
    assert (constants.ns, len(constants.layers), len(constants.kernels)) == (873_198, 24, 3)
    assert findings["io-reformat"].message == (
        "inputs or outputs of the network are reformatted (fp32 -> int8): 13.1 us an inference,"
        " 4.8 % of the kernel time"
    )


def test_without_layers_a_healthy_engine_gets_none() -> None:
    assert analyze(INT8).findings == ()
    assert analyze(FP16).findings == ()


class TestFfma:
    FFMA = ran("ffma", CUDA, Precision.FP32, Op.CONV, 300)

    def test_where_the_gpu_multiplies_tf32(self) -> None:
        finding = found("fp32-ffma", network(layer("a", self.FFMA)))
        assert finding.layers == ("a",)
        assert finding.hint == REMEDIES["fp32-ffma"]
        assert finding.message == (
            "FP32 matrix work ran as FFMA on CUDA cores, not as TF32 on Tensor Cores: 300 ns, 100.0 % of the kernel"
            " time, in 1 kernel"
        )

    def test_not_on_an_older_gpu(self) -> None:
        assert codes(network(layer("a", self.FFMA), gpu=V100)) == ["matrix-on-cuda-cores"]

    def test_not_without_tensor_cores(self) -> None:
        assert codes(replace(network(layer("a", self.FFMA), gpu=GTX), tensor_share=TensorShare())) == [
            "no-tensor-cores"
        ]

    @pytest.mark.parametrize(("other", "variant"), [(Precision.TF32, "tf32"), (Precision.FP16, "fp16")])
    def test_nobody_is_told_to_allow_what_is_in_use(self, other: Precision, variant: str) -> None:
        made = network(layer("a", self.FFMA), layer("b", ran("mma", TC, other, Op.CONV, 300)))
        assert found("fp32-ffma", made).hint == REMEDIES[f"fp32-ffma/{variant}"]

    def test_not_for_less_than_a_hundredth(self) -> None:
        assert codes(network(layer("a", replace(self.FFMA, ns=9)), layer("b", HMMA))) == []
        assert codes(network(layer("a", replace(self.FFMA, ns=11)), layer("b", HMMA))) == ["fp32-ffma"]


class TestInt8:
    def test_a_stem_of_three_channels_on_dp4a(self) -> None:
        stem = layer("conv1 + relu", DP4A, reads="x:int8:CHW4:32x3x224x224", writes="y:fp32::32x64x112x112")
        made = network(layer("other", IMMA), stem)
        finding = found("int8-dp4a-stem", made)
        assert finding.message == (
            "the INT8 stem 'conv1 + relu' ran on CUDA cores (dp4a), for its input has 3 channels: 300 ns, 23.1 % of the"
            " kernel time"
        )
        assert (finding.ns, finding.layers, finding.kernels) == (300, ("conv1 + relu",), (DP4A.name,))
        assert finding.hint == REMEDIES["int8-dp4a-stem"].format(file="t.sqlite")
        assert "matrix-on-cuda-cores" not in codes(made)  # its time is explained

    def test_from_names_alone_the_first_layer_may_be_one(self) -> None:
        made = network(layer("conv1", DP4A), layer("conv2", IMMA))
        assert found("int8-dp4a-stem", made).hint.startswith("if its input has 3 channels")

    def test_a_later_layer_is_no_stem(self) -> None:
        made = network(layer("conv1", IMMA), layer("conv2", DP4A))
        assert codes(made) == ["matrix-on-cuda-cores"]

    def test_only_the_stem_is_explained(self) -> None:
        stem = layer("conv1", DP4A, reads="x:int8:CHW4:32x3x224x224")
        made = network(stem, layer("conv2", IMMA), layer("conv3", DP4A, reads="y:int8:CHW4:32x64x7x7"))
        assert found("matrix-on-cuda-cores", made).ns == 300
        assert found("int8-dp4a-stem", made).ns == 300

    def test_ranges_have_no_stem(self) -> None:
        made = replace(network(layer("conv1", DP4A)), layering=Layering("range"))
        assert codes(made) == ["matrix-on-cuda-cores"]

    def test_nobody_is_told_to_allow_fp16_who_did(self) -> None:
        late = layer("late", DP4A, reads="y:int8::1x64x7x7")
        assert found("matrix-on-cuda-cores", network(layer("a", IMMA), late)).hint == MATRIX[Precision.INT8]
        for hint in (
            found("matrix-on-cuda-cores", network(layer("a", HMMA), late)).hint,
            found("matrix-on-cuda-cores", network(layer("a", IMMA, writes="y:fp16"), late)).hint,
        ):
            assert "--int8 --fp16" not in hint
            assert "--keep-fp16" in hint

    def test_depthwise(self) -> None:
        deep = ran("depthwise", CUDA, Precision.INT8, Op.DEPTHWISE_CONV, 300)
        made = network(layer("a", IMMA), layer("dw1", deep), layer("dw2", deep))
        finding = found("depthwise-int8", made)
        assert finding.message == "2 INT8 depthwise convolutions on CUDA cores: 600 ns, 37.5 % of the kernel time"
        assert finding.layers == ("dw1", "dw2")
        half = ran("depthwise", CUDA, Precision.FP16, Op.DEPTHWISE_CONV, 300)
        assert codes(network(layer("a", IMMA), layer("dw1", half))) == []

    def test_depthwise_from_kernels_alone(self) -> None:
        deep = ran("depthwise", CUDA, Precision.INT8, Op.DEPTHWISE_CONV, 300)
        bare = replace(network(layer("a", IMMA), layer("dw1", deep)), layers=(), layering=None)
        finding = found("depthwise-int8", bare)
        assert (finding.layers, finding.kernels) == ((), ("depthwise",))

    @pytest.mark.parametrize(
        ("name", "kind"), [("up", "CaskDeconvolutionV2"), ("/up/ConvTranspose", ""), ("deconv_3", "")]
    )
    def test_transposed(self, name: str, kind: str) -> None:
        made = network(layer("a", IMMA), layer(name, DP4A, kind=kind))
        finding = found("deconv-int8", made)
        assert (finding.layers, finding.ns) == ((name,), 300)
        assert codes(made) == ["deconv-int8"]

    def test_transposed_on_tensor_cores_is_well(self) -> None:
        assert codes(network(layer("up", IMMA, kind="CaskDeconvolutionV2"))) == []


class TestChannels:
    @pytest.mark.parametrize(
        ("precision", "channels", "odd"),
        [
            (Precision.INT8, 48, True),
            (Precision.INT8, 64, False),
            (Precision.FP16, 60, True),
            (Precision.FP16, 24, False),
            (Precision.TF32, 6, True),
            (Precision.FP16, 3, False),  # an image: stems have kernels of their own
            (Precision.FP64, 7, False),
        ],
    )
    def test_in_multiples_of_what_tensor_cores_read(self, precision: Precision, channels: int, odd: bool) -> None:
        conv = ran("mma", TC, precision, Op.CONV, 300)
        made = network(layer("a", conv, reads=f"x:int8::1x{channels}x7x7", writes="y:int8::1x64x7x7"))
        assert codes(made) == (["channels-unaligned"] if odd else [])

    def test_of_the_output_too(self) -> None:
        finding = found("channels-unaligned", network(layer("a", HMMA, reads="x:fp16::1x64", writes="y:fp16::1x10")))
        assert finding.level is Level.NOTE
        assert finding.message.startswith("1 layer in fp16 with channels in no multiple of 8: ")

    def test_not_for_a_small_last_layer_nor_for_dynamic_dimensions(self) -> None:
        last = layer("fc", replace(HMMA, ns=50), reads="x:fp16::1x512", writes="y:fp16::1x10")
        assert codes(network(layer("a", HMMA), last)) == []
        assert codes(network(layer("a", HMMA, reads="x:fp16::1x-1x7x7".replace("-1", "0")))) == []


class TestReformats:
    def network(self, *, back: str = "u:fp16:HWC8") -> Report:
        """A layer in FP32 between two in FP16."""
        return network(
            layer("a", HMMA, reads="x:fp16:HWC8", writes="t:fp16:HWC8", kind="CaskConvolution"),
            layer("r1", COPY, reads="t:fp16:HWC8", writes="t2:fp32:linear", kind="Reformat", origin="REFORMAT"),
            layer("b", RELU, reads="t2:fp32:linear", writes="t3:fp32:linear", kind="PluginV2"),
            layer("r2", COPY, reads="t3:fp32:linear", writes=back, kind="Reformat", origin="REFORMAT"),
            layer("c", HMMA, reads=back, writes="y:fp16:HWC8", kind="CaskConvolution"),
        )

    def test_a_pair_around_one_layer(self) -> None:
        finding = found("reformat-pair", self.network())
        assert finding.message == (
            "1 layer with a reformat before and the reverse behind: 200 ns, 8.9 % of the kernel time"
        )
        assert set(finding.layers) == {"r1", "r2"}

    def test_elsewhere_is_not_back(self) -> None:
        assert "reformat-pair" not in codes(self.network(back="u:int8:CHW32"))

    def test_a_pair_by_names_and_kernels(self) -> None:
        there = replace(COPY, name="copy")
        made = network(
            layer("a", HMMA),
            layer("Reformatting CopyNode for Input Tensor 0 to b", there),
            layer("b", RELU),
            layer("Reformatting CopyNode for Output Tensor 0 to b", replace(there, name="back")),
            layer("c", HMMA),
            src=Dtype.FP16,
            dst=Dtype.FP32,
        )
        kernels = tuple(replace(k, src=Dtype.FP32, dst=Dtype.FP16) if k.name == "back" else k for k in made.kernels)
        made = replace(made, kernels=kernels)
        assert found("reformat-pair", replace(made, reformats=ledger(made))).ns == 200

    def test_q_dq_between_a_convolution_and_its_activation(self) -> None:
        made = network(
            layer("Conv_1", HMMA, reads="x:fp16:HWC8", writes="t:fp16:HWC8", kind="CaskConvolution"),
            layer("QuantizeLinear_2", COPY, reads="t:fp16", writes="q:int8", kind="Reformat", origin="QDQ"),
            layer("Relu_3", RELU, reads="q:int8", writes="y:int8", kind="PointWiseV2"),
        )
        finding = found("qdq-splits-fusion", made)
        assert finding.layers == ("QuantizeLinear_2",)
        assert "qdq-unfused" not in codes(made)

    def test_q_dq_behind_the_activation_only_costs_time(self) -> None:
        made = network(
            layer("Conv_1 + Relu_2", HMMA, reads="x:fp16:HWC8", writes="t:fp16:HWC8", kind="CaskConvolution"),
            layer("QuantizeLinear_3", COPY, reads="t:fp16", writes="q:int8", kind="Reformat", origin="QDQ"),
            layer("Conv_4", IMMA, reads="q:int8", writes="y:int8", kind="CaskConvolution"),
        )
        assert codes(made) == ["qdq-unfused"]
        assert found("qdq-unfused", made).hint == REMEDIES["qdq-unfused"]

    def test_q_dq_of_what_a_skip_connection_reads_unquantized(self) -> None:
        made = network(
            layer("Conv_1 + Relu_2", HMMA, reads="x:fp16:HWC8", writes="t:fp16:HWC8", kind="CaskConvolution"),
            layer("QuantizeLinear_3", COPY, reads="t:fp16", writes="q:int8", kind="Reformat", origin="QDQ"),
            layer("Conv_4", IMMA, reads="q:int8", writes="u:int8", kind="CaskConvolution"),
            layer("Conv_5 + Add_6", IMMA, reads="u:int8 t:fp16", writes="y:fp16", kind="CaskConvolution"),
        )
        finding = found("qdq-unfused", made)
        assert finding.message.endswith("; 1 quantize what another layer reads unquantized")
        assert "skip connection" in finding.hint


class TestLaunchBound:
    MADE = network(layer("a", HMMA))

    @pytest.mark.parametrize(("idle", "expected"), [(149, []), (150, ["launch-bound"])])
    def test_where_the_gpu_idles_for_long(self, idle: int, expected: list[str]) -> None:
        iterations = Iterations("inference", 2, 1200, 1000, 1000, idle)
        assert codes(replace(self.MADE, iterations=iterations)) == expected

    def test_nobody_is_told_to_use_graphs_who_does(self) -> None:
        iterations = Iterations("inference", 2, 1200, 1000, 1000, 500)
        made = replace(self.MADE, iterations=iterations, layering=Layering("layer", graph_ns=400))
        assert "CUDA graphs are in use" in found("launch-bound", made).hint

    def test_a_profile_knows_no_spans(self) -> None:
        assert codes(replace(self.MADE, iterations=Iterations("trtexec profile", 1, 0, 1000))) == []


def test_every_remedy_is_used_by_a_finding() -> None:
    """A code that is renamed must not leave its remedy behind."""
    families = Path(findings_package.__file__).parent.glob("*.py")
    sources = "".join(path.read_text() for path in families if path.stem != "remedies")
    assert [code for code in REMEDIES if f'"{code}"' not in sources] == []


def test_layers_are_named_longest_first() -> None:
    made = network(layer("short", replace(DP4A, ns=100)), layer("x", IMMA), layer("long", replace(DP4A, ns=700)))
    stems: tuple[Layer, ...] = made.layers
    assert stems[0].name == "short"
    finding = found("matrix-on-cuda-cores", replace(made, layers=(stems[1], stems[0], stems[2])))
    assert finding.layers == ("long", "short")


def test_launches_of_no_length_break_nothing() -> None:
    pad = ran("padBiasWeights<float, 32>", CUDA, Precision.FP32, Op.REFORMAT, 0)
    made = network(layer("a", replace(DP4A, ns=0), pad), layer("Identity_0", replace(COPY, ns=0)))
    assert find(made) == ()
    assert find(replace(made, iterations=Iterations("r", 0, 0))) == ()


@given(REPORTS)
def test_any_kernels_get_findings_that_fit_their_time(made: Report) -> None:
    made = replace(made, tensor_share=TensorShare(0.1, 0.9, 0.1, 0.9))
    for finding in find(made):
        assert 0 <= finding.ns <= made.totals.kernel_ns
        assert finding.message
        assert set(finding.kernels) <= {kernel.name for kernel in made.kernels}
