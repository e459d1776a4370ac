"""What is released and how: the files of sdist and wheel, the changelog, the workflows and their pinned actions."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

import tcscope
from tests.support.places import REPOSITORY
from tests.test_architecture import COMMANDS

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
ACTIONS = [*WORKFLOWS, REPOSITORY / "action.yml"]
CHANGELOG = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
# the form that semver.org itself gives, without build metadata
SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?")
needs_bash = pytest.mark.skipif(sys.platform == "win32" or shutil.which("bash") is None, reason="needs bash")


def named(path: Path) -> str:
    return path.name


def loaded(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((REPOSITORY / ".github" / "workflows" / name).read_text(encoding="utf-8")))


def steps(flow: dict[str, Any]) -> list[dict[str, Any]]:
    jobs = flow["jobs"].values() if "jobs" in flow else [flow["runs"]]
    return [step for job in jobs for step in job.get("steps", ())]


class TestTheWorkflows:
    @pytest.mark.parametrize("path", ACTIONS, ids=named)
    def test_actions_of_others_are_pinned_to_a_commit_whose_version_stands_beside(self, path: Path) -> None:
        for line in path.read_text(encoding="utf-8").splitlines():
            used = re.match(r"\s*(?:- )?uses: (.*)", line)
            if used and not used[1].startswith("./"):
                assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used[1]), line

    def test_one_action_has_one_commit(self) -> None:
        pins: dict[str, set[str]] = {}
        for path in [*ACTIONS, REPOSITORY / "README.md"]:
            for name, commit in re.findall(r"uses: ([\w./-]+)@([0-9a-f]{40})", path.read_text(encoding="utf-8")):
                pins.setdefault(name, set()).add(commit)
        assert len(pins) >= 5
        assert {name: commits for name, commits in pins.items() if len(commits) > 1} == {}

    @pytest.mark.parametrize("path", WORKFLOWS, ids=named)
    def test_they_may_read_alone_unless_a_job_says_what_for(self, path: Path) -> None:
        flow = loaded(path.name)
        assert flow["permissions"] in ({}, {"contents": "read"})
        assert "pull_request_target" not in path.read_text(encoding="utf-8")
        for step in steps(flow):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False

    @pytest.mark.parametrize("path", ACTIONS, ids=named)
    def test_no_expression_becomes_part_of_a_script(self, path: Path) -> None:
        for step in steps(yaml.safe_load(path.read_text(encoding="utf-8"))):
            assert "${{" not in step.get("run", "")

    @pytest.mark.parametrize("path", ACTIONS, ids=named)
    def test_tools_are_installed_in_one_version(self, path: Path) -> None:
        for step in steps(yaml.safe_load(path.read_text(encoding="utf-8"))):
            for words in re.findall(r"pip install (.*)", step.get("run", "")):
                for word in words.split():
                    assert word.startswith(("-", "'.[", "dist/", '"$')) or "==" in word, words

    def test_each_supported_python_is_tested(self) -> None:
        project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
        matrix = loaded("test.yml")["jobs"]["tests"]["strategy"]["matrix"]
        assert re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project) == matrix["python"]
        assert f'requires-python = ">={matrix["python"][0]}"' in project
        assert f'"pandas>={matrix["pandas"][0].removesuffix(".*")}"' in project

    def test_every_extra_for_users_is_audited(self) -> None:
        project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
        table = project.partition("\n[project.optional-dependencies]\n")[2].partition("\n[")[0]
        (audited,) = re.findall(r"'\.\[([\w,]+)\]'", (REPOSITORY / ".github/workflows/audit.yml").read_text())
        assert set(re.findall(r"^(\w+) = \[", table, re.MULTILINE)) - {"engine", "test"} == set(audited.split(","))

    def test_nothing_is_published_that_was_not_tested_audited_and_attested(self) -> None:
        jobs = loaded("release.yml")["jobs"]
        assert jobs["test"]["uses"].endswith("/test.yml")
        assert jobs["audit"]["uses"].endswith("/audit.yml")
        assert set(jobs["attest"]["needs"]) == {"test", "audit", "build"}
        assert jobs["attest"]["if"] == "github.ref_type == 'tag'"
        assert jobs["pypi"]["needs"] == "attest"
        assert jobs["github"]["needs"] == "pypi"
        writers = {name for name, job in jobs.items() if "write" in job.get("permissions", {}).values()}
        assert writers == {"attest", "pypi", "github"}
        assert not re.search(r"secrets\.|password", (REPOSITORY / ".github/workflows/release.yml").read_text())


@needs_bash
class TestTheTag:
    def run(self, folder: Path, tag: str, changelog: str) -> subprocess.CompletedProcess[str]:
        (step,) = [s for s in steps(loaded("release.yml")) if s.get("env", {}).get("TAG") and "awk" in s["run"]]
        (folder / "tcscope").mkdir()
        (folder / "tcscope" / "__init__.py").write_text('__version__ = "1.2.0"\n')
        (folder / "CHANGELOG.md").write_text(changelog)
        (folder / "bin").mkdir()
        (folder / "bin" / "python").symlink_to(sys.executable)
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=folder,
            env={"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "TAG": tag},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_its_part_of_the_changelog_becomes_the_notes(self, tmp_path: Path) -> None:
        parts = ["# Changelog", "## [Unreleased]", "later", "## [1.2.0] - 2030-01-02", "### Added", "- this", "- that"]
        done = self.run(tmp_path, "v1.2.0", "\n".join([*parts, "## [1.1.0]", "- before", "[1.1.0]: https://x"]) + "\n")
        assert done.returncode == 0, done.stdout + done.stderr
        assert (tmp_path / "notes.md").read_text() == "### Added\n- this\n- that\n"

    @pytest.mark.parametrize(
        ("tag", "changelog", "says"),
        [
            ("v1.2.1", "## [1.2.0]\n- this\n", "the tag is v1.2.1, the version 1.2.0"),
            ("v1.2.0", "## [Unreleased]\n- this\n", "nothing stands under [1.2.0]"),
            ("v1.2.0", "## [1.2.0]\n\n## [1.1.0]\n- this\n", "nothing stands under [1.2.0]"),
        ],
    )
    def test_another_version_or_no_notes_end_the_release(
        self, tag: str, changelog: str, says: str, tmp_path: Path
    ) -> None:
        done = self.run(tmp_path, tag, changelog)
        assert done.returncode == 1
        assert says in done.stdout


class TestTheChangelog:
    def test_the_version_is_semantic(self) -> None:
        assert SEMANTIC.fullmatch(tcscope.__version__)

    def test_it_keeps_to_its_form(self) -> None:
        # https://keepachangelog.com/en/1.1.0/: what comes next on top, then each version with its day, newest first
        heads = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
        assert heads[0] == "[Unreleased]"
        days = [re.fullmatch(rf"\[({SEMANTIC.pattern})\] - \d{{4}}-\d\d-\d\d", head) for head in heads[1:]]
        assert all(days), heads
        versions = [tuple(int(day[number]) for number in (2, 3, 4)) for day in days if day]
        assert versions == sorted(versions, reverse=True)
        kinds = set(re.findall(r"^### (.*)$", CHANGELOG, re.MULTILINE))
        assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}

    def test_every_command_is_in_it(self) -> None:
        for name in {words.split()[1] for words, _, _ in COMMANDS}:
            assert f"`{name}" in CHANGELOG or f" {name}`" in CHANGELOG, name


SINGLE = ("README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "action.yml", ".pre-commit-hooks.yaml")
FOLDERS = ("tcscope", "rules", "tests", "fixtures", ".github")


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # GIVEN what a clean checkout holds; hatchling is here, so that no network is asked
    copy = tmp_path_factory.mktemp("checkout")
    for name in FOLDERS:
        shutil.copytree(REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (*SINGLE, "pyproject.toml"):
        shutil.copy(REPOSITORY / name, copy / name)
    subprocess.run([sys.executable, "-m", "hatchling", "build"], cwd=copy, check=True, timeout=120)
    return copy / "dist"


class TestTheDistributions:
    def test_the_wheel_holds_code_rules_schemas_and_pages_and_nothing_else(self, built: Path) -> None:
        (wheel,) = built.glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            inside = {name for name in packed.namelist() if ".dist-info/" not in name}
        expected = {path.relative_to(REPOSITORY).as_posix() for path in files(REPOSITORY / "tcscope")}
        rules = {f"tcscope/{path.relative_to(REPOSITORY).as_posix()}" for path in files(REPOSITORY / "rules")}
        assert inside == expected | rules
        assert {"tcscope/py.typed", "tcscope/model/report.schema.json", "tcscope/rules/hardware.yaml"} <= inside

    def test_the_sdist_holds_what_the_tests_need(self, built: Path) -> None:
        (sdist,) = built.glob("*.tar.gz")
        with tarfile.open(sdist) as packed:
            inside = {name.partition("/")[2] for name in packed.getnames()}
        expected = {p.relative_to(REPOSITORY).as_posix() for f in FOLDERS for p in files(REPOSITORY / f)}
        assert expected | set(SINGLE) <= inside
