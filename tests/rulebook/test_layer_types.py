"""rules/layer-types.yaml: sound, and complete for the layer files at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcscope import RuleBook
from tcscope.data import rules_dir
from tcscope.errors import ConfigError
from tcscope.rulebook.layer_types import SCHEMA, Side, layer_types, read_layer_types
from tcscope.sources.trtexec import read_layers
from tests.support.facts import A100_FP16, A100_QAT, pair_of
from tests.support.places import FP16_LAYERS, INT8_LAYERS

HEAD = f"schema: {SCHEMA}\nabout: a test\n"
ENTRY = "types:\n  - names: [A]\n    op: pool\n    unit: cuda_core\n    source: 'somewhere'\n"


def test_it_knows_every_type_at_hand() -> None:
    layers = [
        *read_layers(FP16_LAYERS),
        *read_layers(INT8_LAYERS),
        *pair_of(A100_FP16).layers,
        *pair_of(A100_QAT).layers,
    ]
    assert {layer.type for layer in layers if layer_types().of(layer.type) is None} == set()


def test_what_could_run_on_tensor_cores_stays_unknown() -> None:
    for kind in layer_types().types.values():
        assert not (kind.op.is_matrix and kind.unit != "unknown"), kind.name
        assert kind.source


def test_helpers_are_rules() -> None:
    known = {rule.id for rule in RuleBook.builtin().rules}
    assert set(layer_types().helpers) <= known
    assert set(layer_types().helpers.values()) == {Side.NEXT, Side.PREVIOUS}


def test_rules_test_passes_over_the_file() -> None:
    assert RuleBook.load([rules_dir() / "layer-types.yaml"]).rules == RuleBook.builtin().rules


def test_a_sound_file(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(HEAD + ENTRY)
    kind = read_layer_types(tmp_path / "t.yaml").of("A")
    assert kind is not None
    assert (kind.op, kind.unit, kind.idle, kind.verdict.rule) == ("pool", "cuda_core", False, "layer-type:A")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ENTRY, ":1: 'schema:' is missing"),
        (HEAD.replace("/1", "/9") + ENTRY, f":1: 'schema: {SCHEMA}' is expected"),
        (HEAD + ENTRY.replace("pool", "pooling"), ":5: 'op: pooling' is none of"),
        (HEAD + ENTRY.replace("cuda_core", "cuda"), ":6: 'unit: cuda' is none of"),
        (HEAD + ENTRY.replace("[A]", "[A, A]"), ":4: type 'A' is given twice"),
        (HEAD + ENTRY.replace("    source: 'somewhere'\n", ""), ":4: 'source:' is missing"),
        (HEAD + ENTRY + "    also: [copying]\n", ":8: 'copying' is no op"),
        (HEAD + ENTRY + "    idel: true\n", ":8: unknown key 'idel', did you mean 'idle'?"),
        (
            HEAD + ENTRY + "helpers:\n  - {rule: r, of: behind, source: 's'}\n",
            ":9: 'of: behind' is none of next, previous",
        ),
    ],
)
def test_complaints_have_their_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        read_layer_types(tmp_path / "t.yaml")
    assert any(said in problem for problem in error.value.problems), error.value.problems
