"""The README's commands are run, and what it shows is what they print."""

from __future__ import annotations

import re
import shlex
from glob import glob
from pathlib import Path

import pytest

from tcscope.cli import main
from tests.support.counters import counted_kernels, wide
from tests.support.mixes import files_of_a_mix
from tests.support.ranks import GEMM, rank
from tests.support.sass import FATBIN, have_tools
from tests.test_architecture import COMMANDS as KNOWN

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.partition("  #")[0].strip()
    for kind, block in BLOCKS
    if kind == "sh"
    for line in block.splitlines()
    if line.startswith("tcscope ")
]
COMMANDS += [
    f"tcscope {line}" for line in re.findall(r'^sudo -E "\$\(which tcscope\)" (.*?)(?:  #.*)?$', README, re.MULTILINE)
]
BUDGET = next(block for kind, block in BLOCKS if kind == "yaml" and "tcscope.budget/1" in block)


def test_the_first_output_is_what_the_first_command_prints(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("COLUMNS", raising=False)
    first = next(block for kind, block in BLOCKS if kind == "sh")
    arguments = shlex.split(first.split(".venv/bin/tcscope ")[1])
    assert main(arguments) == 0
    assert capsys.readouterr().out == next(block for kind, block in BLOCKS if kind == "text")


def test_the_diff_is_what_its_command_prints(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("COLUMNS", raising=False)
    section = README.partition("## What moved")[2]
    (command,) = re.findall(r"```sh\n(tcscope diff fixtures/.*)\n```", section)
    assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out == re.findall(r"```text\n(.*?)```", section, re.DOTALL)[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN the files that the README speaks of
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    trace = "orin_trt85_resnet_reconstructed" if "--sm" in command else "h100_trt86_resnet18s_int8"
    (tmp_path / "trace.sqlite").write_bytes((ROOT / "fixtures" / f"{trace}.sqlite").read_bytes())
    for kind in ("layers", "profile"):
        of_engine = (ROOT / "fixtures" / f"h100_trt86_resnet18s_int8.{kind}.json").read_bytes()
        (tmp_path / f"{kind}.json").write_bytes(of_engine)
        (tmp_path / f"engine.{kind}.json").write_bytes(of_engine)
    assert main(["analyze", "trace.sqlite", "-o", "report.json"]) == 0
    if "run/*" in command:
        for number in range(2):
            rank(tmp_path / "run" / f"rank{number}.sqlite", {GEMM: 5_000 + number})
    if command.startswith(("tcscope check trace", "tcscope check --validate")):
        (tmp_path / "tcscope.yaml").write_text(BUDGET)
        assert main(["check", "trace.sqlite", "--update-baseline"]) == 0
    if "tcscope.db" in command:  # an earlier commit's check began the history
        earlier = ["--fail-on", "unknown_share > 1%", "--history", "tcscope.db", "--commit", "c0ffee0"]
        assert main(["check", "report.json", *earlier]) == 0
    if "--ncu" in command:
        (tmp_path / "counters.csv").write_text(wide(counted_kernels()))
    if re.search("sensitivity|tcscope cut", command):
        files_of_a_mix(tmp_path)
    if "sass" in command:
        if not have_tools():
            pytest.skip("there is no cuobjdump, or no c++filt, here")
        (tmp_path / "libmine.so").write_bytes(FATBIN.read_bytes())
        assert main(["sass", "libmine.so", "-o", "sass.json"]) == 0
    # WHEN its command is typed; what needs a GPU says only what it would run
    arguments = [name for word in shlex.split(command)[1:] for name in sorted(glob(word)) or [word]]
    if arguments[0] in ("profile", "compare-precisions") and "--dry-run" not in arguments:
        arguments.insert(1, "--dry-run")
    code = main(arguments)
    # THEN it works and says something
    out = capsys.readouterr()
    assert code == 0, out.err
    assert out.out or "wrote" in out.err


def test_the_python_example_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    example = next(block for kind, block in BLOCKS if kind == "python")
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102 - our own README
    shown = capsys.readouterr().out
    assert "tensor_core" in shown
    assert "cudnn-h884" in shown


def test_every_command_is_shown() -> None:
    shown = {shlex.split(command)[1] for command in COMMANDS}
    assert {words.split()[1] for words, _, _ in KNOWN} - shown == set()


def anchor(head: str) -> str:
    """The name by which GitHub links to a heading."""
    return re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", ["README.md", "SECURITY.md", "CHANGELOG.md"])
def test_every_link_leads_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target, place in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
        file = ROOT / (target or name)
        assert file.exists(), target
        if place:
            heads = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert place in map(anchor, heads), f"{target}#{place}"


def test_the_contents_list_every_section_in_its_order() -> None:
    sections = re.findall(r"^## (.*)$", README, re.MULTILINE)
    contents = README.partition("\nRead on:\n")[2].partition("\n## ")[0]
    assert [title.replace("\n", " ") for title in re.findall(r"\[([^\]]*)\]\(#", contents)] == sections
