"""`tcscope profile -- COMMAND` with a stand-in for nsys."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tcscope.capture import job
from tcscope.capture.process import Log, run
from tcscope.cli import main
from tcscope.errors import TraceError
from tcscope.sources import nsys_rep
from tests.capture import stand_in
from tests.support.cli import failure
from tests.support.places import NO_KERNELS, REPOSITORY

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are scripts with a #! line")

CANT_ANSWER = 3


@pytest.fixture(autouse=True)
def _a_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with a GPU and without nsys, and a working folder of its own."""
    monkeypatch.delenv("NSYS", raising=False)
    monkeypatch.setattr(nsys_rep, "INSTALL_FOLDERS", ())
    monkeypatch.setattr(job, "check_gpu", lambda: None)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nsys = stand_in.nsys(tmp_path / "a folder")
    code = main(
        ["profile", "--nsys", str(nsys), "-o", "my run", "--top", "3", "--", *python("print('hello -vv')"), "-vv"]
    )
    out, err = capsys.readouterr()
    assert code == 0, err
    # stdout is the analysis alone, what the program says goes to stderr and into the log
    assert out.startswith("trace  python")
    assert "840 launches" in out
    assert "hello -vv" in err
    assert "hello" not in out
    names = {path.name for path in Path("my run").iterdir()}
    assert {"report.json", "log.txt"} < names
    assert {Path(name).suffix for name in names} == {".json", ".txt", ".nsys-rep", ".sqlite"}
    log = Path("my run/log.txt").read_text()
    assert "hello -vv" in log
    assert f"$ '{nsys}' profile -t cuda,nvtx --cuda-graph-trace=node" in log
    assert json.loads(Path("my run/report.json").read_text())["totals"]["launches"] == 840
    recorded = stand_in.calls(nsys)[2]
    assert recorded[-4:] == [*python("print('hello -vv')"), "-vv"]
    assert not any(word.startswith("--capture-range") for word in recorded)


def test_the_default_folder_is_named_after_the_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("my train.py").write_text("print(1)")
    assert main(["profile", "--nsys", str(stand_in.nsys(tmp_path)), "--", sys.executable, "my train.py"]) == 0
    assert Path("tcscope-my_train/my_train.sqlite").exists()
    assert "wrote tcscope-my_train" in capsys.readouterr().err


