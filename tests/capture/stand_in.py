"""Programs that stand in for nsys and what goes with it: a test machine has none of them."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

from tests.support.places import INT8

HELPS = Path(__file__).parent / "helps"

NSYS = """\
#!{python}
# Runs the program that `profile` is given, as nsys does, and leaves what {leaves!r} says; `export` gives a real trace.
import os, pathlib, shutil, signal, subprocess, sys
arguments = sys.argv[1:]
with open({calls!r}, "a") as file:
    file.write("\\x1f".join(arguments) + "\\n")
if arguments == ["--version"]:
    print("NVIDIA Nsight Systems version 2025.3.2.367-253236208400v0")
elif arguments[:2] == ["profile", "--help"]:
    print(open({help!r}).read())
elif arguments[0] == "profile" and arguments[-1].endswith("=help"):
    print({metrics!r})
elif arguments[0] == "stop":
    print("Generating '/tmp/nsys-report-1a2b.qdstrm'")
elif arguments[0] == "export":
    shutil.copy({fixture!r}, arguments[arguments.index("--output") + 1])
else:
    at = arguments.index("-o")
    output = arguments[at + 1].replace("%%", "%")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it outlives the program, to write what was recorded
    listen = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)
    code = subprocess.call(arguments[at + 2 :], preexec_fn=listen)
    print("Generating '/tmp/nsys-report-1a2b.qdstrm'")
    leaves = {leaves!r}
    if leaves.startswith("."):
        pathlib.Path(output + leaves).write_bytes(b"recording")
        print("Generated:\\n    " + output + leaves)
    elif leaves.startswith("/"):
        pathlib.Path(leaves).write_bytes(b"recording")
        print("Generated:\\n    " + leaves)
    raise SystemExit(code if code >= 0 else 128 - code)
"""

IMPORTER = """\
#!{python}
import pathlib, sys
said = {said!r}
if said:
    print(said, file=sys.stderr)
    raise SystemExit(127)
pathlib.Path(sys.argv[sys.argv.index("-o") + 1]).write_bytes(b"recording")
print("Processing [====50%    ]\\rProcessing [====100%]")
"""


def program(path: Path, text: str) -> Path:
    """An executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def nsys(
    folder: Path,
    *,
    leaves: str = ".nsys-rep",
    fixture: Path = INT8,
    version: str = "2025.1",
    metrics: str = "0: NVIDIA H100",
) -> Path:
    """An nsys that leaves a recording with this suffix, at this path, or (empty) none."""
    text = NSYS.format(
        python=sys.executable,
        leaves=leaves,
        fixture=str(fixture),
        calls=str(folder / "calls"),
        help=str(HELPS / f"{version}.txt"),
        metrics=metrics,
    )
    return program(folder / "nsys", text)


def calls(path: Path) -> list[list[str]]:
    """What a stand-in for nsys was called with."""
    return [line.split("\x1f") for line in (path.parent / "calls").read_text().splitlines()]


def importer(path: Path, said: str = "") -> Path:
    """A QdstrmImporter that works, or that says this and fails."""
    return program(path, IMPORTER.format(python=sys.executable, said=said))


NCU = """\
#!{python}
# Runs the program that it is given, as ncu does, and writes what {log!r} holds to --log-file.
import os, pathlib, shutil, subprocess, sys
arguments = sys.argv[1:]
with open({calls!r}, "a") as file:
    file.write("\\x1f".join(arguments) + "\\n")
if arguments == ["--version"]:
    print("NVIDIA (R) Nsight Compute Command Line Profiler\\nCopyright (c) 2018-2025 NVIDIA Corporation")
    print("Version 2025.3.1.0 (build 36398880) (public-release)")
elif arguments == ["--help"]:
    print(open({help!r}).read())
elif arguments == ["--query-metrics"]:
    print({metrics!r})
else:
    at = arguments.index("--log-file")
    output = pathlib.Path(arguments[at + 1].replace("%%", "%"))
    code = subprocess.call(arguments[at + 2 :])
    if {log!r}:
        output.write_text({log!r})
    raise SystemExit({code} or code)
"""
NCU_HELPS = Path(__file__).parent / "ncu_helps"


def query_metrics(names: list[str], gpu: str = "NVIDIA H100 80GB HBM3 (GH100)") -> str:
    """What `ncu --query-metrics` lists of one GPU."""
    rule = f"{'-' * 60} {'-' * 15} {'-' * 40}"
    rows = [f"{name:<60} {'Counter':<15} # of something" for name in names]
    return "\n".join(
        [f"Device {gpu}", rule, f"{'Metric Name':<60} {'Metric Type':<15} Metric Description", rule, *rows]
    )


def ncu(folder: Path, *, log: str = "", metrics: str = "", version: str = "2025.3", code: int = 0) -> Path:
    """An ncu that writes this log, knows these metrics, and ends with this code."""
    text = NCU.format(
        python=sys.executable,
        calls=str(folder / "calls"),
        help=str(NCU_HELPS / f"{version}.txt"),
        metrics=metrics,
        log=log,
        code=code,
    )
    return program(folder / "ncu", text)
