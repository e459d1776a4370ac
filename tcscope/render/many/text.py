"""Parts of a set in words and numbers, as every output for people has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from tcscope.model import Op, Precision, TraceInfo, Unit
from tcscope.model.many import Member, Peers, Spread, TraceSet
from tcscope.render import text
from tcscope.wording import count, duration, percent, plain

COLUMNS = ("kernel ms", "launches", "on Tensor Cores", "to median")


@dataclass(frozen=True, slots=True)
class Row:
    """One trace, or one figure over the traces, in the words of COLUMNS."""

    label: str
    numbers: tuple[str, str, str, str]
    is_trace: bool = True
    is_slowest: bool = False


def heading(found: TraceSet) -> str:
    """`4 traces, 1 of them not read`."""
    bad = len(found.traces) - found.answered
    return count(len(found.traces), "trace") + (f", {bad} of them not read" if bad else "")


def gpus(peers: Peers) -> str:
    """`NVIDIA H100, sm_90, 132 SMs`, `8 x NVIDIA H100, ...`."""
    lines = Counter(line for device in peers.devices for line in text.gpus(TraceInfo("", devices=(device,))))
    return "; ".join(plain(line) if n == 1 else f"{n} x {plain(line)}" for line, n in lines.items()) or "unknown GPU"


def selection(peers: Peers) -> str:
    """`range 'inference'`; nothing where the traces are taken whole."""
    return text.selection(TraceInfo("", selection=peers.selection))


def rows(found: TraceSet, peers: Peers, called: Sequence[str]) -> Iterator[Row]:
    """The traces of `peers`, by the names they are `called`, and, where they are several, mean, range and deviation."""
    for i in peers.traces:
        yield Row(called[i], _numbers(found.traces[i]), is_slowest=i == peers.slowest)
    if len(peers.traces) > 1:
        times, launches, low, high = peers.kernel_ns, peers.launches, peers.share_low, peers.share_high
        middle = times.median
        for pick in ("mean", "median", "min", "max"):
            ns: float = getattr(times, pick)
            ends = (None, None) if low is None or high is None else (getattr(low, pick), getattr(high, pick))
            if pick in ("min", "max"):  # of all brackets
                ends = (ends[pick == "max"],) * 2
            apart = signed(ns / middle - 1) if middle else ""
            shown = (_ms(ns), _whole(getattr(launches, pick)), text.bracket(*ends), apart)
            yield Row(pick, shown, is_trace=False)
        yield Row("stdev / mean", (_cv(times), _cv(launches), _cv(low) if low == high else "", ""), is_trace=False)


def slowest(found: TraceSet, peers: Peers, called: Sequence[str]) -> str:
    """`rank3.sqlite, 6.912 ms, 26.9 % above the median`; nothing where all take the same time, or there is one."""
    if peers.slowest is None:
        return ""
    member = found.traces[peers.slowest]
    ns = member.totals.kernel_ns if member.totals else 0
    above = f", {percent(member.to_median)} % above the median" if member.to_median else ""
    return f"{called[peers.slowest]}, {duration(ns)}{above}"


def busy(peers: Peers) -> str:
    """`5.441 ms on average (5.437 ms to 5.449 ms)`; nothing where it was not asked for."""
    of = peers.busy_ns
    return "" if of is None else f"{duration(of.mean)} on average ({duration(of.min)} to {duration(of.max)})"


def names(found: TraceSet, room: int | None = None, gap: str = "…") -> list[str]:
    """What each trace is called. Where one is longer than `room`, all lose what they begin and end with in common."""
    every = [plain(member.file) for member in found.traces]
    shown = _in_tables(found)
    if room is None or max(map(len, shown)) <= room:
        return every
    endings = {PurePath(name).suffix for name in shown}
    ending, start = endings.pop() if len(endings) == 1 else "", beginning(found)
    told = [(gap if start else "") + name.removeprefix(start).removesuffix(ending) for name in every]
    return [_middle_cut(name, room, gap) for name in told]


def beginning(found: TraceSet) -> str:
    """The whole words with which all names begin."""
    shown = _in_tables(found)
    least, most = min(shown), max(shown)
    same = next((i for i, (a, b) in enumerate(zip(least, most, strict=False)) if a != b), 0)
    return least[: max(map(least[:same].rfind, "_-./ ")) + 1]


def _in_tables(found: TraceSet) -> list[str]:
    """The names of the traces that were read; a long one that wasn't takes no room in a table."""
    every = [plain(member.file) for member in found.traces]
    return [name for name, member in zip(every, found.traces, strict=True) if not member.error] or every


def _middle_cut(name: str, room: int, gap: str) -> str:
    """A name of which both ends tell as much."""
    if len(name) <= room:
        return name
    tail = (room - len(gap)) // 2
    return name[: room - len(gap) - tail] + gap + name[len(name) - tail :]


def who(
    called: Sequence[str], traces: Sequence[int], room: int | None = None, among: Sequence[int] = (), gap: str = "…"
) -> str:
    """`rank0.sqlite, rank1.sqlite and 5 more`, as many as fit; `all but rank3.sqlite` where fewer of `among` miss.

    `called` are the names of all traces.
    """
    missing = [i for i in among if i not in set(traces)]
    if among and len(missing) < len(traces):
        return f"all but {who(called, missing, None if room is None else room - 8, (), gap)}" if missing else "all"
    names = [called[i] for i in traces]
    for shown in range(len(names), 0, -1):
        more = f" and {len(names) - shown} more" if shown < len(names) else ""
        said = ", ".join(names[:shown]) + more
        if room is None or len(said) <= room:
            return said
    return said if room is None else _middle_cut(names[0], max(room - len(more), 8), gap) + more


def verdict(unit: Unit, precision: Precision, op: Op) -> str:
    """`tensor_core int8 conv`, without what isn't known."""
    known = [word for word in (precision, op) if word not in (Precision.UNKNOWN, Op.UNKNOWN)]
    return " ".join([unit, *known])


def signed(share: float) -> str:
    """`+26.9 %`, `-0.2 %`, `0.0 %`."""
    shown = f"{100 * share:+.1f}"
    return f"{shown if shown.strip('+-0.') else '0.0'} %"


def _numbers(member: Member) -> tuple[str, str, str, str]:
    totals, share = member.totals, member.tensor_share
    if totals is None or share is None:
        return ("", "", "", "")
    apart = "" if member.to_median is None else signed(member.to_median)
    return (text.milliseconds(totals.kernel_ns), f"{totals.launches:,}", text.bracket(share.low, share.high), apart)


def _ms(ns: float) -> str:
    return f"{ns / 1e6:,.3f}"


def _whole(number: float) -> str:
    return f"{number:,.0f}" if number == round(number) else f"{number:,.1f}"


def _cv(spread: Spread | None) -> str:
    return "" if spread is None or spread.cv is None else f"{100 * spread.cv:.1f} %"
