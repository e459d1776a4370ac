"""`tcscope check`: gates on real traces, exit codes, the baseline, budget files found by themselves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tcscope.analysis.pipeline import analyze
from tcscope.cli import main
from tcscope.model import RangeLevel, Report
from tcscope.model.check import Check
from tests.support.cli import failure, run
from tests.support.places import FP16, GRAPHS, INT8, NO_KERNELS, ORIN, SHARED_TRACES

FP32 = SHARED_TRACES / "h100_trt86_resnet18s_fp32.sqlite"
NOFP16 = SHARED_TRACES / "h100_trt86_resnet18s_int8_nofp16.sqlite"
shared = pytest.mark.skipif(not SHARED_TRACES.is_dir(), reason="the shared traces are not here")
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports of the traces, with layers, saved once."""
    folder = tmp_path_factory.mktemp("reports")
    found = {}
    for name, trace in {"fp16": FP16, "int8": INT8, "fp32": FP32, "nofp16": NOFP16}.items():
        if trace.exists():
            found[name] = folder / f"{name}.json"
            analyze(trace, level=RangeLevel()).save(found[name])
    return found


def checked(capsys: Captured, *arguments: object, code: int = 0) -> Check:
    assert main(["check", *map(str, arguments), "--format", "json"]) == code
    return Check.from_dict(json.loads(capsys.readouterr().out))


LESS = "tensor_share < baseline - 2pp"


@shared
def test_a_rebuild_in_fp32_fails_and_names_the_convolutions_that_moved_to_ffma(
    reports: dict[str, Path], capsys: Captured
) -> None:
    found = checked(capsys, FP32, "--baseline", reports["fp16"], "--fail-on", LESS, code=1)
    assert found.summary == "1 of 1 condition failed"
    left = [row for row in found.moved if row.cause == "left-tensor-cores"]
    convolutions = [row for row in left if row.now is not None and row.now.op == "conv"]
    assert len(convolutions) == 15
    assert all(row.now and row.now.unit == "cuda_core" and row.now.precision == "fp32" for row in convolutions)
    ffma = [row for row in convolutions if row.now is not None and "ffma" in row.now.kernel]
    assert len(ffma) >= 9
    assert ffma[0].name == "/conv1/Conv + /relu/Relu"
    assert main(["check", str(FP32), "--baseline", str(reports["fp16"]), "--fail-on", LESS]) == 1
    shown = capsys.readouterr().out
    assert "ffma" in shown
    assert re.search(r"\+0\.2271 +0\.0613 +0\.2884  tensor_core fp16 -> cuda_core fp32", shown)


def test_a_trace_against_itself_passes(reports: dict[str, Path], capsys: Captured) -> None:
    conditions = ["--fail-on", LESS, "--fail-on", "kernel_time > baseline", "--require", 'layer["*"].unit == baseline']
    found = checked(capsys, FP16, "--baseline", reports["fp16"], *conditions)
    assert (found.outcome, found.moved, found.notes) == ("passed", (), ())


@shared
def test_int8_without_fp16_shows_what_other_kernels_run(reports: dict[str, Path], capsys: Captured) -> None:
    found = checked(capsys, NOFP16, "--baseline", reports["int8"], "--fail-on", LESS)
    assert found.outcome == "passed"
    assert {row.cause for row in found.moved} == {"other-tactic"}
    assert found.moved[0].name.startswith("/layer3/layer3.0/conv1/Conv")


def test_int8_instead_of_fp16_moved_and_fails_on_the_unit_of_no_layer(
    reports: dict[str, Path], capsys: Captured
) -> None:
    budget = ["--fail-on", 'layer["*"].unit != baseline', "--fail-on", 'layer["/layer*"].precision != baseline']
    found = checked(capsys, INT8, "--baseline", reports["fp16"], *budget, code=1)
    assert [condition.outcome for condition in found.conditions] == ["passed", "failed"]


