"""A `.qdstrm` that nsys could not convert: find the importer, run it, or name the library that it lacks."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tcscope.capture.process import Log
from tcscope.errors import TraceError

_MISSING = re.compile(r"error while loading shared libraries: (\S+?):")
# The library that the importer lacks, and the package of Debian and Ubuntu that has it.
PACKAGES = {
    "libdw.so": "libdw1",  # from Ubuntu 24.04 on libdw1t64, which apt finds by this name
    "libelf.so": "libelf1",
    "libbz2.so": "libbz2-1.0",
    "libssh.so": "libssh-4",
    "libglib-2.0.so": "libglib2.0-0",
    "libdbus-1.so": "libdbus-1-3",
    "libxcb": "libxcb1",
    "libGL.so": "libgl1",
    "libEGL.so": "libegl1",
    "libxkbcommon.so": "libxkbcommon0",
}
# Seen from the folder of nsys: as Nsight Systems, Nsight Compute, Windows and Ubuntu's package lay it out.
_FOLDERS = ("../host-linux-*", "../linux-desktop-*", "../Host-*", ".", "/usr/lib/nsight-systems/host-linux-*")


def find_importer(nsys: Path) -> Path | None:
    """QdstrmImporter of this nsys, which may be a link (to a link) to the one beside the importer."""
    for folder in _links(nsys):
        for pattern in _FOLDERS:
            base, _, last = pattern.rpartition("/")
            where = (folder / base) if base else folder
            for found in sorted(where.glob(f"{last}/QdstrmImporter" if last != "." else "QdstrmImporter")):
                if os.access(found, os.X_OK):
                    return found.resolve()
    return None


def _links(path: Path) -> Iterator[Path]:
    """The folders of a file and of all that it links to, each also as it really is."""
    seen: set[Path] = set()
    while path not in seen:
        seen.add(path)
        yield path.parent
        yield path.parent.resolve()
        if path.is_symlink():
            path = path.parent / os.readlink(path)


def convert(nsys: Path, raw: Path, recording: Path, log: Log) -> None:
    """Make a `.nsys-rep` of a `.qdstrm`, which is kept where that fails. Raises TraceError."""
    importer = find_importer(nsys)
    if importer is None:
        raise TraceError(
            f"nsys left {raw} unconverted, and {nsys} has no QdstrmImporter",
            f"QdstrmImporter -i {shlex.quote(str(raw))}  # of a whole Nsight Systems, here or on a PC",
        )
    command = [str(importer), "-i", str(raw), "-o", str(recording)]
    log.write(f"$ {shlex.join(command)}\n")
    try:
        done = subprocess.run(  # noqa: S603 - the importer that came with the user's nsys
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise TraceError(f"can't run {importer}: {error.strerror}", shlex.join(command)) from error
    said = re.sub(r"[^\n]*\r", "", done.stdout).strip()  # without the steps of its progress bar
    log.write(f"{said}\n# exit code {done.returncode}\n")
    if recording.exists() and done.returncode == 0:
        raw.unlink(missing_ok=True)
        return
    lacking = _MISSING.search(said)
    again = shlex.join(command)
    if lacking:
        name = lacking[1]
        raise TraceError(
            f"{importer} needs {name}, which is not installed; {raw} is kept", f"{_install(name)} && {again}"
        )
    last = said.splitlines()[-1].strip() if said else "it said nothing"
    raise TraceError(f"{importer} could not convert {raw}, which is kept (exit code {done.returncode}): {last}", again)


def _install(library: str) -> str:
    package = next((package for name, package in PACKAGES.items() if library.startswith(name)), None)
    return f"sudo apt-get install {package}" if package else f"sudo apt-get install apt-file; apt-file search {library}"
