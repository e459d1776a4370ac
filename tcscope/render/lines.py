"""What every page on a terminal is made of: lines that stay whole, titles, names cut to fit, bars of a share."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from tcscope.model import Level
from tcscope.render import text

# Precisions have the colours of NVIDIA's TREx, whose users know them; the words always stand beside.
STYLES = {
    "tensor_core": "bold",
    "unknown": "dim",
    "int8": "green",
    "fp16": "yellow",
    "bf16": "yellow",
    "fp8": "blue",
    "fp4": "blue",
    "tf32": "magenta",
    "fp32": "red",
}
LEVEL_STYLES = {Level.ERROR: "bold red", Level.WARNING: "bold yellow", Level.NOTE: "bold"}
_BAR = 20


class Lines:
    """Lines on one console."""

    def __init__(self, console: Console, full_names: bool) -> None:
        self.console = console
        self.full_names = full_names
        self.unicode = console.encoding.lower().startswith("utf")
        self.gap = "…" if self.unicode else "..."

    def _line(self, *parts: str | tuple[str, str] | Text) -> None:
        """A line that is never wrapped: what must be copied stays whole."""
        self.console.print(Text.assemble(*parts), no_wrap=True, overflow="ignore", crop=False, soft_wrap=True)

    def _title(self, title: str) -> None:
        self.console.print()
        self._line((title, "bold underline"))

    def _name(self, name: str, width: int, cue: str = "") -> str:
        return text.cut(name, width, cue, gap=self.gap)

    def _bar(self, low: float, high: float) -> Text:
        full, half, empty = ("█", "▒", "░") if self.unicode else ("#", "?", ".")
        low, high = (min(max(share, 0.0), 1.0) for share in (low, high))  # a report's own numbers may be anything
        sure, open_ = round(low * _BAR), round(high * _BAR) - round(low * _BAR)
        return Text.assemble((full * sure, "green"), (half * open_, "yellow"), (empty * (_BAR - sure - open_), "dim"))
