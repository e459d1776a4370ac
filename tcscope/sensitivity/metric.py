"""The number that layers are ranked by: of tcscope, or the user's own function."""

from __future__ import annotations

import hashlib
import importlib.util
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from tcscope.errors import UsageError, did_you_mean
from tcscope.model.sensitivity import Metric, Score
from tcscope.sensitivity.int8 import Array
from tcscope.sensitivity.sums import Sums, decibels

Tensors = Mapping[str, Array]
Function = Callable[[Tensors, Tensors, Tensors], float]
KNOWN = ("sqnr", "cosine", "max-error", "top1")
_HINT = "--metric file.py:function  # function(outputs_fp32, outputs, inputs) -> float, higher is better"


@dataclass(frozen=True)
class Measure:
    """One of KNOWN, or the user's function of FP32's outputs, the new ones and what was fed, all samples of each."""

    name: str = "sqnr"
    function: Function | None = None
    digest: str = ""

    @property
    def described(self) -> Metric:
        """The metric as the answer tells it."""
        return Metric(self.name, self.name != "max-error")

    def called(self, base: Tensors, new: Tensors, inputs: Tensors) -> float:
        """The user's number. Raises UsageError where it isn't one, or the function fails."""
        if self.function is None:
            raise ValueError(f"{self.name} is no function")
        try:
            value = float(self.function(base, new, inputs))
        except Exception as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{Path(at.filename).name}:{at.lineno}: {self.name} failed: {type(error).__name__}: {error}"
            raise UsageError(what, _HINT) from error
        if not isfinite(value):
            raise UsageError(f"{self.name} gave {value}, which is no number to rank by", _HINT)
        return value

    def score(self, sums: Sums, fp32: float | None = None, value: float | None = None) -> Score:
        """The score of some sums; `value` is what the user's function said of it, `fp32` of the network in FP32."""
        sqnr = decibels(sums.ratio)
        told: dict[str, tuple[float | None, float]] = {
            "sqnr": (sqnr, sums.ratio),
            "cosine": (sums.cosine, 1 - (sums.cosine if sums.cosine is not None else 1.0)),
            "max-error": (sums.max_error, sums.max_error),
            "top1": (sums.top1, 1 - (sums.top1 if sums.top1 is not None else 1.0)),
        }
        number, loss = told.get(self.name, (value, (fp32 or 0.0) - (value or 0.0)))
        return Score(loss, sqnr, sums.cosine, sums.max_error, sums.top1, number)


def measure_of(text: str) -> Measure:
    """The metric that `--metric` names. Raises UsageError."""
    if text in KNOWN:
        return Measure(text)
    file, colon, name = text.rpartition(":")
    if not colon:
        raise UsageError(
            f"no metric '{text}'{did_you_mean(text, KNOWN)}", f"one of {', '.join(KNOWN)}, or file.py:function"
        )
    path = Path(file)
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UsageError(f"can't read the metric's file {path}: {error.strerror}", _HINT) from error
    spec = importlib.util.spec_from_file_location(f"tcscope_metric_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file", _HINT)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{path} fails when it is loaded: {type(error).__name__}: {error}", _HINT) from error
    function = getattr(module, name, None)
    if not callable(function):
        known = [word for word, value in vars(module).items() if callable(value) and not word.startswith("_")]
        raise UsageError(f"{path} has no function '{name}'{did_you_mean(name, known)}", _HINT)
    return Measure(f"{path.name}:{name}", function, hashlib.sha256(source).hexdigest())