def test_a_saved_report_needs_no_pandas(reports: dict[str, Path]) -> None:
    Path("tcscope.yaml").write_text(f"schema: tcscope.budget/1\nbaseline: {reports['fp16']}\nfail_on: [{LESS}]\n")
    code = (
        "import sys, io, contextlib\n"
        "from tcscope.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    code = main(['check', {str(reports['fp16'])!r}])\n"
        "heavy = {'pandas', 'numpy', 'scipy', 'rich', 'sqlite_utils', 'nvtx'}\n"
        "print(code, *sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "0\n"


@pytest.mark.skipif(os.getloadavg()[0] > (os.cpu_count() or 1), reason="the machine is busy")
def test_a_check_of_a_saved_report_is_quick(reports: dict[str, Path]) -> None:
    Path("tcscope.yaml").write_text(f"schema: tcscope.budget/1\nbaseline: {reports['fp16']}\nfail_on: [{LESS}]\n")
    run("check", reports["fp16"])
    taken = []
    for _ in range(5):  # what the processor spent on it, which others who wait for it don't change
        before = os.times()
        began = time.perf_counter()
        assert run("check", reports["fp16"]).returncode == 0
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        taken.append(min(spent, time.perf_counter() - began))
    assert min(taken) < 0.3


def test_a_budget_is_found_by_itself_and_the_command_line_adds_to_it(
    reports: dict[str, Path], capsys: Captured
) -> None:
    Path("tcscope.yaml").write_text(f"schema: tcscope.budget/1\nbaseline: {reports['int8']}\nfail_on:\n  - {LESS}\n")
    found = checked(capsys, INT8, "--warn-on", "launches > 3")
    assert (found.budget, found.outcome) == ("tcscope.yaml", "warned")
    assert [(c.source, c.line, c.column) for c in found.conditions] == [
        ("tcscope.yaml", 4, 5),
        ("--warn-on", None, None),
    ]
    assert found.baseline_file == str(reports["int8"])


def test_the_range_of_the_budget_is_that_of_the_check(capsys: Captured) -> None:
    Path("tcscope.yaml").write_text(
        "schema: tcscope.budget/1\nbaseline: b.json\nrange: inference\nskip: 5\nfail_on: [kernel_time > baseline]\n"
    )
    assert main(["check", str(INT8), "--update-baseline"]) == 0
    capsys.readouterr()
    assert Report.load("b.json").trace.selection.skip == 5
    assert checked(capsys, INT8).trace.selection.range == "inference"
    # a saved report of another part of the trace is no answer, nor is a baseline of one
    other = failure(capsys, "check", INT8, "--skip", "3")
    assert (other.code, other.error) == (
        3,
        "the baseline holds the range 'inference' but its first 5 instances, this the range 'inference' but its first"
        " 3 instances",
    )
    assert main(["analyze", str(INT8), "-o", "whole.json"]) == 0
    capsys.readouterr()
    said = failure(capsys, "check", "whole.json")
    assert said.code == 3
    assert said.error.startswith("whole.json is a saved report of the whole trace, not of the range 'inference'")


def test_exit_zero_is_for_failed_conditions_alone(capsys: Captured) -> None:
    assert main(["check", str(INT8), "--fail-on", "launches > 3", "--exit-zero"]) == 0
    assert "failed: 1 of 1 condition failed" in capsys.readouterr().out
    assert failure(capsys, "check", INT8, "--fail-on", 'layer["x"].share > 1%', "--exit-zero").code == 3
    assert main(["check", str(INT8), "--fail-on", "launches > 3.5", "--exit-zero"]) == 2


def test_what_a_trace_cannot_answer_wins_over_what_failed(capsys: Captured) -> None:
    budget = ["--fail-on", "launches > 3", "--fail-on", 'layer["/conv9/*"].unit == cuda_core', "--fail-on", LESS]
    assert main(["check", str(INT8), *budget[:4], "--warn-on", 'kernel["x"].op == conv']) == 3
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith("error: --fail-on 'layer[\"/conv9/*\"].unit == cuda_core': no layer matches '/conv9/*'")
    assert lines[1].startswith("error: --warn-on 'kernel[\"x\"].op == conv': no kernel matches 'x'")
    assert main(["check", str(INT8), *budget]) == 2  # and what is wrong with the command line comes first
    assert "--fail-on: 'tensor_share < baseline - 2pp' needs a baseline" in capsys.readouterr().err


def test_traces_without_kernels_without_layers_and_behind_graphs(capsys: Captured) -> None:
    assert failure(capsys, "check", NO_KERNELS, "--fail-on", "tensor_share < 75%").code == 3
    found = checked(capsys, GRAPHS, "--fail-on", "opaque_share > 1%", code=1)
    assert found.conditions[0].found.value == pytest.approx(24.951 / (24.951 + 25.202), abs=1e-4)
    assert found.conditions[0].where == ()
    assert failure(capsys, "check", GRAPHS, "--fail-on", 'layer["*"].unit == cuda_core').code == 3
    assert main(["check", str(ORIN), "--sm", "87", "--fail-on", "tensor_share < 1%"]) == 0


def test_without_a_budget_there_is_nothing_to_check(capsys: Captured) -> None:
    said = failure(capsys, "check", INT8)
    assert (said.code, said.error) == (2, "there is no budget here, and no condition")
    assert "--fail-on" in said.hint
    assert failure(capsys, "check").error == "no trace is given"


def test_every_mistake_of_the_command_line_comes_at_once(capsys: Captured) -> None:
    wrong = ["--fail-on", "tensr_share < 75%", "--require", "kernel_time > 5%", "--warn-on", "x"]
    assert main(["check", str(INT8), *wrong]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(" '")[0] for line in err.splitlines()[:3]] == [
        "error: --fail-on",
        "error: --warn-on",
        "error: --require",
    ]
    assert len(err.splitlines()) == 4


def test_a_baseline_is_written_and_says_what_it_holds(capsys: Captured) -> None:
    Path("b.json").write_text("{}")
    assert failure(capsys, "check", INT8, "--update-baseline", "--baseline", "b.json").code == 2
    assert Path("b.json").read_text() == "{}"  # what is no report isn't overwritten
    Path("b.json").unlink()
    assert main(["check", str(INT8), "--update-baseline", "--baseline", "b.json"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "wrote b.json: 77.8 % on Tensor Cores, 5.437 ms in 840 launches, 30 layers\n")
    assert Report.load("b.json").layers
    assert [path.name for path in Path().iterdir()] == ["b.json"]
    assert oct(Path("b.json").stat().st_mode & 0o777) == oct(0o666 & ~_umask())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_baseline_that_breaks_what_must_hold_is_refused_unless_forced(capsys: Captured) -> None:
    Path("tcscope.yaml").write_text(
        f"schema: tcscope.budget/1\nbaseline: b.json\nfail_on:\n  - tensor_share < 80%\n  - {LESS}\n"
    )
    assert main(["check", str(FP16), "--update-baseline"]) == 0
    first = Path("b.json").read_bytes()
    capsys.readouterr()
    assert main(["check", str(INT8), "--update-baseline"]) == 1
    out, err = capsys.readouterr()
    assert "failed: 1 of 1 condition failed" in out
    assert err.splitlines()[0] == "error: b.json is not written: 1 of 1 condition failed"
    assert Path("b.json").read_bytes() == first
    assert main(["check", str(INT8), "--update-baseline", "--force"]) == 0
    assert Path("b.json").read_bytes() != first
    capsys.readouterr()
    assert failure(capsys, "check", INT8, "--update-baseline", "--budget", "absent.yaml").code == 2


def test_a_baseline_that_cannot_be_written_leaves_nothing_behind(capsys: Captured) -> None:
    said = failure(capsys, "check", INT8, "--update-baseline", "--baseline", "absent/b.json")
    assert (said.code, said.error) == (2, "can't write absent/b.json: No such file or directory")
    assert list(Path().iterdir()) == []


def test_a_baseline_keeps_its_link_and_its_permissions(capsys: Captured) -> None:
    Path("real").mkdir()
    assert main(["check", str(FP16), "--update-baseline", "--baseline", "real/b.json"]) == 0
    Path("real/b.json").chmod(0o600)
    Path("b.json").symlink_to("real/b.json")
    assert main(["check", str(INT8), "--update-baseline", "--baseline", "b.json"]) == 0
    assert Path("b.json").is_symlink()
    assert Path("real/b.json").stat().st_mode & 0o777 == 0o600
    assert Report.load("real/b.json").trace.file == INT8.name


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no such baseline"), ("{}", "no baseline: "), ("nonsense", "no baseline: "), (FP16, "is a trace, and")],
)
def test_a_baseline_must_be_a_saved_report(content: str | Path | None, said: str, capsys: Captured) -> None:
    if isinstance(content, Path):
        Path("b.json").write_bytes(content.read_bytes())
    elif content is not None:
        Path("b.json").write_text(content)
    found = failure(capsys, "check", INT8, "--fail-on", LESS, "--baseline", "b.json")
    assert found.code == 2
    assert said in found.error
    assert "--update-baseline" in found.hint


def test_the_suffix_picks_the_format(reports: dict[str, Path], capsys: Captured) -> None:
    for name, start in (("c.json", "{"), ("c.txt", "trace "), ("c.md", "#"), ("c.xml", "<?xml")):
        arguments = ["check", str(reports["int8"]), "--fail-on", "launches > 3", "-o", name]
        assert main(arguments) == 1
        assert Path(name).read_text().startswith(start)
        assert capsys.readouterr().err == f"wrote {name}\n"
    assert failure(capsys, "check", reports["int8"], "--fail-on", "launches > 3", "-o", "c.pdf").code == 2
    assert main(["check", str(reports["int8"]), "--fail-on", "launches > 3", "--format", "github"]) == 1
    assert capsys.readouterr().out.startswith("::error ")


def test_budget_files_are_validated_without_a_trace(capsys: Captured) -> None:
    assert failure(capsys, "check", "--validate").code == 2
    Path("tcscope.yaml").write_text("schema: tcscope.budget/1\nfail_on: [tensor_share < 75%]\n")
    Path("pyproject.toml").write_text("[project]\nname = 'x'\n")
    for arguments in (["--validate"], ["--validate", "tcscope.yaml", "pyproject.toml"]):
        assert main(["check", *arguments]) == 0
        assert capsys.readouterr().out == "tcscope.yaml: 1 condition\npyproject.toml: no [tool.tcscope]\n"
    Path("bad.yaml").write_text("schema: tcscope.budget/1\nfail_on: [tensor_share < 75]\n")
    said = failure(capsys, "check", "--validate", "tcscope.yaml", "bad.yaml")
    assert (said.code, said.error) == (2, "bad.yaml:2:26: a share is 75% or less than 1")


def test_a_check_goes_into_the_history(reports: dict[str, Path], capsys: Captured) -> None:
    arguments = ["check", str(reports["int8"]), "--fail-on", "launches > 3", "--history", "h.db", "--commit", "abc1234"]
    assert main(arguments) == 1
    assert "wrote h.db" in capsys.readouterr().err
    assert main(arguments) == 1
    assert "note: h.db has" in capsys.readouterr().err
    assert main(["history", "h.db"]) == 0
