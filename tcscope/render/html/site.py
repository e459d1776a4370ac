"""What every page is made with: its templates, its style and script, its policy, and the data packed inside it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from tcscope import __version__
from tcscope.model.document import Document
from tcscope.render import text
from tcscope.render.diff.names import brief
from tcscope.wording import count, duration, percent, plain

if TYPE_CHECKING:
    from jinja2 import Environment

_READABLE = 200_000  # bytes: JSON up to here is embedded as it is, for other programs to find; above, packed


def filled(template: str, **values: Any) -> str:
    """A template with these values. Every text in it is escaped, and its control characters are made visible."""
    return environment().get_template(template).render(**values)


def page(template: str, document: Document, title: str, **values: Any) -> str:
    """A whole page: the template with style, script, their policy, and the document's JSON."""
    style, script = asset("page.css"), asset("page.js")
    # Nothing is loaded, and only this script runs: not even what would get past the escaping of names.
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return filled(
        template,
        title=title,
        version=__version__,
        style=style,
        script=script,
        policy=policy,
        embedded=embedded(document),
        **values,
    )


@cache
def asset(name: str) -> str:
    """A style or script that ships with the package."""
    return (resources.files("tcscope.render.html") / "templates" / name).read_text(encoding="utf-8")


def embedded(document: Document) -> dict[str, str]:
    """The document's JSON as the text of a script element: escaped, or packed where it is long."""
    data = json.dumps(document.to_dict(), separators=(",", ":"))
    if len(data) <= _READABLE:
        return {"type": "application/json", "text": data.replace("<", "\\u003c")}
    return {"type": "application/gzip", "text": packed(data)}


def packed(data: str) -> str:
    """Text as base64 of its gzip, the same for the same text; a browser's DecompressionStream undoes it."""
    return base64.b64encode(gzip.compress(data.encode("utf-8"), mtime=0)).decode("ascii")


@cache
def environment() -> Environment:
    """The templates, with the words and numbers that all outputs share as filters."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def shown(value: Any) -> Any:
        return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    made = Environment(
        loader=PackageLoader("tcscope.render.html"),
        autoescape=True,
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        percent=percent,
        duration=duration,
        count=count,
        ms=text.milliseconds,
        us=lambda ns: f"{ns / 1e3:,.1f}",
        number=lambda value: f"{value:,}",
        cut=text.cut,
        shorten=text.shorten,
        brief=brief,
        plain=plain,
    )
    return made


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode("utf-8")).digest()).decode("ascii")
