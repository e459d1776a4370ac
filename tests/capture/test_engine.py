"""How an engine is run: the runner's and trtexec's command lines, and which of them is chosen."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tcscope.capture import engine as engines
from tcscope.capture import job
from tcscope.capture.engine import RUNNER, EngineRun, Runner, Trtexec
from tcscope.cli import main
from tcscope.errors import TraceError, UsageError
from tcscope.sources import nsys_rep
from tests.capture import stand_in
from tests.support.cli import failure
from tests.support.places import INT8_LAYERS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are scripts with a #! line")

LAYERS, PROFILE = Path("d/l.json"), Path("d/p.json")
RUN = EngineRun(
    Path("my model.plan"),
    iterations=30,
    warmup=7,
    shapes="x:1x3",
    inputs=Path("in.npz"),
    seed=5,
    cuda_graph=True,
    dla_core=1,
    plugins=("a.so", "b.so"),
)
PLAIN = EngineRun(Path("m.plan"))
# A Python that finds a TensorRT, and as its runner does what this text says.
PYTHON = """\
#!{python}
import json, os, shutil, sys
arguments = sys.argv[1:]
if arguments[0] == "-c":
    print("3.9", {module!r})
elif "--layer-info" in arguments:
    print("[TensorRT] [E] its own words", file=sys.stderr)
    if {code}:
        said = {{"error": "m.plan was built for another GPU", "hint": "build it again"}}
        json.dump(said, open(os.environ["TCSCOPE_COMPLAINT"], "w"))
        raise SystemExit({code})
    shutil.copy({layers!r}, arguments[arguments.index("--layer-info") + 1])
"""


@pytest.fixture(autouse=True)
def _a_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with a GPU, without nsys and trtexec."""
    monkeypatch.delenv("NSYS", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(nsys_rep, "INSTALL_FOLDERS", ())
    monkeypatch.setattr(engines, "TRTEXEC_FOLDERS", ())
    monkeypatch.setattr(job, "check_gpu", lambda: None)
    monkeypatch.chdir(tmp_path)


def python_with(path: Path, module: str = "tensorrt", code: int = 0) -> Path:
    text = PYTHON.format(python=sys.executable, module=module, code=code, layers=str(INT8_LAYERS))
    return stand_in.program(path, text)


def trtexec(folder: Path, help_text: str = "--loadEngine --useCudaGraph") -> Path:
    return stand_in.program(folder / "trtexec", f"#!/bin/sh\ncat <<'END'\n{help_text}\nEND\n")


def test_the_runners_command_lines() -> None:
    common = "py RUNNER my model.plan --iterations 30 --warmup 7 --inputs in.npz --shapes x:1x3 --seed 5 --dla-core 1"
    common += " --plugin a.so --plugin b.so"
    made = " ".join(Runner("py").measured(RUN)).replace(str(RUNNER), "RUNNER")
    assert made == f"{common} --cuda-graph"
    made = " ".join(Runner("py").described(RUN, LAYERS, PROFILE)).replace(str(RUNNER), "RUNNER")
    assert made == f"{common} --layer-info d/l.json --layer-profile d/p.json"  # layers have no times inside a graph
    assert Runner("py").measured(PLAIN)[2:] == ["m.plan", "--iterations", "20", "--warmup", "5"]


def test_the_command_lines_of_trtexec() -> None:
    run = replace(RUN, inputs=None, seed=0)
    old = Trtexec("trtexec", frozenset({"--useCudaGraph", "--plugins"}))
    common = "trtexec --loadEngine=my model.plan --iterations=30 --warmUp=200 --shapes=x:1x3 --useDLACore=1"
    common += " --plugins=a.so --plugins=b.so --duration=0"
    assert " ".join(old.measured(run)) == f"{common} --useCudaGraph"
    described = " ".join(old.described(run, LAYERS, PROFILE))
    assert described == f"{common} --exportLayerInfo=d/l.json --exportProfile=d/p.json"
    assert old.measured(PLAIN)[-1] == "--duration=0"


def test_trtexec_of_tensorrt_11_has_graphs_on_by_default() -> None:
    new = Trtexec("trtexec", frozenset({"--noCudaGraph", "--staticPlugins"}))
    assert new.measured(PLAIN)[-1] == "--noCudaGraph"
    assert new.measured(replace(PLAIN, cuda_graph=True))[-1] == "--duration=0"
    assert "--staticPlugins=a.so" in new.measured(replace(PLAIN, plugins=("a.so",)))


def test_trtexec_takes_no_arrays() -> None:
    with pytest.raises(UsageError, match="neither --inputs nor --seed"):
        Trtexec("trtexec").measured(RUN)


def test_a_python_with_tensorrt_is_chosen(tmp_path: Path) -> None:
    trtexec(tmp_path / "bin")
    path = str(python_with(tmp_path / "python3"))
    assert engines.choose(path, trtexec=False) == Runner(path, "tensorrt")
    assert isinstance(engines.choose(path, trtexec=True), Trtexec)


def test_trtexec_is_chosen_where_no_python_has_tensorrt(tmp_path: Path) -> None:
    path = str(python_with(tmp_path / "python3", module=""))
    with pytest.raises(TraceError, match="has no TensorRT module, and there is no trtexec"):
        engines.choose(path, trtexec=False)
    with pytest.raises(TraceError, match="there is no trtexec"):
        engines.choose(path, trtexec=True)
    there = trtexec(tmp_path / "bin", "  --noCudaGraph  Do not\n  --loadEngine=<file>")
    chosen = engines.choose(path, trtexec=False)
    assert chosen == Trtexec(str(there), frozenset({"--noCudaGraph", "--loadEngine"}))
    assert isinstance(chosen, Trtexec)
    assert chosen.note == f"{path} has no TensorRT: {there} runs the engine"


def test_trtexec_in_its_usual_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = trtexec(tmp_path / "usr src" / "bin")
    monkeypatch.setattr(engines, "TRTEXEC_FOLDERS", (str(there.parent),))
    found = engines.find_trtexec()
    assert found is not None
    assert found.path == str(there)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("#!/bin/sh\necho hello", "does not run as a Python"),
        ("#!/bin/sh\necho 2.7 tensorrt", "is Python 2.7, and the runner needs 3.8 or newer"),
    ],
)
def test_what_is_no_python(text: str, error: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=error):
        engines.probe(str(stand_in.program(tmp_path / "python", text)))
    with pytest.raises(UsageError, match="which is no program"):
        engines.probe("/no/python")


