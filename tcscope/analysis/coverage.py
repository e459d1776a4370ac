"""What no rule can judge: the kernels of a trace, or of a list of names, whose unit is unknown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tcscope.analysis.pipeline import analyze
from tcscope.errors import UsageError
from tcscope.model import Op, Report, Unit
from tcscope.rulebook import RuleBook, canonical

_SOURCES = (b"SQLite format 3\x00", b"{", b"[")  # a trace, a report, a trtexec file; any other text is a list of names
_SOURCE_SUFFIXES = (".nsys-rep", ".qdrep", ".qdstrm")
_EXPECTED = "give a trace, a saved report, or a file with a kernel name a line"
_META = re.compile(r"([.^$*+?{}\[\]\\|()])")
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")


@dataclass(frozen=True, slots=True)
class Gap:
    """A kernel without a verdict. `rule` is the rule that says so, if any; `ns` is None where times are not known."""

    name: str
    launches: int
    ns: int | None
    op: Op = Op.UNKNOWN
    rule: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The gaps, largest first, and what they are part of. `ns` is None for a list of names; then launches are lines."""

    kernels: int
    launches: int
    ns: int | None
    gaps: tuple[Gap, ...]

    @property
    def share(self) -> float:
        """The gaps' part of the kernel time, or of the lines: 0..1."""
        if self.ns is None:
            return sum(gap.launches for gap in self.gaps) / self.launches if self.launches else 0.0
        return sum(gap.ns or 0 for gap in self.gaps) / self.ns if self.ns else 0.0


@dataclass(frozen=True, slots=True)
class Family:
    """Gaps that one rule could claim: `pattern` matches the canonical names of them all."""

    id: str
    pattern: str
    gaps: tuple[Gap, ...]


def coverage(path: str | Path, book: RuleBook, sm: int | None = None) -> Coverage:
    """The gaps of a trace or saved report, or of a text file with a kernel name a line.

    `sm` is the compute capability of GPUs that the file doesn't tell. Raises UsageError, TraceError.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise UsageError(f"{path} is a pipe or a device, not a file", "give - to read names from standard input")
        with path.open("rb") as file:
            head = file.read(512).lstrip()
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}", _EXPECTED) from error
    except ValueError as error:  # a zero byte in the name
        raise UsageError(f"no such file: {path}", _EXPECTED) from error
    if head.startswith(_SOURCES) or path.suffix in _SOURCE_SUFFIXES:
        return of_report(analyze(path, sm, book=book))
    if b"\x00" in head:
        raise UsageError(f"{path} is neither a trace nor a list of names", _EXPECTED)
    return of_names(path.read_text(encoding="utf-8", errors="replace").splitlines(), book, sm)


def of_report(report: Report) -> Coverage:
    """The gaps of a report, by time."""
    gaps = [
        Gap(kernel.name, kernel.launches, kernel.ns, kernel.op, kernel.rule, kernel.note)
        for kernel in report.kernels
        if kernel.unit is Unit.UNKNOWN
    ]
    gaps.sort(key=lambda gap: (-(gap.ns or 0), gap.name))
    return Coverage(len(report.kernels), report.totals.launches, report.totals.kernel_ns, tuple(gaps))


def of_names(lines: Iterable[str], book: RuleBook, sm: int | None = None) -> Coverage:
    """The gaps among names, by how many lines hold them; empty lines don't count."""
    counts = Counter(line for line in (text.strip() for text in lines) if line)
    gaps = []
    for name, count in counts.items():
        verdict = book.classify(name, sm)
        if verdict.unit is Unit.UNKNOWN:
            gaps.append(Gap(name, count, None, verdict.op, verdict.rule, verdict.note))
    gaps.sort(key=lambda gap: (-gap.launches, gap.name))
    return Coverage(len(counts), counts.total(), None, tuple(gaps))


def families(gaps: Iterable[Gap]) -> list[Family]:
    """The gaps grouped by the rule that could claim them: one for each function, numbers left open."""
    grouped: dict[str, list[Gap]] = {}
    for gap in gaps:
        grouped.setdefault(_pattern(gap.name), []).append(gap)
    found: list[Family] = []
    taken: Counter[str] = Counter()
    for pattern, members in grouped.items():
        rule_id = _rule_id(members[0].name)
        taken[rule_id] += 1
        unique = f"{rule_id}-{taken[rule_id]}" if taken[rule_id] > 1 else rule_id
        found.append(Family(unique, pattern, tuple(members)))
    return found


def _pattern(name: str) -> str:
    """A regex for the function of a name: its path up to the template arguments, any number for its numbers."""
    own, template, _ = canonical(name).partition("<")
    open_numbers = _NUMBER.sub(lambda m: "0x[0-9a-f]+" if "x" in m.group() else r"\d+", _META.sub(r"\\\1", own))
    return f"^{open_numbers}{'<' if template else '$'}"


def _rule_id(name: str) -> str:
    own = _NUMBER.sub(" ", canonical(name).partition("<")[0].rsplit("::", 1)[-1])
    words = re.findall(r"[a-z]{2,}", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", own).lower())
    return "-".join(["my", *(word for word in words if word != "kernel")][:5])
