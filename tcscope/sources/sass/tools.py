"""cuobjdump, the nvdisasm that it needs, and a demangler: on the PATH, in CUDA, or in Python packages."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tcscope.errors import TraceError, UsageError

INSTALL_FOLDERS = (
    "/usr/local/cuda/bin",
    "/usr/local/cuda-*/bin",
    "/opt/cuda/bin",
    "C:/Program Files/NVIDIA GPU Computing Toolkit/CUDA/v*/bin",
)
# Packages that carry the programs: triton's NVIDIA backend, and NVIDIA's own wheels (nvidia-cuda-cuobjdump, -nvdisasm).
PACKAGES = (("triton", "backends/nvidia/bin"), ("nvidia", "*/bin"))
_DEMANGLERS = ("cu++filt", "c++filt", "llvm-cxxfilt")


@dataclass(frozen=True)
class Tools:
    """The programs that read machine code; `demangler` is None where there is none."""

    cuobjdump: Path
    nvdisasm: Path
    demangler: Path | None = None

    @cached_property
    def environment(self) -> dict[str, str]:
        """The environment in which cuobjdump finds nvdisasm."""
        return {**os.environ, "PATH": os.pathsep.join([str(self.nvdisasm.parent), os.environ.get("PATH", "")])}

    def demangled(self, names: Iterable[str]) -> dict[str, str]:
        """Each mangled name with its demangled one, or itself where nothing demangles it."""
        mangled = [name for name in dict.fromkeys(names) if name.startswith("_Z")]
        if self.demangler is None or not mangled:
            return {name: name for name in mangled}
        done = subprocess.run(  # noqa: S603 - the demangler that was found
            [str(self.demangler)], input="\n".join(mangled) + "\n", capture_output=True, text=True, check=False
        )
        lines = done.stdout.splitlines()
        return dict(zip(mangled, lines if len(lines) == len(mangled) else mangled, strict=True))


def find_tools(wanted: str | None = None) -> Tools:
    """The programs to use; `wanted` is the user's cuobjdump. Raises UsageError, TraceError where one is missing."""
    cuobjdump = _given(wanted) if wanted else _find("cuobjdump")
    nvdisasm = _find("nvdisasm", first=[cuobjdump.parent] if cuobjdump else [])
    missing = [name for name, path in (("cuobjdump", cuobjdump), ("nvdisasm", nvdisasm)) if path is None]
    if cuobjdump is None or nvdisasm is None:
        raise TraceError(
            f"there is no {' and no '.join(missing)} here: not on the PATH, in CUDA, or in triton's package",
            "python3 -m pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm, or --cuobjdump /path/to/cuobjdump",
        )
    demangler = next((found for name in _DEMANGLERS if (found := _find(name, first=[cuobjdump.parent]))), None)
    return Tools(cuobjdump, nvdisasm, demangler)


def _given(wanted: str) -> Path:
    found = shutil.which(wanted)
    if found is None:
        raise UsageError(f"--cuobjdump is '{wanted}', which is no program", "--cuobjdump /path/to/cuobjdump")
    return Path(found)


def _find(name: str, first: Iterable[Path] = ()) -> Path | None:
    """A program beside another, on the PATH, in the usual folders, or in a package."""
    for folder in first:
        if found := shutil.which(name, path=str(folder)):
            return Path(found)
    if found := shutil.which(name):
        return Path(found)
    for folder in _folders():
        if found := shutil.which(name, path=str(folder)):
            return Path(found)
    return None


def _folders() -> Iterator[Path]:
    for pattern in INSTALL_FOLDERS:
        anchor = Path(pattern).anchor
        yield from sorted(Path(anchor).glob(pattern.removeprefix(anchor)), reverse=True) if anchor else ()
    for package, below in PACKAGES:
        spec = importlib.util.find_spec(package)
        for place in spec.submodule_search_locations or () if spec else ():
            yield from sorted(Path(place).glob(below), reverse=True)
