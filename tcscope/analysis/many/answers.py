"""What a worker is asked of one file, and what it answers: JSON both ways, so that only that travels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tcscope.errors import TcscopeError
from tcscope.model import Report
from tcscope.rulebook import RuleBook


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every file: the arguments of `analyze`, and the user's rules as (file name, text)."""

    sm: int | None = None
    range: str | None = None
    device: int | None = None
    skip: int = 0
    stats: bool = False
    sass: tuple[str, ...] = ()
    rules: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> str:
        """The question as text that travels."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Question:
        """The question that `to_json` wrote."""
        data: dict[str, Any] = json.loads(text)
        rules = tuple((name, text) for name, text in data.pop("rules"))
        return cls(**{**data, "sass": tuple(data["sass"]), "rules": rules})


@dataclass(frozen=True, slots=True)
class Answer:
    """One file's report or, in `error`, a sentence that says why there is none."""

    report: Report | None
    error: str = ""
    hint: str = ""

    @classmethod
    def from_json(cls, text: str) -> Answer:
        """The answer that `answer` wrote. Raises TraceError where the report in it is none."""
        data: dict[str, Any] = json.loads(text)
        report = data.get("report")
        return cls(
            None if report is None else Report.from_dict(report), str(data.get("error", "")), str(data.get("hint", ""))
        )


def answer(path: str, question: str) -> str:
    """A worker's whole work: the JSON of the file's report, or of what is wrong with it. Raises nothing."""
    from tcscope.analysis.pipeline import analyze

    asked = Question.from_json(question)
    try:
        report = analyze(
            path,
            asked.sm,
            asked.range,
            device=asked.device,
            skip=asked.skip,
            stats=asked.stats,
            sass=asked.sass,
            book=_book(asked.rules),
        )
    except TcscopeError as error:
        return json.dumps({"error": error.message, "hint": error.hint})
    except Exception as error:  # one file must not spoil the others
        said = f"tcscope itself failed: {type(error).__name__}: {error}"
        return json.dumps({"error": said, "hint": f"tcscope analyze -vv {path}"})
    return json.dumps({"report": report.to_dict()})


def texts(files: Sequence[Path]) -> tuple[tuple[str, str], ...]:
    """Name and text of each rule file."""
    return tuple((path.name, path.read_text(encoding="utf-8", errors="replace")) for path in files)


@lru_cache(maxsize=2)
def _book(rules: tuple[tuple[str, str], ...]) -> RuleBook:
    """The rulebook of the user's rules, which may lie on another machine, and of the built-in ones; once a process."""
    with TemporaryDirectory(prefix="tcscope-") as folder:
        paths = []
        for number, (name, text) in enumerate(rules):
            path = Path(folder, f"{number:04}", name)
            path.parent.mkdir()
            path.write_text(text, encoding="utf-8")
            paths.append(path)
        return RuleBook.load(paths)
