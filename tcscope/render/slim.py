"""How `tcscope slim` answers: what a file would tell, or how small the copy became."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tcscope.model.leak import Leak, Slimmed
from tcscope.wording import count, plain

CLEAN = "nothing in it tells of a machine, a user or a folder\n"
_EXAMPLE = 74


def leaks_text(leaks: Sequence[Leak]) -> str:
    """A line a kind and place, with examples below where they were asked for."""
    if not leaks:
        return CLEAN
    kinds = max(len(leak.kind) for leak in leaks)
    lines = [f"{'values':>7}  {'what':{kinds}}  where"]
    for leak in leaks:
        lines.append(f"{leak.count:>7,}  {leak.kind:{kinds}}  {plain(leak.place)}")
        lines += [f"    {_shown(example)}" for example in leak.examples]
    return "\n".join(lines) + "\n"


def wrote(output: Path, slimmed: Slimmed) -> list[str]:
    """What to say of the copy on stderr."""
    cut = f", {count(slimmed.instances, 'inference')}" if slimmed.instances is not None else ""
    lines = [f"wrote {output}: {_size(slimmed.bytes_after)} of {_size(slimmed.bytes_before)}{cut}"]
    if slimmed.unplaced:
        lines.append(
            f"note: {count(slimmed.unplaced, 'launch')} without a launch call went: no range can hold"
            f" {'it' if slimmed.unplaced == 1 else 'them'}"
        )
    if slimmed.telling:
        names = (
            "1 name of a range or kernel looks"
            if slimmed.telling == 1
            else f"{slimmed.telling:,} names of ranges and kernels look"
        )
        lines.append(f"note: {names} like a path, a host or a user (--short-paths cuts paths)")
        lines.append(f"  hint: tcscope slim {output} --check --show")
    return lines


def _shown(example: str) -> str:
    text = plain(example)
    return text if len(text) <= _EXAMPLE else text[: _EXAMPLE - 3] + "..."


def _size(number: int) -> str:
    """`84 kB`, `1.2 MB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number / 1e3:.0f} kB"
