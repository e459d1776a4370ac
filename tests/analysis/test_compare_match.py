"""Which layers are taken for the same work, and why a change has the cause it has: by example."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcscope import compare
from tcscope.analysis.difference.names import (
    is_numbered,
    kind_of_layer,
    node_op,
    nodes_of,
    numbers_agree,
    reformat_target,
)
from tcscope.model import Cause, Change, Kind, Layer, LayerKernel, Op, Precision, Report, Unit
from tests.support.engines import conv, engine, int8, layer, pad, pool, ran, reformat
from tests.support.reports import kernel

FC = (
    "fc.weight + QuantizeLinear_255 + Gemm_257 + fc.bias + (Unnamed Layer* 306) [Shuffle] +"
    " unsqueeze_node_after_fc.bias + (Unnamed Layer* 306) [Shuffle]_(Unnamed Layer* 306) [Shuffle]_output +"
    " (Unnamed Layer* 307) [ElementWise]"
)


def changes(base: Report, new: Report) -> dict[str, tuple[str, int, str]]:
    """Name: cause, change, how it was matched."""
    return {c.name: (str(c.cause), c.delta_ns, c.matched) for c in compare(base, new).layers}


def only(base: Report, new: Report) -> Change:
    (change,) = compare(base, new).layers
    return change


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("/conv1/Conv + /relu/Relu", ("/conv1/Conv", "/relu/Relu")),
        ("conv1.weight + QuantizeLinear_7 + Conv_9", ("Conv_9",)),
        ("/conv1/weight_quantizer/QuantizeLinear + /conv1/Conv", ("/conv1/Conv",)),
        (FC, ("Gemm_257",)),
        ("PWN(/act/Sigmoid, /act/Mul)", ("/act/Sigmoid", "/act/Mul")),
        ("PWN(PWN(/act/Sigmoid), /act/Mul)", ("/act/Sigmoid", "/act/Mul")),
        ("{ForeignNode[/a/MatMul.../b/Softmax]}", ("/a/MatMul", "/b/Softmax")),
        ("/q/MatMul || /k/MatMul", ("/q/MatMul", "/k/MatMul")),
        ("/conv1/Conv [profile 1]", ("/conv1/Conv",)),
        ("QuantizeLinear_2", ()),
        ("onnx::Conv_178", ()),
        ("Reformatting CopyNode for Input Tensor 0 to Conv_0 + Relu_1", ()),
    ],
)
def test_nodes_of_a_name(name: str, nodes: tuple[str, ...]) -> None:
    assert nodes_of(Layer(name)) == nodes


def test_nodes_that_the_layer_file_names_go_first() -> None:
    assert nodes_of(Layer("fused", nodes=("/a/Conv", "/a/DequantizeLinear"))) == ("/a/Conv",)


@pytest.mark.parametrize(
    ("node", "op", "bare"),
    [("Conv_9", "Conv", True), ("/layer1/conv2/Conv", "Conv", False), ("/a/Conv_1", "Conv", False), ("x", "x", False)],
)
def test_operators(node: str, op: str, bare: bool) -> None:
    assert (node_op(node), is_numbered(node)) == (op, bare)


def test_numbers_of_two_exports() -> None:
    fp16 = ["Conv_0 + Relu_1", "MaxPool_2", "Conv_3 + Relu_4"]
    assert numbers_agree(fp16, [*fp16, "Conv_5"])
    assert not numbers_agree(fp16, ["conv1.weight + QuantizeLinear_7 + Conv_9", "MaxPool_12", "Conv_3"])
    assert numbers_agree(["/a/Conv"], ["/b/Conv"])


def test_targets_of_reformats() -> None:
    name = "Reformatting CopyNode for Output Tensor 1 to /a/Conv + /b/Relu"
    assert reformat_target(name) == ("/a/Conv + /b/Relu", "Output", "1")
    assert reformat_target("/a/Conv") is None


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (Layer("Identity_4", type="Reformat", origin="CAST"), Kind.GLUE),
        (Layer("copied_squeeze_after_(Unnamed Layer* 307) [ElementWise]"), Kind.GLUE),
        (Layer("QuantizeLinear_2", type="Reformat", origin="QDQ"), Kind.REFORMAT),
        (Layer("/x/DequantizeLinear"), Kind.REFORMAT),
        (Layer("a.weight + QuantizeLinear_2 + Conv_3"), Kind.COMPUTE),
        (Layer("anything", op=Op.REFORMAT), Kind.REFORMAT),
        (Layer("anything", op=Op.COPY), Kind.GLUE),
        (Layer("anything", op=Op.POOL), Kind.COMPUTE),
    ],
)
def test_kinds(found: Layer, kind: Kind) -> None:
    assert kind_of_layer(found) is kind


def test_nothing_changed() -> None:
    assert only(engine(conv("a", 100)), engine(conv("a", 104))).cause is Cause.SAME_KERNEL


def test_another_tactic() -> None:
    assert only(engine(conv("a", 100)), engine(conv("a", 90, "other"))).cause is Cause.OTHER_TACTIC


def test_another_precision() -> None:
    change = only(engine(conv("a", 100)), engine(int8("a", 60)))
    assert (change.cause, change.delta_ns, change.share) == (Cause.PRECISION_CHANGED, -40, -0.4)


def test_the_tensor_cores_go_before_the_precision() -> None:
    on_cuda_cores = engine(int8("a", 190, unit=Unit.CUDA_CORE))
    assert only(engine(conv("a", 100)), on_cuda_cores).cause is Cause.LEFT_TENSOR_CORES
    assert only(on_cuda_cores, engine(conv("a", 100))).cause is Cause.JOINED_TENSOR_CORES


def test_an_unknown_unit_left_nothing() -> None:
    assert only(engine(conv("a", 100)), engine(int8("a", 190, unit=Unit.UNKNOWN))).cause is Cause.PRECISION_CHANGED


def test_glue_inside_a_layer_is_split_off() -> None:
    change = only(engine(conv("a", 100)), engine(int8("a", 60, pad(25))))
    assert [(part.cause, part.ns) for part in change.parts] == [("precision-changed", -40), ("glue-added", 25)]
    assert (change.cause, change.delta_ns) == (Cause.PRECISION_CHANGED, -15)
    diff = compare(engine(conv("a", 100)), engine(int8("a", 60, pad(25))))
    assert (diff.totals.base.glue_ns, diff.totals.new.glue_ns) == (0, 25)


def test_the_larger_part_names_the_cause() -> None:
    assert only(engine(conv("a", 100)), engine(int8("a", 90, pad(25)))).cause is Cause.GLUE_ADDED
    assert only(engine(int8("a", 90, pad(25))), engine(int8("a", 90))).cause is Cause.GLUE_GONE
    assert only(engine(int8("a", 90, pad(25))), engine(int8("a", 90, pad(27)))).cause is Cause.SAME_KERNEL


def test_split_k_is_part_of_the_tactic() -> None:
    reduce = ran("splitKreduce_kernel", 20, Unit.CUDA_CORE, Precision.UNKNOWN, Op.REDUCE)
    change = only(engine(conv("a", 100)), engine(layer("a", ran("xmma_fp16", 70), reduce)))
    assert [(part.cause, part.ns) for part in change.parts] == [("other-tactic", -10)]


def test_layers_merged_by_their_nodes() -> None:
    change = only(
        engine(conv("/a/Conv + /b/Relu", 61), pool("/p/MaxPool", 29)),
        engine(int8("/a/Conv + /b/Relu + /p/MaxPool", 32)),
    )
    assert (change.cause, change.delta_ns, change.matched) == (Cause.FUSION_MERGED, -58, "nodes")
    assert change.base is not None
    assert (change.base.names, change.base.each_ns) == (("/a/Conv + /b/Relu", "/p/MaxPool"), (61, 29))
    assert change.name == "/a/Conv + /b/Relu + /p/MaxPool"


def test_a_layer_split_by_its_nodes() -> None:
    change = only(engine(conv("/a/Conv + /p/MaxPool", 32)), engine(conv("/a/Conv", 61), pool("/p/MaxPool", 29)))
    assert (change.cause, change.name) == (Cause.FUSION_SPLIT, "/a/Conv + /p/MaxPool")


def test_as_many_layers_fused_otherwise_are_pairs() -> None:
    base = engine(conv("/a/Conv + /b/Relu", 10), pool("/c/Add", 5))
    new = engine(conv("/a/Conv", 9), pool("/b/Relu + /c/Add", 7))
    assert changes(base, new) == {
        "/a/Conv": ("same-kernel", -1, "nodes"),
        "/b/Relu + /c/Add": ("same-kernel", 2, "nodes"),
    }


def test_numbered_nodes_of_another_export_are_matched_by_order() -> None:
    # GIVEN an FP16 and a Q/DQ export: Conv_3 there is not Conv_3 here
    base = engine(conv("Conv_0 + Relu_1", 112), pool("MaxPool_2", 62), conv("Conv_3 + Relu_4", 53))
    new = engine(
        reformat("QuantizeLinear_2", 61, origin="QDQ"),
        int8("conv1.weight + QuantizeLinear_0 + Conv_3", 202, unit=Unit.CUDA_CORE),
        pool("MaxPool_12", 95),
        int8("l.weight + QuantizeLinear_20 + Conv_22", 33),
    )
    # THEN the layers are found by what they do and their order
    assert changes(base, new) == {
        "conv1.weight + QuantizeLinear_0 + Conv_3": ("left-tensor-cores", 90, "order"),
        "QuantizeLinear_2": ("reformat-added", 61, ""),
        "MaxPool_12": ("same-kernel", 33, "order"),
        "l.weight + QuantizeLinear_20 + Conv_22": ("precision-changed", -20, "order"),
    }


def test_the_order_keeps_to_shapes() -> None:
    base = engine(conv("Conv_0", 10, shape=(1, 64, 56, 56)), conv("Conv_1", 20, shape=(1, 128, 28, 28)))
    new = engine(conv("Conv_9", 30, shape=(8, 128, 28, 28)))
    assert changes(base, new) == {"Conv_9": ("same-kernel", 10, "order"), "Conv_0": ("not-matched", -10, "")}


def test_the_order_keeps_between_matched_layers() -> None:
    base = engine(pool("/x/MaxPool", 5), conv("/a/Conv", 10))
    new = engine(conv("/a/Conv", 10), pool("/y/MaxPool", 6))
    assert changes(base, new)["/x/MaxPool"] == ("not-matched", -5, "")
    assert changes(base, new)["/y/MaxPool"] == ("not-matched", 6, "")


def test_a_reformat_goes_with_the_layer_it_feeds() -> None:
    base = engine(
        reformat("Reformatting CopyNode for Input Tensor 0 to /a/Conv", 16), conv("/a/Conv", 60), pool("/p/MaxPool", 9)
    )
    new = engine(
        reformat("Reformatting CopyNode for Input Tensor 0 to /a/Conv + /p/MaxPool", 13),
        int8("/a/Conv + /p/MaxPool", 30),
    )
    found = changes(base, new)
    assert found["Reformatting CopyNode for Input Tensor 0 to /a/Conv + /p/MaxPool"] == ("same-kernel", -3, "target")


def test_reformats_added_and_gone() -> None:
    here = "Reformatting CopyNode for Input Tensor 0 to /a/Conv"
    base, new = engine(conv("/a/Conv", 60)), engine(reformat(here, 16), conv("/a/Conv", 60))
    assert changes(base, new)[here] == ("reformat-added", 16, "")
    assert changes(new, base)[here] == ("reformat-gone", -16, "")
    free = engine(reformat(here, 0), conv("/a/Conv", 60))  # a no-op: the formats are one
    assert changes(free, new)[here] == ("reformat-added", 16, "name")


def test_copied_constants_are_glue() -> None:
    copy = layer("Identity_4", ran("__myl_bb0_1_Mov", 2, Unit.CUDA_CORE, Precision.UNKNOWN, Op.COPY))
    assert changes(engine(conv("a", 9)), engine(copy, conv("a", 9)))["Identity_4"] == ("glue-added", 2, "")


def test_names_that_occur_twice_are_paired_in_order() -> None:
    base = engine(conv("a", 10), conv("a", 20))
    new = engine(conv("a", 11), conv("a", 22), conv("a", 40))
    assert sorted(change.delta_ns for change in compare(base, new).layers) == [1, 2, 40]


def kernels(*found: LayerKernel) -> Report:
    """A report without layers."""
    made = tuple(kernel(k.name, k.unit, k.op, k.ns, precision=k.precision) for k in found)
    return replace(engine(outside=found), kernels=made, layering=None)


def test_kernels_by_name_then_by_op() -> None:
    base = kernels(ran("trt_volta_h884cudnn_X", 50), ran("a", 30), ran("b", 20), ran("relu", 5, op=Op.ELEMENTWISE))
    new = kernels(
        ran("volta_h884cudnn_X", 40),
        ran("c", 60, Unit.CUDA_CORE, Precision.FP32),
        ran("void copy(int)", 3, Unit.CUDA_CORE, op=Op.COPY),
    )
    assert changes(base, new) == {
        "volta_h884cudnn_X": ("same-kernel", -10, "name"),
        "conv kernels": ("left-tensor-cores", 10, "op"),
        "relu": ("not-matched", -5, ""),
        "copy": ("glue-added", 3, ""),
    }


def test_per_inference_only_where_both_sides_know_theirs() -> None:
    diff = compare(engine(conv("a", 100), count=10), engine(conv("a", 45), count=5))
    assert (diff.per, diff.totals.delta_ns, diff.base.inferences, diff.new.inferences) == ("inference", -1, 10, 5)
    assert [finding.code for finding in diff.findings] == ["other-count"]
    whole = compare(engine(conv("a", 100), count=10), engine(conv("a", 45), count=None))
    assert (whole.per, whole.totals.delta_ns) == ("trace", -55)
    assert [finding.code for finding in whole.findings] == ["whole-traces"]


@pytest.mark.parametrize(
    ("base_ns", "new_ns", "reformat_ns", "level"),
    [(1000, 900, 200, "warning"), (1000, 400, 100, "note"), (1000, 5000, 60, "note"), (1000, 900, 1, None)],
)
def test_reformats_that_eat_the_gain(base_ns: int, new_ns: int, reformat_ns: int, level: str | None) -> None:
    added = reformat("Reformatting CopyNode for Input Tensor 0 to /a/Conv", reformat_ns)
    diff = compare(engine(conv("/a/Conv", base_ns)), engine(added, conv("/a/Conv", new_ns)))
    assert [finding.level for finding in diff.findings] == ([level] if level else [])


def test_a_gain_that_the_wall_time_does_not_show() -> None:
    def timed(ns: int, wall_ns: int) -> Report:
        made = engine(conv("a", ns))
        assert made.iterations is not None
        return replace(
            made, iterations=replace(made.iterations, wall_ns=wall_ns, span_ns=wall_ns, idle_ns=wall_ns - ns)
        )

    def codes(base: Report, new: Report) -> list[str]:
        return [finding.code for finding in compare(base, new).findings]

    assert codes(timed(400, 500), timed(200, 490)) == ["launch-bound"]
    assert codes(timed(400, 500), timed(200, 300)) == []  # the gain arrives
    assert codes(timed(400, 500), timed(450, 460)) == []  # nothing was gained
    assert "lost" in compare(timed(400, 500), timed(200, 510)).findings[0].message
