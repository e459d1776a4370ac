"""`.nsys-rep` input, with a stand-in for nsys: CI has none."""

from __future__ import annotations

import gc
import os
import stat
import sys
import tempfile
from pathlib import Path

import pytest

from tcscope import analyze
from tcscope.cli import main
from tcscope.sources import nsys_rep
from tests.support.cli import failure
from tests.support.places import NO_KERNELS, ORIN

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with a #! line")

CANT_ANSWER = 3
USUAL_FOLDERS = nsys_rep.INSTALL_FOLDERS
# Like nsys: what to export comes last, where to in --output; what it was called with is kept beside the script.
SCRIPT = """\
#!{python}
import pathlib, shutil, sys
here = pathlib.Path(__file__)
here.with_suffix(".log").write_text("\\n".join(sys.argv[1:]))
code = {code}
if code:
    print("Processing...")
    print("FATAL: report was made by a newer version", file=sys.stderr)
    raise SystemExit(code)
if {writes}:
    shutil.copy({fixture!r}, sys.argv[sys.argv.index("--output") + 1])
"""


def stand_in(path: Path, fixture: Path = ORIN, *, code: int = 0, writes: bool = True) -> Path:
    """A program that exports `fixture`, whatever it is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCRIPT.format(python=sys.executable, fixture=str(fixture), code=code, writes=writes))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture(autouse=True)
def _no_nsys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without nsys, and a temporary folder of its own."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "temp").mkdir()
    monkeypatch.delenv("NSYS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(nsys_rep, "INSTALL_FOLDERS", ())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "my run.nsys-rep"
    path.parent.mkdir()
    path.write_bytes(b"\x0a\x10NVIDIA Nsight recording, in a format of its own")
    return path


def called_with(nsys: Path) -> list[str]:
    return nsys.with_suffix(".log").read_text().splitlines()


def test_nsys_of_the_environment(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN one nsys in $NSYS and another on the PATH
    chosen = stand_in(tmp_path / "chosen" / "nsys")
    other = stand_in(tmp_path / "other" / "nsys", code=1)
    monkeypatch.setenv("NSYS", str(chosen))
    monkeypatch.setenv("PATH", str(other.parent))
    # WHEN a recording is analyzed
    report = analyze(recording)
    # THEN it is what that one exported, and the recording's folder is as it was
    assert report.kernels == analyze(ORIN).kernels
    assert report.totals.launches == 260
    *options, output, source = called_with(chosen)
    assert options == ["export", "--type", "sqlite", "--force-overwrite", "true", "--output"]
    assert (Path(output).name, source) == ("my run.sqlite", str(recording))
    assert Path(output).is_relative_to(tmp_path / "temp")
    assert list(recording.parent.iterdir()) == [recording]


def test_nsys_by_its_name_in_the_environment(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(stand_in(tmp_path / "bin" / "nsys-2025").parent))
    monkeypatch.setenv("NSYS", "nsys-2025")
    assert analyze(recording).totals.launches == 260


def test_nsys_on_the_path(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(stand_in(tmp_path / "bin" / "nsys").parent))
    assert analyze(recording).totals.launches == 260


def test_nsys_in_the_newest_install_folder(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = stand_in(tmp_path / "opt" / "nsight-systems" / "2023.4.1" / "bin" / "nsys")
    new = stand_in(tmp_path / "opt" / "nsight-systems" / "2025.3.2" / "bin" / "nsys")
    unusable = tmp_path / "opt" / "nsight-systems" / "2026.1.1" / "bin" / "nsys"
    unusable.parent.mkdir(parents=True)
    unusable.touch(mode=0o644)
    folders = (str(tmp_path / "nothing" / "*"), str(tmp_path / "opt" / "nsight-systems" / "*" / "bin"))
    monkeypatch.setattr(nsys_rep, "INSTALL_FOLDERS", folders)
    assert analyze(recording).totals.launches == 260
    assert called_with(new)[0] == "export"
    assert not old.with_suffix(".log").exists()


def test_the_usual_folders_are_looked_into() -> None:
    for home in ("/opt/nvidia/nsight-systems/", "/usr/local/cuda", "/opt/nvidia/nsight-compute/", "nsight-compute-"):
        assert any(home in folder for folder in USUAL_FOLDERS)
    assert all(folder.startswith(("/", "C:/")) for folder in USUAL_FOLDERS)


def test_no_nsys_at_all(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("analyze", "info"):
        said = failure(capsys, command, recording)
        assert said.code == CANT_ANSWER
        assert said.error == f"{recording} must be exported to SQLite, and there is no nsys here"
        assert said.hint.startswith("nsys export --type sqlite -o 'my run.sqlite' 'my run.nsys-rep'  #")
        assert said.hint.endswith("$NSYS")


@pytest.mark.parametrize("kind", ["missing", "a folder", "not executable"])
def test_nsys_of_the_environment_is_no_program(
    kind: str, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong"
    if kind == "a folder":
        wrong.mkdir()
    elif kind == "not executable":
        wrong.touch(mode=0o644)
    monkeypatch.setenv("NSYS", str(wrong))
    monkeypatch.setenv("PATH", str(stand_in(tmp_path / "bin" / "nsys").parent))  # not taken instead, silently
    said = failure(capsys, "analyze", recording)
    assert (said.code, said.error) == (CANT_ANSWER, f"$NSYS is '{wrong}', which is no program")
    assert said.hint == "export NSYS=/path/to/nsys, or unset it"


def test_an_nsys_that_can_not_run(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other_machine = tmp_path / "nsys"
    other_machine.write_bytes(b"\x7fELF of another machine")
    other_machine.chmod(0o755)
    monkeypatch.setenv("NSYS", str(other_machine))
    code = main(["analyze", str(recording)])
    err = capsys.readouterr().err
    assert code == CANT_ANSWER
    assert f"error: can't run {other_machine}: Exec format error\n  hint: set $NSYS to another nsys\n" in err
    assert list((tmp_path / "temp").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "writes", "said"),
    [
        (1, True, "(exit code 1): FATAL: report was made by a newer version"),
        (0, False, "(exit code 0): it said nothing"),
    ],
)
def test_an_export_that_fails(
    code: int,
    writes: bool,
    said: str,
    recording: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    nsys = stand_in(tmp_path / "bin" / "nsys", code=code, writes=writes)
    monkeypatch.setenv("NSYS", str(nsys))
    assert main(["analyze", str(recording)]) == CANT_ANSWER
    out, err = capsys.readouterr()
    assert out == ""
    note, error, hint = err.splitlines()
    assert note == f"note: exporting my run.nsys-rep with {nsys}"
    assert error == f"error: {nsys} could not export {recording} {said}"
    assert hint.startswith("  hint: nsys export --type sqlite -o 'my run.sqlite' 'my run.nsys-rep'  #")
    assert list((tmp_path / "temp").iterdir()) == []


def test_messages_name_the_recording_not_our_copy(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NSYS", str(stand_in(tmp_path / "nsys", NO_KERNELS)))
    assert main(["analyze", str(recording)]) == CANT_ANSWER
    err = capsys.readouterr().err
    assert f"error: {recording} holds no kernels: " in err
    assert "temp" not in err
    monkeypatch.setenv("NSYS", str(stand_in(tmp_path / "nsys")))
    assert analyze(recording).trace.file == "my run.nsys-rep"
    assert main(["analyze", str(recording), "--range", "inferense"]) == CANT_ANSWER
    assert f"error: {recording} has no NVTX range 'inferense', did you mean" in capsys.readouterr().err


def test_our_copy_goes_when_the_trace_does(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NSYS", str(stand_in(tmp_path / "nsys")))
    for arguments in (["analyze"], ["analyze", "--stats"], ["info"], ["analyze", "--range", "no such"]):
        main([arguments[0], str(recording), *arguments[1:]])
        gc.collect()
        assert list((tmp_path / "temp").iterdir()) == []
    assert capsys.readouterr().out.count("trace") >= 2


def test_an_export_beside_it_is_read_if_it_is_as_new(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN an export beside the recording, made after it, and no nsys
    beside = recording.with_suffix(".sqlite")
    beside.write_bytes(ORIN.read_bytes())
    os.utime(recording, (1_000_000, 1_000_000))
    os.utime(beside, (1_000_001, 1_000_001))
    assert analyze(recording).totals.launches == 260
    assert capsys.readouterr().err == f"note: reading {beside}, which is newer than my run.nsys-rep\n"
    # WHEN the recording was made again since, THEN it is not
    os.utime(recording, (1_000_002, 1_000_002))
    assert failure(capsys, "analyze", recording).error.endswith("there is no nsys here")


def test_an_export_that_is_only_called_a_recording_needs_no_nsys(tmp_path: Path) -> None:
    path = tmp_path / "t.nsys-rep"
    path.write_bytes(ORIN.read_bytes())
    assert analyze(path).totals.launches == 260
