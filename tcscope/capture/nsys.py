"""nsys: which one, what it knows, and the command line that keeps kernels visible."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tcscope.capture.process import answer_of
from tcscope.errors import TraceError
from tcscope.sources.nsys_rep import find_nsys

_STOPPABLE = frozenset({"--session-new", "--kill"})
_VERSION = re.compile(r"version\s+(\d{4}(?:\.\d+)+)")
_OPTION = re.compile(r"^\s*(?:-\w,\s+)?(--[a-z][a-z0-9-]*)", re.MULTILINE)
_NONE = re.compile(r"None of the installed GPUs are supported|GPUs not found")

# What an nsys of 2024.5 or newer knows of what is used here: taken as known where there is none to ask.
NEWEST = (
    frozenset({"--capture-range", "--capture-range-end", "--cpuctxsw", "--cuda-graph-trace", "--gpu-metrics-devices"})
    | _STOPPABLE
)
# Options without which less is seen: what the reader of the trace should know.
_MISSED = {
    "--cuda-graph-trace": "kernels inside CUDA graphs are not told apart (it is older than 2021.5)",
    "--capture-range": "the engine's loading and warm-up are recorded too",
}


@dataclass(frozen=True)
class Nsys:
    """An nsys and the long options of its `profile`."""

    path: Path
    version: str
    options: frozenset[str]


def open_nsys(wanted: str | None = None) -> Nsys | None:
    """The nsys to record with; None where there is none. Raises TraceError where what is found is no nsys."""
    path = find_nsys(wanted)
    if path is None:
        return None
    found = _VERSION.search(_said(path, "--version"))
    options = known_options(_said(path, "profile", "--help"))
    if found is None or "--output" not in options:
        raise TraceError(f"{path} is no nsys: it names neither its version nor its options", "--nsys /path/to/nsys")
    return Nsys(path, found[1], options)


def known_options(help_text: str) -> frozenset[str]:
    """The long options that `nsys profile --help` lists: those that begin a line."""
    return frozenset(_OPTION.findall(help_text))


def profile_command(
    nsys: str,
    options: frozenset[str],
    output: Path,
    program: Sequence[str],
    *,
    profiler_range: bool = False,
    gpu_metrics: bool = False,
    session: str = "",
) -> list[str]:
    """The command that records `program` into `output` (without suffix), of options that this nsys knows.

    `profiler_range` records from cudaProfilerStart to cudaProfilerStop only, and lets the program run on after it.
    `session` names the recording, so that `stop_command` can end it while the program still runs.
    """
    made = [nsys, "profile", "-t", "cuda,nvtx"]
    if "--cuda-graph-trace" in options:
        made.append("--cuda-graph-trace=node")
    made += ["-s", "none"]
    if "--cpuctxsw" in options:
        made.append("--cpuctxsw=none")
    if profiler_range:
        made += _range_options(options)
    elif session and options >= _STOPPABLE:
        made += [f"--session-new={session}", "--kill=none"]
    if gpu_metrics:
        made.append(f"{gpu_metrics_option(options)}=all")
    return [*made, "--force-overwrite=true", "-o", str(output).replace("%", "%%"), *program]


def stop_command(record: Sequence[str]) -> list[str]:
    """The command that ends a recording in good order; empty where it has no name.

    A program that a signal ends takes the records in its buffers along: of nsys 2025.3 none were left after Ctrl-C.
    """
    name = next((word.partition("=")[2] for word in record if word.startswith("--session-new=")), "")
    return [record[0], "stop", f"--session={name}"] if name else []


def _range_options(options: frozenset[str]) -> list[str]:
    if "--capture-range" not in options:
        return []
    if "--capture-range-end" in options:
        return ["--capture-range=cudaProfilerApi", "--capture-range-end=stop"]
    if "--stop-on-range-end" in options:  # before 2021.4
        return ["--capture-range=cudaProfilerApi", "--stop-on-range-end=true", "--kill=none"]
    return ["--capture-range=cudaProfilerApi"]


def gpu_metrics_option(options: frozenset[str]) -> str:
    """`--gpu-metrics-devices`, or as it was called before 2024.5. Raises TraceError where nsys knows neither."""
    for name in ("--gpu-metrics-devices", "--gpu-metrics-device"):
        if name in options:
            return name
    raise TraceError(
        "this nsys can't sample GPU metrics: it has no option for it", "install Nsight Systems 2021.3 or newer"
    )


def missed(options: frozenset[str], *, profiler_range: bool) -> list[str]:
    """What this nsys can't do for want of an option."""
    wanted = ["--cuda-graph-trace", *(["--capture-range"] if profiler_range else [])]
    return [_MISSED[name] for name in wanted if name not in options]


def check_gpu_metrics(nsys: Nsys) -> None:
    """Ask nsys which GPUs it may sample. Raises TraceError where it says none, or that it may not."""
    said = _said(nsys.path, "profile", f"{gpu_metrics_option(nsys.options)}=help")
    if says_refused(said):
        raise gpu_metrics_refused()
    if _NONE.search(said):
        reasons = [line.strip() for line in said.splitlines() if " - " in line]
        raise TraceError(
            "nsys can't sample the metrics of any GPU here" + (f": {reasons[0]}" if reasons else ""),
            "drop --gpu-metrics  # it takes Turing or newer, and no other profiler at the same time",
        )


def gpu_metrics_refused() -> TraceError:
    """GPU metrics are the administrator's alone, as the driver is installed."""
    return TraceError(
        "this user may not sample GPU metrics (ERR_NVGPUCTRPERM)",
        "run it as root (sudo -E), load the driver with NVreg_RestrictProfilingToAdminUsers=0, or drop --gpu-metrics",
    )


def says_refused(text: str) -> bool:
    """Whether nsys said that GPU metrics are not permitted."""
    return "ERR_NVGPUCTRPERM" in text or "nsufficient privilege" in text


def _said(path: Path, *arguments: str) -> str:
    return answer_of(path, "--nsys /path/to/nsys", *arguments)
