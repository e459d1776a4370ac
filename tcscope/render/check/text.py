"""Parts of a check in words and numbers, as the table shows them."""

from __future__ import annotations

from dataclasses import dataclass

from tcscope.model import TraceInfo
from tcscope.model.check import Check, Condition, Measure, Moved
from tcscope.render.check.lines import verdict
from tcscope.render.diff.names import brief
from tcscope.render.text import cut, selection
from tcscope.wording import count, duration, plain


@dataclass(frozen=True, slots=True)
class Milliseconds:
    """How times in ms are shown: with as many digits as the largest of them needs."""

    digits: int

    def time(self, ns: int | None) -> str:
        """`0.0613`, or `-` for none."""
        return "-" if ns is None else f"{ns / 1e6:,.{self.digits}f}"

    def change(self, ns: int) -> str:
        """`+0.2271`, and `0.0000` for what rounds to nothing."""
        shown = f"{ns / 1e6:+,.{self.digits}f}"
        return shown if shown.strip("+-0.") else shown[1:]


def milliseconds(check: Check) -> Milliseconds:
    """The digits for what moved."""
    largest = max((side.ns for row in check.moved for side in (row.before, row.now) if side), default=0)
    return Milliseconds(4 if largest < 10_000_000 else 3)


def subject(trace: TraceInfo) -> str:
    """`fp32.sqlite, range 'inference'`."""
    return ", ".join(filter(None, (plain(trace.file), selection(trace))))


def baseline(check: Check) -> str:
    """`baseline.json (fp16.sqlite, 2026-11-23T06:06:53)`."""
    trace = check.baseline
    of = ", ".join(filter(None, (plain(trace.file), plain(trace.captured)))) if trace else ""
    return f"{plain(check.baseline_file)} ({of})" if check.baseline_file else of


def headline(check: Check) -> str:
    """`failed: 1 of 3 conditions failed, 1 within noise`."""
    return f"{check.outcome}: {plain(check.summary)}"


def values(condition: Condition) -> str:
    """`found 11.0 %, expected >= 81.6 %, baseline 83.6 %`."""
    parts = [f"found {plain(condition.found.text)}", f"expected {plain(condition.expected)}"]
    if condition.baseline is not None and condition.measure is not Measure.WORD:
        parts.append(f"baseline {plain(condition.baseline.text)}")
    if condition.noise_ns is not None:
        parts.append(f"noise {duration(condition.noise_ns)}")
    return ", ".join(parts)


def moved_title(check: Check) -> str:
    """`Moved since the baseline: 24 layers, ms an inference`."""
    scopes = {row.scope for row in check.moved}
    what = (
        count(len(check.moved), str(scopes.pop())) if len(scopes) == 1 else f"{len(check.moved):,} layers and kernels"
    )
    return f"Moved since the baseline: {what}, ms {'an inference' if check.per == 'inference' else 'in all'}"


def way(row: Moved) -> str:
    """`tensor_core fp16 -> cuda_core fp32  left-tensor-cores`; `cuda_core fp32  new`."""
    if row.before is None:
        return f"{verdict(row.now)}  new"
    if row.now is None:
        return f"{verdict(row.before)}  gone"
    before, now = verdict(row.before), verdict(row.now)
    return f"{before if before == now else f'{before} -> {now}'}  {row.cause}"


def ran_by(row: Moved) -> list[tuple[str, str, str]]:
    """The kernels to name below a layer, each with a word and its cue: what runs it now, and where only that is another
    kernel, what ran it before.
    """
    before, now = row.before, row.now
    sides = [("now", now)] if before and now and verdict(before) != verdict(now) else [("was", before), ("now", now)]
    return [(word, side.kernel, side.cue) for word, side in sides if side and side.kernel and side.kernel != row.name]


def short(name: str, room: int, cue: str = "", gap: str = "…") -> str:
    """A layer's or kernel's name that fits: of fused layers the first node and how many more."""
    if len(plain(name)) <= room:
        return plain(name)
    told = brief(name)
    return told if " + " in name and len(told) <= room else cut(name, room, cue, gap=gap)
