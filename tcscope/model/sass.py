"""The matrix instructions in machine code: one dataclass tree, field for field its JSON (`tcscope.sass/1`)."""

from __future__ import annotations

from dataclasses import dataclass

from tcscope.model.document import Document
from tcscope.model.words import Accumulate, Precision, Unit

SASS_SCHEMA = "tcscope.sass/1"


@dataclass(frozen=True, slots=True)
class Instruction:
    """A matrix instruction as the disassembler spells it (`HMMA.16816.F32.BF16`), and how often it stands there."""

    opcode: str
    count: int
    precision: Precision = Precision.UNKNOWN
    accumulate: Accumulate | None = None


@dataclass(frozen=True, slots=True)
class CodeKernel:
    """One kernel's code for one architecture: `sm` 90 and `variant` 'a' for sm_90a.

    `tensor_core`: its code holds matrix instructions, whether or not they are reached; `cuda_core`: it holds none and
    calls nothing that could; `unknown`: it calls code elsewhere, or holds what looks like one. `note` then says which.
    """

    name: str
    mangled: str
    file: str
    sm: int
    variant: str = ""
    unit: Unit = Unit.UNKNOWN
    precision: Precision = Precision.UNKNOWN
    accumulate: Accumulate | None = None
    instructions: tuple[Instruction, ...] = ()
    note: str = ""

    @property
    def architecture(self) -> str:
        """`sm_90a`."""
        return f"sm_{self.sm}{self.variant}"


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A file that was read: its name, how many kernels it holds, and of which architectures it has only PTX."""

    file: str
    kernels: int
    ptx: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sass(Document):
    """The matrix instructions of every kernel in some files."""

    files: tuple[CodeFile, ...] = ()
    kernels: tuple[CodeKernel, ...] = ()
    schema: str = SASS_SCHEMA