def test_other_formats_and_a_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nsys = str(stand_in.nsys(tmp_path))
    words = ["profile", "--nsys", nsys, "--force", "-o", "d"]
    assert main([*words, "--format", "json", "--range", "inference", "--", *python("")]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "tcscope.report/1"
    assert main([*words, "--format", "md", "--", *python("")]) == 0
    assert capsys.readouterr().out.startswith("#")


def test_nothing_is_written_over_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nsys = stand_in.nsys(tmp_path)
    Path("d").mkdir()
    Path("d/mine.txt").write_text("mine")
    Path("d/report.json").write_text("old")
    said = failure(capsys, "profile", "--nsys", nsys, "-o", "d", "--", *python(""))
    assert (said.code, said.error) == (2, "d exists and is not empty")
    assert "--force" in said.hint
    assert not (tmp_path / "calls").exists()  # not even nsys was asked
    assert Path("d/report.json").read_text() == "old"
    assert main(["profile", "--nsys", str(nsys), "-o", "d", "--force", "--", *python("")]) == 0
    assert Path("d/mine.txt").read_text() == "mine"
    assert Path("d/report.json").read_text() != "old"


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Path("d").write_text(""), "d is a file, and should be a folder"),
        (lambda: Path("d/report.json").mkdir(parents=True), "d/report.json is a folder"),
    ],
)
def test_outputs_that_can_not_be(make: object, error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make()  # type: ignore[operator]
    said = failure(capsys, "profile", "--nsys", stand_in.nsys(tmp_path), "--force", "-o", "d", "--", *python(""))
    assert said.code == 2
    assert said.error.startswith(error)


def test_a_folder_below_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("f").write_text("")
    said = failure(capsys, "profile", "--nsys", stand_in.nsys(tmp_path), "-o", "f/d", "--", *python(""))
    assert (said.code, said.error) == (2, "f is a file, so that f/d can't be made")


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("closed").mkdir(mode=0o555)
    said = failure(capsys, "profile", "--nsys", stand_in.nsys(tmp_path), "-o", "closed/d", "--", *python(""))
    assert (said.code, said.error) == (2, "no permission to write in closed")


def test_no_nsys(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    said = failure(capsys, "profile", "--", *python(""))
    assert said.code == CANT_ANSWER
    assert said.error.startswith("there is no nsys here")
    assert list(Path().iterdir()) == []


def test_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def none() -> None:
        raise TraceError("the NVIDIA driver finds no GPU", "nvidia-smi")

    monkeypatch.setattr(job, "check_gpu", none)
    said = failure(capsys, "profile", "--nsys", stand_in.nsys(tmp_path), "--", *python(""))
    assert (said.code, said.error, said.hint) == (3, "the NVIDIA driver finds no GPU", "nvidia-smi")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "neither an engine nor a command"),
        (["x.plan", "--", "ls"], "both an engine (x.plan) and a command"),
        (["--shapes", "x:1", "--", "ls"], "--shapes is for engines, not for a command"),
        (["--cuda-graph", "--", "ls"], "--cuda-graph is for engines, not for a command"),
        (["--", "no-such-program"], "no such program: no-such-program"),
        (["no such.plan"], "no such engine: no such.plan"),
        (["--iterations", "0", "x.plan"], "argument --iterations: '0' is no whole number from 1 on"),
    ],
)
def test_wrong_words(words: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = failure(capsys, "profile", *words)
    assert (said.code, said.error) == (2, error)


def test_gpu_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nsys = stand_in.nsys(tmp_path / "may")
    assert main(["profile", "--nsys", str(nsys), "--gpu-metrics", "-o", "d", "--", *python("")]) == 0
    assert "--gpu-metrics-devices=all" in stand_in.calls(nsys)[3]
    capsys.readouterr()
    refusing = stand_in.nsys(tmp_path / "not", metrics="Insufficient privilege, see ERR_NVGPUCTRPERM")
    said = failure(capsys, "profile", "--nsys", refusing, "--gpu-metrics", "-o", "e", "--", *python(""))
    assert (said.code, said.error) == (3, "this user may not sample GPU metrics (ERR_NVGPUCTRPERM)")
    assert not Path("e").exists()


def test_a_program_that_crashed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a program that dies before any kernel
    nsys = stand_in.nsys(tmp_path / "a", fixture=NO_KERNELS)
    code = main(
        ["profile", "--nsys", str(nsys), "-o", "d", "--", *python("print('so far so good'); import nosuchmodule")]
    )
    out, err = capsys.readouterr()
    # THEN its own last words are quoted, and nsys's own are not
    assert (code, out) == (CANT_ANSWER, "")
    error = err[err.index("error: ") :]
    assert "ended with exit code 1 before any kernel was recorded, and said last:" in error
    assert "\n    ModuleNotFoundError: No module named 'nosuchmodule'" in error  # on a line of its own
    assert "Generat" not in error
    assert {"log.txt"} < {path.name for path in Path("d").iterdir()}
    # AND one that had run kernels is shown, and said not to stand
    nsys = stand_in.nsys(tmp_path / "b")
    code = main(["profile", "--nsys", str(nsys), "-o", "e", "--", *python("import os; os.kill(os.getpid(), 11)")])
    out, err = capsys.readouterr()
    assert code == CANT_ANSWER
    assert "840 launches" in out
    assert "was killed by SIGSEGV, and said nothing" in err
    assert Path("e/report.json").exists()


def test_a_program_that_launched_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nsys = stand_in.nsys(tmp_path, fixture=NO_KERNELS)
    code = main(["profile", "--nsys", str(nsys), "-o", "d", "--", *python("print('CUDA is not available')")])
    out, err = capsys.readouterr()
    assert (code, out) == (CANT_ANSWER, "")
    error = err[err.index("error: ") :]
    assert "holds no kernels: " in error
    assert "said last:\n    CUDA is not available\n" in error
    assert "  hint: " in error


def test_an_nsys_that_recorded_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nsys = stand_in.nsys(tmp_path, leaves="")
    code = main(["profile", "--nsys", str(nsys), "-o", "d", "--", *python("print('hm')")])
    err = capsys.readouterr().err
    assert code == CANT_ANSWER
    assert "error: nsys recorded nothing: " in err
    assert "  hint: see d/log.txt" in err


def test_a_recording_that_nsys_could_not_put_where_it_belongs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "left here.nsys-rep"
    nsys = stand_in.nsys(tmp_path / "n", leaves=str(elsewhere))
    code = main(["profile", "--nsys", str(nsys), "-o", "d", "--", *python("")])
    err = capsys.readouterr().err
    assert code == CANT_ANSWER
    assert f"and left its recording in {elsewhere}" in err
    assert f"mv '{elsewhere}' d" in err
    assert elsewhere.exists()


def test_the_log_is_not_worth_a_recording(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    # GIVEN a log that can't be written: /dev/full is a disk without room
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    ended = run(python("print('on it goes')"), Log(Path("/dev/full")))
    err = capfd.readouterr().err
    assert ended.code == 0
    assert err.count("note: no more log: can't write /dev/full: No space left on device") == 1
    assert "on it goes" in err


PROFILE = """\
import sys
from tcscope.capture import job
from tcscope.cli import main
job.check_gpu = lambda: None
raise SystemExit(main(sys.argv[1:]))
"""


def started(nsys: Path, code: str, cwd: Path) -> subprocess.Popen[str]:
    """`tcscope profile` of a Python program, once that has said that it is ready."""
    command = [sys.executable, "-c", PROFILE, "profile", "--nsys", str(nsys), "-o", "d", "--", *python(code)]
    made = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert made.stderr is not None
    for line in made.stderr:
        if "ready" in line:
            return made
    raise AssertionError("it never got ready")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_program_and_keeps_what_was_recorded(number: signal.Signals, tmp_path: Path) -> None:
    # GIVEN a server that runs until it is interrupted
    code = "import time\nprint('ready', flush=True)\ntry: time.sleep(60)\nexcept KeyboardInterrupt: print('bye')"
    made = started(stand_in.nsys(tmp_path / "n"), code, tmp_path)
    begun = time.monotonic()
    # WHEN the user has seen enough
    made.send_signal(number)
    out, err = made.communicate(timeout=30)
    # THEN it ends in order, and what was recorded is analyzed
    assert time.monotonic() - begun < 20
    assert made.returncode == 0, err
    assert "bye" in err
    assert "note: stopping, and keeping what was recorded" in err
    assert "840 launches" in out
    assert (tmp_path / "d" / "report.json").exists()
    # AND the recording was stopped first: a program that a signal ends takes its records along
    calls = [line.split("\x1f") for line in (tmp_path / "n" / "calls").read_text().splitlines()]
    (record,) = (call for call in calls if call[0] == "profile" and "-o" in call)
    (session,) = (word.partition("=")[2] for word in record if word.startswith("--session-new="))
    assert ["stop", f"--session={session}"] in calls
    assert "--kill=none" in record


def test_a_program_that_does_not_listen_is_ended_all_the_same(tmp_path: Path) -> None:
    code = (
        "import signal, time, os\n"
        "for number in (2, 15): signal.signal(number, signal.SIG_IGN)\n"
        "open('pid', 'w').write(str(os.getpid()))\nprint('ready', flush=True)\ntime.sleep(60)"
    )
    made = started(stand_in.nsys(tmp_path / "n", leaves=""), code, tmp_path)
    for _ in range(2):
        made.send_signal(signal.SIGINT)
        time.sleep(0.5)
    out, err = made.communicate(timeout=30)
    assert made.returncode == CANT_ANSWER
    assert out == ""
    assert "error: interrupted before anything was recorded" in err
    state = subprocess.run(["ps", "-o", "stat=", "-p", (tmp_path / "pid").read_text()], capture_output=True, text=True)
    assert state.stdout.strip()[:1] in ("", "Z")  # gone, or dead and not yet buried


def test_dry_run_of_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nsys = stand_in.nsys(tmp_path)
    code = main(
        ["profile", "--nsys", str(nsys), "--dry-run", "-o", "my run", "--", "python", "a b.py", "-vv", "--", "x"]
    )
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    recorded, exported, analyzed = out.splitlines()
    assert recorded.endswith("--force-overwrite=true -o 'my run/a_b' python 'a b.py' -vv -- x")
    assert (
        exported
        == f"{nsys} export --type sqlite --force-overwrite true --output 'my run/a_b.sqlite' 'my run/a_b.nsys-rep'"
    )
    assert analyzed == "tcscope analyze 'my run/a_b.sqlite' -o 'my run/report.json'"
    assert list(Path().iterdir()) == []
    assert [call[:2] for call in stand_in.calls(nsys)] == [["--version"], ["profile", "--help"]]


def test_dry_run_without_nsys(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert main(["profile", "--dry-run", "--", "./serve"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("nsys profile -t cuda,nvtx --cuda-graph-trace=node")
    assert err.startswith("note: there is no nsys here")
