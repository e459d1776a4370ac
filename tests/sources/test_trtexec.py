"""Layer files and profiles of trtexec: every root, every defect met, and what formats mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tcscope.errors import TraceError, UsageError
from tcscope.model import Dtype, Report
from tcscope.sources import NsysTrace, open_source, open_trace
from tcscope.sources.trtexec import EnginePair, Profile, ProfileRow, read_layers, read_profile
from tcscope.sources.trtexec.formats import dtype_of, layout_of, tensor
from tcscope.sources.trtexec.nodes import nodes_of
from tests.support.facts import A100_FP16, A100_QAT, facts_of, pair_of
from tests.support.places import FIXTURES, INT8_LAYERS, SHARED_TRTEXEC

CONV: dict[str, Any] = {
    "Name": "Conv_0 + Relu_1",
    "LayerType": "CaskConvolution",
    "Inputs": [{"Name": "x", "Dimensions": [1, 3, 8, 8], "Format/Datatype": "Row major linear FP32"}],
    "Outputs": [{"Name": "y", "Dimensions": [1, 8, 8, 8], "Format/Datatype": "Row major linear FP16 format"}],
    "TacticName": "ampere_scudnn_128x64_relu_xregs_large_nn_v1",
}
ROWS = [{"count": 2}, {"name": "Conv_0 + Relu_1", "timeMs": 0.5, "averageMs": 0.25, "percentage": 100}]


def written(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


class TestLayerFiles:
    @pytest.mark.parametrize(
        "root",
        [
            {"Layers": [CONV], "Bindings": ["x", "y"]},
            {"Bindings": [], "layers": [CONV]},
            {"LayerInfo": [CONV]},
            {"LayerInfo": {"Layers": [CONV]}},
            [CONV],
            CONV,
            {"Layers": [{key[0].lower() + key[1:]: value for key, value in CONV.items()}]},
        ],
        ids=["Layers", "layers", "LayerInfo", "nested", "list", "one layer", "lower case"],
    )
    def test_every_root(self, root: Any, tmp_path: Path) -> None:
        (layer,) = read_layers(written(tmp_path / "t.json", root))
        assert (layer.name, layer.type, layer.nodes) == ("Conv_0 + Relu_1", "CaskConvolution", ("Conv_0", "Relu_1"))
        assert layer.tactic == "ampere_scudnn_128x64_relu_xregs_large_nn_v1"
        assert [(t.name, t.dtype, t.layout, t.dims) for t in (*layer.inputs, *layer.outputs)] == [
            ("x", Dtype.FP32, "linear", (1, 3, 8, 8)),
            ("y", Dtype.FP16, "linear", (1, 8, 8, 8)),
        ]

    @pytest.mark.parametrize("root", [{"Layers": ["a", "b"], "Bindings": []}, ["a", "b"], {"layers": ["a"]}])
    def test_names_only(self, root: Any, tmp_path: Path) -> None:
        with pytest.raises(TraceError, match="has the names of its layers only") as error:
            read_layers(written(tmp_path / "t.json", root))
        assert error.value.hint.startswith("rebuild with --profilingVerbosity=detailed")

    @pytest.mark.parametrize(
        ("root", "said"),
        [
            ({"Layers": []}, "lists no layers"),
            ({"Layers": {}}, "is no layer file of trtexec"),
            ({"Layers": [CONV, "a"]}, "is no sound layer file: its layer 2 is no object"),
            ({"Layers": [3]}, "is no layer file of trtexec"),
            ({"a": 1}, "is no layer file of trtexec"),
            (ROWS, "is no layer file of trtexec"),
        ],
    )
    def test_no_layers(self, root: Any, said: str, tmp_path: Path) -> None:
        with pytest.raises(TraceError, match=said):
            read_layers(written(tmp_path / "t.json", root))

    def test_fields_that_are_absent_or_odd(self, tmp_path: Path) -> None:
        odd = {"Name": "n", "LayerType": None, "Inputs": ["x", {"Name": "t"}], "TacticName": 7, "Outputs": None}
        (layer,) = read_layers(written(tmp_path / "t.json", [odd]))
        assert (layer.name, layer.type, layer.tactic, layer.origin, layer.outputs) == ("n", "", "", "", ())
        assert [(t.name, t.dtype, t.layout, t.dims) for t in layer.inputs] == [("t", None, "", ())]


@pytest.mark.parametrize(
    ("text", "dtype", "layout"),
    [
        ("Row major linear FP32", "fp32", "linear"),
        ("Row major linear FP16 format", "fp16", "linear"),
        ("Row major linear Int32", "int32", "linear"),
        ("Row major linear BOOL", "bool", "linear"),
        ("Row major Int8 format", "int8", "linear"),
        ("Two wide channel vectorized row major FP16 format", "fp16", "CHW2"),
        ("Four wide channel vectorized row major Int8 format", "int8", "CHW4"),
        ("Sixteen wide channel vectorized row major FP16 format", "fp16", "CHW16"),
        ("Thirty-two wide channel vectorized row major Int8 format.", "int8", "CHW32"),
        ("Thirty-two wide channel vectorized row major Int8 format with 3 spatial dimensions", "int8", "CDHW32"),
        ("Channel major FP16 format where channel % 8 == 0", "fp16", "HWC8"),
        ("Channel major FP16 format where C % 8 == 0 and H Stride % 32 == 0", "fp16", "HWC8"),
        ("Channel major FP16 format where channel % 8 == 0 with 3 spatial dimensions", "fp16", "DHWC8"),
        ("Channel major FP32 format", "fp32", "HWC"),
        ("Channel major INT8 format where channel == 4 and column stride % 32 == 0", "int8", "DLA_HWC4"),
        ("Row major INT8 format where column stride % 64 == 0", "int8", "DLA_LINEAR"),
        ("Row major linear BFloat16 format", "bf16", "linear"),
        ("Row major linear FP8 format", "fp8", "linear"),
        ("Row major linear UInt8", "uint8", "linear"),
        ("Row major linear Int4", "int4", "linear"),
        ("Half", "fp16", ""),
        ("Float", "fp32", ""),
        ("N/A due to dynamic shapes", None, ""),
        ("Unknown format", None, ""),
        ("", None, ""),
        ("Blocked by seven FP16 format", "fp16", "blocked by seven"),
    ],
)
def test_formats(text: str, dtype: str | None, layout: str) -> None:
    assert (dtype_of(text), layout_of(text)) == (dtype, layout)


@pytest.mark.parametrize(
    ("entry", "dtype", "layout"),
    [
        ({"format": "Linear", "datatype": "Half"}, Dtype.FP16, "linear"),
        ({"format": "kCHW32", "datatype": "Int8"}, Dtype.INT8, "CHW32"),
        ({"format": "HWC8", "datatype": "BFloat16"}, Dtype.BF16, "HWC8"),
        ({"format/datatype": "N/A due to dynamic shapes", "datatype": "FP8"}, Dtype.FP8, ""),
        ({"datatype": "Float"}, Dtype.FP32, ""),
    ],
)
def test_format_and_type_apart_as_tensorrt_10_writes_them(entry: Any, dtype: Dtype, layout: str) -> None:
    found = tensor({"name": "t", "dimensions": [1, -1, 8], **entry})
    assert (found.dtype, found.layout, found.dims) == (dtype, layout, (1, -1, 8))


@pytest.mark.parametrize(
    ("metadata", "name", "nodes"),
    [
        (None, "Conv_0 + Relu_1", ("Conv_0", "Relu_1")),
        (None, "conv_a || conv_b", ("conv_a", "conv_b")),
        (None, "PWN(PWN(/a/Sigmoid), /a/Mul)", ("/a/Sigmoid", "/a/Mul")),
        (None, "Reformatting CopyNode for Input Tensor 0 to Conv_0 + Relu_1", ()),
        (None, "{ForeignNode[a...b]}", ()),
        (None, "", ()),
        ("", "Conv_0 + Relu_1", ()),
        ("[ONNX Layer: /conv1/Conv]\x1e[ONNX Layer: /relu/Relu]", "x", ("/conv1/Conv", "/relu/Relu")),
        ("[ONNX Layer: a]\x1f[ONNX Layer: b]", "x", ("a", "b")),
        ("[ONNX Layer: a][ONNX Layer: b]", "x", ("a", "b")),
        ("[ONNX Layer: a[0]]\x1e[ONNX Layer: b]\x1e[ONNX Layer: a[0]]", "x", ("a[0]", "b")),
    ],
)
def test_nodes(metadata: str | None, name: str, nodes: tuple[str, ...]) -> None:
    assert nodes_of({} if metadata is None else {"metadata": metadata}, name) == nodes


class TestProfiles:
    def test_rows(self, tmp_path: Path) -> None:
        rows = [
            {"count": 50},
            {"name": "a", "timeMs": 0.080896, "averageMs": 1, "medianMs": 1, "percentage": 7.9},
            {"name": "a", "timeMs": 0},
            {"name": "b [profile 1]", "averageMs": 0.002},
            {"name": "c", "timeMs": -1},
            {"name": "d", "timeMs": None, "percentage": None},
        ]
        assert read_profile(written(tmp_path / "p.json", rows)) == Profile(
            50,
            (
                ProfileRow("a", 80896),
                ProfileRow("a", 0),
                ProfileRow("b [profile 1]", 100_000),
                ProfileRow("c", 0),
                ProfileRow("d", 0),
            ),
        )

    def test_without_a_count_it_is_one_inference(self, tmp_path: Path) -> None:
        assert read_profile(written(tmp_path / "p.json", ROWS[1:])).count == 1

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ([{"count": 3}], "has no rows: trtexec profiled no inference"),
            ([], "it has no 'timeMs'"),
            ({"Layers": [CONV]}, "it has no 'timeMs'"),
            ([{"startComputeMs": 1, "computeMs": 2}], "it holds the times of whole inferences"),
        ],
    )
    def test_no_profile(self, value: Any, said: str, tmp_path: Path) -> None:
        with pytest.raises(TraceError, match=said) as error:
            read_profile(written(tmp_path / "p.json", value))
        assert "--exportProfile=" in error.value.hint


class TestPairs:
    @pytest.mark.parametrize("suffix", [".layers.json", ".graph.json", ".json"])
    def test_the_profile_beside_is_found(self, suffix: str, tmp_path: Path) -> None:
        written(tmp_path / "net.profile.json", ROWS)
        pair = open_source(written(tmp_path / f"net{suffix}", {"Layers": [CONV]}), 87)
        assert isinstance(pair, EnginePair)
        assert (pair.sm, pair.profile.count, [layer.name for layer in pair.layers]) == (87, 2, ["Conv_0 + Relu_1"])

    def test_both_by_name(self, tmp_path: Path) -> None:
        layers = written(tmp_path / "a:b.json", {"Layers": [CONV]})
        profile = written(tmp_path / "p.json", ROWS)
        pair = open_source(f"{layers}:{profile}")
        assert isinstance(pair, EnginePair)
        assert pair.path == layers
        with pytest.raises(UsageError, match=r"no such file: .*absent"):
            open_source(f"{layers}:{tmp_path / 'absent.json'}")

    def test_a_file_with_a_colon_is_a_file(self, tmp_path: Path) -> None:
        written(tmp_path / "a:b.profile.json", ROWS)
        assert isinstance(open_source(written(tmp_path / "a:b.layers.json", [CONV])), EnginePair)

    def test_no_profile(self, tmp_path: Path) -> None:
        path = written(tmp_path / "net.layers.json", {"Layers": [CONV]})
        with pytest.raises(TraceError, match="says what the layers are, not how long they take") as error:
            open_source(path)
        assert str(tmp_path / "net.profile.json") in error.value.hint

    def test_a_profile_leads_to_its_layers(self, tmp_path: Path) -> None:
        profile = written(tmp_path / "net.profile.json", ROWS)
        with pytest.raises(TraceError, match="is a profile") as error:
            open_source(profile)
        assert error.value.hint.startswith(f"tcscope analyze LAYERS.json:{profile}")
        layers = written(tmp_path / "net.graph.json", {"Layers": [CONV]})
        with pytest.raises(TraceError) as error:
            open_source(profile)
        assert error.value.hint == f"tcscope analyze {layers}"

    def test_times_of_whole_inferences(self, tmp_path: Path) -> None:
        with pytest.raises(TraceError, match="holds the times of whole inferences, and no layers"):
            open_source(written(tmp_path / "t.json", [{"computeMs": 1.0, "latencyMs": 2.0}]))

    def test_a_cut_layer_file_is_no_bad_report(self, tmp_path: Path) -> None:
        (tmp_path / "t.json").write_text(json.dumps({"Layers": [CONV]})[:90])
        with pytest.raises(TraceError, match="is damaged or cut short") as error:
            open_source(tmp_path / "t.json")
        assert "trtexec" in error.value.hint

    def test_other_json_is_judged_as_a_report(self, tmp_path: Path) -> None:
        with pytest.raises(TraceError, match="is no tcscope report"):
            open_source(written(tmp_path / "t.json", [1, 2]))
        path = tmp_path / "report.json"
        path.write_text('{"schema": "tcscope.report/1", "trace": {"file": "x"}, "layers": [{"name": "a"}]}')
        assert isinstance(open_source(path), Report)

    def test_what_needs_a_trace_says_so(self) -> None:
        with pytest.raises(UsageError, match="is a layer file of trtexec; this needs the trace itself"):
            open_trace(INT8_LAYERS)
        assert isinstance(open_trace(FIXTURES / "h100_trt86_resnet18s_int8.sqlite"), NsysTrace)


class TestRealFiles:
    @pytest.mark.parametrize(("name", "layers", "ns"), [("fp16", 45, 25_528_096), ("int8", 43, 22_007_680)])
    def test_ours(self, name: str, layers: int, ns: int) -> None:
        pair = open_source(FIXTURES / f"h100_trt86_resnet18s_{name}.layers.json")
        assert isinstance(pair, EnginePair)
        assert (len(pair.layers), pair.profile.count, sum(row.ns for row in pair.profile.rows)) == (layers, 50, ns)
        assert [layer.name for layer in pair.layers] == [row.name for row in pair.profile.rows]
        stem = next(layer for layer in pair.layers if layer.name.startswith("/conv1/Conv"))
        assert stem.nodes[:2] == ("/conv1/Conv", "/relu/Relu")
        assert all(t.dtype and t.layout for layer in pair.layers for t in (*layer.inputs, *layer.outputs))

    @pytest.mark.parametrize("name", ["fp16", "qat"])
    def test_the_tables_of_facts_are_those_of_the_public_files(self, name: str) -> None:
        path = SHARED_TRTEXEC / f"resnet18_a100_{name}.graph.json"
        if not path.exists():
            pytest.skip("the public files are not in this checkout")
        table = {"fp16": A100_FP16, "qat": A100_QAT}[name]
        pair = open_source(path)
        assert isinstance(pair, EnginePair)
        assert facts_of(pair) == table.read_text(encoding="utf-8")
        made = pair_of(table, None)
        assert (made.layers, made.profile) == (pair.layers, pair.profile)
