"""What others paste: the GitHub Action, the workflow, the pre-commit hooks and the snippets of the README, all run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
import yaml

import tcscope
from tests.support.places import FP16, INT8, REPOSITORY

ACTION = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))
WORKFLOW = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "tensor-cores.yml").read_text(encoding="utf-8"))
HOOKS = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
SNIPPETS = {block.splitlines()[0]: block for block in re.findall(r"```yaml\n(# \..*?)```", README, re.DOTALL)}
SHA = "0123456789abcdef0123456789abcdef01234567"
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")

pytestmark = pytest.mark.skipif(sys.platform == "win32" or shutil.which("bash") is None, reason="needs bash")


@dataclass
class Ran:
    """What the action's check left behind."""

    code: int
    log: str
    summary: str
    outputs: dict[str, str] = field(default_factory=dict)


def script_of(name: str) -> tuple[str, Mapping[str, str]]:
    (step,) = [step for step in ACTION["runs"]["steps"] if step["name"] == name]
    assert step["shell"] == "bash"
    return step["run"], step.get("env", {})


def filled(value: str, inputs: Mapping[str, str]) -> str:
    """A value of `env:` with its expressions evaluated, as far as the action uses them."""

    def evaluate(match: re.Match[str]) -> str:
        expression = match[1].strip()
        if expression.startswith("inputs."):
            name = expression.removeprefix("inputs.")
            return inputs.get(name, ACTION["inputs"][name].get("default", ""))
        assert expression == "github.event.pull_request.head.sha || github.sha"
        return SHA

    return re.sub(r"\$\{\{(.*?)\}\}", evaluate, value)


def bash(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A step as the runner runs it: https://docs.github.com/en/actions/reference/workflow-syntax-for-github-actions"""
    file = folder.parent / "step.sh"
    file.write_text(script, encoding="utf-8")
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(file)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved report, which is read in no time."""
    file = tmp_path_factory.mktemp("saved") / "report.json"
    tcscope.analyze(INT8, range="inference").save(file)
    return file


@pytest.fixture
def workspace(tmp_path: Path, report: Path) -> Path:
    """A checkout with a report, and tcscope where the action's first step puts it."""
    binaries = tmp_path / "runner" / "tcscope" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "tcscope").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tcscope "$@"\n', encoding="utf-8")
    (binaries / "tcscope").chmod(0o755)
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "report.json").symlink_to(report)
    return folder


def act(workspace: Path, **inputs: str) -> Ran:
    """The action's check with some inputs, their `-` written `_`."""
    script, variables = script_of("Check")
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    assert set(given) <= set(ACTION["inputs"])
    files = {name: workspace.parent / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.unlink(missing_ok=True)
        file.touch()
    done = bash(
        script,
        workspace,
        RUNNER_TEMP=str(workspace.parent / "runner"),
        PYTHONPATH=str(REPOSITORY),
        **{name: str(file) for name, file in files.items()},
        **{name: filled(value, given) for name, value in variables.items()},
    )
    written = files["GITHUB_OUTPUT"].read_text(encoding="utf-8")
    outputs = dict(line.split("=", 1) for line in written.splitlines())
    summary = files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
    return Ran(done.returncode, done.stdout + done.stderr, summary, outputs)


def test_the_action_fails_with_annotations_a_summary_and_junit(workspace: Path) -> None:
    (workspace / "tcscope.yaml").write_text(
        "schema: tcscope.budget/1\nrange: inference\nfail_on:\n  - tensor_share < 80%\nwarn_on:\n  - launches > 1\n"
    )
    ran = act(workspace, trace="report.json")
    assert ran.code == 1
    assert ran.outputs == {"exit-code": "1", "junit": "tcscope.junit.xml"}
    assert "::error file=tcscope.yaml,line=4,col=5,title=fail_on%3A tensor_share < 80%25::" in ran.log
    assert "::warning file=tcscope.yaml,line=6,col=5," in ran.log
    assert ran.summary.startswith("### ❌ failed: 1 of 2 conditions failed")
    assert ran.summary.count("###") == 1
    suite = Xml.parse(workspace / "tcscope.junit.xml").getroot()[0]  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")


def test_the_action_passes(workspace: Path) -> None:
    ran = act(workspace, trace="report.json", fail_on="tensor_share < 75%\n\nunknown_share > 1%\n")
    assert ran.code == 0, ran.log
    assert ran.outputs["exit-code"] == "0"
    assert "::" not in ran.log
    assert ran.summary.startswith("### ✅ passed: 2 of 2 conditions passed")


def test_every_input_of_the_action_arrives(workspace: Path) -> None:
    tcscope.analyze(FP16, range="inference").save(workspace / "fp16.json")
    (workspace / "my budget.yaml").write_text("schema: tcscope.budget/1\nfail_on: [unknown_share > 1%]\n")
    ran = act(
        workspace,
        trace="report.json",
        budget="my budget.yaml",
        baseline="fp16.json",
        range="inference",
        fail_on="tensor_share < baseline - 10pp",
        warn_on="tensor_share < baseline",
        history="a history.db",
        junit="out put.xml",
    )
    assert ran.code == 0, ran.log
    assert ran.outputs == {"exit-code": "0", "junit": "out put.xml"}
    assert ran.log.count("::warning title=warn_on") == 1
    assert ran.summary.startswith("### ⚠️ warned: 1 of 3 conditions warned")
    assert "Baseline: <code>fp16.json</code>" in ran.summary
    assert Xml.parse(workspace / "out put.xml").getroot()[0].get("tests") == "3"  # noqa: S314 - our own
    listed = subprocess.run(
        [sys.executable, "-m", "tcscope", "history", str(workspace / "a history.db"), "--format", "csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    (row,) = listed.stdout.splitlines()[1:]
    assert SHA in row
    assert "range 'inference'" in row


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"trace": "none.sqlite", "fail_on": "tensor_share < 75%"}, 2),
        ({"trace": "report.json", "fail_on": "tensor_shar < 75%"}, 2),
        ({"trace": "report.json", "range": "none", "fail_on": "tensor_share < 75%"}, 3),
    ],
)
def test_what_can_t_be_checked_is_no_failed_gate(inputs: dict[str, str], code: int, workspace: Path) -> None:
    ran = act(workspace, **inputs)
    assert (ran.code, ran.outputs) == (code, {"exit-code": str(code)})
    assert "error: " in ran.log
    assert ran.summary == ""


