"""A real nsys, of a version that a test machine may have: it records the NVTX ranges of a program without a GPU."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tcscope.capture import job
from tcscope.capture.nsys import Nsys, open_nsys
from tcscope.cli import main
from tcscope.sources import open_trace

# $TCSCOPE_TEST_NSYS names one that is not on the PATH.
FOUND = shutil.which(os.environ.get("TCSCOPE_TEST_NSYS") or "nsys")
pytestmark = pytest.mark.skipif(FOUND is None, reason="no nsys here; Debian's non-free package nsight-systems has one")

PROGRAM = """\
import nvtx, sys, time
for _ in range(3):
    with nvtx.annotate("inference"):
        time.sleep(0.01)
print("said by the program")
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def nsys() -> Nsys:
    made = open_nsys(FOUND)
    assert made is not None
    return made


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("nvtx")
    monkeypatch.setattr(job, "check_gpu", lambda: None)
    path = tmp_path / "a program.py"
    path.write_text(PROGRAM)
    return path


def test_its_version_and_options_are_read(nsys: Nsys) -> None:
    assert nsys.version.startswith("20")
    assert {"--output", "--trace", "--sample", "--force-overwrite"} <= nsys.options


@pytest.mark.parametrize("code", [0, 7])
def test_a_program_without_a_gpu(
    code: int, nsys: Nsys, program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "50% of it"
    words = ["profile", "--nsys", str(nsys.path), "-o", str(folder), "--", sys.executable, str(program), str(code)]
    assert main(words) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "said by the program" in err[err.index("error: ") :]
    assert "kernel" in err[err.index("error: ") :]
    if code:
        assert "ended with exit code 7" in err
    kept = {path.name for path in folder.iterdir()}
    assert {"a_program.nsys-rep", "a_program.sqlite", "log.txt"} <= kept
    # what it recorded is there to be looked at
    trace = open_trace(folder / "a_program.sqlite")
    assert (trace.info().tool, trace.inventory().launches) == (f"Nsight Systems {nsys.version}", 0)
    trace.close()
