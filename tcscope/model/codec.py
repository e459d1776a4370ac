"""Dataclasses to plain JSON values and back, by their type hints."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from tcscope.errors import TraceError

T = TypeVar("T")
_MOST = 2**63

# The metadata of a field that is left out of the JSON where it is None: `field(default=None, metadata=OMITTED)`.
OMITTED = {"omitted": True}


def encode(value: Any) -> Any:
    """Dataclasses become dicts, tuples lists, words their text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = ((f, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {f.name: encode(v) for f, v in given if v is not None or "omitted" not in f.metadata}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    return value


def decode(kind: type[T], data: Any) -> T:
    """A dataclass from its JSON object. Unknown fields are skipped, absent ones take their default.

    Raises TraceError naming the field that is wrong.
    """
    made: T = _decode(kind, data, kind.__name__.lower())
    return made


def _decode(kind: Any, data: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _decode_object(kind, data, where)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if data is None:
            return None
        return _decode(next(a for a in get_args(kind) if a is not type(None)), data, where)
    if origin is tuple:
        if not isinstance(data, list):
            raise _wrong(where, "a list", data)
        return tuple(_decode(get_args(kind)[0], item, f"{where}[{i}]") for i, item in enumerate(data))
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(data)
        except (ValueError, TypeError) as error:
            raise _wrong(where, f"one of {', '.join(map(str, kind))}", data) from error
    accepted = (int, float) if kind is float else kind
    if not isinstance(data, accepted) or (isinstance(data, bool) and kind is not bool):
        raise _wrong(where, {"int": "a whole number", "str": "text"}.get(kind.__name__, f"a {kind.__name__}"), data)
    if isinstance(data, (int, float)) and not -_MOST <= data <= _MOST:  # nor NaN
        raise _wrong(where, "a number of 64 bits", data)
    if isinstance(data, str) and not data.isascii():
        return data.encode("utf-8", "replace").decode()  # half a surrogate pair, which JSON can spell, can't be written
    return data


def _decode_object(kind: Any, data: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise _wrong(where, "an object", data)
    hints = _hints(kind)
    given: dict[str, Any] = {}
    for f in dataclasses.fields(kind):
        if f.name in data:
            given[f.name] = _decode(hints[f.name], data[f.name], f"{where}.{f.name}")
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise TraceError(f"not a whole report: {where}.{f.name} is missing")
    return kind(**given)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _wrong(where: str, expected: str, data: Any) -> TraceError:
    return TraceError(f"not a sound report: {where} must be {expected}, not {_shown(data)}")


def _shown(data: Any) -> str:
    """A value in short; not all of a large one is spelled out."""
    if isinstance(data, int) and abs(data) > 10**20:
        return "a larger one"
    return repr(str(data[:60] if isinstance(data, (str, list)) else data)[:60])
