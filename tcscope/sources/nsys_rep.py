"""`.nsys-rep` recordings: exported to SQLite with the user's own nsys, in a folder of our own."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path

from tcscope.errors import TraceError, UsageError
from tcscope.sources.nsys import NsysTrace

# Where nsys is installed when it is not on the PATH: Nsight Systems' own folders, the CUDA toolkit, JetPack (which
# installs under /opt/nvidia too), and the copy that travels inside Nsight Compute.
INSTALL_FOLDERS = (
    "/opt/nvidia/nsight-systems/*/bin",
    "/opt/nvidia/nsight-systems-cli/*/bin",
    "/opt/nvidia/nsight-systems/*/target-linux-*",
    "/opt/nvidia/nsight-systems-cli/*/target-linux-*",
    "/usr/local/cuda*/bin",
    "/opt/nvidia/nsight-compute/*/host/target-linux-*",
    "/usr/local/cuda*/nsight-compute-*/host/target-linux-*",
    "C:/Program Files/NVIDIA Corporation/Nsight Systems */target-windows-x64",
)


def find_nsys(wanted: str | None = None) -> Path | None:
    """The nsys to use: `wanted`, `$NSYS`, the PATH, then the newest in the usual folders; None where there is none.

    Raises UsageError where `wanted` is no program, TraceError where `$NSYS` is set and is none.
    """
    if wanted:
        given = shutil.which(wanted)
        if given is None:
            raise UsageError(f"--nsys is '{wanted}', which is no program", "--nsys /path/to/nsys")
        return Path(given)
    chosen = os.environ.get("NSYS")
    if chosen:
        found = shutil.which(chosen)
        if found is None:
            raise TraceError(f"$NSYS is '{chosen}', which is no program", "export NSYS=/path/to/nsys, or unset it")
        return Path(found)
    on_path = shutil.which("nsys")
    if on_path is not None:
        return Path(on_path)
    for pattern in INSTALL_FOLDERS:
        anchor = Path(pattern).anchor
        for folder in sorted(Path(anchor).glob(pattern.removeprefix(anchor)), reverse=True) if anchor else ():
            for name in ("nsys", "nsys.exe"):
                if os.access(folder / name, os.X_OK):
                    return folder / name
    return None


def exported(path: Path, sm: int | None = None) -> NsysTrace:
    """The trace of a `.nsys-rep`, exported into a temporary folder that goes when the trace does.

    An up-to-date `.sqlite` of the same name beside it is read instead. Raises TraceError where there is no nsys, or
    where it fails.
    """
    beside = path.with_suffix(".sqlite")
    if beside.exists() and beside.stat().st_mtime >= path.stat().st_mtime:
        print(f"note: reading {beside}, which is newer than {path.name}", file=sys.stderr)
        return NsysTrace(beside, sm)
    nsys = find_nsys()
    if nsys is None:
        raise TraceError(
            f"{path} must be exported to SQLite, and there is no nsys here",
            f"{_command(path)}  # where nsys is installed; or set $NSYS",
        )
    folder = tempfile.mkdtemp(prefix="tcscope-")
    try:
        output = Path(folder) / beside.name
        run_export(nsys, path, output)
        trace = NsysTrace(path, sm, output)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(trace, shutil.rmtree, folder, ignore_errors=True)
    return trace


def _command(path: Path) -> str:
    """The command that exports a recording beside it, to be typed in its folder."""
    return shlex.join(["nsys", "export", "--type", "sqlite", "-o", path.with_suffix(".sqlite").name, path.name])


def export_command(nsys: Path, path: Path, output: Path) -> list[str]:
    """The command that exports a recording to a SQLite file, over an older one."""
    return [str(nsys), "export", "--type", "sqlite", "--force-overwrite", "true", "--output", str(output), str(path)]


def run_export(nsys: Path, path: Path, output: Path) -> None:
    """Export a recording. Raises TraceError where nsys fails, with its last words."""
    print(f"note: exporting {path.name} with {nsys}", file=sys.stderr)
    command = export_command(nsys, path, output)
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    except OSError as error:
        raise TraceError(f"can't run {nsys}: {error.strerror}", "set $NSYS to another nsys") from error
    if done.returncode != 0 or not output.exists():
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
        raise TraceError(
            f"{nsys} could not export {path} (exit code {done.returncode}): {said[-1].strip()}",
            f"{_command(path)}  # with the nsys that recorded it, or a newer one",
        )
