"""ncu: which one, what it knows, and the command line that counts each kernel's matrix instructions once."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tcscope.capture.engine import EngineRun, Runner, Trtexec
from tcscope.capture.process import Log, answer_of, run
from tcscope.errors import TraceError, UsageError
from tcscope.rulebook.counters import counter_table
from tcscope.wording import plain

# Where ncu is when it is not on the PATH: its own folders, the CUDA toolkit, JetPack.
INSTALL_FOLDERS = (
    "/usr/local/cuda/bin",
    "/opt/nvidia/nsight-compute/*",
    "/usr/local/cuda-*/nsight-compute-*",
    "/usr/local/cuda*/bin",
    "/usr/local/NVIDIA-Nsight-Compute*",
    "C:/Program Files/NVIDIA Corporation/Nsight Compute *",
)
NO_NCU = "there is no ncu here: not in $NCU, on the PATH, or in the usual folders"
GET_NCU = "install Nsight Compute (package nsight-compute, or with CUDA or JetPack), or --ncu /path/to/ncu"
# What an ncu of 2022.1 or newer knows of what is used here: taken as known where there is none to ask.
NEWEST = frozenset(
    f"--{name}"
    for name in (
        *("csv", "page", "print-units", "log-file", "metrics", "kernel-id", "kernel-name-base", "print-kernel-base"),
        *("clock-control", "target-processes", "profile-from-start", "graph-profiling", "query-metrics"),
        "rename-kernels",
    )
)
_NEEDED = ("--csv", "--log-file", "--metrics")
_VERSION = re.compile(r"^Version\s+(\d{4}(?:\.\d+)+)", re.MULTILINE)
_OPTION = re.compile(r"^\s*(?:-\w \[ )?(--[a-z][a-z0-9-]*)", re.MULTILINE)
_METRIC = re.compile(r"^(\w+__\w+)\s", re.MULTILINE)
_DEVICE = re.compile(r"^Device\s", re.MULTILINE)
_SHOWN_FOR = 90  # whose metrics a dry run shows where there is no ncu to ask
_QUOTED = 3


@dataclass(frozen=True)
class Ncu:
    """An ncu, its long options, and the metrics of the first GPU that it knows (none: it wasn't asked)."""

    path: Path
    version: str
    options: frozenset[str]
    metrics: frozenset[str] = frozenset()


def find_ncu(wanted: str | None = None) -> Path | None:
    """The ncu to use: `wanted`, `$NCU`, the PATH, then the newest in the usual folders; None where there is none.

    Raises UsageError where `wanted` is no program, TraceError where `$NCU` is set and is none.
    """
    if wanted:
        given = shutil.which(wanted)
        if given is None:
            raise UsageError(f"--ncu is '{wanted}', which is no program", "--ncu /path/to/ncu")
        return Path(given)
    if chosen := os.environ.get("NCU"):
        found = shutil.which(chosen)
        if found is None:
            raise TraceError(f"$NCU is '{chosen}', which is no program", "export NCU=/path/to/ncu, or unset it")
        return Path(found)
    if on_path := shutil.which("ncu"):
        return Path(on_path)
    for pattern in INSTALL_FOLDERS:
        anchor = Path(pattern).anchor
        for folder in sorted(Path(anchor).glob(pattern.removeprefix(anchor)), reverse=True) if anchor else ():
            if there := shutil.which("ncu", path=str(folder)):
                return Path(there)
    return None


def open_ncu(wanted: str | None = None) -> Ncu | None:
    """The ncu to count with; None where there is none. Raises TraceError where what is found is no ncu."""
    path = find_ncu(wanted)
    if path is None:
        return None
    found = _VERSION.search(_said(path, "--version"))
    options = known_options(_said(path, "--help"))
    if found is None or not options.issuperset(_NEEDED):
        raise TraceError(f"{path} is no ncu: it names neither its version nor its options", "--ncu /path/to/ncu")
    metrics = known_metrics(_said(path, "--query-metrics")) if "--query-metrics" in options else frozenset()
    return Ncu(path, found[1], options, metrics)


def known_options(help_text: str) -> frozenset[str]:
    """The long options that `ncu --help` lists: those that begin a line, or follow a short one."""
    return frozenset(_OPTION.findall(help_text))


def known_metrics(listing: str) -> frozenset[str]:
    """The names that `ncu --query-metrics` lists for the first GPU."""
    parts = [part for part in _DEVICE.split(listing) if _METRIC.search(part)]
    return frozenset(_METRIC.findall(parts[0])) if parts else frozenset()


def shown() -> Ncu:
    """An ncu that isn't here, for a dry run."""
    return Ncu(Path("ncu"), "", NEWEST)


def counting_command(
    ncu: Ncu, output: Path, how: Runner | Trtexec | None, engine: EngineRun | None, program: Sequence[str]
) -> list[str]:
    """The command that counts the first launch of each kernel into `output`.

    An engine runs one inference, without warm-up and not as a graph: the launch that is counted must be a kernel's
    first. Clocks are left alone, so that times compare with the trace's.
    """
    table = counter_table()
    metrics = table.wanted(None if ncu.metrics else _SHOWN_FOR, ncu.metrics)
    if not any(map(table.is_one, metrics)):
        raise TraceError(
            f"{ncu.path} names no counter of matrix instructions for this GPU", "install a newer Nsight Compute"
        )
    made = [str(ncu.path), "--csv"]
    wanted = {
        "--page": "raw",
        "--print-units": "base",
        "--print-kernel-base": "demangled",
        "--kernel-name-base": "mangled",  # by demangled names ncu 2025.3 loses kernels (9 of 15 counted on an H100)
        "--rename-kernels": "0",  # names as nsys has them
        "--kernel-id": ":::1",
        "--target-processes": "all",
        "--graph-profiling": "node",
        "--clock-control": "none",
    }
    for option, value in wanted.items():
        if option in ncu.options:
            made += [option, value]
    if engine is not None and how is not None:
        program = how.measured(replace(engine, iterations=1, warmup=0, cuda_graph=False))
        if how.profiler_range and "--profile-from-start" in ncu.options:
            made += ["--profile-from-start", "off"]
    return [*made, "--metrics", ",".join(metrics), "--log-file", str(output).replace("%", "%%"), *program]


def count_launches(command: Sequence[str], output: Path, log: Log) -> None:
    """Run the command. Raises TraceError where ncu may not count, or wrote nothing."""
    print("note: counting with ncu: each kernel's first launch is replayed, which can take minutes", file=sys.stderr)
    ended = run(command, log)
    text = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    if "ERR_NVGPUCTRPERM" in text or "ERR_NVGPUCTRPERM" in "\n".join(ended.lines):
        raise TraceError(
            "this user may not read the GPU's counters (ERR_NVGPUCTRPERM)",
            "run it as root (sudo -E), load the driver with NVreg_RestrictProfilingToAdminUsers=0, or drop --counters",
        )
    if "__" not in text:
        why = [line for line in text.splitlines() if line.startswith("==ERROR==")] or list(ended.lines)
        said = "\n".join(f"    {plain(line)[:200]}" for line in why[-_QUOTED:])
        raise TraceError(
            f"ncu counted nothing (exit code {ended.code})" + (f":\n{said}" if said else ""),
            f"see {output.with_name('log.txt')}",
        )
    if ended.interrupted:
        print("note: interrupted: what was counted until then is kept", file=sys.stderr)


def _said(path: Path, *arguments: str) -> str:
    return answer_of(path, "--ncu /path/to/ncu", *arguments)
