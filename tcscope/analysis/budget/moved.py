"""What moved since the baseline: from a diff, the layers and kernels that something else runs now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tcscope.analysis.budget.measure import cues_of
from tcscope.model import Cause, Change, ChangeSide, Diff, LayerKernel, Op, Precision, Report, Unit
from tcscope.model.check import Moved, Ran, Scope


def moved(diff: Diff, base: Report, new: Report) -> tuple[Moved, ...]:
    """The layers that changed unit, precision or kernel, and what one side alone has; without layers, the kernels.

    First what is on another unit or in another precision, or comes or goes; then what another kernel runs.
    """
    outside = {side.name for r in (base, new) if r.layering for side in r.layering.outside}
    cues = cues_of(base, new)
    found: list[Moved] = []
    for change in diff.layers:
        names = {name for side in (change.base, change.new) if side for name in side.names}
        by_kernel = diff.by == "kernel" or not names.isdisjoint(outside) or change.matched == "op"
        found += _kernels(change, cues) if by_kernel else _layer(change, cues)
    return tuple(sorted(found, key=lambda row: (_same_work(row), -abs(row.delta_ns), row.name)))


def _layer(change: Change, cues: Mapping[str, str]) -> Iterator[Moved]:
    before, now = _ran(change.base, cues), _ran(change.new, cues)
    if before is None or now is None or before.kernel != now.kernel or _verdict(before) != _verdict(now):
        if (before is None or not before.ns) and (now is None or not now.ns):
            return  # TensorRT lists layers that run nothing
        yield Moved(Scope.LAYER, change.name, before, now, change.delta_ns, change.cause)


def _kernels(change: Change, cues: Mapping[str, str]) -> Iterator[Moved]:
    """Kernels that come, go, or have another verdict; the same in more or less time has not moved."""
    before, now = _by_name(change.base, cues), _by_name(change.new, cues)
    for name in dict.fromkeys([*before, *now]):
        old, found = before.get(name), now.get(name)
        if old is None or found is None or _verdict(old) != _verdict(found):
            delta = (found.ns if found else 0) - (old.ns if old else 0)
            cause = Cause.NOT_MATCHED if old is None or found is None else change.cause
            yield Moved(Scope.KERNEL, name, old, found, delta, cause)


def _same_work(row: Moved) -> bool:
    return row.before is not None and row.now is not None and _verdict(row.before) == _verdict(row.now)


def _verdict(ran: Ran) -> tuple[Unit, Precision]:
    return ran.unit, ran.precision


def _ran(side: ChangeSide | None, cues: Mapping[str, str]) -> Ran | None:
    if side is None:
        return None
    main = _main(side.kernels, side.unit, side.precision, side.op)
    return Ran(side.unit, side.precision, side.op, main, side.ns, cues.get(main, ""))


def _main(kernels: Iterable[LayerKernel], unit: Unit, precision: Precision, op: Op) -> str:
    """The longest kernel with the verdict of the layer, else the longest."""
    rows = sorted(kernels, key=lambda kernel: -kernel.ns)
    of_verdict = [k for k in rows if (k.unit, k.precision, k.op) == (unit, precision, op)]
    return (of_verdict or rows)[0].name if rows else ""


def _by_name(side: ChangeSide | None, cues: Mapping[str, str]) -> dict[str, Ran]:
    found: dict[str, Ran] = {}
    for kernel in side.kernels if side else ():
        ns = kernel.ns + (found[kernel.name].ns if kernel.name in found else 0)
        found[kernel.name] = Ran(kernel.unit, kernel.precision, kernel.op, kernel.name, ns, cues.get(kernel.name, ""))
    return found
