"""A change of a diff in words: its names on both sides, and what ran it."""

from __future__ import annotations

from tcscope.model import Change, ChangeSide, Kind, Op, Precision
from tcscope.render import text
from tcscope.render.diff.text import Scale
from tcscope.wording import plain


def moved(change: Change) -> str:
    """What runs it now and what ran it before: `tensor_core fp16 -> cuda_core int8`, `fp32->int8 (was fp32->fp16)`."""
    base, new = change.base, change.new
    if change.kind is Kind.REFORMAT:
        before, after = _direction(base), _direction(new)
        if base is None or new is None:
            return after or before
        return f"{after} (was {before})" if before and after and before != after else after
    before, after = _verdict(base), _verdict(new)
    if not before or not after or before == after:
        return after or before
    if base and new and base.unit is new.unit and Precision.UNKNOWN not in (base.precision, new.precision):
        return f"{before} -> {new.precision}"
    return f"{before} -> {after}"


def also(change: Change, shown: Scale) -> str:
    """The change's other causes: ` (glue-added +2.5)`."""
    rest = [f"{part.cause} {shown.change(part.ns)}" for part in change.parts if part.cause is not change.cause]
    return f" ({', '.join(rest)})" if rest else ""


def name(change: Change, shown: Scale, room: int | None = None, gap: str = "…") -> tuple[str, str]:
    """The name, and behind it the names on the other side where they are others: ` (was Conv_0 + Relu_1)`.

    Both fit into `room`, if one is given, the other names into half of it.
    """
    if change.matched == "op":
        counts = (len(side.names) for side in (change.base, change.new) if side)
        return plain(change.name), " ({} before, {} now)".format(*counts)
    _, there = _own_and_other(change)
    if there is None:
        return short(change.name, room, gap), ""
    word = "now" if there is change.new else "was"
    frame = len(f" ({word} )")
    if room is None:
        return plain(change.name), f" ({word} {_names(there, shown, None, gap)})"
    other = _names(there, shown, room - frame - min(len(brief(change.name)), (room - frame) // 2), gap)
    return short(change.name, room - len(other) - frame, gap), f" ({word} {other})"


def brief(layer: str) -> str:
    """The first node of a fused layer and how many more: `/conv1/Conv + 2 more`."""
    first, *more = plain(layer).split(" + ")
    return f"{first} + {len(more)} more" if more else first


def short(layer: str, room: int | None, gap: str = "…") -> str:
    """A layer's name that fits: its first node and how many more, if that fits, else cut in its middle."""
    whole = plain(layer)
    if room is None or len(whole) <= room:
        return whole
    told = brief(layer)
    return told if len(told) <= room else text.cut(whole, room, gap=gap)


def _own_and_other(change: Change) -> tuple[ChangeSide | None, ChangeSide | None]:
    """The side that has the change's name, and the other one where it has other names."""
    if change.base is None or change.new is None or change.base.names == change.new.names:
        return change.new or change.base, None
    return (change.base, change.new) if change.name in change.base.names else (change.new, change.base)


def _names(side: ChangeSide, shown: Scale, room: int | None, gap: str) -> str:
    """The names of a side, each with its time where there are several."""
    several = len(side.names) > 1
    times = [f" {shown.time(ns)}" if several else "" for ns in side.each_ns]
    told = [brief(name) for name in side.names] if several else [plain(name) for name in side.names]
    whole = ", ".join(name + time for name, time in zip(told, times, strict=True))
    if room is None or len(whole) <= room:
        return whole
    each = max((room - len("".join(times)) - 2 * len(times) + 2) // len(times), 8)
    return ", ".join(short(name, each, gap) + time for name, time in zip(side.names, times, strict=True))


def _direction(side: ChangeSide | None) -> str:
    if side is None or (side.src is None and side.dst is None):
        return ""
    return f"{side.src or '?'}->{side.dst or '?'}"


def _verdict(side: ChangeSide | None) -> str:
    """`tensor_core fp16`; the output's type where the work is no matrix work, whose precision is another thing."""
    if side is None:
        return ""
    precision: str = side.precision
    if side.precision is Precision.UNKNOWN:
        precision = side.dst or "" if side.op is not Op.UNKNOWN and not side.op.is_matrix else ""
    return f"{side.unit} {precision}".strip()
