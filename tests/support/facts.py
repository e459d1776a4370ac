"""Tables of facts about an engine's layers (fixtures/*.facts.csv): written from a trtexec pair, and read as one.

A row is a layer: its name, type, origin and tactic, its tensors (`name = type layout dims`, parted by `; `), and its
time in one inference. `pair_of` gives what the JSON files would have given, so that the analysis can't tell them apart.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from tcscope import RuleBook
from tcscope.analysis.engine import report_of_pair
from tcscope.analysis.pipeline import finished
from tcscope.model import Dtype, Layer, Report, Tensor
from tcscope.sources.trtexec import EnginePair, Profile, ProfileRow
from tcscope.sources.trtexec.nodes import nodes_of
from tests.support.places import FIXTURES

A100_FP16 = FIXTURES / "resnet18_a100_fp16.facts.csv"
A100_QAT = FIXTURES / "resnet18_a100_qat.facts.csv"
COLUMNS = ("layer", "type", "origin", "tactic", "inputs", "outputs", "ms")


def facts_of(pair: EnginePair) -> str:
    """The table of a pair whose rows and layers go one to one."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for layer, row in zip(pair.layers, pair.profile.rows, strict=True):
        assert layer.name == row.name
        tensors = ("; ".join(map(_written, side)) for side in (layer.inputs, layer.outputs))
        writer.writerow([layer.name, layer.type, layer.origin, layer.tactic, *tensors, row.ns / 1e6])
    return stream.getvalue()


def pair_of(path: Path, sm: int | None = 80) -> EnginePair:
    """The pair that a table of facts stands for."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    layers = tuple(
        Layer(
            name=row["layer"],
            type=row["type"],
            origin=row["origin"],
            tactic=row["tactic"],
            nodes=nodes_of({}, row["layer"]),
            inputs=_read(row["inputs"]),
            outputs=_read(row["outputs"]),
        )
        for row in rows
    )
    times = tuple(ProfileRow(row["layer"], round(float(row["ms"]) * 1e6)) for row in rows)
    return EnginePair(path, layers, Profile(1, times), sm)


def report_of(path: Path, sm: int | None = 80) -> Report:
    """The report of a table of facts, with ledger and findings."""
    return finished(report_of_pair(pair_of(path, sm), RuleBook.builtin()), ("layer",))


def _written(tensor: Tensor) -> str:
    return f"{tensor.name} = {tensor.dtype or '?'} {tensor.layout or '?'} {'x'.join(map(str, tensor.dims))}"


def _read(text: str) -> tuple[Tensor, ...]:
    found = []
    for part in filter(None, text.split("; ")):
        name, _, said = part.rpartition(" = ")
        dtype, layout, dims = said.split(" ")
        found.append(Tensor(name, Dtype(dtype), layout, tuple(map(int, dims.split("x")))))
    return tuple(found)
