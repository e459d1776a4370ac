"""The grammar of a condition, read by recursive descent: `METRIC < | <= | > | >= | == | != VALUE`.

condition = metric operator value
metric    = [("layer" | "kernel") "[" string "]" "."] word {"." word}
value     = "baseline" [("+" | "-") quantity] | quantity | word
quantity  = number ["%" | "pp" | "s" | "ms" | "us" | "ns"]
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tcscope.model.check import Scope

OPERATORS = ("<", "<=", ">", ">=", "==", "!=")
TIME_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
BASELINE = "baseline"
_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>\d+(?:\.\d+)?)|(?P<word>[^\W\d]\w*)"""
    r"""|(?P<operator>[<>=!]=|[<>])|(?P<sign>[-+])|(?P<mark>[][.%])""",
    re.ASCII,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class GrammarError(Exception):
    """A text is no condition; `at` is the place in it, from 0 on."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message


@dataclass(frozen=True, slots=True)
class Metric:
    """What is measured: `name` (`tensor_share`, `unit.tensor_core.share`), of the layers or kernels of a pattern."""

    name: str
    scope: Scope | None = None
    pattern: str = ""

    def __str__(self) -> str:
        if self.scope is None:
            return self.name
        quoted = self.pattern.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.scope}["{quoted}"].{self.name}'


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as written, and its unit: `%`, `pp`, a time's, or nothing."""

    number: str
    unit: str = ""

    def __str__(self) -> str:
        return self.number + self.unit


@dataclass(frozen=True, slots=True)
class Value:
    """A quantity, a word, or the baseline with a quantity more or less (`sign`)."""

    quantity: Quantity | None = None
    word: str = ""
    baseline: bool = False
    sign: str = ""

    def __str__(self) -> str:
        if self.baseline:
            return f"{BASELINE} {self.sign} {self.quantity}" if self.quantity else BASELINE
        return str(self.quantity) if self.quantity else self.word


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition's parts; as text it is the condition in its plainest spelling."""

    metric: Metric
    operator: str
    value: Value

    def __str__(self) -> str:
        return f"{self.metric} {self.operator} {self.value}"


@dataclass(frozen=True, slots=True)
class Parsed:
    """An expression, and where in its text its parts begin: the metric's words, the operator, the value."""

    expression: Expression
    words_at: tuple[int, ...]
    operator_at: int
    value_at: int


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str) -> Parsed:
    """The condition that a text says. Raises GrammarError where it says none."""
    return _Parser(text).condition()


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.end = _Token("end", "", len(text))
        self.next = 0

    def condition(self) -> Parsed:
        metric, words_at = self._metric()
        operator_at = self._peek().at
        operator = self._take("operator", f"one of {' '.join(OPERATORS)}")
        value_at = self._peek().at
        value = self._value()
        if self._peek().kind != "end":
            raise GrammarError(self._peek().at, f"'{self._peek().text}' is too much: one condition an entry")
        return Parsed(Expression(metric, operator.text, value), words_at, operator_at, value_at)

    def _metric(self) -> tuple[Metric, tuple[int, ...]]:
        scope, pattern = None, ""
        if self._peek().text in (Scope.LAYER, Scope.KERNEL):
            scope = Scope(self._take("word", "").text)
            self._take("mark", f"'[\"NAME\"]' after {scope}", "[")
            quoted = self._take("string", "a name in quotes").text
            pattern = _ESCAPE.sub(r"\1", quoted[1:-1])
            self._take("mark", "']'", "]")
            self._take("mark", "'.' and what of it, such as .kernel_time", ".")
        words = [self._take("word", "a metric, such as tensor_share")]
        while self._peek().text == ".":
            self.next += 1
            words.append(self._take("word", "a word after '.'"))
        return Metric(".".join(word.text for word in words), scope, pattern), tuple(word.at for word in words)

    def _value(self) -> Value:
        token = self._peek()
        if token.kind == "number":
            return Value(self._quantity())
        word = self._take("word", "a value, such as 75%, 1.2ms or baseline").text
        if word != BASELINE:
            return Value(word=word)
        if self._peek().kind != "sign":
            return Value(baseline=True)
        sign = self._take("sign", "").text
        return Value(self._quantity(), baseline=True, sign=sign)

    def _quantity(self) -> Quantity:
        number = self._take("number", "a number")
        token = self._peek()
        if token.text == "%" or token.text in ("pp", *TIME_UNITS):
            self.next += 1
            return Quantity(number.text, token.text)
        if token.kind == "word":
            raise GrammarError(token.at, f"'{token.text}' is no unit: one of % pp {' '.join(TIME_UNITS)}")
        return Quantity(number.text)

    def _peek(self) -> _Token:
        return self.tokens[self.next] if self.next < len(self.tokens) else self.end

    def _take(self, kind: str, expected: str, text: str | None = None) -> _Token:
        token = self._peek()
        if token.kind != kind or (text is not None and token.text != text):
            found = f"not '{token.text}'" if token.text else "but the condition ends"
            raise GrammarError(token.at, f"expected {expected}, {found}")
        self.next += 1
        return token


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            raise GrammarError(at, _unreadable(text[at]))
        found.append(_Token(str(match.lastgroup), match.group(), at))
        at = match.end()
    return found


def _unreadable(character: str) -> str:
    if character in "\"'":
        return f"the quote {character} is never closed"
    return f"'{character}' has no meaning here" + (": write ==" if character == "=" else "")
