"""What each GPU can do, from rules/hardware.yaml: no claim of a kernel name may exceed it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from tcscope.data import rules_dir
from tcscope.errors import UsageError
from tcscope.model import Evidence, Precision, Unit, Verdict

HARDWARE_FILE = "hardware.yaml"
_UNJUDGED = frozenset({Precision.MIXED, Precision.UNKNOWN})  # no claim of one operand type, so nothing to check
_NEWEST = 300  # where a number stops being a plausible future capability (30.0) and is a slip of the hand
_SM = re.compile(r"(?:sm_?|compute_?)?(\d{1,2})(?:\.(\d)|(\d))[af]?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU: `precisions` are the operand types its Tensor Cores multiply (none: it has no Tensor Cores).

    `generation` is None without Tensor Cores, and where NVIDIA states none. `packed` says what its CUDA cores do
    several at a time: 'hfma2' (FP16), 'dp4a' (INT8).
    """

    sm: int
    architecture: str
    generation: int | None
    precisions: frozenset[Precision]
    name: str = ""
    packed: frozenset[str] = frozenset()

    @property
    def has_tensor_cores(self) -> bool:
        """Whether this GPU has Tensor Cores."""
        return bool(self.precisions)

    def limit(self, verdict: Verdict) -> Verdict:
        """`verdict`, cut down to what this GPU can do; `note` then says why.

        Without Tensor Cores everything ran on CUDA cores, whatever the name spells. With them, an operand type they
        don't multiply becomes unknown: the kernel issues matrix instructions, of another type than its name says.
        """
        if verdict.unit is Unit.CUDA_CORE:
            return verdict
        if not self.has_tensor_cores:
            return replace(
                verdict,
                unit=Unit.CUDA_CORE,
                accumulate=None,
                evidence=Evidence.DOCUMENTED,
                source=f"{HARDWARE_FILE}: sm_{self.sm}",
                note=_joined(verdict.note, f"{self._label} has no Tensor Cores"),
            )
        if verdict.unit is Unit.TENSOR_CORE and verdict.precision not in self.precisions | _UNJUDGED:
            note = _joined(verdict.note, f"the Tensor Cores of {self._label} don't multiply {verdict.precision}")
            return replace(verdict, precision=Precision.UNKNOWN, note=note)
        return verdict

    @property
    def _label(self) -> str:
        return f"{self.name} (sm_{self.sm})" if self.name else f"sm_{self.sm}"


def gpu(sm: int, *, chip: str = "", name: str = "") -> Gpu | None:
    """The GPU of compute capability `sm` (87 for 8.7), or None if the table doesn't know it: then nothing is limited.

    `chip` ('TU117') and the product's `name` tell apart what shares a capability: a GTX 1650 is a 7.5 without Tensor
    Cores.
    """
    table = _table()
    found = table.gpus.get(sm)
    if found is None:
        return None
    if any(exception.covers(sm, chip, name) for exception in table.without_tensor_cores):
        return replace(found, generation=None, precisions=frozenset(), name=name or chip)
    return replace(found, name=name)


def parse_sm(text: str) -> int:
    """A compute capability as people write it ('8.7', '87', 'sm_87', 'sm_90a') as a number: 87.

    A capability newer than the table is taken as it stands. UsageError if `text` is none.
    """
    known = capabilities()
    match = _SM.fullmatch(text.strip())
    if match:
        sm = int(match[1] + (match[2] or match[3]))
        if sm in known or known[-1] < sm < _NEWEST:
            return sm
    listed = ", ".join(f"{sm // 10}.{sm % 10}" for sm in known)
    raise UsageError(f"no such compute capability: '{text}'", f"give one of {listed}; Jetson Orin is 8.7")


def sm_of_name(name: str) -> int | None:
    """The capability of a GPU known only by a product or chip name ('Orin', 'NVIDIA A100-SXM4-40GB', 'GA10B').

    The table's names are looked for as whole words, and the longest found decides. None if none is, or if two disagree.
    """
    found: dict[int, set[int]] = {}
    table = _table()
    for words in _runs(_words(name)):
        if words in table.sm_of_words:
            found.setdefault(len(words), set()).add(table.sm_of_words[words])
    sms = found[max(found)] if found else set()
    return sms.pop() if len(sms) == 1 else None


def capabilities() -> tuple[int, ...]:
    """The compute capabilities that the table knows, ascending."""
    return tuple(_table().gpus)


def packed_cycles(sm: int | None) -> float:
    """For how many cycles an instruction of packed FP16 arithmetic may hold what the metric Tensor Active counts.

    0 where it runs elsewhere. Where nobody knows it is as many as anywhere.
    """
    table = _table().packed_cycles
    return table.get(sm, max(table.values())) if sm is not None else max(table.values())


@dataclass(frozen=True, slots=True)
class _Exception:
    """GPUs that lack the Tensor Cores of their capability."""

    sm: int
    chips: frozenset[str]
    names: re.Pattern[str]

    def covers(self, sm: int, chip: str, name: str) -> bool:
        return sm == self.sm and (chip.upper() in self.chips or bool(self.names.search(name)))


@dataclass(frozen=True, slots=True)
class _Table:
    gpus: dict[int, Gpu]
    without_tensor_cores: tuple[_Exception, ...]
    sm_of_words: dict[tuple[str, ...], int]
    packed_cycles: dict[int, float]


@cache
def _table() -> _Table:
    """The hardware table, read once."""
    raw = load_yaml()
    gpus: dict[int, Gpu] = {}
    sm_of_words: dict[tuple[str, ...], int] = {}
    for row in raw["capabilities"]:
        cores = row["tensor_cores"] or {"generation": None, "precisions": ()}
        gpus[row["sm"]] = Gpu(
            sm=row["sm"],
            architecture=row["architecture"],
            generation=cores["generation"],
            precisions=frozenset(map(Precision, cores["precisions"])),
            packed=frozenset(row["packed"]),
        )
        for name in (*row["chips"], *row["gpus"], *row["jetson"]):
            sm_of_words[_words(name)] = row["sm"]
    exceptions = tuple(
        _Exception(row["sm"], frozenset(row["chips"]), re.compile("|".join(row["names"]), re.IGNORECASE))
        for row in raw["without_tensor_cores"]
    )
    cycles = {sm: row["packed_cycles"] for row in raw["tensor_active"] for sm in row["sm"]}
    return _Table(gpus, exceptions, sm_of_words, cycles)


def load_yaml() -> Any:
    """hardware.yaml as it stands in the file."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times as fast, where it was built in
    return yaml.load((rules_dir() / HARDWARE_FILE).read_bytes(), loader)  # noqa: S506 - both are safe loaders


def _words(name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[a-z0-9]+", name.lower()))


def _runs(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every run of consecutive words."""
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            yield words[start:end]


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))
