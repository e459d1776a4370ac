"""The reformat ledger: data that is moved or converted rather than computed with, and why."""

from __future__ import annotations

from dataclasses import dataclass

from tcscope.model.words import Dtype, Op, Word


class Reason(Word):
    """Why a reformat exists.

    `qdq`: a Q/DQ node of the network; `cast`: a cast of the network; `network-io`: it reads a network input or writes
    a network output; `neighbour`: the layer beside it runs in another type; `format`: the layer beside it wants another
    layout of the same type; `constant`: it reformats a constant, in every inference.
    """

    QDQ = "qdq"
    CAST = "cast"
    NETWORK_IO = "network-io"
    NEIGHBOUR = "neighbour"
    FORMAT = "format"
    CONSTANT = "constant"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reformat:
    """What one kernel ran for one reformat layer, or a reformat kernel inside another layer.

    `layer` is empty where no layer is known. `op` is `reformat`, or `copy` and the like where a reformat layer ran such
    a kernel. `layout_only` tells that both types are the same; None where one isn't known. `leaves` is the layer whose
    output is read (empty: a constant, `reads_input`, or not known), `feeds` are the layers that read the result (none:
    `writes_output`, or not known). Both flags are about the inputs and outputs of the network.
    """

    layer: str
    kernel: str
    reason: Reason
    op: Op
    launches: int
    ns: int
    src: Dtype | None = None
    dst: Dtype | None = None
    src_layout: str = ""
    dst_layout: str = ""
    layout_only: bool | None = None
    leaves: str = ""
    feeds: tuple[str, ...] = ()
    reads_input: bool = False
    writes_output: bool = False

    @property
    def direction(self) -> str:
        """`fp32 -> int8`; `fp16 HWC8 -> linear` where only the layout differs; empty where a type isn't known."""
        if self.src is None or self.dst is None:
            return f"to {self.dst}" if self.dst else ""
        if self.layout_only and self.src_layout != self.dst_layout:
            return f"{self.src} {self.src_layout} -> {self.dst_layout}"
        return f"{self.src} -> {self.dst}"
