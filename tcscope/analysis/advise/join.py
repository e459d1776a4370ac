"""The layers of a sensitivity table found in two traces: by name, by node, by the weight that bears a module's name."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tcscope.analysis.advice import network_nodes
from tcscope.analysis.difference.names import is_numbered
from tcscope.model import Change, Diff, Kind, Layer, Precision, Report
from tcscope.model.advise import Stray
from tcscope.model.sensitivity import LayerSensitivity, Sensitivity

_NEAREST = 2
_FLOAT = frozenset({Precision.FP16, Precision.BF16, Precision.FP32, Precision.TF32, Precision.FP64, Precision.FP8})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A layer that runs in INT8 in the new trace, both its times, and the layers of the sensitivity that it holds."""

    layers: tuple[LayerSensitivity, ...]
    change: Change

    @property
    def name(self) -> str:
        """The name of the first layer of the sensitivity."""
        return self.layers[0].name

    @property
    def loss(self) -> float:
        """What it costs in INT8; below 0 is taken for 0: no layer gains from INT8 but by chance."""
        return sum(max(layer.loss, 0.0) for layer in self.layers)

    @property
    def base(self) -> tuple[str, ...]:
        """Its layers in the base trace."""
        return self.change.base.names if self.change.base else ()

    @property
    def new(self) -> tuple[str, ...]:
        """Its layers in the new trace."""
        return self.change.new.names if self.change.new else ()


@dataclass(frozen=True, slots=True)
class Joined:
    """Which layers were found, which weren't, and what of the new trace has no loss."""

    candidates: tuple[Candidate, ...]
    unmatched: tuple[Stray, ...]
    lost: float  # the losses of the unmatched, which stay in INT8
    float_already: tuple[str, ...]
    unmeasured: tuple[str, ...]


def join(sensitivity: Sensitivity, base: Report, new: Report, diff: Diff) -> Joined:
    """Each layer of the sensitivity with its time on both sides.

    Exports may number the same layers otherwise (`Conv_9` is another layer there), so numbered names are looked up in
    the one trace that knows most of the sensitivity's names; a tie goes to the base, which is not quantized.
    """
    sides = [_names(report) for report in (base, new)]
    known = [sum(_found(layer, names) != "" for layer in sensitivity.layers) for names in sides]
    first = 0 if known[0] >= known[1] else 1
    of_layer = _changes(diff)
    held: dict[int, list[LayerSensitivity]] = defaultdict(list)
    changes: dict[int, Change] = {}
    strays: list[LayerSensitivity] = []
    for layer in sensitivity.layers:
        change = None
        for side in (first, 1 - first):
            if side == first or not any(map(is_numbered, (layer.name, *layer.nodes))):
                change = change or of_layer.get((side, _found(layer, sides[side])))
        if change is None or change.base is None or change.new is None:
            strays.append(layer)
        else:
            held[id(change)].append(layer)
            changes[id(change)] = change
    found = [Candidate(tuple(layers), changes[key]) for key, layers in held.items()]
    float_already = [c for c in found if c.change.new is not None and c.change.new.precision in _FLOAT]
    candidates = tuple(c for c in found if c not in float_already)
    return Joined(
        candidates,
        tuple(Stray(layer.name, _nearest(layer.name, sides[first])) for layer in strays),
        sum(max(layer.loss, 0.0) for layer in strays),
        tuple(layer.name for c in float_already for layer in c.layers),
        tuple(_unmeasured(diff, candidates)),
    )


def is_int8(change: Change) -> bool:
    """Whether a layer computes in INT8 in the new trace."""
    return change.kind is Kind.COMPUTE and change.new is not None and change.new.precision is Precision.INT8


def _unmeasured(diff: Diff, candidates: Iterable[Candidate]) -> list[str]:
    taken = {id(c.change) for c in candidates}
    rest = [c for c in diff.layers if is_int8(c) and c.new and c.new.op.is_matrix and id(c) not in taken]
    return [change.new.names[0] for change in rest if change.new]


def _names(report: Report) -> dict[str, str]:
    """Every name that may stand for a layer, and the layer: its own, its nodes, the module of its weight."""
    found: dict[str, str] = {}
    for layer in report.layers:
        for name in (layer.name, *network_nodes(layer), *_modules(layer)):
            found.setdefault(name, layer.name)
    return found


def _modules(layer: Layer) -> tuple[str, ...]:
    """`layer1.0.conv1` of `layer1.0.conv1.weight + QuantizeLinear_20 + Conv_22`."""
    parts = (*layer.name.split(" + "), *layer.nodes)
    return tuple(dict.fromkeys(part.removesuffix(".weight") for part in parts if part.endswith(".weight")))


def _found(layer: LayerSensitivity, names: dict[str, str]) -> str:
    return next((names[name] for name in (layer.name, *layer.nodes) if name in names), "")


def _changes(diff: Diff) -> dict[tuple[int, str], Change]:
    found: dict[tuple[int, str], Change] = {}
    for change in diff.layers:
        if change.kind is Kind.COMPUTE:
            for side, part in enumerate((change.base, change.new)):
                for name in part.names if part else ():
                    found.setdefault((side, name), change)
    return found


def _nearest(name: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(difflib.get_close_matches(name, list(names), n=_NEAREST, cutoff=0.4))
