"""The reformat ledger: every reformat, quantize, dequantize and layout change of a report, and why it is there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from tcscope.analysis.ledger.wiring import Wiring
from tcscope.model import Dtype, Kernel, Layer, LayerKernel, Op, Report, Tensor
from tcscope.model.reformat import Reason, Reformat

# Names that TensorRT gives. torch.onnx writes `Identity` for each use of an initializer that several layers share.
_COPY_NODE = re.compile(r"Reformatting CopyNode for (?P<side>Input|Output) Tensor \d+ to (?P<layer>.+)", re.DOTALL)
_QDQ = re.compile(r"(?:[^+]*[/._])?(?:Quantize|Dequantize)Linear(?:_\d+)?(?:_clone_\d+)?")
_CAST = re.compile(r"(?:[^+]*/)?Cast(?:_\d+)?(?:_clone_\d+)?")
_IDENTITY = re.compile(r"(?:[^+]*/)?Identity(?:_\d+)?(?:_clone_\d+)?")
_PADS_WEIGHTS = re.compile(r"\bpad\w*Weights\b")  # nvinfer1::rt::cuda::padBiasWeights and its like
_ORIGINS = {"QDQ": Reason.QDQ, "CAST": Reason.CAST}


def ledger(report: Report) -> tuple[Reformat, ...]:
    """The reformats of a report, longest first. Those whose op is `reformat` add up to the time of that op."""
    types = {(kernel.name, kernel.op): (kernel.src, kernel.dst) for kernel in report.kernels}
    if report.layering is None or report.layering.level == "range":
        found = [_bare(kernel, types) for kernel in report.kernels if kernel.op is Op.REFORMAT]
    else:
        found = [_bare(kernel, types) for kernel in report.layering.outside if kernel.op is Op.REFORMAT]
        found += _Ledger(report.layers, types).rows()
    return tuple(sorted(found, key=lambda row: (-row.ns, row.layer, row.kernel)))


def is_reformat(layer: Layer) -> bool:
    """Whether a layer only moves or converts data: TensorRT's type or origin says so, or else its name."""
    if layer.type:
        return layer.type.endswith("Reformat") or layer.origin in ("REFORMAT", *_ORIGINS)
    return any(pattern.fullmatch(layer.name) for pattern in (_COPY_NODE, _QDQ, _CAST, _IDENTITY))


Types = dict[tuple[str, Op], tuple[Dtype | None, Dtype | None]]


def _bare(kernel: Kernel | LayerKernel, types: Types) -> Reformat:
    """A reformat of which no layer is known."""
    src, dst = types.get((kernel.name, kernel.op), (None, None))
    reason = Reason.CONSTANT if _PADS_WEIGHTS.search(kernel.name) else Reason.UNKNOWN
    same = None if src is None or dst is None else src is dst
    return Reformat("", kernel.name, reason, kernel.op, kernel.launches, kernel.ns, src, dst, layout_only=same)


class _Ledger:
    """The reformats of one network."""

    def __init__(self, layers: tuple[Layer, ...], types: Types) -> None:
        self._layers = layers
        self._types = types
        self._wiring = Wiring(layers)
        ran = [at for at, layer in enumerate(layers) if layer.ns and not is_reformat(layer)]
        self._first, self._last = (ran[0], ran[-1]) if ran else (len(layers), -1)

    def rows(self) -> Iterator[Reformat]:
        for at, layer in enumerate(self._layers):
            if is_reformat(layer):
                yield from self._layer(at, layer)
            else:
                yield from (self._inside(layer, kernel) for kernel in layer.kernels if kernel.op is Op.REFORMAT)

    def _inside(self, layer: Layer, kernel: LayerKernel) -> Reformat:
        """A reformat that a layer's tactic does for itself."""
        row = _bare(kernel, self._types)
        reason = Reason.FORMAT if row.reason is Reason.UNKNOWN and row.layout_only else row.reason
        return replace(row, layer=layer.name, reason=reason, feeds=(layer.name,))

    def _layer(self, at: int, layer: Layer) -> Iterator[Reformat]:
        read, written = _first_tensor(layer.inputs), _first_tensor(layer.outputs)
        leaves, feeds = self._neighbours(layer)
        reads_input, writes_output = self._ends(at, layer)
        kernels = layer.kernels
        if not kernels and layer.ns:  # trtexec's profile gives reformat layers a time and no kernel
            kernels = (LayerKernel("", layer.unit, layer.precision, Op.REFORMAT, layer.launches, layer.ns),)
        for kernel in kernels:
            row = _bare(kernel, self._types)
            src, dst = read.dtype or row.src, written.dtype or row.dst
            same = None if src is None or dst is None else src is dst
            yield replace(
                row,
                layer=layer.name,
                reason=self._reason(layer, same, at_an_end=reads_input or writes_output),
                src=src,
                dst=dst,
                src_layout=read.layout,
                dst_layout=written.layout,
                layout_only=same,
                leaves=leaves,
                feeds=feeds,
                reads_input=reads_input,
                writes_output=writes_output,
            )

    def _neighbours(self, layer: Layer) -> tuple[str, tuple[str, ...]]:
        """The layer that a reformat leaves and those that it feeds: by tensors, else by its name."""
        if layer.inputs or layer.outputs:
            writers = [self._wiring.writer(tensor, layer) for tensor in layer.inputs]
            leaves = next((writer.name for writer in writers if writer and writer.type != "Constant"), "")
            return leaves, tuple(reader.name for reader in self._wiring.readers(layer))
        named = _COPY_NODE.fullmatch(layer.name)
        if named is None:
            return "", ()
        return ("", (named["layer"],)) if named["side"] == "Input" else (named["layer"], ())

    def _reason(self, layer: Layer, same: bool | None, *, at_an_end: bool) -> Reason:
        if self._reads_constant(layer):
            return Reason.CONSTANT
        if layer.origin in _ORIGINS:
            return _ORIGINS[layer.origin]
        if not layer.origin and _QDQ.fullmatch(layer.name):
            return Reason.QDQ
        if not layer.origin and _CAST.fullmatch(layer.name):
            return Reason.CAST
        if at_an_end:
            return Reason.NETWORK_IO
        return Reason.UNKNOWN if same is None else Reason.FORMAT if same else Reason.NEIGHBOUR

    def _reads_constant(self, layer: Layer) -> bool:
        if layer.inputs:
            return self._wiring.is_constant(layer.inputs[0], layer)
        return bool(_IDENTITY.fullmatch(layer.name))

    def _ends(self, at: int, layer: Layer) -> tuple[bool, bool]:
        """Whether a layer reads a network input, and whether it writes a network output.

        Without tensors: what runs before every layer that computes can read nothing else, what runs after all of them
        is read by nobody else.
        """
        if self._reads_constant(layer):
            return False, False
        if not (layer.inputs and layer.outputs):
            return at < self._first, at > self._last
        if not self._wiring.is_complete:
            return False, False
        return self._wiring.writer(layer.inputs[0], layer) is None, not self._wiring.readers(layer)


def _first_tensor(tensors: Iterable[Tensor]) -> Tensor:
    return next(iter(tensors), Tensor(""))
