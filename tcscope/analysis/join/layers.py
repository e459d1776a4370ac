"""A trace's layers and what TensorRT's layer file says of them, put together by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tcscope.analysis.join.tactics import TacticJoin, VerdictOf
from tcscope.analysis.layers import judged
from tcscope.model import Attribution, Finding, Layer, Level, RangePart, Report
from tcscope.rulebook.layer_types import layer_types
from tcscope.wording import count, duration

_PROFILE = re.compile(r" \[profile (\d+)\]$")  # TensorRT's mark on layers of a second and further shape profile
_EXPORT = "trtexec --loadEngine=ENGINE --profilingVerbosity=detailed --exportLayerInfo=LAYERS.json  # of this engine"


def by_tactic(found: Attribution, engine: Sequence[Layer], verdict_of: VerdictOf) -> tuple[Attribution, int]:
    """The attribution with launches in no range joined to the engine's layers, and the time that was joined.

    Launches of CUDA graphs are; others only where no range claims anything, for else they are not the engine's. Where
    inferences are told apart, what ran in none of them (warm-up, the building of the engine) stays outside.
    """
    possible = [run for run in found.sequences if run.in_graph or not found.ranges]
    told_apart = any(run.is_inference for run in possible)
    tried = [run for run in possible if run.is_inference or not told_apart]
    chosen = set(map(id, tried))
    left = [run for run in found.sequences if id(run) not in chosen]
    join = TacticJoin(engine, layer_types(), verdict_of)
    number = {name: at for at, name in enumerate(dict.fromkeys([*found.ranges, *(layer.name for layer in engine)]))}
    parts = [part for part in found.parts if part.range is not None]
    parts += [part for run in left for part in _in_none(run.names, run.times, run.device, run.process, run.count)]
    joined_ns = 0
    for part in join.parts(tried):
        owner = None if part.range is None else number[engine[part.range].name]
        joined_ns += part.ns if owner is not None else 0
        parts.append(replace(part, range=owner))
    return replace(found, ranges=tuple(number), parts=tuple(parts), sequences=()), joined_ns


def _in_none(
    names: Sequence[str], times: Sequence[int], device: int, process: int, launches: int
) -> Iterator[RangePart]:
    for name, ns in zip(names, times, strict=True):
        yield RangePart(None, name, device, process, launches, ns)


def described(layers: Iterable[Layer], engine: Iterable[Layer]) -> tuple[Layer, ...]:
    """All layers of the engine in its order with what they ran, then those that only the trace knows.

    Layers that ran nothing (constants, no-ops) stay, at 0 ns: a reader who knows the engine looks for them, and they
    tell which layer feeds which.
    """
    ran = {layer.name: layer for layer in layers}
    found: list[Layer] = []
    for layer in in_use(engine, ran):
        name = layer.name if layer.name in ran else plain_name(layer.name)
        mine = ran.pop(name, None)
        if mine is not None:
            found.append(judged(replace(layer, name=name, kernels=mine.kernels)))
        elif all(layer.name != other.name for other in found):
            found.append(layer)
    return (*found, *ran.values())


def in_use(engine: Iterable[Layer], names: Iterable[str]) -> list[Layer]:
    """The layers of the shape profiles that ran; all where none is known to have."""
    every = list(engine)
    used = {profile_of(name) for name in names} or {None}
    marked = {profile_of(layer.name) for layer in every}
    kept = [layer for layer in every if profile_of(layer.name) in used]
    return kept if len(marked) > 1 and kept else every


def plain_name(name: str) -> str:
    """A layer's name without the mark of its shape profile."""
    return _PROFILE.sub("", name)


def profile_of(name: str) -> str | None:
    """The mark of a layer's shape profile, None for the first one."""
    match = _PROFILE.search(name)
    return match[1] if match else None


def differences(report: Report, engine: Iterable[Layer], file: str) -> Iterator[Finding]:
    """What of the trace is not in the layer file, and what of the file should have run and did not."""
    known = {plain_name(layer.name) for layer in engine}
    strange = [layer for layer in report.layers if plain_name(layer.name) not in known]
    ran = [layer for layer in report.layers if layer.launches and layer not in strange]
    if strange:
        ns = sum(layer.ns for layer in strange)
        yield Finding(
            "layers-not-in-file",
            Level.NOTE if ran else Level.WARNING,
            ns,
            f"{count(len(strange), 'layer')} of the trace ({duration(ns)}) {_are(strange)} not in {file}:"
            f" {'no type and no format is known of them' if ran else 'it is the file of another engine'}",
            _EXPORT,
            layers=tuple(layer.name for layer in strange),
        )
    silent = [layer for layer in report.layers if not layer.launches and not _is_idle(layer)]
    by_name = report.layering is not None and report.layering.level == "tactic"
    if silent and (by_name or not (ran or strange)):
        yield Finding(
            "layers-without-kernels",
            Level.NOTE if ran else Level.WARNING,
            0,
            f"{count(len(silent), 'layer')} of {file} got no kernel: no range or tactic tells which is theirs",
            "nsys profile -t cuda,nvtx COMMAND  # without CUDA graphs: trtexec 11 has --noCudaGraph",
            layers=tuple(layer.name for layer in silent),
        )


def _is_idle(layer: Layer) -> bool:
    known = layer_types().of(layer.type)
    return known is not None and known.idle


def _are(things: Sequence[object]) -> str:
    return "is" if len(things) == 1 else "are"
