"""Layer files: `trtexec --exportLayerInfo` and the JSON of TensorRT's engine inspector, 8.2 and later."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tcscope.errors import TraceError
from tcscope.model import Layer
from tcscope.sources.trtexec.formats import tensor
from tcscope.sources.trtexec.nodes import nodes_of
from tcscope.sources.trtexec.repair import read_json

_ROOTS = ("layers", "layerinfo", "layer information")
_LONGEST_VERSION = 40
_EXPORT = "trtexec --profilingVerbosity=detailed --exportLayerInfo=LAYERS.json ..."


def read_layers(path: Path) -> tuple[Layer, ...]:
    """The engine's layers in the order in which they run. Raises UsageError and TraceError."""
    return layers_of(read_json(path), path)


def read_version(path: Path) -> str | None:
    """The version of TensorRT that a layer file of `profile` names. Raises UsageError and TraceError."""
    data = read_json(path)
    version = _lowered(data).get("tensorrt") if isinstance(data, Mapping) else None
    return version[:_LONGEST_VERSION] if isinstance(version, str) else None


def layers_of(data: Any, path: Path) -> tuple[Layer, ...]:
    """The layers of a file's JSON value. Raises TraceError where it has none, or only their names."""
    entries = layer_entries(data)
    if entries is None:
        raise TraceError(f"{path} is no layer file of trtexec: it has no list of layers", _EXPORT)
    if not entries:
        raise TraceError(f"{path} lists no layers", _EXPORT)
    if all(isinstance(entry, str) for entry in entries):
        raise TraceError(
            f"{path} has the names of its layers only: the engine was built without details",
            f"rebuild with --profilingVerbosity=detailed: {_EXPORT}",
        )
    wrong = next((number for number, entry in enumerate(entries, 1) if not isinstance(entry, Mapping)), None)
    if wrong is not None:
        raise TraceError(f"{path} is no sound layer file: its layer {wrong} is no object", _EXPORT)
    return tuple(_layer(_lowered(entry)) for entry in entries)


def layer_entries(data: Any) -> list[Any] | None:
    """The list of layers, wherever the file keeps it; None where the value is no layer file."""
    if isinstance(data, Mapping):
        fields = _lowered(data)
        for root in _ROOTS:
            if root in fields:
                return layer_entries(fields[root])
        return [data] if "layertype" in fields else None  # the inspector's answer for a single layer
    if not isinstance(data, list):
        return None
    named = [isinstance(entry, str) or (isinstance(entry, Mapping) and _is_layer(entry)) for entry in data]
    return data if all(named) else None


def _is_layer(entry: Mapping[str, Any]) -> bool:
    fields = _lowered(entry)
    return "layertype" in fields or ("name" in fields and "timems" not in fields and "averagems" not in fields)


def _layer(entry: Mapping[str, Any]) -> Layer:
    name = str(entry.get("name", ""))
    return Layer(
        name=name,
        type=str(entry.get("layertype") or ""),
        tactic=_text(entry.get("tacticname")),
        origin=_text(entry.get("origin")),
        nodes=nodes_of(entry, name),
        inputs=tuple(tensor(_lowered(t)) for t in _objects(entry.get("inputs"))),
        outputs=tuple(tensor(_lowered(t)) for t in _objects(entry.get("outputs"))),
    )


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _lowered(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The fields by their names in lower case: TensorRT's previews and other tools write `layerType`."""
    return {str(key).lower(): value for key, value in entry.items()}
