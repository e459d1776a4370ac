"""`--keep-fp16`: which layers, and how trtexec is told so."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tcscope.analysis.advice import keep_fp16, network_nodes
from tcscope.errors import TraceError
from tcscope.model import Layer, Op, Precision, Report, Unit
from tcscope.render.advice import as_text
from tests.support.networks import layer, network, ran

IMMA = ran("imma", Unit.TENSOR_CORE, Precision.INT8, Op.CONV, 100)
HMMA = ran("hmma", Unit.TENSOR_CORE, Precision.FP16, Op.CONV, 100)
DP4A = ran("dp4a", Unit.CUDA_CORE, Precision.INT8, Op.CONV, 300)
DEPTHWISE = ran("depthwise", Unit.CUDA_CORE, Precision.INT8, Op.DEPTHWISE_CONV, 200)
COPY = ran("copy", Unit.CUDA_CORE, Precision.UNKNOWN, Op.REFORMAT, 70)


def trtexec_reads(arguments: str) -> dict[str, str]:
    """What trtexec makes of --layerPrecisions: commas part entries, the last colon the precision, no quote is kept."""
    (spec,) = [part for part in shlex.split(arguments) if part.startswith("--layerPrecisions=")]
    entries = spec.removeprefix("--layerPrecisions=").split(",")
    return {name.replace("'", ""): precision for name, _, precision in (entry.rpartition(":") for entry in entries)}


def sets(arguments: str, name: str) -> bool:
    """Whether trtexec sets the precision of a layer of this name: an exact name, or one with one `*` for any text."""
    for pattern in trtexec_reads(arguments):
        head, star, tail = pattern.partition("*")
        if pattern == name or (
            star and name.startswith(head) and name.endswith(tail) and len(name) >= len(head) + len(tail)
        ):
            return True
    return False


def test_the_layers_most_time_first() -> None:
    made = network(
        layer("dw", DEPTHWISE),
        layer("conv1 + relu", DP4A, reads="x:int8:CHW4:1x3x224x224"),
        layer("ok", IMMA),
        layer("up", replace(DP4A, ns=90), kind="CaskDeconvolution"),
        layer("fp16", HMMA),
    )
    advice = keep_fp16(made)
    assert [(kept.layer, kept.ns, kept.why) for kept in advice.keep] == [
        ("conv1 + relu", 300, "INT8 conv on CUDA cores, 3 input channels"),
        ("dw", 200, "INT8 depthwise convolution on CUDA cores"),
        ("up", 90, "INT8 transposed convolution on CUDA cores"),
    ]
    assert advice.arguments == "--precisionConstraints=prefer --layerPrecisions=conv1:fp16,relu:fp16,dw:fp16,up:fp16"
    assert advice.nodes == ("conv1", "relu", "dw", "up")


def test_fp16_is_allowed_where_nothing_shows_that_it_is() -> None:
    assert keep_fp16(network(layer("a", DP4A))).arguments.startswith("--fp16 ")


@pytest.mark.parametrize(("ns", "kept"), [(49, ()), (50, ()), (51, ("b",))])
def test_reformats_that_cost_more_than_int8_can_gain(ns: int, kept: tuple[str, ...]) -> None:
    copy = replace(COPY, ns=ns)
    made = network(
        layer("a", HMMA, reads="x:fp16", writes="t:fp16", kind="CaskConvolution"),
        layer("r1", copy, reads="t:fp16", writes="t2:int8", kind="Reformat", origin="REFORMAT"),
        layer("b", IMMA, reads="t2:int8", writes="t3:int8", kind="CaskConvolution"),
        layer("r2", copy, reads="t3:int8", writes="t4:fp16", kind="Reformat", origin="REFORMAT"),
        layer("c", HMMA, reads="t4:fp16", writes="y:fp16", kind="CaskConvolution"),
    )
    assert tuple(keep.layer for keep in keep_fp16(made).keep) == kept


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("/conv1/Conv + /relu/Relu", ("/conv1/Conv", "/relu/Relu")),
        ("conv1.weight + QuantizeLinear_7 + Conv_9", ("Conv_9",)),
        ("PWN(/a/Sigmoid)", ("/a/Sigmoid",)),
        ("/c/Conv + PWN(PWN(/a/Sigmoid), /b/Mul)", ("/c/Conv", "/a/Sigmoid", "/b/Mul")),
        ("PWN(a, PWN(f(x), c))", ("a", "f(x)", "c")),
        ("{ForeignNode[a...b]}", ()),
    ],
)
def test_layers_of_the_network_in_a_fused_name(name: str, nodes: tuple[str, ...]) -> None:
    assert network_nodes(Layer(name)) == nodes


def test_the_layer_file_knows_better() -> None:
    assert network_nodes(Layer("{ForeignNode[a...b]}", nodes=("/a/Conv", "/b/Relu"))) == ("/a/Conv", "/b/Relu")


NAMES = st.text("ab,:*' $\"\\`;+/[]?", min_size=1, max_size=8).filter(lambda name: name.strip() == name)


@given(NAMES, st.lists(NAMES, max_size=4))
def test_trtexec_sets_the_layer_and_no_other_or_is_said_not_to(name: str, others: list[str]) -> None:
    assume(" + " not in "".join(others) + name and name not in others)
    advice = keep_fp16(network(layer(name, DP4A), *(layer(other, IMMA) for other in dict.fromkeys(others))))
    if advice.unnamed:
        assert advice.unnamed == (name,)
        assert advice.arguments == ""
        return
    assert sets(advice.arguments, name)
    if "*" not in name:  # a name with an asterisk is a pattern, whatever is done
        assert not any(sets(advice.arguments, other) for other in others)


def test_a_comma_becomes_a_wildcard_unless_that_takes_another_layer() -> None:
    made = network(layer("a,b:c", DP4A), layer("x", IMMA))
    assert trtexec_reads(keep_fp16(made).arguments) == {"a*b:c": "fp16"}
    assert "# (its * stands for a comma" in as_text(keep_fp16(made))
    made = network(layer("a,b", DP4A), layer("axxb", IMMA))
    assert keep_fp16(made).unnamed == ("a,b",)
    assert "# trtexec can't name: a,b" in as_text(keep_fp16(made))


def test_a_shell_sees_one_word() -> None:
    arguments = keep_fp16(network(layer("$(rm -rf /);'`x`", DP4A))).arguments
    assert len(shlex.split(arguments)) == 3  # --fp16, the constraint and the spec


def test_q_dq_nodes_alone_decide() -> None:
    made = network(
        layer("QuantizeLinear_1", COPY),
        layer("conv1.weight + QuantizeLinear_7 + Conv_9", DP4A, reads="x:int8::1x3x7x7"),
        layer("Conv_11", IMMA),
    )
    shown = as_text(keep_fp16(made))
    assert "--layerPrecisions=" not in shown
    assert "leave them out around these layers" in shown
    assert [line for line in shown.splitlines() if line and not line.startswith("#")] == ["Conv_9"]


def test_nothing_to_keep() -> None:
    shown = as_text(keep_fp16(network(layer("a", IMMA))))
    assert shown == "# no INT8 layer here is known to be better left in FP16\n"


def test_without_layers_int8_can_not_be_placed() -> None:
    made = network(layer("a", DP4A))
    bare: Report = replace(made, layers=(), layering=None)
    with pytest.raises(TraceError, match="which layers its INT8 kernels belong to"):
        keep_fp16(bare)
    half = network(layer("a", HMMA))
    assert keep_fp16(replace(half, layers=(), layering=None)).keep == ()


def test_as_text() -> None:
    made = network(layer("conv1 + relu", DP4A, reads="x:int8:CHW4:1x3x224x224"), layer("b", HMMA))
    assert as_text(keep_fp16(made)) == (
        "# better left in FP16: 1 layer\n"
        "#       ms  layer: why\n"
        "#    0.000  conv1 + relu: INT8 conv on CUDA cores, 3 input channels\n"
        "\n"
        "# for trtexec (without Q/DQ nodes, up to TensorRT 10)\n"
        "--precisionConstraints=prefer --layerPrecisions=conv1:fp16,relu:fp16\n"
        "\n"
        "# for a Q/DQ tool: the layers of the network, a line each\n"
        "conv1\n"
        "relu\n"
    )
