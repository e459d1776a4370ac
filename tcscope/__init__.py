"""tcscope: which GPU kernels ran on Tensor Cores, at which precision, and what did the rest cost?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tcscope.analysis.difference.reports import compare
    from tcscope.analysis.pipeline import analyze
    from tcscope.errors import TcscopeError
    from tcscope.model import Diff, Report
    from tcscope.rulebook import RuleBook

__version__ = "0.1.0"
__all__ = ["Diff", "Report", "RuleBook", "TcscopeError", "analyze", "compare"]

_HOMES = {
    "analyze": "tcscope.analysis.pipeline",
    "compare": "tcscope.analysis.difference.reports",
    "Diff": "tcscope.model",
    "Report": "tcscope.model",
    "RuleBook": "tcscope.rulebook",
    "TcscopeError": "tcscope.errors",
}
_SHOWN = {"notebook": "tcscope.render.html.notebook", "figure": "tcscope.render.figure"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `tcscope --help` must not wait for what it doesn't need."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tcscope' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def shown_as(form: str, report: Report) -> Any:
    """A report as `notebook` (HTML) or `figure` (matplotlib), for its methods: its own room knows no renderer."""
    from importlib import import_module

    return import_module(_SHOWN[form]).show(report)
