"""How `tcscope sass` answers: a list for people, CSV for scripts."""

from __future__ import annotations

import io
from collections.abc import Sequence

from tcscope.model import Precision, Unit
from tcscope.model.sass import CodeKernel, Sass
from tcscope.render import text
from tcscope.render.csvwriter import CsvWriter
from tcscope.wording import count, plain

COLUMNS = ("name", "sm", "variant", "unit", "precision", "accumulate", "instructions", "file", "mangled", "note")
_WIDTH = 80
_INDENT = " " * 7
_FILES = 5


def as_text(code: Sass, *, top: int | None = None, full_names: bool = False) -> str:
    """The files, how many kernels hold matrix instructions, then each kernel with its own."""
    lines = [f"{'file' if at == 0 else '':6} {line}" for at, line in enumerate(_files(code))]
    lines += ["", *_totals(code.kernels), ""]
    shown = code.kernels if top is None else code.kernels[:top]
    several = len({kernel.file for kernel in code.kernels}) > 1
    for kernel in shown:
        verdict = str(kernel.unit)
        if kernel.unit is Unit.TENSOR_CORE and kernel.precision is not Precision.UNKNOWN:
            verdict += f" {kernel.precision}"
        held = ", ".join(f"{i.count} {i.opcode}" for i in kernel.instructions) or kernel.note or "no matrix instruction"
        lines.append(f"{kernel.architecture:<7}{verdict:<18} {held}" + (f"  ({plain(kernel.file)})" if several else ""))
        lines.append(_INDENT + (plain(kernel.name) if full_names else text.cut(kernel.name, _WIDTH - len(_INDENT))))
    if len(shown) < len(code.kernels):
        lines.append(f"{_INDENT}{len(code.kernels) - len(shown)} more (--top {len(code.kernels)})")
    return "\n".join(lines) + "\n"


def as_csv(code: Sass) -> str:
    """A row a kernel and architecture; instructions as `HMMA.16816.F32=2 IMMA.16832.S8.S8=4`."""
    stream = io.StringIO()
    writer = CsvWriter(stream)
    writer.writerow(COLUMNS)
    for kernel in code.kernels:
        held = " ".join(f"{i.opcode}={i.count}" for i in kernel.instructions)
        row = (kernel.name, kernel.sm, kernel.variant, kernel.unit, kernel.precision, kernel.accumulate, held)
        writer.writerow(["" if cell is None else cell for cell in (*row, kernel.file, kernel.mangled, kernel.note)])
    return stream.getvalue()


def _files(code: Sass) -> list[str]:
    lines = []
    for file in code.files[:_FILES]:
        ptx = f"; PTX alone for {', '.join(file.ptx)}" if file.ptx else ""
        lines.append(f"{plain(file.file)}: {count(file.kernels, 'kernel')}{ptx}")
    if len(code.files) > _FILES:
        lines.append(f"and {count(len(code.files) - _FILES, 'file')} more")
    return lines


def _totals(kernels: Sequence[CodeKernel]) -> list[str]:
    """A line for each architecture."""
    lines = []
    for architecture in sorted({(k.sm, k.variant) for k in kernels}):
        of = [k for k in kernels if (k.sm, k.variant) == architecture]
        tensor = sum(k.unit is Unit.TENSOR_CORE for k in of)
        open_ = sum(k.unit is Unit.UNKNOWN for k in of)
        rest = f", {open_} unknown" if open_ else ""
        lines.append(f"{of[0].architecture}: matrix instructions in {tensor} of {count(len(of), 'kernel')}{rest}")
    return lines or ["no machine code: the driver compiles the PTX when it is loaded"]
