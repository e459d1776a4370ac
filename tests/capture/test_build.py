"""`tcscope profile MODEL.onnx --precision` and `compare-precisions`: command lines, folders, and the whole chain."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tcscope.capture import engine as engines
from tcscope.capture import job
from tcscope.capture.build import EngineBuild, build_command, build_notes
from tcscope.capture.engine import RUNNER, EngineRun, Runner, Trtexec
from tcscope.cli import main
from tcscope.errors import UsageError
from tcscope.sources import nsys_rep
from tests.capture import stand_in
from tests.support.cli import failure
from tests.support.places import FP16, FP16_LAYERS, INT8, INT8_LAYERS, REPOSITORY

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are scripts with a #! line")

NETWORK = {"inputs": {"x": ["FLOAT", [2, 3]]}, "layers": [["CONVOLUTION", "FLOAT"]]}
CACHE = Path("d/m.int8.calib.cache")
RUN = EngineRun(Path("d/m.int8.plan"))
GIVEN = replace(RUN, shapes="x:1x3", seed=5, dla_core=1, plugins=("a.so",), iterations=7, cuda_graph=True)
INT8_BUILD = EngineBuild(Path("my m.onnx"), "int8", Path("c.npz"), ("EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS"))
OPTIONS = frozenset({"--fp16", "--int8", "--best", "--profilingVerbosity", "--skipInference"})
TRTEXEC = Trtexec("trtexec", OPTIONS)

# A Python with a TensorRT that is a stand-in, under which the real runner builds; running an engine takes a GPU.
PYTHON = """\
#!{python}
import json, os, pathlib, runpy, shutil, sys
arguments = sys.argv[1:]
sys.path.insert(0, {repository!r})
if arguments[0] == "-c":
    print("3.9", {module!r})
elif "--build" in arguments:
    from tests.capture import tensorrt_stand_in
    from tcscope.capture.runner import build
    build.Cuda = tensorrt_stand_in.Cuda
    module = tensorrt_stand_in.make({version!r})
    sys.modules["tensorrt"] = module
    from tcscope.capture.runner.main import main
    raise SystemExit(main(arguments[1:]))
elif "--layer-info" in arguments:
    int8 = "INT8" in json.loads(pathlib.Path(arguments[1]).read_text())["flags"]
    shutil.copy({int8!r} if int8 else {fp16!r}, arguments[arguments.index("--layer-info") + 1])