def test_inputs_are_no_script(workspace: Path) -> None:
    nasty = "$(touch hacked); `touch hacked` \"; touch hacked; ' || touch hacked"
    for name in ("trace", "budget", "fail_on", "history"):
        assert act(workspace, **{"trace": "report.json", name: nasty}).code == 2
    assert not (workspace / "hacked").exists()
    for name in ("Install tcscope", "Check"):
        assert "${{" not in script_of(name)[0]


def test_the_action_installs_this_tcscope(tmp_path: Path) -> None:
    # GIVEN a copy of what the runner downloads, and no network: hatchling is there, and no dependency is asked for
    copy = tmp_path / "the action"
    for name in ("tcscope", "rules", "pyproject.toml", "README.md", "LICENSE"):
        source = REPOSITORY / name
        ignored = shutil.ignore_patterns("__pycache__")
        (copy / name).parent.mkdir(exist_ok=True)
        shutil.copytree(source, copy / name, ignore=ignored) if source.is_dir() else shutil.copy(source, copy / name)
    # WHEN its first step runs
    done = bash(
        script_of("Install tcscope")[0],
        tmp_path / "the action",
        RUNNER_TEMP=str(tmp_path),
        GITHUB_ACTION_PATH=str(copy),
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        PYTHONPATH=os.pathsep.join(path for path in sys.path if path.endswith("site-packages")),
        PIP_NO_DEPS="1",
        PIP_NO_BUILD_ISOLATION="0",  # pip reads it as the value of --build-isolation
        PIP_NO_INDEX="1",
    )
    assert done.returncode == 0, done.stderr
    # THEN the second finds it
    told = subprocess.run([tmp_path / "tcscope/bin/tcscope", "--version"], capture_output=True, text=True, check=True)
    assert told.stdout == f"tcscope {tcscope.__version__}\n"


def test_inputs_and_outputs_are_those_that_are_used() -> None:
    used = set(re.findall(r"\$\{\{ inputs\.([\w-]+) \}\}", str(ACTION["runs"])))
    assert used == set(ACTION["inputs"])
    assert all(one["description"] for one in (*ACTION["inputs"].values(), *ACTION["outputs"].values()))
    written = set(re.findall(r'echo "([\w-]+)=.*GITHUB_OUTPUT', script_of("Check")[0]))
    assert written == set(ACTION["outputs"])


