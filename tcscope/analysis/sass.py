"""From machine code to verdicts: what each kernel's code holds, and which of it ran in a trace."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tcscope.errors import TraceError
from tcscope.model import Evidence, Precision, Unit, Verdict
from tcscope.model.sass import SASS_SCHEMA, CodeFile, CodeKernel, Instruction, Sass
from tcscope.rulebook import canonical
from tcscope.rulebook.instructions import instruction_table
from tcscope.sources.sass import Disassembly, Function, code_files, disassemble, find_tools
from tcscope.wording import count


def examine(paths: Iterable[str | Path], cuobjdump: str | None = None) -> Sass:
    """What the machine code in files and folders holds. Raises UsageError and TraceError."""
    files = code_files(paths)
    tools = find_tools(cuobjdump)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        read = list(pool.map(lambda file: disassemble(file, tools), files))
    found = [part for part in read if part.functions or part.ptx]
    if not found:
        raise TraceError(
            f"{files[0]} holds no device code" if len(files) == 1 else f"none of {len(files)} files holds device code",
            "give the library, program or cubin that nvcc, nvrtc or Triton made",
        )
    names = tools.demangled(function.symbol for part in found for function in part.functions)
    kernels = [_kernel(function, part, names) for part in found for function in part.functions]
    made = [CodeFile(part.path.name, len(part.functions), part.ptx) for part in found]
    return Sass(tuple(made), tuple(sorted(kernels, key=lambda k: (k.name, k.sm, k.variant, k.file))))


def load(paths: Iterable[str | Path], cuobjdump: str | None = None) -> Sass:
    """Saved documents of `tcscope sass` and files with code, as one document. Raises UsageError and TraceError."""
    saved: list[Sass] = []
    files: list[Path] = []
    for path in map(Path, paths):
        if path.suffix == ".json" and path.is_file():
            saved.append(_saved(path))
        else:
            files.append(path)
    parts = [*saved, *([examine(files, cuobjdump)] if files else [])]
    return Sass(tuple(f for part in parts for f in part.files), tuple(k for part in parts for k in part.kernels))


def _saved(path: Path) -> Sass:
    try:
        data = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, RecursionError) as error:
        raise TraceError(f"{path} is not JSON: {error}", "tcscope sass FILE -o sass.json") from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SASS_SCHEMA:
        raise TraceError(
            f"{path} is no saved machine code: its schema is '{schema}', expected '{SASS_SCHEMA}'",
            "tcscope sass FILE -o sass.json",
        )
    return Sass.from_dict(data)


def _kernel(function: Function, part: Disassembly, names: dict[str, str]) -> CodeKernel:
    table = instruction_table()
    found: list[Instruction] = []
    strange: list[str] = []
    for opcode, number in sorted(function.opcodes.items(), key=lambda item: (-item[1], item[0])):
        meaning = table.of(opcode)
        if meaning is not None and meaning.known:
            found.append(Instruction(opcode, number, meaning.precision, meaning.accumulate))
        elif meaning is not None:
            strange.append(opcode)
    kernel = CodeKernel(
        names.get(function.symbol, function.symbol),
        function.symbol if function.symbol.startswith("_Z") else "",
        part.path.name,
        function.sm,
        function.variant,
        instructions=tuple(found),
    )
    if found:
        types, sums = {i.precision for i in found}, {i.accumulate for i in found}
        open_ = bool(strange) or Precision.UNKNOWN in types
        one = Precision.UNKNOWN if open_ else types.pop() if len(types) == 1 else Precision.MIXED
        return replace(kernel, unit=Unit.TENSOR_CORE, precision=one, accumulate=sums.pop() if len(sums) == 1 else None)
    if strange:
        return replace(kernel, note=f"holds {', '.join(strange)}, which tcscope doesn't know")
    if function.calls_out:
        return replace(kernel, note="calls code that is not in it")
    return replace(kernel, unit=Unit.CUDA_CORE)


class MachineCode:
    """Machine code as evidence for the kernels of a trace."""

    def __init__(self, code: Sass) -> None:
        self._by_symbol: dict[str, list[CodeKernel]] = defaultdict(list)
        self._by_name: dict[str, list[CodeKernel]] = defaultdict(list)
        for kernel in code.kernels:
            self._by_symbol[kernel.mangled or kernel.name].append(kernel)
            self._by_name[canonical(kernel.name)].append(kernel)

    def verdict(self, verdict: Verdict, name: str, sm: int | None, mangled: str = "") -> Verdict:
        """What the code of a kernel's name on this architecture proves, else `verdict` as it is."""
        kernels = self._by_symbol.get(mangled, []) or self._by_symbol.get(name, [])
        kernels = _runs_on(kernels or self._by_name.get(canonical(name), []), sm)
        said = {(k.unit, k.precision, k.accumulate) for k in kernels}
        units = {unit for unit, _, _ in said}
        if len(units) != 1 or Unit.UNKNOWN in units:
            return verdict  # no such code, or programs of one name that differ
        first = kernels[0]
        if first.unit is Unit.CUDA_CORE:
            same = verdict.unit is Unit.CUDA_CORE
            precision, accumulate = (verdict.precision if same else Precision.UNKNOWN), None
        else:
            precision, accumulate = (first.precision, first.accumulate) if len(said) == 1 else (Precision.UNKNOWN, None)
        files = sorted({kernel.file for kernel in kernels})
        return replace(
            verdict,
            unit=first.unit,
            precision=precision,
            accumulate=accumulate,
            rule=None,
            evidence=Evidence.SASS,
            source=f"machine code of {files[0]}" + (f" and {len(files) - 1} more" if len(files) > 1 else ""),
            note=f"{files[0]}, {first.architecture}: {_held(first)}",
        )


def _held(kernel: CodeKernel) -> str:
    if not kernel.instructions:
        return "no matrix instruction"
    parts = [f"{i.count} {i.opcode}" for i in kernel.instructions[:2]]
    more = len(kernel.instructions) - len(parts)
    return ", ".join(parts) + (f" and {count(more, 'other')}" if more else "")


def _runs_on(kernels: Sequence[CodeKernel], sm: int | None) -> list[CodeKernel]:
    """The code that a GPU of this architecture takes: the newest of its major version that is not newer than it.

    Code for sm_90a runs on 9.0 alone and is taken there first; that for sm_100f on its family. Of an unknown GPU all
    code is taken, which must then agree.
    """
    if sm is None:
        return list(kernels)
    fit = [k for k in kernels if k.sm // 10 == sm // 10 and k.sm <= sm and (k.variant != "a" or k.sm == sm)]
    if not fit:
        return []
    rank = {"": 0, "f": 1, "a": 2}
    best = max((k.sm, rank.get(k.variant, 0)) for k in fit)
    return [k for k in fit if (k.sm, rank.get(k.variant, 0)) == best]
