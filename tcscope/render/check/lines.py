"""Conditions, and what moved, in lines of plain text: what annotations and JUnit show below a condition's message."""

from __future__ import annotations

from collections.abc import Iterator

from tcscope.model.check import Check, Condition, Moved, Outcome, Ran, Spot
from tcscope.render.text import shorten
from tcscope.wording import count, duration, percent, plain

LONGEST = 4096  # characters of a name; what is longer is cut in its middle
SPOTS = 5  # layers or kernels of a condition listed; the others are counted
MOST = 10  # of those that moved
WORST_FIRST = (Outcome.FAILED, Outcome.WARNED, Outcome.WITHIN_NOISE, Outcome.PASSED)


def worst_first(check: Check) -> list[Condition]:
    """The conditions, failures first, each kind in the order in which it was written."""
    return sorted(check.conditions, key=lambda condition: WORST_FIRST.index(condition.outcome))


def place(condition: Condition) -> str:
    """`tcscope.yaml:7:3`, or the option."""
    parts = [plain(condition.source), condition.line, condition.column]
    return ":".join(str(part) for part in parts if part is not None)


def details(condition: Condition) -> Iterator[str]:
    """What a condition's message leaves out: the noise, the layers or kernels concerned, what to do."""
    if condition.noise_ns is not None and condition.outcome is not Outcome.WITHIN_NOISE:
        yield f"noise: {duration(condition.noise_ns)}"
    yield from (spot(found) for found in condition.where[:SPOTS])
    rest = condition.where_count - len(condition.where[:SPOTS])
    if rest > 0:
        yield f"and {rest:,} more"
    if condition.hint:
        yield f"hint: {plain(condition.hint)}"


def spot(found: Spot) -> str:
    """`kernel ampere_sgemm_ffma: cuda_core fp32 conv, 3.512 ms (12.1 %)`."""
    ran = f"{found.unit} {found.precision} {found.op}"
    return f"{found.scope} {name(found.name)}: {ran}, {duration(found.ns)} ({percent(found.share)} %)"


def moved(check: Check) -> Iterator[str]:
    """What moved, most time first: `+12.3 us layer /conv1: tensor_core fp16 -> cuda_core fp32 (left-tensor-cores)`."""
    for change in check.moved[:MOST]:
        said = f"{signed(change.delta_ns)} {change.scope} {name(change.name)}: {way(change)} ({change.cause})"
        yield said + (f", by {name(change.now.kernel)}" if change.now and change.now.kernel != change.name else "")
    rest = len(check.moved) - MOST
    if rest > 0:
        yield f"and {rest:,} more"


def moved_title(check: Check) -> str:
    """`what moved since baseline.json (3 kernels, times an inference)`."""
    nouns = {change.scope for change in check.moved}
    noun = nouns.pop() if len(nouns) == 1 else "layer or kernel"
    since = f" since {plain(check.baseline_file)}" if check.baseline_file else ""
    number = count(len(check.moved), str(noun)) if noun != "layer or kernel" else f"{len(check.moved):,}"
    return f"what moved{since} ({number}, times {per(check)})"


def per(check: Check) -> str:
    """What the times of what moved are of."""
    return "an inference" if check.per == "inference" else "of the whole trace"


def way(change: Moved) -> str:
    """`tensor_core fp16 -> cuda_core fp32`; `absent` for a side that doesn't have it."""
    return f"{verdict(change.before)} -> {verdict(change.now)}"


def verdict(ran: Ran | None) -> str:
    """`tensor_core fp16`."""
    return "absent" if ran is None else f"{ran.unit} {ran.precision}"


def signed(ns: int) -> str:
    """`+12.3 us`, `-1.200 ms`."""
    return ("-" if ns < 0 else "+") + duration(abs(ns))


def name(text: str) -> str:
    """A name without control characters, and not endless."""
    return shorten(text, LONGEST)


def writable(text: str) -> str:
    """Text that any stream of UTF-8 takes: halves of characters, which JSON can spell, become question marks."""
    return text.encode("utf-8", "replace").decode()
