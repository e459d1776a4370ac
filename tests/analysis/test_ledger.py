"""The reformat ledger: it adds up, and each row says where it lies and why it is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from tcscope import analyze
from tcscope.analysis.ledger.entries import ledger
from tcscope.analysis.ledger.flows import flows
from tcscope.model import (
    Dtype,
    Layer,
    Layering,
    LayerKernel,
    Op,
    Precision,
    RangeLevel,
    Reason,
    Reformat,
    Report,
    Unit,
)
from tests.support.networks import layer, network
from tests.support.places import FP16, GRAPHS, INT8, INT8_LAYERS, ORIN, SHARED_TRACES, SHARED_TRTEXEC
from tests.support.reports import REPORTS

FP32, HALF, BYTE = Dtype.FP32, Dtype.FP16, Dtype.INT8
CONV = LayerKernel("conv", Unit.TENSOR_CORE, Precision.INT8, Op.CONV, 1, 100)
COPY = LayerKernel("copy", Unit.CUDA_CORE, Precision.UNKNOWN, Op.REFORMAT, 1, 10)
PAD = LayerKernel("nvinfer1::rt::cuda::padBiasWeights<float, 32>", Unit.CUDA_CORE, Precision.FP32, Op.REFORMAT, 1, 3)


def only(*layers: Layer, src: Dtype | None = None, dst: Dtype | None = None) -> Reformat:
    (row,) = ledger(network(*layers, src=src, dst=dst))
    return row


def op_ns(rows: tuple[Reformat, ...]) -> int:
    return sum(row.ns for row in rows if row.op is Op.REFORMAT)


TRACES = [FP16, INT8, GRAPHS, ORIN, *sorted(SHARED_TRACES.glob("h100_trt86_*.sqlite"))]


@pytest.mark.parametrize("level", [None, RangeLevel(), RangeLevel(layers=False)])
@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.stem)
def test_the_ledger_holds_all_time_of_the_op(trace: Path, level: RangeLevel | None) -> None:
    found = analyze(trace, level=level)
    assert op_ns(found.reformats) == sum(kernel.ns for kernel in found.kernels if kernel.op is Op.REFORMAT)


@given(REPORTS)
def test_it_does_without_layers_whatever_the_kernels(made: Report) -> None:
    rows = ledger(made)
    assert op_ns(rows) == sum(kernel.ns for kernel in made.kernels if kernel.op is Op.REFORMAT)
    assert all(not row.layer and not row.feeds for row in rows)


def test_the_int8_engine_of_the_h100() -> None:
    rows = analyze(INT8, by=["layer"]).reformats
    reasons = {
        reason: round(sum(row.ns for row in rows if row.reason is reason) / 20_000, 1)
        for reason in {row.reason for row in rows}
    }
    assert reasons == {Reason.CONSTANT: 43.7, Reason.NETWORK_IO: 13.1}  # us an inference
    padding = [row for row in rows if "padBiasWeights" in row.kernel]
    assert len(padding) == 12
    assert round(sum(row.ns for row in padding) / 20_000, 1) == 30.0
    assert all(row.feeds == (row.layer,) for row in padding)
    identities = [row for row in rows if row.layer.startswith("Identity_")]
    assert len(identities) == 12
    assert round(sum(row.ns for row in identities) / 20_000, 1) == 13.7
    (first,) = [row for row in rows if row.reason is Reason.NETWORK_IO]
    assert (first.src, first.dst, first.layout_only, first.reads_input) == (FP32, BYTE, False, True)
    assert first.feeds == ("/conv1/Conv + /relu/Relu + /maxpool/MaxPool",)


class TestByName:
    """Where the trace has layer names and nothing else."""

    def test_a_copy_node_for_an_input_feeds_its_layer(self) -> None:
        row = only(layer("a", CONV), layer("Reformatting CopyNode for Input Tensor 1 to b + c", COPY), layer("b + c"))
        assert (row.leaves, row.feeds, row.reason) == ("", ("b + c",), Reason.NETWORK_IO)  # nothing ran behind it
        assert row.writes_output

    def test_a_copy_node_for_an_output_leaves_its_layer(self) -> None:
        copy = layer("Reformatting CopyNode for Output Tensor 0 to a", COPY)
        row = only(layer("a", CONV), copy, layer("b", CONV))
        assert (row.leaves, row.feeds, row.reason) == ("a", (), Reason.UNKNOWN)

    @pytest.mark.parametrize(
        ("src", "dst", "reason"),
        [(FP32, HALF, Reason.NEIGHBOUR), (HALF, HALF, Reason.FORMAT), (None, HALF, Reason.UNKNOWN)],
    )
    def test_the_kernel_tells_the_types(self, src: Dtype | None, dst: Dtype, reason: Reason) -> None:
        copy = layer("Reformatting CopyNode for Output Tensor 0 to a", COPY)
        row = only(layer("a", CONV), copy, layer("b", CONV), src=src, dst=dst)
        assert (row.reason, row.src, row.dst) == (reason, src, dst)

    def test_what_runs_before_all_that_computes_reads_a_network_input(self) -> None:
        row = only(layer("Reformatting CopyNode for Input Tensor 0 to a", COPY), layer("a", CONV))
        assert (row.reason, row.reads_input, row.writes_output) == (Reason.NETWORK_IO, True, False)

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("QuantizeLinear_15", Reason.QDQ),
            ("/conv1/_input_quantizer/QuantizeLinear", Reason.QDQ),
            ("DequantizeLinear_3_clone_0", Reason.QDQ),
            ("Cast_4", Reason.CAST),
            ("/model/Cast", Reason.CAST),
            ("Identity_11", Reason.CONSTANT),
        ],
    )
    def test_nodes_of_the_network(self, name: str, reason: Reason) -> None:
        assert only(layer("a", CONV), layer(name, COPY), layer("b", CONV)).reason is reason

    @pytest.mark.parametrize("name", ["conv1.weight + QuantizeLinear_7 + Conv_9", "Identity_3 + Relu_4", "Broadcast"])
    def test_a_layer_fused_with_such_a_node_computes(self, name: str) -> None:
        assert ledger(network(layer(name, CONV))) == ()

    def test_a_reformat_inside_another_layer(self) -> None:
        rows = ledger(network(layer("a", CONV, PAD, COPY), src=HALF, dst=HALF))
        assert {(row.kernel, row.reason, row.layer, row.feeds) for row in rows} == {
            (PAD.name, Reason.CONSTANT, "a", ("a",)),
            ("copy", Reason.FORMAT, "a", ("a",)),
        }

    def test_a_copy_that_a_reformat_layer_ran_is_in_the_ledger_and_not_in_the_op(self) -> None:
        move = replace(COPY, name="__myl_bb0_1_Mov", op=Op.COPY)
        rows = ledger(network(layer("Identity_0", move)))
        assert [(row.op, row.ns) for row in rows] == [(Op.COPY, 10)]
        assert op_ns(rows) == 0

    def test_what_no_layer_claims(self) -> None:
        made = network(layer("a", CONV))
        (row,) = ledger(replace(made, layering=Layering("layer", outside=(COPY,), outside_ns=10)))
        assert (row.layer, row.kernel, row.reason) == ("", "copy", Reason.UNKNOWN)

    def test_ranges_are_no_layers(self) -> None:
        made = replace(network(layer("Identity_0", COPY)), layering=Layering("range"))
        (row,) = ledger(made)
        assert (row.layer, row.reason) == ("", Reason.UNKNOWN)


class TestByTensors:
    """With TensorRT's layer JSON."""

    STEM = layer("stem", CONV, reads="x8:int8:CHW4", writes="y:fp32:linear", kind="CaskConvolution")
    TAIL = layer("tail", CONV, reads="z:int8:CHW32", writes="out:fp32:linear", kind="CaskConvolution")

    def test_between_two_layers_of_different_types(self) -> None:
        first = layer("stem", CONV, reads="x:fp32:linear", writes="y:fp32:linear", kind="CaskConvolution")
        copy = layer("c", COPY, reads="y:fp32:linear", writes="z:int8:CHW32", kind="Reformat", origin="REFORMAT")
        row = only(first, copy, self.TAIL)
        assert row == Reformat(
            "c", "copy", Reason.NEIGHBOUR, Op.REFORMAT, 1, 10, FP32, BYTE, "linear", "CHW32", False, "stem", ("tail",)
        )

    def test_only_the_layout_differs(self) -> None:
        first = layer("stem", CONV, reads="x:fp32:linear", writes="y:int8:CHW4", kind="CaskConvolution")
        copy = layer("c", COPY, reads="y:int8:CHW4", writes="z:int8:CHW32", kind="Reformat", origin="REFORMAT")
        row = only(first, copy, self.TAIL)
        assert (row.reason, row.layout_only, row.direction) == (Reason.FORMAT, True, "int8 CHW4 -> CHW32")

    def test_a_quantize_node_at_the_network_input_is_a_node_and_says_so(self) -> None:
        quantize = layer("q", COPY, reads="x:fp32:linear", writes="x8:int8:CHW4", kind="Reformat", origin="QDQ")
        row = only(quantize, self.STEM)
        assert (row.reason, row.reads_input, row.leaves, row.feeds) == (Reason.QDQ, True, "", ("stem",))

    def test_a_constant(self) -> None:
        constant = layer("w", reads="", writes="c:fp32:linear", kind="Constant")
        cast = layer("Identity_0", COPY, reads="c:fp32:linear", writes="z:fp32:linear", kind="Reformat", origin="CAST")
        row = only(constant, cast, self.TAIL)
        assert (row.reason, row.leaves, row.feeds, row.reads_input) == (Reason.CONSTANT, "", ("tail",), False)

    def test_a_constant_whose_layer_is_not_in_the_report(self) -> None:
        read = "(Unnamed-Layer*-0)-[Constant]_output:fp32:linear"
        cast = layer("Identity_0", COPY, reads=read, writes="z:fp32:linear", kind="MyelinReformat")
        assert only(cast, self.TAIL).reason is Reason.CONSTANT

    def test_a_cast_of_what_was_computed(self) -> None:
        cast = layer("k", COPY, reads="y:fp32:linear", writes="z:int8:CHW32", kind="Reformat", origin="CAST")
        row = only(self.STEM, cast, self.TAIL)
        assert (row.reason, row.leaves) == (Reason.CAST, "stem")

    def test_layers_that_only_rename_are_looked_through(self) -> None:
        copy = layer("c", COPY, reads="y:fp32:linear", writes="r:fp32:HWC8", kind="Reformat", origin="REFORMAT")
        rename = layer("reshape", reads="r:fp32:HWC8", writes="out:fp32:HWC8", kind="NoOp")
        row = only(self.STEM, copy, rename)
        assert (row.reason, row.writes_output, row.feeds) == (Reason.NETWORK_IO, True, ())
        more = layer("more", CONV, reads="out:fp32:HWC8", writes="end:fp32:linear", kind="CaskConvolution")
        assert only(self.STEM, copy, rename, more).feeds == ("more",)

    def test_the_layer_behind_a_rename_is_the_one_it_leaves(self) -> None:
        rename = layer("reshape", reads="y:fp32:linear", writes="r:fp32:linear", kind="NoOp")
        copy = layer("c", COPY, reads="r:fp32:linear", writes="z:int8:CHW32", kind="Reformat", origin="REFORMAT")
        assert only(self.STEM, rename, copy, self.TAIL).leaves == "stem"

    def test_a_rename_onto_itself_ends(self) -> None:
        copy = layer("c", COPY, reads="y:fp32:linear", writes="r:fp32:HWC8", kind="Reformat", origin="REFORMAT")
        loop = layer("reshape", reads="r:fp32:HWC8", writes="r:fp32:HWC8", kind="NoOp")
        assert only(self.STEM, copy, loop).writes_output

    def test_nothing_is_said_of_inputs_where_a_layer_has_no_tensors(self) -> None:
        copy = layer("c", COPY, reads="y:fp32:linear", writes="z:int8:CHW32", kind="Reformat", origin="REFORMAT")
        row = only(copy, self.TAIL, layer("only in the trace", CONV))
        assert (row.reason, row.reads_input) == (Reason.NEIGHBOUR, False)

    def test_a_profile_gives_a_reformat_a_time_and_no_kernel(self) -> None:
        copy = replace(
            layer("c", reads="y:fp32:linear", writes="z:int8:CHW32", kind="Reformat", origin="REFORMAT"),
            ns=7,
            launches=1,
        )
        row = only(self.STEM, copy, self.TAIL)
        assert (row.kernel, row.op, row.ns) == ("", Op.REFORMAT, 7)


