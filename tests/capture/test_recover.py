"""A `.qdstrm` that nsys left: the importer beside it, behind links, or not whole."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tcscope.capture import job, recover
from tcscope.capture.process import Log
from tcscope.capture.recover import convert, find_importer
from tcscope.cli import main
from tcscope.errors import TraceError
from tests.capture import stand_in

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are scripts with a #! line")

LACKING = "QdstrmImporter: error while loading shared libraries: {}: cannot open shared object file"


@pytest.mark.parametrize(
    "folder",
    ["host/host-linux-x64", "host/linux-desktop-glibc_2_11_3-x64", "host/host-linux-armv8", "host/target-linux-x64"],
)
def test_where_the_importer_is(folder: str, tmp_path: Path) -> None:
    nsys = stand_in.nsys(tmp_path / "host" / "target-linux-x64")
    assert find_importer(nsys) is None or not str(find_importer(nsys)).startswith(str(tmp_path))
    made = stand_in.importer(tmp_path / folder / "QdstrmImporter")
    found = find_importer(nsys)
    assert found is not None
    assert found.resolve() == made


def test_an_nsys_that_is_a_link_to_a_link(tmp_path: Path) -> None:
    # as Debian lays it out: the real program is in another tree than its importer
    real = stand_in.nsys(tmp_path / "lib" / "x86_64" / "nsight" / "target-linux-x64")
    made = stand_in.importer(tmp_path / "lib" / "nsight" / "host-linux-x64" / "QdstrmImporter")
    (tmp_path / "lib" / "nsight" / "target-linux-x64").symlink_to("../x86_64/nsight/target-linux-x64")
    (tmp_path / "lib" / "nsight" / "bin").mkdir()
    (tmp_path / "lib" / "nsight" / "bin" / "nsys").symlink_to("../target-linux-x64/nsys")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "nsys").symlink_to("../lib/nsight/bin/nsys")
    found = find_importer(tmp_path / "bin" / "nsys")
    assert found is not None
    assert found.resolve() == made
    assert (tmp_path / "bin" / "nsys").resolve() == real


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("libdw.so.1", "libdw1"),
        ("libelf.so.1", "libelf1"),
        ("libbz2.so.1.0", "libbz2-1.0"),
        ("libssh.so", "libssh-4"),
        ("libother.so.7", "apt-file; apt-file search libother.so.7"),
    ],
)
def test_a_library_that_is_missing(library: str, package: str, tmp_path: Path) -> None:
    nsys = stand_in.nsys(tmp_path / "t")
    stand_in.importer(tmp_path / "t" / "QdstrmImporter", LACKING.format(library))
    raw = tmp_path / "my run.qdstrm"
    raw.write_bytes(b"raw")
    with pytest.raises(TraceError) as caught:
        convert(nsys, raw, tmp_path / "my run.nsys-rep", Log(tmp_path / "log"))
    assert f"needs {library}, which is not installed; {raw} is kept" in caught.value.message
    assert caught.value.hint.startswith(f"sudo apt-get install {package} && ")
    assert f"-i '{raw}'" in caught.value.hint
    assert raw.read_bytes() == b"raw"
    assert library in (tmp_path / "log").read_text()


def test_an_importer_that_fails_otherwise(tmp_path: Path) -> None:
    nsys = stand_in.nsys(tmp_path / "t")
    stand_in.importer(tmp_path / "t" / "QdstrmImporter", "Wrong event order has been detected")
    raw = tmp_path / "r.qdstrm"
    raw.write_bytes(b"raw")
    with pytest.raises(TraceError, match=r"which is kept \(exit code 127\): Wrong event order"):
        convert(nsys, raw, tmp_path / "r.nsys-rep", Log(tmp_path / "log"))


def test_profile_goes_on_with_what_it_recovered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(job, "check_gpu", lambda: None)
    nsys = stand_in.nsys(tmp_path / "host" / "target-linux-x64", leaves=".qdstrm")
    stand_in.importer(tmp_path / "host" / "linux-desktop-glibc_2_11_3-x64" / "QdstrmImporter")
    folder = tmp_path / "my run"
    assert main(["profile", "--nsys", str(nsys), "-o", str(folder), "--", sys.executable, "-c", "pass"]) == 0
    out, err = capsys.readouterr()
    assert "840 launches" in out
    assert "unconverted: running its importer" in err
    assert not list(folder.glob("*.qdstrm"))
    assert list(folder.glob("*.nsys-rep"))


def test_profile_without_an_importer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(job, "check_gpu", lambda: None)
    monkeypatch.setattr(recover, "_FOLDERS", ("../host-linux-*",))
    nsys = stand_in.nsys(tmp_path / "n", leaves=".qdstrm")
    code = main(["profile", "--nsys", str(nsys), "-o", str(tmp_path / "d"), "--", sys.executable, "-c", "pass"])
    err = capsys.readouterr().err
    assert code == 3
    assert "has no QdstrmImporter" in err
    assert list((tmp_path / "d").glob("*.qdstrm"))
