"""Which layers to leave in FP16: for a person, for trtexec and for a Q/DQ tool."""

from __future__ import annotations

from tcscope.analysis.advice import Advice
from tcscope.render import text
from tcscope.wording import count, plain

_NOTHING = "# no INT8 layer here is known to be better left in FP16"
_QDQ = (
    "# the network has Q/DQ nodes, which alone decide what is INT8: leave them out around these layers",
    "# (--layerPrecisions can't take a layer out of explicit quantization)",
)


def as_text(advice: Advice) -> str:
    """The layers by time, each with its reason; trtexec's arguments; the network's layers, a line each.

    All but the arguments and the names are comments.
    """
    if not advice.keep:
        return f"{_NOTHING}\n"
    lines = [f"# better left in FP16: {count(len(advice.keep), 'layer')}", f"# {'ms':>8}  layer: why"]
    lines += [f"# {text.milliseconds(kept.ns):>8}  {plain(kept.layer)}: {kept.why}" for kept in advice.keep]
    if advice.has_qdq:
        lines += ["", *_QDQ]
    elif advice.arguments:
        lines += ["", "# for trtexec (without Q/DQ nodes, up to TensorRT 10)", advice.arguments]
        if any(mark in node for node in advice.nodes for mark in ",'"):
            lines.append("# (its * stands for a comma or quote, which trtexec can't take; older ones know no *)")
    if advice.unnamed and not advice.has_qdq:
        lines += ["", *(f"# trtexec can't name: {plain(node)}" for node in advice.unnamed)]
    lines += ["", "# for a Q/DQ tool: the layers of the network, a line each", *map(plain, advice.nodes)]
    return "\n".join(lines) + "\n"
