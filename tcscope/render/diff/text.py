"""Parts of a diff in words and numbers, as every output for people has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tcscope.model import Change, Diff, Subject, TensorShare
from tcscope.render import text
from tcscope.wording import count, plain

ABSENT = "-"
_LEAST = 0.005  # of the base's kernel time: a smaller change of a layer is noise, and is listed last
_FEWEST = 3  # rows to fill up with noise


@dataclass(frozen=True, slots=True)
class Scale:
    """The unit in which all times of a diff are shown, so that they can be compared down a column."""

    unit: str
    size: float
    digits: int

    def time(self, ns: int | None) -> str:
        """`396.4`."""
        return ABSENT if ns is None else f"{ns / self.size:.{self.digits}f}"

    def change(self, ns: int | None) -> str:
        """`-124.5`, `+30.0`, `0.0`."""
        return ABSENT if ns is None else _signed(ns / self.size, self.digits)


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity before and after."""

    label: str
    before: str
    after: str
    change: str
    percent: str = ""


def scale(diff: Diff) -> Scale:
    """The unit that suits the largest time of the diff."""
    largest = max(diff.totals.base.kernel_ns, diff.totals.new.kernel_ns, diff.totals.new.wall_ns or 0)
    for unit, size, digits in (("us", 1e3, 1), ("ms", 1e6, 3)):
        if largest < 1e4 * size:
            return Scale(unit, size, digits)
    return Scale("s", 1e9, 3)


def per(diff: Diff) -> str:
    """What every number is of: `an inference` or `the whole trace`."""
    return "an inference" if diff.per == "inference" else "the whole trace"


def noun(diff: Diff) -> str:
    """What is compared: `layer` or `kernel`."""
    return diff.by


def subject(side: Subject) -> str:
    """`fp16.sqlite, 20 inferences (range 'inference')`."""
    parts = [plain(side.trace.file)]
    if side.inferences:
        kind = "range " if side.trace.tool != "trtexec" else ""
        name = f" ({kind}'{plain(side.range)}')" if side.range else ""
        parts.append(count(side.inferences, "inference") + name)
    selection = text.selection(side.trace)
    return ", ".join([*parts, selection] if selection and side.trace.selection.range is None else parts)


def gpus(diff: Diff) -> list[str]:
    """The GPUs of both sides, once where they are the same."""
    before, after = text.gpus(diff.base.trace), text.gpus(diff.new.trace)
    return before if before == after else [*(f"before {line}" for line in before), *(f"now {line}" for line in after)]


def totals(diff: Diff) -> list[Row]:
    """The sums of both sides that are known."""
    base, new = diff.totals.base, diff.totals.new
    shown = scale(diff)

    def timed(label: str, before: int | None, after: int | None) -> Row:
        change = after - before if before is not None and after is not None else None
        relative = f"{_signed(100 * change / before, 1)} %" if change is not None and before else ""
        return Row(label, shown.time(before), shown.time(after), shown.change(change), relative)

    rows = [timed("kernel time", base.kernel_ns, new.kernel_ns)]
    if base.reformat_ns or new.reformat_ns:
        rows.append(timed("  in reformats", base.reformat_ns, new.reformat_ns))
    if base.glue_ns or new.glue_ns:
        rows.append(timed("  in copies and padding", base.glue_ns, new.glue_ns))
    if base.wall_ns is not None or new.wall_ns is not None:
        rows.append(timed("wall time", base.wall_ns, new.wall_ns))
    if base.idle_ns is not None or new.idle_ns is not None:
        rows.append(timed("GPU idle between kernels", base.idle_ns, new.idle_ns))
    if base.launches or new.launches:
        more = _signed(new.launches - base.launches, 0)
        rows.append(Row("launches", f"{base.launches:,}", f"{new.launches:,}", more))
    rows.append(_share("on Tensor Cores", base.tensor_share, new.tensor_share))
    return rows


def chosen(changes: Sequence[Change], room: int, *, noise: bool = True) -> list[Change]:
    """The changes to show in `room` rows: slower ones first, half of the rows kept for faster ones.

    Changes that hardly matter come last; without `noise` they only fill up the first few rows.
    """
    slower = [change for change in changes if change.share >= _LEAST]
    faster = [change for change in changes if change.share <= -_LEAST]
    slow = min(len(slower), max(room - len(faster), (room + 1) // 2))
    found = [*slower[:slow], *faster[: room - slow]]
    rest = [change for change in changes if abs(change.share) < _LEAST and change.delta_ns]
    return [*found, *rest[: max((room if noise else min(room, _FEWEST)) - len(found), 0)]]


def _share(label: str, base: TensorShare, new: TensorShare) -> Row:
    before, after = text.bracket(base.low, base.high), text.bracket(new.low, new.high)
    known = base.low is not None and new.low is not None and base.low == base.high and new.low == new.high
    points = _signed(100 * ((new.low or 0.0) - (base.low or 0.0)), 1) if known else ""
    return Row(label, before, after, points, "points" if known else "")


def _signed(number: float, digits: int) -> str:
    """`+1.5`, `-2.0`, and `0.0` for what rounds to nothing."""
    shown = f"{number:+.{digits}f}"
    return shown if shown.strip("+-0.") else shown[1:]