def steps_of(workflow: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def test_the_workflow_gives_the_action_what_it_takes() -> None:
    steps = list(steps_of(WORKFLOW))
    (own,) = [step for step in steps if step.get("uses") == "./"]
    assert set(own["with"]) <= set(ACTION["inputs"])
    assert {name for name, one in ACTION["inputs"].items() if one.get("required")} <= set(own["with"])
    assert (REPOSITORY / own["with"]["trace"]).is_file()
    outputs = re.findall(rf"steps\.{own['id']}\.outputs\.([\w-]+)", str(steps))
    assert outputs
    assert set(outputs) <= set(ACTION["outputs"])
    assert all(PINNED.fullmatch(step["uses"]) for step in steps if step.get("uses", "./") != "./")
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_the_workflow_passes_on_this_repository(workspace: Path) -> None:
    (own,) = [step for step in steps_of(WORKFLOW) if step.get("uses") == "./"]
    for name in (".github", "fixtures"):
        (workspace / name).symlink_to(REPOSITORY / name)
    ran = act(workspace, **own["with"])
    assert ran.code == 0, ran.log
    assert "::" not in ran.log
    assert ran.summary.count("| ✅ passed |") == 5


def hook(name: str) -> dict[str, Any]:
    (found,) = [hook for hook in HOOKS if hook["id"] == name]
    return dict(found)


def run_hook(name: str, folder: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """A hook as pre-commit runs it: its entry, with the names of the files that changed."""
    words = hook(name)["entry"].split()
    assert words[0] == "tcscope"
    command = [sys.executable, "-m", *words, *files]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_pre_commit_takes_the_hooks() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-manifest", str(REPOSITORY / ".pre-commit-hooks.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "taken", "left"),
    [
        (
            "tcscope-budget",
            ["tcscope.yaml", "boards/orin/tcscope.yml", "pyproject.toml"],
            ["my-tcscope.yaml", "tcscope.yaml.bak", "rules.yaml"],
        ),
        (
            "tcscope-rules",
            ["tcscope-rules.yaml", "tcscope_rules/10-mine.yaml", "a/tcscope-rules/b/c.yml"],
            ["prometheus-rules.yaml", "tcscope-rules/README.md", "tcscope.yaml"],
        ),
    ],
)
def test_hooks_run_on_their_files(name: str, taken: list[str], left: list[str]) -> None:
    pattern = re.compile(hook(name)["files"])
    assert [bool(pattern.search(file)) for file in (*taken, *left)] == [True] * len(taken) + [False] * len(left)


def test_the_budget_hook_tells_every_mistake(tmp_path: Path) -> None:
    (tmp_path / "tcscope.yaml").write_text("schema: tcscope.budget/1\nfail_on: [tensor_share < 75%]\n")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    assert run_hook("tcscope-budget", tmp_path, "tcscope.yaml", "pyproject.toml").returncode == 0
    (tmp_path / "pyproject.toml").write_text('[tool.tcscope]\nfail_on = ["tensor_shar < 75%"]\n')
    (tmp_path / "tcscope.yml").write_text("schema: tcscope.budget/1\nfail_on: [launches < 7ms]\n")
    done = run_hook("tcscope-budget", tmp_path, "tcscope.yaml", "pyproject.toml", "tcscope.yml")
    assert done.returncode == 2
    assert "pyproject.toml:2:" in done.stderr
    assert "tcscope.yml:2:" in done.stderr


def test_the_rule_hook_proves_the_rules_of_the_project(tmp_path: Path) -> None:
    written = re.search(r"```yaml\n(# my-rules\.yaml\n.*?)```", (REPOSITORY / "rules/README.md").read_text(), re.DOTALL)
    assert written is not None
    (tmp_path / "tcscope-rules.yaml").write_text(written[1])
    assert run_hook("tcscope-rules", tmp_path, "tcscope-rules.yaml").returncode == 0
    (tmp_path / "tcscope-rules.yaml").write_text(written[1].replace("bf16_128x64", "int8_128x64"))
    assert run_hook("tcscope-rules", tmp_path, "tcscope-rules.yaml").returncode == 1


def snippet(name: str) -> Any:
    return yaml.safe_load(SNIPPETS[f"# {name}"])


def test_the_readme_s_workflow_uses_the_action_as_it_is() -> None:
    steps = list(steps_of(snippet(".github/workflows/engine.yml")))
    (own,) = [step for step in steps if step.get("uses", "").startswith("OWNER/tcscope@")]
    assert set(own["with"]) <= set(ACTION["inputs"])
    assert all(PINNED.fullmatch(step["uses"]) for step in steps if "uses" in step and step is not own)
    (recorded,) = [step["run"] for step in steps if "tcscope profile" in step.get("run", "")]
    command = [sys.executable, "-m", *recorded.split(), "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_the_readme_s_gitlab_job_makes_its_report(workspace: Path) -> None:
    (job,) = [job for job in snippet(".gitlab-ci.yml").values() if "script" in job]
    (workspace / "tcscope.yaml").write_text("schema: tcscope.budget/1\nfail_on: [tensor_share < 99%]\n")
    lines = [line for line in job["script"] if not line.startswith("pip install ")]
    assert len(lines) == len(job["script"]) - 1
    path = f"{workspace.parent / 'runner/tcscope/bin'}{os.pathsep}{os.environ['PATH']}"
    done = bash("\n".join(lines), workspace, PATH=path, PYTHONPATH=str(REPOSITORY), CI_COMMIT_SHA=SHA)
    assert done.returncode == 1, done.stderr
    report = workspace / job["artifacts"]["reports"]["junit"]
    assert Xml.parse(report).getroot()[0].get("failures") == "1"  # noqa: S314 - our own
    for path in job["cache"]["paths"]:
        assert (workspace / path).is_file()
    assert job["artifacts"]["when"] == "always"


def test_the_readme_s_pre_commit_names_the_hooks() -> None:
    (repo,) = snippet(".pre-commit-config.yaml")["repos"]
    assert [hook["id"] for hook in repo["hooks"]] == [hook["id"] for hook in HOOKS]
