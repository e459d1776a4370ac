"""Why the time of matched layers changed. This is the one place where causes take precedence over each other.

Of a layer that computes, what only moves data (`padBiasWeights` beside a convolution) is split off first: it is glue,
added or gone. The rest has one cause, the first that holds:

1. left-tensor-cores, joined-tensor-cores: the unit changed. Whatever else changed, this costs or gains most, and it
   takes the precision with it (dp4a is INT8, but no engineer calls FP16 -> dp4a a change of precision).
2. fusion-merged, fusion-split: the number of layers changed. Their times can't be compared one by one any more, so that
   the precision, shown beside, can't be blamed alone.
3. precision-changed: the math of matrix work; the element type of any other work.
4. other-tactic: another kernel, or another implementation where TensorRT names no kernel.
5. same-kernel: nothing changed but the time.

A reformat on both sides changed precision if its direction changed (a copied constant is too small for its type to
matter); one that has no partner, or takes no time on one
side, was added or is gone. A layer that computes and has no partner is not-matched: nothing is guessed of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from tcscope.analysis.difference.match import Match
from tcscope.analysis.difference.sides import Item
from tcscope.model import Cause, Dtype, Kind, LayerKernel, Op, Part, Precision, Unit
from tcscope.rulebook import canonical

_ADDED = {Kind.REFORMAT: Cause.REFORMAT_ADDED, Kind.GLUE: Cause.GLUE_ADDED, Kind.COMPUTE: Cause.NOT_MATCHED}
_GONE = {Kind.REFORMAT: Cause.REFORMAT_GONE, Kind.GLUE: Cause.GLUE_GONE, Kind.COMPUTE: Cause.NOT_MATCHED}


def parts_of(match: Match) -> tuple[Part, ...]:
    """The causes of a match with the time each explains, largest change first; they sum to its whole change."""
    kind = kind_of(match)
    if not match.base or not match.new:
        causes = _ADDED if match.new else _GONE
        return (Part(causes[kind], _ns(match.new) - _ns(match.base)),)
    if kind is not Kind.COMPUTE:
        return (Part(_mover_cause(match, kind), _ns(match.new) - _ns(match.base)),)
    glue = [[kernel for item in side for kernel in item.glue] for side in (match.base, match.new)]
    moved = sum(kernel.ns for kernel in glue[1]) - sum(kernel.ns for kernel in glue[0])
    parts = [Part(_main_cause(match), _ns(match.new) - _ns(match.base) - moved)]
    if glue[0] or glue[1]:
        parts.append(Part(_change_of(glue[0], glue[1], Kind.GLUE), moved))
    return tuple(sorted(_merged(parts), key=lambda part: -abs(part.ns)))


def kind_of(match: Match) -> Kind:
    """The kind of the items; where they differ, they are judged as layers that compute."""
    kinds = {item.kind for item in (*match.base, *match.new)}
    return kinds.pop() if len(kinds) == 1 else Kind.COMPUTE


def verdict(items: Iterable[Item]) -> tuple[Unit, Precision, Op]:
    """What the items' matrix kernels or, without any, their other main kernels spent most time with."""
    kernels = [kernel for item in items for kernel in item.main]
    matrix = [kernel for kernel in kernels if kernel.op.is_matrix]
    times: dict[tuple[Unit, Precision, Op], int] = defaultdict(int)
    for kernel in matrix or kernels:
        times[kernel.unit, kernel.precision, kernel.op] += kernel.ns
    return max(times, key=lambda key: times[key], default=(Unit.UNKNOWN, Precision.UNKNOWN, Op.UNKNOWN))


def direction(items: Sequence[Item]) -> tuple[Dtype | None, Dtype | None]:
    """The element types that go into the first item and come out of the last."""
    return (items[0].src, items[-1].dst) if items else (None, None)


def _main_cause(match: Match) -> Cause:
    (old_unit, old_precision, _), (unit, precision, _) = verdict(match.base), verdict(match.new)
    if (old_unit, unit) == (Unit.TENSOR_CORE, Unit.CUDA_CORE):
        return Cause.LEFT_TENSOR_CORES
    if (old_unit, unit) == (Unit.CUDA_CORE, Unit.TENSOR_CORE):
        return Cause.JOINED_TENSOR_CORES
    if match.how != "op" and len(match.base) != len(match.new):
        return Cause.FUSION_MERGED if len(match.base) > len(match.new) else Cause.FUSION_SPLIT
    if Precision.UNKNOWN in (old_precision, precision):
        if _direction_changed(match):
            return Cause.PRECISION_CHANGED
    elif old_precision is not precision:
        return Cause.PRECISION_CHANGED
    return Cause.SAME_KERNEL if _is_same(match) else Cause.OTHER_TACTIC


def _mover_cause(match: Match, kind: Kind) -> Cause:
    """Of a reformat or glue layer on both sides."""
    if not _ns(match.base) and _ns(match.new):
        return _ADDED[kind]
    if not _ns(match.new) and _ns(match.base):
        return _GONE[kind]
    if kind is Kind.REFORMAT and match.how != "op" and _direction_changed(match):
        return Cause.PRECISION_CHANGED
    if match.how == "op":
        kernels = [[kernel for item in side for kernel in item.kernels] for side in (match.base, match.new)]
        return _change_of(kernels[0], kernels[1], kind)
    return Cause.SAME_KERNEL if _is_same(match) else Cause.OTHER_TACTIC


def _change_of(base: list[LayerKernel], new: list[LayerKernel], kind: Kind) -> Cause:
    """More launches than before are added, fewer are gone; as many are the same or another kernel."""
    before, after = (sum(kernel.launches for kernel in side) for side in (base, new))
    if before != after:
        return _ADDED[kind] if after > before else _GONE[kind]
    return Cause.SAME_KERNEL if _names(base) == _names(new) else Cause.OTHER_TACTIC


def _direction_changed(match: Match) -> bool:
    """Whether the element type read or written is known on both sides and another one."""
    old, now = direction(match.base), direction(match.new)
    return any(a is not None and b is not None and a is not b for a, b in zip(old, now, strict=True))


def _is_same(match: Match) -> bool:
    """Whether the same kernels do the work or, where TensorRT names none on one side, the same types of layers."""
    base, new = (
        _names(k for item in side for k in item.main if k.name != item.type) for side in (match.base, match.new)
    )
    if base and new:
        return base == new
    types = [{item.type for item in side} - {""} for side in (match.base, match.new)]
    return not all(types) or types[0] == types[1]


def _names(kernels: Iterable[LayerKernel]) -> frozenset[str]:
    return frozenset(canonical(kernel.name) for kernel in kernels if kernel.name)


def _merged(parts: Iterable[Part]) -> list[Part]:
    summed: dict[Cause, int] = defaultdict(int)
    for part in parts:
        summed[part.cause] += part.ns
    return [Part(cause, ns) for cause, ns in summed.items()]


def _ns(items: Iterable[Item]) -> int:
    return sum(item.ns for item in items)
