"""Many files in, one set out: who reads them, and what each is called."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from tcscope.analysis.many.answers import Answer, Question, texts
from tcscope.analysis.many.combine import trace_set
from tcscope.analysis.many.labels import labels, refuse_duplicates
from tcscope.analysis.many.processes import fitting_jobs, read_here
from tcscope.errors import UnanswerableError
from tcscope.model.many import TraceSet
from tcscope.rulebook import RuleBook
from tcscope.rulebook.load import rule_files


def analyze_many(
    paths: Sequence[str | Path],
    sm: int | None = None,
    range: str | None = None,  # noqa: A002 - the word of the command line
    *,
    device: int | None = None,
    skip: int = 0,
    stats: bool = False,
    sass: Iterable[str | Path] = (),
    rules: Iterable[str | Path] = (),
    jobs: int | None = None,
    dask: str | None = None,
    on_answer: Callable[[], None] = lambda: None,
) -> TraceSet:
    """Traces or saved reports side by side; the arguments before `jobs` are those of `analyze`, for each of them.

    `jobs` is the number of processes (None: as many as are worth it); `dask` is the address of a cluster whose workers
    read the files instead. A file that can't be read has its `error` in the set. `on_answer` is called after each.

    Raises UsageError, ConfigError (a rule file is wrong), and UnanswerableError where none of the files can be read.
    """
    given = [os.fspath(path) for path in paths]
    refuse_duplicates(given, here=dask is None)
    user_rules = rule_files(map(Path, rules))
    RuleBook.load(user_rules)  # what is wrong with it is said once, and here
    question = Question(
        sm, range, device, skip, stats, tuple(os.path.abspath(file) for file in sass), texts(user_rules)
    ).to_json()
    found: dict[int, Answer] = {}
    names = labels(given)
    for i, text in _answers(given, question, jobs, dask):
        found[i] = _named(Answer.from_json(text), given[i], names[i])
        on_answer()
    whole = trace_set([(name, found[i]) for i, name in enumerate(names)])
    if not whole.answered:
        raise UnanswerableError((m.error for m in whole.traces), whole.traces[0].hint)
    return whole


def _answers(paths: Sequence[str], question: str, jobs: int | None, dask: str | None) -> Iterator[tuple[int, str]]:
    if dask is not None:
        from tcscope.analysis.many.cluster import read_there

        return read_there(paths, question, dask)
    return read_here(paths, question, jobs or fitting_jobs(paths))


def _named(answer: Answer, path: str, label: str) -> Answer:
    """The answer, whose sentence names the file by its label: a folder's name is nobody's business."""
    if answer.report is not None:
        return answer
    said, hint = answer.error, answer.hint
    for spelled in sorted({path, str(Path(path)), os.path.abspath(path)}, key=len, reverse=True):
        said, hint = said.replace(spelled, label), hint.replace(spelled, label)
    said = said.encode("utf-8", "replace").decode().replace("\n", "; ")
    return Answer(None, said if label in said else f"{label}: {said}", hint.encode("utf-8", "replace").decode())