def test_flows_add_up() -> None:
    rows = analyze(INT8, by=["layer"]).reformats
    found = flows(rows)
    assert sum(flow.ns for flow in found) == sum(row.ns for row in rows)
    assert sum(flow.launches for flow in found) == sum(row.launches for row in rows)
    assert [flow.ns for flow in found] == sorted((flow.ns for flow in found), reverse=True)
    assert (found[0].reason, found[0].inside, len(found[0].rows)) == (Reason.CONSTANT, True, 12)


class TestRealLayerFiles:
    """TensorRT's own layer files: with a trace, and with trtexec's profile alone."""

    def test_a_trace_with_its_layer_file(self) -> None:
        rows = analyze(INT8, layers=INT8_LAYERS).reformats
        assert {(row.reason, row.direction) for row in rows if row.layer not in row.feeds} == {
            (Reason.CONSTANT, "fp32 -> fp32"),
            (Reason.NETWORK_IO, "fp32 -> int8"),
        }
        # the constants go to the twelve layers that pad what they get
        padded = {row.layer for row in rows if row.layer in row.feeds}
        assert {name for row in rows if row.layer.startswith("Identity_") for name in row.feeds} == padded

    def test_the_qat_engine_of_the_a100(self) -> None:
        if not SHARED_TRTEXEC.exists():
            pytest.skip("the public layer files are not here")
        found = analyze(SHARED_TRTEXEC / "resnet18_a100_qat.graph.json", 80)
        rows = found.reformats
        assert op_ns(rows) == sum(kernel.ns for kernel in found.kernels if kernel.op is Op.REFORMAT)
        assert [(flow.reason, flow.direction, len(flow.rows), flow.ns) for flow in flows(rows)] == [
            (Reason.QDQ, "fp16 -> int8", 9, 171_008),
            (Reason.QDQ, "fp32 -> int8", 1, 61_440),
            (Reason.NEIGHBOUR, "fp32 -> fp16", 1, 36_864),
            (Reason.FORMAT, "fp16 CHW32 -> CHW2", 1, 9_216),
        ]
        assert [(f.code, f.ns) for f in found.findings if f.ns > 10_000] == [
            ("qdq-unfused", 232_448),
            ("int8-dp4a-stem", 201_728),
        ]

    def test_the_fp16_engine_of_the_a100(self) -> None:
        if not SHARED_TRTEXEC.exists():
            pytest.skip("the public layer files are not here")
        rows = analyze(SHARED_TRTEXEC / "resnet18_a100_fp16.graph.json", 80).reformats
        assert [(row.reason, row.direction, row.leaves, row.feeds, row.writes_output) for row in rows] == [
            (Reason.NETWORK_IO, "fp32 -> fp16", "", ("Conv_0 + Relu_1",), False),
            (Reason.NETWORK_IO, "fp16 -> fp32", "Gemm_48", (), True),
        ]
