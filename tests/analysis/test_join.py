"""Layers where no range tells them: the join by tactics and order, held against the ranges of the same real traces."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcscope import RuleBook, analyze
from tcscope.analysis.join.layers import by_tactic, described
from tcscope.analysis.join.tactics import TacticJoin
from tcscope.errors import TraceError, UsageError
from tcscope.model import Attribution, LaunchSequence, Layer, RangePart, Report, Verdict
from tcscope.rulebook.layer_types import layer_types
from tests.support.hidden import KINDS, hidden
from tests.support.places import (
    FIXTURES,
    FP16,
    FP16_LAYERS,
    GRAPHS,
    INT8,
    INT8_CUDAGRAPH,
    INT8_LAYERS,
    SHARED_TRACES,
    SHARED_TRTEXEC,
)
from tests.support.traces import TraceBuilder

BOOK = RuleBook.builtin()
CONV, GEMM, POOL = "sm80_xmma_fprop_a_tensor16x8x16", "sm80_xmma_gemm_b_tensor16x8x16", "sm50_xmma_pooling_c"
COPY, PAD = "void genericReformat::copyPackedKernel<float, __half, true>(int)", "nvinfer1::rt::cuda::padBiasWeights<a>"


def pairs(report: Report) -> dict[tuple[str, str], int]:
    return {(layer.name, kernel.name): kernel.ns for layer in report.layers for kernel in layer.kernels}


def shares(found: Report, truth: Report) -> tuple[float, float, float]:
    """The parts of the kernel time that came to the right layer, to a wrong one, to none."""
    wanted, joined = pairs(truth), pairs(found)
    right = sum(min(ns, wanted.get(pair, 0)) for pair, ns in joined.items())
    whole, outside = truth.totals.kernel_ns, found.layering.outside_ns if found.layering else 0
    assert sum(joined.values()) + outside == found.totals.kernel_ns == whole
    return right / whole, (sum(joined.values()) - right) / whole, outside / whole


def engines() -> list[tuple[Path, Path]]:
    shared = [
        (
            SHARED_TRACES / f"h100_trt86_resnet18s_{name}.sqlite",
            SHARED_TRTEXEC / f"h100_trt86_resnet18s_{name}.layers.json",
        )
        for name in ("fp32", "int8_nofp16")
    ]
    return [(FP16, FP16_LAYERS), (INT8, INT8_LAYERS), *(pair for pair in shared if pair[0].exists())]


class TestRealEngines:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(("trace", "layers"), engines(), ids=lambda path: path.name)
    def test_all_time_comes_to_the_layer_that_the_ranges_name(
        self, trace: Path, layers: Path, kind: str, tmp_path: Path
    ) -> None:
        truth = analyze(trace, by=["layer"], book=BOOK)
        found = analyze(hidden(trace, kind, tmp_path), layers=layers, book=BOOK)
        assert found.layering is not None
        assert found.layering.level == "tactic"
        assert found.layering.joined_ns == found.totals.kernel_ns
        assert (found.layering.graph_ns > 0) == (kind == "graphs")
        assert shares(found, truth) == (1, 0, 0)

    @pytest.mark.parametrize(
        ("trace", "layers"), [(FP16, FP16_LAYERS), (INT8, INT8_LAYERS)], ids=lambda path: path.name
    )
    @pytest.mark.parametrize("skip", [1, 5, 17, 30, 41, 50])
    def test_a_capture_that_begins_in_the_middle(self, trace: Path, layers: Path, skip: int, tmp_path: Path) -> None:
        truth = analyze(trace, by=["layer"], skip=skip, book=BOOK)
        found = analyze(hidden(trace, "no ranges", tmp_path), layers=layers, skip=skip, book=BOOK)
        right, wrong, outside = shares(found, truth)
        assert wrong == 0
        assert right > 0.98
        assert right + outside == pytest.approx(1)

    def test_the_file_of_another_engine_joins_nothing(self, tmp_path: Path) -> None:
        found = analyze(hidden(INT8, "graphs", tmp_path), layers=FP16_LAYERS, book=BOOK)
        assert found.layering is not None
        assert found.layering.outside_ns == found.totals.kernel_ns
        said = next(finding for finding in found.findings if finding.code == "layers-without-kernels")
        assert said.level == "warning"

    def test_ranges_are_believed_before_tactics(self) -> None:
        found = analyze(INT8, layers=INT8_LAYERS, book=BOOK)
        assert found.layering is not None
        assert (found.layering.level, found.layering.joined_ns) == ("layer", 0)
        assert pairs(found) == pairs(analyze(INT8, by=["layer"], book=BOOK))


def plain(trace: Path, sql: str, *values: str) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(f"{trace.as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        return list(db.execute(sql, values))


class TestRealCudaGraph:
    """The engine of INT8, which TensorRT captured into a CUDA graph: no range of a layer is in the trace."""

    NAMED = (
        'select s.value, sum(k."end" - k.start) from CUPTI_ACTIVITY_KIND_KERNEL k'
        " join StringIds s on s.id = k.demangledName where s.value like ? group by s.value"
    )
    # The n-th launch of each CUDA graph: its kernel, and its time in all graphs.
    OF_GRAPHS = (
        'select s.value, sum(k.ns) from (select demangledName as name, "end" - start as ns,'
        " row_number() over (partition by correlationId order by start) as place from CUPTI_ACTIVITY_KIND_KERNEL) k"
        " join StringIds s on s.id = k.name group by place, s.value order by place"
    )
    # The n-th launch of the first inference without a CUDA graph: its layer, by the range around its call.
    LAYERS_IN_ORDER = (
        "select (select s.value from NVTX_EVENTS n join StringIds s on s.id = n.textId where n.domainId = 1 and"
        ' n.start <= r.start and n."end" >= r."end" and s.value not like \'ExecutionContext::%\''
        " order by n.start limit 1), 0 from CUPTI_ACTIVITY_KIND_KERNEL k"
        " join CUPTI_ACTIVITY_KIND_RUNTIME r using (correlationId) order by k.start limit 42"
    )

    @pytest.fixture
    def found(self) -> Report:
        return analyze(INT8_CUDAGRAPH, range="inference", layers=INT8_LAYERS, book=BOOK)

    def test_all_time_is_joined_by_tactic_and_order(self, found: Report) -> None:
        assert found.layering is not None
        ((_, whole),) = plain(INT8_CUDAGRAPH, "select '', sum(\"end\" - start) from CUPTI_ACTIVITY_KIND_KERNEL")
        assert (found.layering.level, found.layering.outside_ns) == ("tactic", 0)
        assert found.layering.joined_ns == found.layering.graph_ns == found.totals.kernel_ns == whole == 5_417_261
        assert sum(layer.ns for layer in found.layers) == whole
        assert found.iterations is not None
        assert found.iterations.count == 20
        assert found.iterations.kernel_ns / found.iterations.count == pytest.approx(270_863.05)

    def test_the_time_of_the_stem_and_of_the_padding(self, found: Report) -> None:
        stem = next(layer for layer in found.layers if layer.name == "/conv1/Conv + /relu/Relu + /maxpool/MaxPool")
        ((kernel, ns),) = plain(INT8_CUDAGRAPH, self.NAMED, "sm80_trt_conv_act_pool%")
        assert [(k.name, k.ns) for k in stem.kernels] == [(kernel, ns)]
        assert (stem.ns, stem.launches) == (ns, 20) == (638_155, 20)
        padded = [k.ns for layer in found.layers for k in layer.kernels if "padBiasWeights" in k.name]
        ((_, ns),) = plain(INT8_CUDAGRAPH, self.NAMED, "%padBiasWeights%")
        assert (len(padded), sum(padded)) == (12, ns) == (12, 573_096)

    def test_each_launch_is_in_the_layer_that_a_run_without_a_graph_names(self, found: Report) -> None:
        truth: Counter[tuple[str, str]] = Counter()
        launches = plain(INT8_CUDAGRAPH, self.OF_GRAPHS)
        assert len(launches) == 42  # each graph launches the same kernels in the same order
        for (layer, _), (kernel, ns) in zip(plain(INT8, self.LAYERS_IN_ORDER), launches, strict=True):
            truth[layer, kernel] += ns
        assert pairs(found) == truth

    def test_without_the_engine_s_file_it_says_why_there_are_no_layers(self) -> None:
        with pytest.raises(TraceError, match="shows no layers: CUDA graphs launched its kernels, which hides them"):
            analyze(INT8_CUDAGRAPH, by=["layer"], book=BOOK)


class TestDescribed:
    def test_layers_of_a_trace_learn_what_the_file_says(self) -> None:
        found = analyze(INT8, layers=INT8_LAYERS, book=BOOK)
        assert len(found.layers) == 43
        assert sum(layer.ns for layer in found.layers) == found.totals.kernel_ns == 5_437_102
        conv = next(layer for layer in found.layers if layer.name == "/layer2/layer2.0/conv2/Conv")
        assert (conv.type, conv.nodes) == ("CaskConvolution", ("/layer2/layer2.0/conv2/Conv",))
        assert conv.tactic.startswith("sm90_xmma_fprop_implicit_gemm_i8i8_i8i32")
        assert [(t.dtype, t.layout) for t in conv.outputs] == [("int8", "CHW32")]
        assert (conv.unit, conv.precision, conv.launches, len(conv.kernels)) == ("tensor_core", "int8", 40, 2)
        assert not [finding for finding in found.findings if finding.code.startswith("layers-")]

    def test_layers_that_ran_nothing_stay_at_0_ns(self) -> None:
        found = analyze(INT8, layers=INT8_LAYERS, book=BOOK)
        idle = [layer for layer in found.layers if not layer.launches]
        assert {layer.type for layer in idle} == {"Constant", "NoOp"}
        assert sum(layer.ns for layer in idle) == 0

    def test_layers_that_the_file_does_not_know_are_said(self, tmp_path: Path) -> None:
        trace = TraceBuilder().gpu().domain("TensorRT")
        for number, name in enumerate(("known", "strange")):
            at = 100 * number
            trace.nvtx(name, at, at + 50, registered=True).launch(f"k{number}", at + 10, at + 20, call=(at + 5, at + 6))
        path = trace.write(tmp_path / "t.sqlite")
        (tmp_path / "l.json").write_text('[{"Name": "known", "LayerType": "Reformat"}]')
        found = analyze(path, layers=tmp_path / "l.json", book=BOOK)
        assert [(layer.name, layer.type, layer.ns) for layer in found.layers] == [
            ("known", "Reformat", 10),
            ("strange", "", 10),
        ]
        (said,) = [finding for finding in found.findings if finding.code == "layers-not-in-file"]
        assert (said.level, said.ns, said.layers) == ("note", 10, ("strange",))
        assert said.message.startswith("1 layer of the trace (10 ns) is not in l.json")

    def test_marks_of_shape_profiles(self) -> None:
        engine = [Layer("a"), Layer("b"), Layer("a [profile 1]", type="Reformat"), Layer("b [profile 1]")]
        assert [layer.name for layer in described([Layer("a [profile 1]")], engine)] == [
            "a [profile 1]",
            "b [profile 1]",
        ]
        assert [layer.name for layer in described([Layer("a")], engine)] == ["a", "b"]
        only = [Layer("a [profile 1]", type="Reformat")]
        assert [(layer.name, layer.type) for layer in described([Layer("a")], only)] == [("a", "Reformat")]

    def test_of_layers_with_one_name_the_first_describes(self) -> None:
        engine = [Layer("a", type="Reformat"), Layer("a", type="NoOp")]
        assert [(layer.name, layer.type) for layer in described([Layer("a")], engine)] == [("a", "Reformat")]


def verdict_of(name: str, device: int) -> Verdict:
    return BOOK.classify(name, 90)


def owners(layers: Sequence[Layer], *names: str, is_inference: bool = True) -> list[int | None]:
    join = TacticJoin(layers, layer_types(), verdict_of)
    return join.owners(LaunchSequence(names, 0, 1, (1,) * len(names), 1, is_inference))


def cask(tactic: str) -> Layer:
    return Layer(tactic, "CaskConvolution", tactic=tactic)


class TestRules:
    def test_a_tactic_is_a_name_without_its_wrappers(self) -> None:
        layers = [cask(f"trt_{CONV}"), cask(GEMM)]
        assert owners(layers, f"{CONV}_execute_kernel_trt", f"{GEMM}_execute_segment_k_off_kernel_trt") == [0, 1]

    def test_the_longest_prefix_wins_and_ends_at_a_word(self) -> None:
        layers = [cask(CONV), cask(f"{CONV}_t1r3s3")]
        assert owners(layers, f"{CONV}_t1r3s3_more", f"{CONV}_other", f"{CONV}x") == [1, 0, None]

    def test_a_shared_tactic_goes_by_order(self) -> None:
        layers = [cask(CONV), cask(GEMM), cask(CONV)]
        assert owners(layers, CONV, GEMM, CONV) == [0, 1, 2]
        assert owners(layers, CONV, CONV, GEMM, CONV, CONV) == [0, 0, 1, 2, 2]  # two launches a layer

    def test_a_number_of_launches_that_does_not_divide_stays_outside(self) -> None:
        layers = [cask(CONV), cask(GEMM), cask(CONV)]
        assert owners(layers, CONV, GEMM, CONV, CONV) == [None, 1, None, None]

    def test_a_gap_is_filled_by_type(self) -> None:
        layers = [cask(CONV), Layer("r", "Reformat"), Layer("n", "NoOp"), Layer("p", "TiledPooling"), cask(GEMM)]
        assert owners(layers, CONV, COPY, POOL, GEMM) == [0, 1, 3, 4]
        assert owners(layers, CONV, POOL, COPY, GEMM) == [0, None, None, 4]  # not in this order

    def test_what_is_ambiguous_stays_outside(self) -> None:
        layers = [cask(CONV), Layer("r", "Reformat"), Layer("s", "Reformat"), Layer("p", "TiledPooling"), cask(GEMM)]
        assert owners(layers, CONV, COPY, COPY, POOL, GEMM) == [0, 1, 2, 3, 4]
        assert owners(layers, CONV, COPY, POOL, GEMM) == [0, None, 3, 4]  # of which of the two reformats?

    def test_the_ends_of_a_capture_are_filled_only_if_whole(self) -> None:
        layers = [Layer("r", "Reformat"), Layer("s", "Reformat"), cask(CONV), Layer("t", "Reformat")]
        assert owners(layers, COPY, COPY, CONV, COPY) == [0, 1, 2, 3]
        assert owners(layers, COPY, CONV, COPY, COPY) == [None, 2, None, None]

    def test_helpers_go_with_their_neighbour(self) -> None:
        layers = [cask(CONV), cask(GEMM)]
        assert owners(layers, PAD, CONV, PAD, PAD, GEMM, PAD) == [0, 0, 1, 1, 1, None]

    def test_a_region_without_a_known_type_takes_all_between_its_neighbours(self) -> None:
        layers = [cask(CONV), Layer("{ForeignNode[a...b]}", "Myelin"), cask(GEMM)]
        assert owners(layers, CONV, "__myl_1", COPY, "__myl_2", GEMM) == [0, 1, 1, 1, 2]

    def test_a_thread_is_cut_into_inferences(self) -> None:
        layers = [Layer("r", "Reformat"), cask(CONV), cask(GEMM), cask(CONV)]
        whole = [0, 1, 2, 3]
        once = (COPY, CONV, GEMM, CONV)
        assert owners(layers, *once * 3, is_inference=False) == whole * 3
        assert owners(layers, *once[2:], *once * 2, is_inference=False)[2:] == whole * 2
        late = owners(layers, *once * 2, *once[:2], is_inference=False)
        assert late[:4] == whole
        assert late[8:] in ([0, 1], [None, None], [0, None], [None, 1])  # right or outside, never wrong

    def test_nothing_to_go_by(self) -> None:
        assert owners([], CONV, COPY) == [None, None]
        assert owners([cask(GEMM)], is_inference=False) == []
        assert owners([Layer("r", "Reformat")], CONV, CONV, is_inference=False) == [None, None]


class TestWhatIsTried:
    LAYERS = (cask(CONV), cask(GEMM))

    def joined(self, ranges: tuple[str, ...], *runs: LaunchSequence) -> list[tuple[str, int | None]]:
        found, _ = by_tactic(Attribution(ranges, (), sequences=runs), self.LAYERS, verdict_of)
        return [(part.name, part.range) for part in found.parts]

    def test_what_ranges_leave_over_is_not_the_engine_s_but_in_graphs(self) -> None:
        plain, graph = LaunchSequence((CONV,), 0, 1, (5,)), LaunchSequence((GEMM,), 0, 1, (5,), in_graph=True)
        assert self.joined((), plain, graph) == [(CONV, 0), (GEMM, 1)]
        assert self.joined((CONV,), plain, graph) == [(CONV, None), (GEMM, 1)]

    def test_warm_up_is_left_outside_where_inferences_are_told_apart(self) -> None:
        warm_up = LaunchSequence((CONV, GEMM), 0, 1, (5, 6), is_inference=False)
        assert self.joined((), warm_up) == [(CONV, 0), (GEMM, 1)]
        inference = LaunchSequence((CONV, GEMM), 0, 1, (5, 6), 20)
        assert self.joined((), warm_up, inference) == [(CONV, None), (GEMM, None), (CONV, 0), (GEMM, 1)]


@given(
    layers=st.lists(
        st.sampled_from([cask(CONV), cask(GEMM), Layer("r", "Reformat"), Layer("p", "Pooling")]), max_size=6
    ),
    runs=st.lists(
        st.tuples(st.lists(st.sampled_from([CONV, GEMM, POOL, COPY, PAD, "other"]), max_size=12), st.booleans()),
        max_size=4,
    ),
)
def test_no_launch_is_ever_lost(layers: list[Layer], runs: list[tuple[list[str], bool]]) -> None:
    sequences = tuple(
        LaunchSequence(tuple(names), 0, 1, tuple(range(1, len(names) + 1)), 3, flag, flag) for names, flag in runs
    )
    parts = tuple(
        RangePart(None, name, 0, 1, 3, ns) for run in sequences for name, ns in zip(run.names, run.times, strict=True)
    )
    found, joined_ns = by_tactic(Attribution((), parts, sequences=sequences), layers, verdict_of)
    for name in (CONV, GEMM, POOL, COPY, PAD, "other"):
        for of in ("launches", "ns"):
            before, after = (sum(getattr(p, of) for p in each if p.name == name) for each in (parts, found.parts))
            assert before == after
    assert joined_ns == sum(part.ns for part in found.parts if part.range is not None)
    assert all(part.range is None or part.range < len(found.ranges) for part in found.parts)


class TestWithoutLayers:
    def test_no_tensorrt_ranges(self) -> None:
        with pytest.raises(TraceError, match="has no layers: there are no TensorRT ranges in it") as error:
            analyze(GRAPHS, by=["layer"], book=BOOK)
        assert "--by range" in error.value.hint
        assert "--layers" in error.value.hint

    @pytest.mark.parametrize(
        ("kind", "said"),
        [
            ("no ranges", "has no layers: it was captured without NVTX ranges"),
            ("graphs", "shows no layers: CUDA graphs launched its kernels, which hides them"),
            ("no layer ranges", "shows no layers: no kernel was launched inside a range of TensorRT's"),
        ],
    )
    def test_the_reason_is_said(self, kind: str, said: str, tmp_path: Path) -> None:
        with pytest.raises(TraceError, match=said) as error:
            analyze(hidden(FP16, kind, tmp_path), by=["layer"], book=BOOK)
        assert "--layers LAYERS.json" in error.value.hint

    def test_ranges_and_a_layer_file_exclude_each_other(self) -> None:
        with pytest.raises(UsageError, match="--layers describes layers, not ranges"):
            analyze(INT8, by=["range"], layers=INT8_LAYERS, book=BOOK)

    def test_a_layer_file_of_names_only(self, tmp_path: Path) -> None:
        (tmp_path / "l.json").write_text('{"Layers": ["a"]}')
        with pytest.raises(TraceError, match="has the names of its layers only"):
            analyze(FIXTURES / INT8.name, layers=tmp_path / "l.json", book=BOOK)
