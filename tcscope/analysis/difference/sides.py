"""One side of a comparison: its layers or kernels, with whole nanoseconds an inference that add up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tcscope.analysis.difference.names import kind_of_kernel, kind_of_layer, nodes_of
from tcscope.model import Dtype, Kind, Layer, LayerKernel, Op, Precision, Report, Sums, Tensor, Unit
from tcscope.rulebook import canonical

UNNAMED = "(in no layer)"
MOVERS = (Op.REFORMAT, Op.COPY)


@dataclass(frozen=True, slots=True)
class Item:
    """A layer, or a kernel outside layers, as it is matched. `kernels` hold all its time; `dims` are its output's."""

    name: str
    kind: Kind
    kernels: tuple[LayerKernel, ...]
    nodes: tuple[str, ...] = ()
    type: str = ""
    op: Op = Op.UNKNOWN
    dims: tuple[int, ...] = ()
    channels: int | None = None
    src: Dtype | None = None
    dst: Dtype | None = None

    @property
    def ns(self) -> int:
        """Time in its kernels."""
        return sum(kernel.ns for kernel in self.kernels)

    @property
    def launches(self) -> int:
        """Launches of its kernels."""
        return sum(kernel.launches for kernel in self.kernels)

    @property
    def glue(self) -> tuple[LayerKernel, ...]:
        """Of a layer that computes, the kernels that only move data: `padBiasWeights` beside a convolution."""
        return glue_among(self.kernels) if self.kind is Kind.COMPUTE else ()

    @property
    def main(self) -> tuple[LayerKernel, ...]:
        """The kernels that do the layer's work."""
        glue = self.glue
        return tuple(kernel for kernel in self.kernels if kernel not in glue)


def glue_among(kernels: tuple[LayerKernel, ...]) -> tuple[LayerKernel, ...]:
    """The kernels that only move data, beside others that compute."""
    movers = tuple(kernel for kernel in kernels if kernel.op in MOVERS)
    return movers if len(movers) < len(kernels) else ()


def has_layers(report: Report) -> bool:
    """Whether layers hold at least half of the kernel time: below that, kernels tell more."""
    return bool(report.layers) and 2 * sum(layer.ns for layer in report.layers) >= report.totals.kernel_ns


def layer_items(report: Report, count: int) -> tuple[list[Item], list[Item]]:
    """The report's layers, in order, and the kernels outside them; times and launches divided by `count`."""
    directions = {kernel.name: (kernel.src, kernel.dst) for kernel in report.kernels}
    layers = [_of_layer(layer, directions) for layer in report.layers]
    outside = [_of_kernel(kernel, directions) for kernel in report.layering.outside] if report.layering else []
    rest = report.totals.kernel_ns - sum(item.ns for item in (*layers, *outside))
    if rest > 0:
        outside.append(Item(UNNAMED, Kind.COMPUTE, (_anonymous("", 0, rest),)))
    divided = _divided([*layers, *outside], count)
    return divided[: len(layers)], divided[len(layers) :]


def kernel_items(report: Report, count: int) -> list[Item]:
    """The report's kernels, longest first, divided by `count`."""
    items = []
    for kernel in report.kernels:
        part = LayerKernel(kernel.name, kernel.unit, kernel.precision, kernel.op, kernel.launches, kernel.ns)
        items.append(_of_kernel(part, {kernel.name: (kernel.src, kernel.dst)}))
    return _divided(items, count)


def sums(report: Report, items: Iterable[Item], count: int) -> Sums:
    """The side summed; the kernel time is that of the items, to the nanosecond."""
    items = list(items)
    found = report.iterations
    timed = found is not None and count == found.count
    return Sums(
        kernel_ns=sum(item.ns for item in items),
        launches=sum(item.launches for item in items),
        wall_ns=rounded(found.wall_ns, count) if timed and found and found.wall_ns else None,
        idle_ns=rounded(found.idle_ns, count) if timed and found and found.span_ns else None,
        reformat_ns=sum(item.ns for item in items if item.kind is Kind.REFORMAT),
        glue_ns=sum(item.ns if item.kind is Kind.GLUE else sum(k.ns for k in item.glue) for item in items),
        tensor_share=report.tensor_share,
    )


def apportion(values: Sequence[int], count: int) -> list[int]:
    """Each value over `count` as a whole number, so that they sum to their sum over `count`, rounded.

    The method of largest remainders: all are rounded down, then those that lost most get the missing ones.
    """
    shares = [value // count for value in values]
    missing = rounded(sum(values), count) - sum(shares)
    by_loss = sorted(range(len(values)), key=lambda at: -(values[at] % count))
    for at in by_loss[:missing]:
        shares[at] += 1
    return shares


def rounded(value: int, count: int) -> int:
    """`value / count` to the nearest whole number, without a detour over floats."""
    return (2 * value + count) // (2 * count)


def _of_layer(layer: Layer, directions: dict[str, tuple[Dtype | None, Dtype | None]]) -> Item:
    kernels = layer.kernels
    rest = layer.ns - sum(kernel.ns for kernel in kernels)
    if rest or not kernels:
        kernels = (*kernels, replace(_anonymous(layer.tactic or layer.type, layer.launches, rest), op=layer.op))
    kind = kind_of_layer(layer)
    src, dst = directions.get(kernels[0].name, (None, None)) if kind is not Kind.COMPUTE else (None, None)
    source, made = _first(layer.inputs), _first(layer.outputs)
    return Item(
        name=layer.name,
        kind=kind,
        kernels=kernels,
        nodes=nodes_of(layer),
        type=layer.type,
        op=layer.op,
        dims=made.dims,
        channels=source.dims[1] if len(source.dims) > 3 else None,
        src=source.dtype or src,
        dst=made.dtype or dst,
    )


def _of_kernel(kernel: LayerKernel, directions: dict[str, tuple[Dtype | None, Dtype | None]]) -> Item:
    src, dst = directions.get(kernel.name, (None, None))
    kind = kind_of_kernel(kernel.name, kernel.op)
    return Item(canonical(kernel.name), kind, (kernel,), op=kernel.op, src=src, dst=dst)


def _first(tensors: tuple[Tensor, ...]) -> Tensor:
    return tensors[0] if tensors else Tensor("")


def _anonymous(name: str, launches: int, ns: int) -> LayerKernel:
    return LayerKernel(name, Unit.UNKNOWN, Precision.UNKNOWN, Op.UNKNOWN, launches, ns)


def _divided(items: list[Item], count: int) -> list[Item]:
    """The items with the time and launches of each kernel over `count`; both add up to their rounded totals."""
    kernels = [kernel for item in items for kernel in item.kernels]
    times = iter(apportion([kernel.ns for kernel in kernels], count))
    launches = iter(apportion([kernel.launches for kernel in kernels], count))
    return [
        replace(
            item, kernels=tuple(replace(kernel, ns=next(times), launches=next(launches)) for kernel in item.kernels)
        )
        for item in items
    ]
