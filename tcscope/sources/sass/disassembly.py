"""What `cuobjdump -sass` prints of a file, counted as it comes: a library's listing can be many gigabytes."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tcscope.errors import TraceError
from tcscope.sources.sass.tools import Tools

_ARCH = re.compile(r"^\s*(?:code for|arch =) sm_(\d+)([af]?)")
_PTX = re.compile(r"^Fatbin ptx code")
_ELF = re.compile(r"^Fatbin elf code")
_FUNCTION = re.compile(r"^\s*Function : (\S+)")
_OPCODE = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:\{\s*)?(?:@!?U?P\w+\s+)?([A-Z][\w.]*)([^;]*)")
# A call whose target is not in the listing of its own function: another function (ABS), or an address in a register.
_CALL = re.compile(r"J?CALL\b")
_REGISTER = re.compile(r"^\s*`?\(?\s*U?R\d")
_ENCODING = "/* 0x"
_ENTRY = re.compile(r"\b(?:STO_)?ENTRY\s.*?(\S+)\s*$")
_NO_CODE = re.compile(r"does not contain device code|No device code|is not a supported", re.IGNORECASE)


@dataclass(slots=True)
class Function:
    """One function for one architecture: `sm` 90 and `variant` 'a' for sm_90a; how often each opcode stands in it.

    `calls_out` tells that it calls code that is not in it.
    """

    symbol: str
    sm: int
    variant: str
    opcodes: Counter[str] = field(default_factory=Counter)
    calls_out: bool = False


@dataclass(frozen=True, slots=True)
class Disassembly:
    """The kernels of a file, and the architectures of which it has only PTX: what runs there is compiled later."""

    path: Path
    functions: tuple[Function, ...]
    ptx: tuple[str, ...] = ()


def disassemble(path: Path, tools: Tools) -> Disassembly:
    """The kernels of one file. Raises TraceError where cuobjdump can't read it; without device code it has none."""
    command = [str(tools.cuobjdump), "-sass", str(path)]
    with subprocess.Popen(  # noqa: S603 - the cuobjdump that was found
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=tools.environment,
    ) as child:
        said: list[str] = []
        assert child.stdout is not None  # noqa: S101 - a pipe was asked for
        functions, ptx = parse(child.stdout, said)
    if child.returncode != 0 and not functions and not ptx:
        text = " ".join(said[-2:])
        if not _NO_CODE.search(text):
            raise TraceError(f"cuobjdump can't read {path}: {text[:200] or 'it said nothing'}", f"file {path}")
    kernels = _kernels(path, tools) if functions else frozenset()
    chosen = [f for f in functions if not kernels or f.symbol in kernels]
    return Disassembly(path, tuple(chosen), tuple(dict.fromkeys(ptx)))


def parse(lines: Iterable[str], said: list[str] | None = None) -> tuple[list[Function], list[str]]:
    """The functions of a listing, and the architectures of its PTX; `said` takes the lines that are neither."""
    functions: list[Function] = []
    ptx: list[str] = []
    sm, variant, of_ptx = 0, "", False
    for line in lines:
        if line.lstrip().startswith(_ENCODING):  # every other line
            continue
        opcode = _OPCODE.match(line)
        if opcode is not None:
            if functions:
                function = functions[-1]
                function.opcodes[opcode[1]] += 1
                if _CALL.match(opcode[1]) and (".ABS" in opcode[1] or _REGISTER.match(opcode[2])):
                    function.calls_out = True
        elif found := _FUNCTION.match(line):
            functions.append(Function(found[1], sm, variant))
        elif found := _ARCH.match(line):
            if of_ptx:
                ptx.append(f"sm_{found[1]}{found[2]}")
            else:
                sm, variant = int(found[1]), found[2]
        elif _PTX.match(line):
            of_ptx = True
        elif _ELF.match(line):
            of_ptx = False
        elif said is not None and line.strip() and not line.lstrip().startswith("/*"):
            said.append(line.strip())
            del said[:-4]
    return functions, ptx


def _kernels(path: Path, tools: Tools) -> frozenset[str]:
    """The symbols that can be launched; the other functions are called by them. Empty where cuobjdump doesn't say."""
    done = subprocess.run(  # noqa: S603 - the cuobjdump that was found
        [str(tools.cuobjdump), "-symbols", str(path)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env=tools.environment,
    )
    return frozenset(_entries(done.stdout.splitlines()))


def _entries(lines: Iterable[str]) -> Iterator[str]:
    return (found[1] for line in lines if (found := _ENTRY.search(line)))
