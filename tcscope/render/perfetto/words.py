"""What a slice of a timeline is called, its category and its arguments: the same in Perfetto's and Chrome's format."""

from __future__ import annotations

from tcscope.model import Layer, Op, Precision, Unit, Verdict
from tcscope.model.timeline import SliceKind
from tcscope.render.text import cut
from tcscope.wording import plain

_UNITS = {Unit.TENSOR_CORE: "TC", Unit.CUDA_CORE: "CC", Unit.UNKNOWN: "??"}
_WIDTH = 80  # of a name on a slice; the whole one is among its arguments
_LONGEST = 8192  # characters of any text

Arguments = dict[str, str | int]


def label(kind: SliceKind) -> str:
    """The name on the slice: `TC int8 conv: sm80_xmma_fprop_...`, or the layer's or range's own name."""
    if kind.verdict is None:
        return cut_off(kind.name)
    verdict = kind.verdict
    known = [str(word) for word in (verdict.precision, verdict.op) if word not in (Precision.UNKNOWN, Op.UNKNOWN)]
    return f"{' '.join([_UNITS[verdict.unit], *known])}: {cut(kind.name, _WIDTH, kind.cue)}"


def category(kind: SliceKind) -> str:
    """The unit of a kernel; of all else what it is."""
    return str(kind.what if kind.verdict is None else kind.verdict.unit)


def colour_word(kind: SliceKind) -> str:
    """What has the same colour everywhere: a kernel's unit and precision; of all else what it is."""
    return str(kind.what) if kind.verdict is None else f"{kind.verdict.unit} {kind.verdict.precision}"


def arguments(kind: SliceKind) -> Arguments:
    """What is known of a slice beside its name and time."""
    found: Arguments = {}
    if kind.verdict is not None:
        found |= {"kernel": cut_off(kind.name)} | _verdict(kind.verdict)
    if kind.layer is not None:
        found |= _layer(kind.layer)
    return found | dict(kind.facts)


def cut_off(name: str) -> str:
    """A name without control characters, and no longer than any viewer takes."""
    text = plain(name).encode("utf-8", "replace").decode()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _verdict(verdict: Verdict) -> Arguments:
    found: Arguments = {"unit": str(verdict.unit), "precision": str(verdict.precision)}
    if verdict.accumulate is not None:
        found["accumulate"] = str(verdict.accumulate)
    found["op"] = str(verdict.op)
    if verdict.src is not None or verdict.dst is not None:
        found["converts"] = f"{verdict.src or '?'} -> {verdict.dst or '?'}"
    found["rule"] = verdict.rule or "none"
    found["evidence"] = str(verdict.evidence)
    if verdict.source:
        found["source"] = cut_off(verdict.source)
    if verdict.note:
        found["note"] = cut_off(verdict.note)
    return found


def _layer(layer: Layer) -> Arguments:
    found: Arguments = {}
    for name, text in (("type", layer.type), ("tactic", layer.tactic), ("origin", layer.origin)):
        if text:
            found[name] = cut_off(text)
    for name, tensors in (("inputs", layer.inputs), ("outputs", layer.outputs)):
        told = ", ".join(f"{tensor.dtype or '?'} {tensor.layout}".strip() for tensor in tensors)
        if told:
            found[name] = cut_off(told)
    return found