def test_this_python_is_probed_for_real() -> None:
    assert engines.probe(sys.executable).python == sys.executable


@pytest.mark.parametrize("by", ["runner", "trtexec"])
def test_dry_run_of_an_engine(by: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = python_with(tmp_path / "py")
    trtexec(tmp_path / "bin")
    more = ["--trtexec"] if by == "trtexec" else ["--python", str(python), "--shapes", "x:8x3x224x224"]
    assert main(["profile", "my model.plan", "--dry-run", *more]) == 0
    out, err = capsys.readouterr()
    described, recorded, exported, analyzed = out.splitlines()
    assert "note: there is no my model.plan here" in err
    assert "tcscope-my_model/my_model.layers.json" in described
    assert ("--capture-range=cudaProfilerApi" in recorded) == (by == "runner")
    assert exported.startswith("nsys export --type sqlite")
    assert analyzed.startswith(
        "tcscope analyze tcscope-my_model/my_model.sqlite --layers tcscope-my_model/my_model.layers.json"
    )
    assert ("--range inference" in analyzed) == (by == "runner")
    assert not Path("tcscope-my_model").exists()


def test_an_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a machine on which all is as it should be
    Path("my model.plan").write_bytes(b"plan")
    nsys = stand_in.nsys(tmp_path / "n")
    python = python_with(tmp_path / "py")
    # WHEN an engine is profiled
    code = main(["profile", "--nsys", str(nsys), "--python", str(python), "my model.plan", "-o", "out"])
    out, err = capsys.readouterr()
    # THEN its layers were asked for first, outside the recording, and are joined to the trace
    assert code == 0, err
    assert "note: asking the engine for its layers" in err
    assert out.startswith("trace  my_model.sqlite")
    assert {path.name for path in Path("out").iterdir()} == {
        "my_model.nsys-rep", "my_model.sqlite", "my_model.layers.json", "report.json", "log.txt"
    }  # fmt: skip
    log = Path("out/log.txt").read_text().splitlines()
    asked = [line for line in log if line.startswith("$ ")]
    assert ["--layer-info" in line for line in asked] == [True, False]
    assert "--capture-range=cudaProfilerApi --capture-range-end=stop" in asked[1]


def test_a_plan_that_tensorrt_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("m.plan").write_bytes(b"plan")
    nsys = stand_in.nsys(tmp_path / "n")
    python = python_with(tmp_path / "py", code=42)
    code = main(["profile", "--nsys", str(nsys), "--python", str(python), "m.plan", "-o", "out"])
    out, err = capsys.readouterr()
    assert (code, out) == (3, "")
    # TensorRT's own words first, then ours; nothing was recorded
    assert err.index("[TensorRT] [E] its own words") < err.index("error: m.plan was built for another GPU")
    assert err.endswith("  hint: build it again\n")
    assert [call[0] for call in stand_in.calls(nsys)] == ["--version", "profile"]
    # and what the user typed wrongly is the user's
    python_with(tmp_path / "py", code=2)
    Path("out/m.sqlite").write_text("of an earlier run")
    assert main(["profile", "--nsys", str(nsys), "--python", str(python), "m.plan", "-o", "out", "--force"]) == 2
    assert Path("out/m.sqlite").read_text() == "of an earlier run"  # --force or not: nothing has come in its place


def test_a_runner_that_dies_without_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("m.plan").write_bytes(b"plan")
    python = stand_in.program(tmp_path / "py", '#!/bin/sh\n[ "$1" = -c ] && echo 3.9 tensorrt && exit\nkill -SEGV $$\n')
    code = main(["profile", "--nsys", str(stand_in.nsys(tmp_path / "n")), "--python", str(python), "m.plan"])
    err = capsys.readouterr().err
    assert code == 3
    assert "error: the run of m.plan was killed by SIGSEGV, and said nothing" in err


def test_no_tensorrt_anywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("m.plan").write_bytes(b"plan")
    python = python_with(tmp_path / "py", module="")
    said = failure(capsys, "profile", "--nsys", stand_in.nsys(tmp_path / "n"), "--python", python, "m.plan")
    assert said.code == 3
    assert said.error == f"{python} has no TensorRT module, and there is no trtexec"
    assert not Path("tcscope-m").exists()