elif os.environ.get("SLOW_RUN"):
    import time
    print("still running", flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        pass
"""
# An nsys that gives the trace of the precision that the recording's name has.
NSYS = """\
#!{python}
import os, sys
at = next((n for n, word in enumerate(sys.argv) if word == "--output"), None)
which = "int8" if at is not None and ".int8." in sys.argv[at + 1] else "fp16"
os.execv(os.path.join({folder!r}, which, "nsys"), [which, *sys.argv[1:]])
"""


@pytest.fixture(autouse=True)
def _a_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with a GPU, without trtexec, and with a network in the working folder."""
    monkeypatch.delenv("NSYS", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(nsys_rep, "INSTALL_FOLDERS", ())
    monkeypatch.setattr(engines, "TRTEXEC_FOLDERS", ())
    monkeypatch.setattr(job, "check_gpu", lambda: None)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("m.onnx").write_text(json.dumps(NETWORK))


@pytest.fixture
def machine(tmp_path: Path) -> list[str]:
    """The options that name the stand-ins."""
    for name, fixture in (("int8", INT8), ("fp16", FP16)):
        stand_in.nsys(tmp_path / "nsys" / name, fixture=fixture)
    nsys = stand_in.program(
        tmp_path / "nsys" / "nsys", NSYS.format(python=sys.executable, folder=str(tmp_path / "nsys"))
    )
    return ["--nsys", str(nsys), "--python", str(python_with(tmp_path / "py"))]


def python_with(path: Path, module: str = "tensorrt", version: str = "8.6.0") -> Path:
    text = PYTHON.format(
        python=sys.executable,
        module=module,
        version=version,
        repository=str(REPOSITORY),
        int8=str(INT8_LAYERS),
        fp16=str(FP16_LAYERS),
    )
    return stand_in.program(path, text)


def test_the_runners_command_line() -> None:
    made = " ".join(build_command(Runner("py"), INT8_BUILD, GIVEN, CACHE)).replace(str(RUNNER), "RUNNER")
    assert made == (
        "py RUNNER my m.onnx --build d/m.int8.plan --precision int8 --calib c.npz --calibration-cache"
        " d/m.int8.calib.cache --tactic-sources EDGE_MASK_CONVOLUTIONS,JIT_CONVOLUTIONS"
        " --shapes x:1x3 --seed 5 --dla-core 1 --plugin a.so"
    )
    plain = EngineBuild(Path("m.onnx"), "fp16")
    assert build_command(Runner("py"), plain, RUN, CACHE)[2:] == [
        "m.onnx", "--build", "d/m.int8.plan", "--precision", "fp16"
    ]  # fmt: skip
    rtx = Runner("py", "tensorrt_rtx")  # what one module built, no other may run
    assert build_command(rtx, plain, RUN, CACHE)[-2:] == rtx.measured(RUN)[-2:] == ["--module", "tensorrt_rtx"]


@pytest.mark.parametrize(
    ("precision", "flags"),
    [("fp32", "--noTF32"), ("fp16", "--fp16"), ("int8", "--int8 --fp16"), ("best", "--best")],
)
def test_the_command_line_of_trtexec(precision: str, flags: str) -> None:
    run = replace(GIVEN, seed=0)
    made = " ".join(build_command(TRTEXEC, replace(INT8_BUILD, precision=precision, calib=None), run, CACHE))
    assert made == (
        f"trtexec --onnx=my m.onnx --saveEngine=d/m.int8.plan {flags} --profilingVerbosity=detailed --skipInference"
        " --tacticSources=-CUBLAS,-CUBLAS_LT,-CUDNN,+EDGE_MASK_CONVOLUTIONS,+JIT_CONVOLUTIONS"
        " --shapes=x:1x3 --useDLACore=1 --plugins=a.so --allowGPUFallback"
    )


def test_an_older_trtexec() -> None:
    old = Trtexec("trtexec", frozenset({"--fp16", "--nvtxMode", "--buildOnly"}))
    made = build_command(old, EngineBuild(Path("m.onnx"), "fp16"), RUN, CACHE)
    assert made[-2:] == ["--nvtxMode=verbose", "--buildOnly"]


def test_a_trtexec_without_flags_of_precisions() -> None:
    new = Trtexec("trtexec", frozenset({"--noTF32", "--profilingVerbosity", "--skipInference"}))
    build = EngineBuild(Path("m.onnx"), "int8")
    with pytest.raises(UsageError, match=r"takes the types of the ONNX: int8 needs Q/DQ nodes, and m.onnx has none"):
        build_command(new, build, RUN, CACHE)
    Path("m.onnx").write_bytes(b"\x08\x08:\x0fQuantizeLinear")
    assert "--int8" not in build_command(new, build, RUN, CACHE)
    assert "--noTF32" in build_command(new, replace(build, precision="fp32"), RUN, CACHE)


def test_trtexec_takes_a_calibration_cache_and_no_arrays() -> None:
    np.savez("c.npz", x=np.zeros((2, 3)))
    with pytest.raises(UsageError, match=r"trtexec calibrates with a calibration cache, and c.npz holds arrays"):
        build_command(TRTEXEC, INT8_BUILD, RUN, CACHE)
    Path("c.npz").write_text("TRT-8600-EntropyCalibration2\n")
    assert "--calib=c.npz" in build_command(TRTEXEC, INT8_BUILD, RUN, CACHE)


def test_trtexec_calibrates_at_random_and_it_is_said() -> None:
    build = EngineBuild(Path("m.onnx"), "int8")
    assert build_notes(TRTEXEC, build)[0].startswith("no --calib: trtexec calibrates at random")
    assert build_notes(TRTEXEC, replace(build, precision="fp16")) == ()
    assert build_notes(TRTEXEC, replace(build, calib=Path("c"))) == ()
    assert build_notes(Runner("py"), build) == ()  # it says so itself
    Path("m.onnx").write_bytes(b"QuantizeLinear")
    assert build_notes(TRTEXEC, build) == ()


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["profile", "m.onnx"], "m.onnx is a network, of which an engine must be built: in which precision?",
         "tcscope profile m.onnx --precision fp16  # or fp32, int8, best; fp16,int8 compares"),
        (["profile", "m.onnx", "--precision", "fp61"], "no precision 'fp61', did you mean 'fp16'?",
         "--precision fp16  # of: fp32, fp16, int8, best"),
        (["profile", "m.onnx", "--precision", "fp16,fp16"], "--precision names one twice: fp16,fp16",
         "--precision fp16"),
        (["profile", "m.plan", "--precision", "fp16"],
         "--precision builds an engine of a .onnx file, and m.plan is none", "leave it out"),
        (["profile", "m.plan", "--tactic-sources", "CUDNN"], "--tactic-sources is for building an engine",
         "--precision int8"),
        (["profile", "m.onnx", "--precision", "fp16", "--tactic-sources", "CUDA"],
         "no tactic source 'CUDA', did you mean 'CUDNN'?",
         "--tactic-sources CUBLAS,CUBLAS_LT,CUDNN,EDGE_MASK_CONVOLUTIONS,JIT_CONVOLUTIONS  # or some of them"),
        (["profile", "no.onnx", "--precision", "int8"], "no such network: no.onnx",
         "tcscope profile MODEL.onnx --precision int8 --calib DATA.npz"),
        (["profile", "m.onnx", "--precision", "int8", "--calib", "no.npz"], "no such calibration data: no.npz",
         "tcscope profile MODEL.onnx --precision int8 --calib DATA.npz"),
        (["profile", "m.onnx", "--precision", "fp16", "--calib", "m.onnx"],
         "--calib is for int8 and best, not for fp16", "leave it out"),
        (["compare-precisions", "m.onnx", "--precision", "fp32,fp16", "--calib", "m.onnx"],
         "--calib is for int8 and best", "leave it out"),
        (["compare-precisions", "no.onnx"], "no such network: no.onnx",
         "tcscope compare-precisions MODEL.onnx --calib DATA.npz"),
        (["compare-precisions", "m.onnx", "--calib", "no.npz"], "no such calibration data: no.npz",
         "tcscope compare-precisions MODEL.onnx --calib DATA.npz"),
        (["compare-precisions", "m.plan"], "engines are built of a .onnx file, and m.plan is none",
         "tcscope compare-precisions MODEL.onnx --calib DATA.npz"),
        (["compare-precisions", "m.onnx", "--precision", "fp16"], "only fp16: with what is it compared?",
         "--precision int8,fp16"),
        (["compare-precisions", "m.onnx", "--precision", "int8"], "only int8: with what is it compared?",
         "--precision fp16,int8"),
        (["profile", "m.onnx", "--precision", "fp16,int8", "--format", "json"],
         "the diffs are kept as JSON in the folder of -o, and not printed", "leave out --format json"),
        (["profile", "--precision", "fp16", "--", "ls"], "--precision is for engines, not for a command",
         "leave it out"),
    ],
)  # fmt: skip
def test_wrong_words(words: list[str], error: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = failure(capsys, *words)
    assert (said.code, said.error, said.hint) == (2, error, hint)
    assert [path.name for path in Path().iterdir()] == ["m.onnx"]


def test_a_python_that_only_runs_engines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lean = stand_in.program(
        tmp_path / "lean", '#!/bin/sh\n[ "$3" = tensorrt ] && [ "$4" = tensorrt_rtx ] && [ $# = 4 ] && echo 3.9\n'
    )
    nsys = stand_in.nsys(tmp_path / "n")
    said = failure(capsys, "profile", "--nsys", nsys, "--python", lean, "m.onnx", "--precision", "fp16")
    assert said.code == 3
    assert said.error == f"{lean} has no TensorRT module that builds engines, and there is no trtexec"


def test_dry_run(machine: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", *machine, "my net.onnx", "--precision", "int8", "--dry-run"]) == 0
    out, err = capsys.readouterr()
    built, described, recorded, exported, analyzed = out.splitlines()
    assert err == "note: there is no my net.onnx here\n"
    assert "'my net.onnx' --build tcscope-my_net.int8/my_net.int8.plan --precision int8" in built
    assert "tcscope-my_net.int8/my_net.int8.plan --iterations 20 --warmup 5 --layer-info" in described
    assert " profile -t cuda,nvtx " in recorded
    assert recorded.endswith("runner tcscope-my_net.int8/my_net.int8.plan --iterations 20 --warmup 5")
    assert "nsys export" in exported
    assert analyzed.endswith("-o tcscope-my_net.int8/report.json")
    assert not Path("tcscope-my_net.int8").exists()


def test_dry_run_of_a_comparison(machine: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = [*machine, "m.onnx", "--dry-run", "-o", "my run"]
    assert main(["compare-precisions", *words, "--precision", "fp32,fp16,int8", "--calib", "c.npz"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 * 5 + 2
    assert ["--build 'my run/fp16/m.fp16.plan'" in line for line in lines].index(True) == 5
    assert [("--calib c.npz --calibration-cache 'my run/int8/m.int8.calib.cache'" in line) for line in lines].index(
        True
    ) == 10
    assert lines[-1] == (
        "tcscope diff 'my run/fp32/report.json' 'my run/int8/report.json' -o 'my run/diff-fp32-int8.json'"
    )
    assert main(["compare-precisions", *words]) == 0
    default = capsys.readouterr().out
    assert main(["profile", *words, "--precision", "fp16,int8"]) == 0
    assert capsys.readouterr().out == default


def test_a_network_is_built_and_profiled(machine: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a network and samples
    np.savez("c.npz", x=np.ones((4, 3), "f4"))
    # WHEN it is profiled in INT8
    code = main(["profile", *machine, "m.onnx", "--precision", "int8", "--calib", "c.npz", "-o", "out"])
    out, err = capsys.readouterr()
    # THEN the engine was built and is kept, with its calibration, and its trace is analyzed with its layers
    assert code == 0, err
    assert out.startswith("trace  m.int8.sqlite")
    assert "note: building out/m.int8.plan: seconds to many minutes" in err
    assert "note: built m.int8.plan in 0 s" in err
    assert {path.name for path in Path("out").iterdir()} == {
        "m.int8.plan", "m.int8.calib.cache", "m.int8.layers.json", "m.int8.nsys-rep", "m.int8.sqlite", "report.json",
        "log.txt",
    }  # fmt: skip
    plan = json.loads(Path("out/m.int8.plan").read_text())
    assert plan["flags"] == ["FP16", "INT8", "TF32"]
    assert len(plan["calibrated"]["batches"]) == 2
    # AND the building was no part of what nsys ran
    commands = [line for line in Path("out/log.txt").read_text().splitlines() if line.startswith("$ ")]
    assert ["--build" in line for line in commands] == [True, False, False]
    assert [" profile -t " in line for line in commands] == [False, False, True]


def test_a_network_that_tensorrt_refuses(machine: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("m.onnx").write_text(json.dumps({"errors": [{"node": 1, "desc": "No importer for NonZero", "func": "f"}]}))
    code = main(["profile", *machine, "m.onnx", "--precision", "fp16"])
    out, err = capsys.readouterr()
    assert (code, out) == (3, "")
    # TensorRT's own words first, then ours; nothing was recorded
    assert err.index("[TensorRT] [E] While parsing") < err.index("error: TensorRT 8.6.0 can't parse m.onnx: node 1:")
    assert {path.name for path in Path("tcscope-m.fp16").iterdir()} == {"log.txt"}
    # what the user asks for in vain is the user's
    Path("m.onnx").write_text(json.dumps({**NETWORK, "inputs": {"x": ["FLOAT", [-1, 3]]}}))
    assert main(["profile", *machine, "m.onnx", "--precision", "fp16", "--force"]) == 2
    err = capsys.readouterr().err
    assert err.endswith("error: the input 'x' is dynamic: ?x3\n  hint: --shapes x:1x3\n")


def test_a_failed_build_takes_no_earlier_engine(machine: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", *machine, "m.onnx", "--precision", "fp16", "-o", "d"]) == 0
    kept = {path: path.read_bytes() for path in Path("d").glob("m.*") if path.suffix in (".plan", ".sqlite")}
    Path("m.onnx").write_text(json.dumps({"layers": [["UNBUILDABLE", "FLOAT"]]}))
    assert main(["profile", *machine, "m.onnx", "--precision", "fp16", "-o", "d", "--force"]) == 3
    assert {path: path.read_bytes() for path in kept} == kept
    assert "could not build fp16 of m.onnx: Error Code 10" in capsys.readouterr().err


def test_a_trtexec_that_builds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "echo '[E] Engine could not be created from network'; exit 1"
    stand_in.program(tmp_path / "bin" / "trtexec", f'#!/bin/sh\n[ "$1" = --help ] && echo "  --fp16" && exit\n{said}\n')
    nsys = stand_in.nsys(tmp_path / "n")
    code = main(["profile", "--nsys", str(nsys), "--trtexec", "m.onnx", "--precision", "int8", "-o", "d"])
    err = capsys.readouterr().err
    assert code == 3
    assert "note: no --calib: trtexec calibrates at random" in err
    assert "error: the build of m.int8.plan ended with exit code 1, and said last:\n    [E] Engine could not" in err
    assert err.endswith("  hint: see d/log.txt\n")


def test_precisions_are_compared(machine: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    # WHEN a network is built, recorded and compared in two precisions
    code = main(["compare-precisions", *machine, "m.onnx", "-o", "out", "--top", "3"])
    out, err = capsys.readouterr()
    # THEN the diff is shown, as `tcscope diff` of the two reports shows it
    assert code == 0, err
    assert out.startswith("base   m.fp16.sqlite, 20 inferences")
    assert main(["diff", "out/fp16/report.json", "out/int8/report.json", "--top", "3"]) == 0
    assert capsys.readouterr().out == out
    # AND is kept, with all that each of them is made of
    assert {path.name for path in Path("out").iterdir()} == {
        "fp16", "int8", "diff-fp16-int8.json", "diff-fp16-int8.md"
    }  # fmt: skip
    assert Path("out/diff-fp16-int8.md").read_text().startswith("#")
    diff = json.loads(Path("out/diff-fp16-int8.json").read_text())
    assert (diff["schema"], diff["by"]) == ("tcscope.diff/1", "layer")
    assert {"m.int8.plan", "m.int8.sqlite", "report.json"} < {path.name for path in Path("out/int8").iterdir()}
    assert err.index("note: fp16 (1 of 2)") < err.index("warning: no --calib") > err.index("note: int8 (2 of 2)")
    # AND nothing is written over unasked
    said = failure(capsys, "compare-precisions", *machine, "m.onnx", "-o", "out")
    assert (said.code, said.error) == (2, "out exists and is not empty")
    assert main(["profile", *machine, "m.onnx", "--precision", "fp16,int8", "-o", "out", "--force"]) == 0


def test_one_that_fails_does_not_stop_the_others(
    machine: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a TensorRT 11, and an ONNX of which only INT8 can be made
    python_with(tmp_path / "py", version="11.0.1")
    Path("m.onnx").write_text(json.dumps({"layers": [["QUANTIZE", "INT8"]]}))
    # WHEN three are asked for
    words = ["compare-precisions", *machine, "m.onnx", "-o", "out", "--precision"]
    assert main([*words, "fp16,int8,best", "--format", "md"]) == 2
    out, err = capsys.readouterr()
    # THEN the others are compared with the first that there is
    assert out.startswith("#")
    assert "note: fp16 failed, the others go on" in err
    assert "note: compared with int8, since fp16 failed" in err
    assert (
        "error: fp16: this TensorRT (11.0.1) takes the types of the ONNX, and those of m.onnx are INT8: no fp16" in err
    )
    assert Path("out/diff-int8-best.json").exists()
    # AND one alone is not lost
    assert main([*words, "fp16,int8", "--force"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "note: only int8 was recorded: tcscope analyze out/int8/report.json" in err


@pytest.mark.parametrize("while_it_is", ["built", "recorded"])
def test_ctrl_c_ends_it_all(while_it_is: str, machine: list[str]) -> None:
    # GIVEN a build, or a run, that takes its time
    if while_it_is == "built":
        Path("m.onnx").write_text(json.dumps({"layers": [["SLOW", "FLOAT"]]}))
    code = "import sys; from tcscope.capture import job; from tcscope.cli import main; job.check_gpu = lambda: None"
    command = [sys.executable, "-c", f"{code}; raise SystemExit(main(sys.argv[1:]))"]
    child = subprocess.Popen(
        [*command, "compare-precisions", *machine, "m.onnx", "-o", "d"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "SLOW_RUN": "yes"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    for line in child.stderr:
        if "still " in line:
            break
    # WHEN the user has seen enough
    begun = time.monotonic()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    # THEN it ends, and the other precision is not begun
    assert time.monotonic() - begun < 15
    assert out == ""
    assert "Traceback" not in err
    assert not Path("d/int8").exists()
    if while_it_is == "built":
        assert child.returncode == 3
        assert "error: fp16: interrupted before the engine was built" in err
    else:
        assert child.returncode == 0
        assert "note: only fp16 was recorded: tcscope analyze d/fp16/report.json" in err


def test_what_is_missing_is_said_before_anything_runs(
    machine: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = failure(capsys, "compare-precisions", "m.onnx", "--python", machine[3])
    assert said.code == 3
    assert said.error.startswith("there is no nsys here")
    said = failure(capsys, "compare-precisions", *machine[:2], "m.onnx", "--python", "/no/python")
    assert (said.code, said.error) == (2, "--python is '/no/python', which is no program")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr("tcscope.capture.runner.cuda._DRIVERS", ("libnosuch.so.1",))
    said = failure(capsys, "compare-precisions", *machine, "m.onnx")
    assert said.code == 3
    assert said.error.startswith("there is no NVIDIA driver here")
    assert [path.name for path in Path().iterdir()] == ["m.onnx"]
