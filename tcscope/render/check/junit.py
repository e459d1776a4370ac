"""A check as JUnit XML: a test case for each condition, passed ones too.

It keeps to what the two schemas in use have in common, Ant's (https://github.com/windyroad/JUnit-Schema) and that of
Jenkins' xUnit plugin (junit-10.xsd). GitLab names a suite after `classname` and takes only the first of equal names:
https://docs.gitlab.com/ci/testing/unit_test_reports
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timezone
from xml.etree import ElementTree as Xml

from tcscope.model.check import Check, Condition, Outcome
from tcscope.render.check import lines
from tcscope.render.check.text import headline
from tcscope.wording import plain

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # https://www.w3.org/TR/xml/#charsets
_SPEAKING = (Outcome.WARNED, Outcome.WITHIN_NOISE)  # JUnit has no word for them: they pass, and the suite's log says so


def as_junit(check: Check, now: datetime | None = None) -> str:
    """The XML, all ASCII, so that no stream can spoil it. `now` is when the check ran."""
    suites = Xml.Element("testsuites")
    ran = (now or datetime.now(timezone.utc)).strftime("%Y-%m-%dT%H:%M:%S")
    numbers = {"tests": len(check.conditions), "failures": check.counts.failed, "errors": 0, "skipped": 0}
    suite = Xml.SubElement(
        suites,
        "testsuite",
        {"name": "tcscope check", "package": "tcscope", "id": "0", "hostname": "localhost", "timestamp": ran}
        | {name: str(number) for name, number in numbers.items()}
        | {"time": "0"},
    )
    properties = Xml.SubElement(suite, "properties")
    for name, value in (("trace", check.trace.file), ("budget", check.budget), ("baseline", check.baseline_file)):
        if value:
            Xml.SubElement(properties, "property", name=name, value=_legal(plain(value)))
    seen: Counter[str] = Counter()
    for condition in check.conditions:
        _case(suite, check, condition, seen)
    log = [f"{c.outcome}: {plain(c.message)}" for c in check.conditions if c.outcome in _SPEAKING]
    log += [*map(plain, check.notes), headline(check)]
    Xml.SubElement(suite, "system-out").text = _legal("\n".join(log))
    Xml.SubElement(suite, "system-err")
    Xml.indent(suites)
    written = Xml.tostring(suites, encoding="us-ascii", xml_declaration=False).decode("ascii")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{written}\n'


def _case(suite: Xml.Element, check: Check, condition: Condition, seen: Counter[str]) -> None:
    name = f"{condition.clause}: {plain(condition.text)}"
    seen[name] += 1
    if seen[name] > 1:
        name += f" ({seen[name]})"
    trace = re.sub(r"[^\w-]", "_", check.trace.file)  # Jenkins takes what stands before the last dot for a package
    case = Xml.SubElement(suite, "testcase", name=_legal(name), classname=_legal(f"tcscope.{trace}"), time="0")
    if condition.outcome is Outcome.FAILED:
        message = _legal(plain(condition.message))
        failure = Xml.SubElement(case, "failure", message=message, type=str(condition.clause))
        failure.text = _legal("\n".join([*_place(condition), *lines.details(condition), *_moved(check, condition)]))


def _place(condition: Condition) -> list[str]:
    return [f"{lines.place(condition)}: {plain(condition.text)}"]


def _moved(check: Check, condition: Condition) -> list[str]:
    """What moved, below each condition that speaks of the baseline."""
    if condition.baseline is None or not check.moved:
        return []
    return ["", f"{lines.moved_title(check)}:", *lines.moved(check)]


def _legal(text: str) -> str:
    """Text that XML 1.0 can hold: any other character is shown as its escape."""
    return _ILLEGAL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
