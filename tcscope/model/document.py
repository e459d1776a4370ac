"""What a report and a diff have in common: they are JSON documents of a schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from tcscope.model.codec import decode, encode
from tcscope.wording import json_text

D = TypeVar("D", bound="Document")


class Document:
    """A dataclass with a field `schema` whose JSON is itself, field for field."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The document as its JSON object: plain dicts, lists, numbers and text."""
        encoded: dict[str, Any] = encode(self)
        return {"schema": encoded.pop("schema"), **encoded}

    def to_json(self) -> str:
        """The document as JSON text."""
        return json_text(json.dumps(self.to_dict(), indent=1, ensure_ascii=False)) + "\n"

    def save(self, path: str | Path) -> None:
        """Write the document's JSON to `path`."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def from_dict(cls: type[D], data: dict[str, Any]) -> D:
        """The document of a JSON object; fields this version doesn't know are left out. Raises TraceError."""
        return decode(cls, data)
