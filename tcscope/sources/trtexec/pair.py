"""A layer file and its profile: an engine with the time of each layer, without a trace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tcscope.errors import TraceError
from tcscope.model import Layer
from tcscope.sources.trtexec.layers import layer_entries, layers_of, read_layers
from tcscope.sources.trtexec.profile import AGAIN, Profile, is_profile, is_times, read_profile

_LAYER_FILES = (".layers.json", ".graph.json")
_PROFILE = ".profile.json"


@dataclass(frozen=True, slots=True)
class EnginePair:
    """An engine's layers and their times. `path` is the layer file; `sm` the GPU's capability where it was given."""

    path: Path
    layers: tuple[Layer, ...]
    profile: Profile
    sm: int | None = None

    def close(self) -> None:
        """Nothing is held open; a trace has the same method."""


def looks_like_trtexec(data: Any) -> bool:
    """Whether a JSON value is one of trtexec's files."""
    return layer_entries(data) is not None or is_profile(data) or is_times(data)


def open_pair(path: Path, data: Any = None, profile: Path | None = None, sm: int | None = None) -> EnginePair:
    """The pair named by its layer file, whose JSON value may be read already; its profile lies beside it.

    Raises UsageError and TraceError.
    """
    if data is not None and (is_profile(data) or is_times(data)):
        raise _no_layer_file(path, is_times(data))
    layers = read_layers(path) if data is None else layers_of(data, path)
    profile = profile or profile_beside(path)
    if profile is None:
        raise TraceError(f"{path} says what the layers are, not how long they take", _missing_profile(path))
    return EnginePair(path, layers, read_profile(profile), sm)


def profile_beside(path: Path) -> Path | None:
    """The profile that goes with a layer file by name, if it is there."""
    beside = path.with_name(_stem(path) + _PROFILE)
    return beside if beside.is_file() else None


def _stem(path: Path) -> str:
    """A file's name without what says which of the pair it is."""
    for suffix in (*_LAYER_FILES, _PROFILE, ".json"):
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    return path.name


def _missing_profile(path: Path) -> str:
    wanted = path.with_name(_stem(path) + _PROFILE)
    return f"{AGAIN.replace('PROFILE.json', str(wanted))}; or: tcscope analyze {path}:PROFILE.json"


def _no_layer_file(path: Path, times: bool) -> TraceError:
    if times:
        return TraceError(f"{path} holds the times of whole inferences, and no layers", AGAIN)
    found = [path.with_name(_stem(path) + suffix) for suffix in _LAYER_FILES]
    beside = next((str(file) for file in found if file.is_file()), None)
    hint = f"tcscope analyze {beside or 'LAYERS.json'}:{path}" if beside is None else f"tcscope analyze {beside}"
    return TraceError(
        f"{path} is a profile: its layers' kernels stand in the layer file",
        hint if beside else f"{hint}  # trtexec --exportLayerInfo=LAYERS.json writes it",
    )
