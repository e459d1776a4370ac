"""Runs the network piece by piece: all of it in FP32 or INT8, or only what a change of some layers reaches."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import onnx
from onnx import helper

from tcscope.sensitivity.failure import refused
from tcscope.sensitivity.int8 import Array, rounded
from tcscope.sensitivity.network import Network
from tcscope.sensitivity.quantizable import Quantizable
from tcscope.sensitivity.segments import INT8_MARK, Segment, cut, model_of
from tcscope.sensitivity.session import session

Values = dict[str, Array]  # tensors by name


class Machine:
    """The segments of a network and their sessions, made when they are first needed and shared by all threads."""

    def __init__(self, network: Network, layers: Sequence[Quantizable]) -> None:
        self.network = network
        self.segments = cut(network, layers)
        self.place = {s.layer.name: at for at, s in enumerate(self.segments) if s.layer is not None}
        self.scales: dict[str, float] = {}
        self._types = _types(network, self.segments)
        self._sessions: dict[tuple[int, bool], Any] = {}
        self._lock = threading.Lock()

    def whole(self, inputs: Values, int8: Iterable[str] = ()) -> Values:
        """Every crossing tensor, with the layers of these names in INT8."""
        values, chosen = dict(inputs), {self.place[name] for name in int8}
        for at in range(len(self.segments)):
            values.update(self._run(at, at in chosen, values))
        return values

    def changed(self, base: Values, flipped: Iterable[str], *, to_int8: bool) -> Values:
        """What differs from `base` when these layers change: to INT8 in a base of FP32, or to FP32 in one of INT8.

        Only segments that a changed tensor reaches run; the others' tensors are those of `base`, and not in the answer.
        """
        chosen = {self.place[name] for name in flipped}
        found: Values = {}
        for at in range(min(chosen), len(self.segments)):
            if at not in chosen and not any(name in found for name in self.segments[at].reads):
                continue
            found.update(self._run(at, (at in chosen) == to_int8, base, found))
        return found

    def _run(
        self, at: int, int8: bool, values: Mapping[str, Array], newer: Mapping[str, Array] | None = None
    ) -> Values:
        newer = newer or {}
        segment = self.segments[at]
        int8 = int8 and segment.layer is not None
        made, names = self._session(at, int8)
        feeds = {}
        for name in names:
            plain = name.removesuffix(INT8_MARK)
            value = newer[plain] if plain in newer else values[plain]
            feeds[name] = value if plain == name else rounded(value, self.scales[plain])
        return dict(zip(segment.writes, made.run(list(segment.writes), feeds), strict=True))

    def _session(self, at: int, int8: bool) -> tuple[Any, list[str]]:
        with self._lock:
            if (at, int8) not in self._sessions:
                try:
                    made = session(model_of(self.network, self.segments[at], self._types, int8=int8))
                except Exception as error:
                    raise refused(self.network.path, error) from error
                self._sessions[at, int8] = made, [value.name for value in made.get_inputs()]
            return self._sessions[at, int8]  # type: ignore[no-any-return]


def _types(network: Network, segments: Sequence[Segment]) -> dict[str, int]:
    """The element type of every tensor that crosses, as ONNX Runtime infers it."""
    names = [name for segment in segments for name in segment.writes]
    model = onnx.ModelProto()
    model.CopyFrom(network.model)
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names if name not in known)
    try:
        made = session(model)
    except Exception as error:
        raise refused(network.path, error) from error
    types = {value.name: value.type.tensor_type.elem_type for value in network.inputs}
    return types | {value.name: _ELEMENTS.get(value.type, 0) for value in made.get_outputs()}


_ELEMENTS = {
    f"tensor({word})": getattr(onnx.TensorProto, name)
    for word, name in (
        *(("float", "FLOAT"), ("float16", "FLOAT16"), ("double", "DOUBLE"), ("bool", "BOOL"), ("string", "STRING")),
        *((f"{sign}int{bits}", f"{sign}int{bits}".upper()) for sign in ("", "u") for bits in (8, 16, 32, 64)),
    )
}
