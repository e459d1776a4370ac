"""Which layer feeds which, by the tensor names of TensorRT's layer JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from tcscope.model import Layer, Tensor

_NO_WORK = "NoOp"  # TensorRT's word for a layer that only renames a tensor


class Wiring:
    """Who writes and who reads each tensor. Layers that only rename a tensor are looked through."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self._writers: dict[str, list[Layer]] = defaultdict(list)
        self._readers: dict[str, list[Layer]] = defaultdict(list)
        self.is_complete = True  # every layer that ran has its tensors: what nobody writes comes from outside
        for layer in layers:
            self.is_complete &= bool(layer.inputs or layer.outputs or not layer.ns)
            for tensor in layer.outputs:
                self._writers[tensor.name].append(layer)
            for tensor in layer.inputs:
                self._readers[tensor.name].append(layer)

    def writer(self, tensor: Tensor, reader: Layer) -> Layer | None:
        """The layer that computed what `reader` reads, None for a network input and where it isn't known."""
        seen: set[str] = {reader.name}
        while True:
            found = next((layer for layer in self._writers[tensor.name] if layer.name not in seen), None)
            if found is None or found.type != _NO_WORK or not found.inputs:
                return found
            seen.add(found.name)
            tensor = found.inputs[0]

    def readers(self, writer: Layer) -> tuple[Layer, ...]:
        """The layers that read what `writer` wrote; none for a network output."""
        found: dict[str, Layer] = {}
        seen, waiting = {writer.name}, [writer]
        while waiting:
            for tensor in waiting.pop().outputs:
                for layer in self._readers[tensor.name]:
                    if layer.name in seen:
                        continue
                    seen.add(layer.name)
                    if layer.type == _NO_WORK:
                        waiting.append(layer)
                    else:
                        found[layer.name] = layer
        return tuple(found.values())

    def is_constant(self, tensor: Tensor, reader: Layer) -> bool:
        """Whether `reader` reads a constant. TensorRT says so in the type of the layer or the name of the tensor."""
        writer = self.writer(tensor, reader)
        return writer.type == "Constant" if writer else "constant" in tensor.name.lower()
