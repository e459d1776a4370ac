"""`tcscope profile --counters`: the command line for each ncu as it says it is, and what becomes of its answer."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from tcscope.capture import counters, job
from tcscope.capture.counters import (
    NEWEST,
    Ncu,
    counting_command,
    find_ncu,
    known_metrics,
    known_options,
    open_ncu,
    shown,
)
from tcscope.capture.engine import EngineRun, Runner, Trtexec
from tcscope.cli import main
from tcscope.errors import TraceError, UsageError
from tcscope.sources import nsys_rep
from tests.capture import stand_in
from tests.support.counters import counted_kernels, metrics_of, wide

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are scripts with a #! line")

VERSIONS = sorted(path.stem for path in stand_in.NCU_HELPS.glob("*.txt"))
H100 = [*(m.removesuffix(".sum") for m in metrics_of(90)), "gpu__time_duration", "sm__pipe_tensor_cycles_active"]
ORIN = [*(m.removesuffix(".sum") for m in metrics_of(87)), "sm__inst_executed_pipe_tensor", "gpu__time_duration"]


@pytest.fixture(autouse=True)
def _a_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with a GPU, without nsys and ncu, and a working folder of its own."""
    for name in ("NSYS", "NCU"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(nsys_rep, "INSTALL_FOLDERS", ())
    monkeypatch.setattr(counters, "INSTALL_FOLDERS", ())
    monkeypatch.setattr(job, "check_gpu", lambda: None)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def options_of(version: str) -> frozenset[str]:
    return known_options((stand_in.NCU_HELPS / f"{version}.txt").read_text())


def line(version: str, how: Runner | Trtexec | None = None, metrics: list[str] = H100) -> str:
    ncu = Ncu(Path("ncu"), version, options_of(version), frozenset(metrics))
    engine = EngineRun(Path("m.plan"), iterations=50, warmup=9, cuda_graph=True) if how else None
    return " ".join(counting_command(ncu, Path("d/counters.csv"), how, engine, ["prog", "-o", "y"]))


def test_a_program() -> None:
    asked = ",".join(
        [*metrics_of(90), "gpu__time_duration.sum", "sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed"]
    )
    assert line("2025.3") == (
        "ncu --csv --page raw --print-units base --print-kernel-base demangled --kernel-name-base mangled"
        " --rename-kernels 0 --kernel-id :::1 --target-processes all --graph-profiling node --clock-control none"
        f" --metrics {asked} --log-file d/counters.csv prog -o y"
    )


def test_an_engine_runs_one_inference_between_the_profilers_start_and_stop() -> None:
    made = line("2025.3", Runner("python3"))
    assert "--profile-from-start off --metrics" in made
    assert made.endswith("runner m.plan --iterations 1 --warmup 0")  # and not as a graph
    made = line("2025.3", Trtexec("trtexec"))
    assert "--profile-from-start" not in made
    assert made.endswith("trtexec --loadEngine=m.plan --iterations=1 --warmUp=0 --duration=0")


def test_another_gpu_has_other_counters() -> None:
    asked = re.search(r"--metrics (\S+)", line("2025.3", metrics=ORIN))
    assert asked is not None
    assert asked[1].split(",") == [*metrics_of(87), "gpu__time_duration.sum"]
    with pytest.raises(TraceError, match="names no counter of matrix instructions"):
        line("2025.3", metrics=["gpu__time_duration"])


@pytest.mark.parametrize("version", VERSIONS)
def test_no_option_is_given_that_the_help_does_not_name(version: str) -> None:
    made = line(version, Runner("python3")).partition(" --log-file ")[0]
    assert set(re.findall(r" (--[a-z-]+)", made)) <= options_of(version)


def test_what_is_taken_as_known_without_an_ncu_is_what_a_new_one_knows() -> None:
    assert options_of("2025.3") >= NEWEST
    assert "--query-metrics" in options_of("2025.3")


def test_the_metrics_of_the_first_gpu_count() -> None:
    listing = stand_in.query_metrics(H100) + "\n\n" + stand_in.query_metrics(ORIN, "Orin (GA10B)")
    assert known_metrics(listing) == frozenset(H100)
    assert known_metrics("==ERROR== no GPU") == frozenset()


def test_which_ncu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = stand_in.ncu(tmp_path / "nsight-compute" / "2025.3.1", metrics=stand_in.query_metrics(H100))
    assert find_ncu() is None
    monkeypatch.setattr(counters, "INSTALL_FOLDERS", (f"{tmp_path}/nsight-compute/*",))
    assert find_ncu() == made
    monkeypatch.setenv("NCU", str(stand_in.ncu(tmp_path / "env")))
    assert find_ncu() == tmp_path / "env" / "ncu"
    found = open_ncu(str(made))
    assert found == Ncu(made, "2025.3.1.0", options_of("2025.3"), frozenset(H100))
    with pytest.raises(UsageError, match="--ncu is '/no/such', which is no program"):
        find_ncu("/no/such")
    monkeypatch.setenv("NCU", "/no/such")
    with pytest.raises(TraceError, match=r"\$NCU is"):
        find_ncu()
    other = stand_in.program(tmp_path / "other", "#!/bin/sh\necho hello\n")
    with pytest.raises(TraceError, match="is no ncu"):
        open_ncu(str(other))


def profile(tmp_path: Path, *arguments: str, **ncu: object) -> int:
    """`tcscope profile --counters` of a program, with stand-ins; its exit code."""
    nsys = stand_in.nsys(tmp_path / "nsys")
    made = stand_in.ncu(tmp_path / "ncu", metrics=stand_in.query_metrics(H100), **ncu)  # type: ignore[arg-type]
    words = [
        "profile",
        "--counters",
        "--nsys",
        str(nsys),
        "--ncu",
        str(made),
        "-o",
        "50% off",
        "--top",
        "2",
        *arguments,
    ]
    return main([*words, "--", sys.executable, "-c", "print('ran')"])


def test_the_counters_are_kept_and_the_verdicts_held_against_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert profile(tmp_path, log=wide(counted_kernels())) == 0
    out, err = capsys.readouterr()
    assert out.startswith("trace  python")
    assert out.endswith(
        "Against hardware counters (counters.csv)\n"
        "           kernels  time %   total ms\n"
        "right           15   100.0      5.437\n"
        "wrong            0     0.0      0.000\n"
        "\n"
        "On Tensor Cores, of the time counted: 77.8 %; by the verdicts: 77.8 %\n"
    )
    assert "note: counting with ncu: each kernel's first launch is replayed, which can take minutes" in err
    folder = Path("50% off")
    assert (folder / "counters.csv").read_text() == wide(counted_kernels())
    assert "--kernel-id :::1" in (folder / "log.txt").read_text()
    (counted,) = (call for call in stand_in.calls(tmp_path / "ncu" / "ncu") if "--metrics" in call)
    assert counted[counted.index("--log-file") + 1] == "50%% off/counters.csv"
    # what was kept is what verify reads
    assert main(["verify", str(folder / "report.json"), "--ncu", str(folder / "counters.csv")]) == 0


def test_an_answer_for_programs_stays_alone_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert profile(tmp_path, "--format", "json", log=wide(counted_kernels())) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["totals"]["launches"] == 840
    assert "Against hardware counters" in err


@pytest.mark.parametrize(
    ("log", "error", "hint"),
    [
        (
            "==PROF== Connected to process 7\n==ERROR== ERR_NVGPUCTRPERM - The user does not have permission to access"
            " NVIDIA GPU Performance Counters on the target device 0.\n",
            "this user may not read the GPU's counters (ERR_NVGPUCTRPERM)",
            "sudo -E",
        ),
        ("==ERROR== Failed to prepare kernel for profiling\n", "ncu counted nothing (exit code 9)", "log.txt"),
        ("", "ncu counted nothing (exit code 9)", "log.txt"),
    ],
)
def test_the_analysis_stands_when_nothing_could_be_counted(
    log: str, error: str, hint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert profile(tmp_path, log=log, code=9) == 3
    out, err = capsys.readouterr()
    assert "840 launches" in out
    assert f"error: {error}" in err
    assert hint in err[err.index("  hint: ") :]
    assert Path("50% off/report.json").exists()
    if "Failed" in log:
        assert "    ==ERROR== Failed to prepare" in err


def test_without_an_ncu_nothing_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nsys = stand_in.nsys(tmp_path / "nsys")
    code = main(["profile", "--counters", "--nsys", str(nsys), "-o", "d", "--", sys.executable, "-c", ""])
    err = capsys.readouterr().err
    assert code == 3
    assert "error: there is no ncu here" in err
    assert not Path("d").exists()


def test_a_dry_run_prints_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nsys = stand_in.nsys(tmp_path / "nsys")
    words = ["profile", "--dry-run", "--counters", "--nsys", str(nsys), "-o", "d", "--", sys.executable, "x.py"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    _, _, _, count, verify = out.splitlines()
    assert count == shlex.join(counting_command(shown(), Path("d/counters.csv"), None, None, [sys.executable, "x.py"]))
    assert verify == "tcscope verify d/report.json --ncu d/counters.csv"
    assert "note: there is no ncu here" in err
    assert "shown for 2022.1 or newer, and an H100" in err
