"""What a network or its data can have that sensitivity can't measure."""

from __future__ import annotations

import re

from tcscope.errors import UsageError

_NOISE = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : |/\S+\.(?:cc|h):\d+ .*?\) (?=[A-Z])|^Load model from .*? failed:"
)
_TILL = re.compile(r"domain (\S+) is till opset (\d+)")
_CLAIMED = re.compile(r"Opset (\d+) is under development")


def refused(path: object, error: Exception) -> UsageError:
    """The sentence for a network that ONNX Runtime can't run."""
    text = " ".join(str(error).split())
    till, claimed = _TILL.search(text), _CLAIMED.search(text)
    if till is not None:
        of = claimed[1] if claimed else "a newer one"
        domain = "" if till[1].rstrip(".") == "ai.onnx" else f" of {till[1]}"
        what = f"{path} has opset {of}{domain}, and this onnxruntime knows opset {till[2]} at most"
        return UsageError(what, "pip install -U onnxruntime  # or export the network with an older opset")
    said = _NOISE.sub("", text)[:200].rstrip(". ")
    return UsageError(f"onnxruntime can't run {path}: {said}", f"polygraphy inspect model {path}")
