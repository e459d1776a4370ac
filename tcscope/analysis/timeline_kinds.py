"""What the slices of a timeline say beside their time: names, verdicts and facts, each kind once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tcscope.analysis.join.layers import plain_name
from tcscope.analysis.judge import Judge
from tcscope.model import Layer
from tcscope.model.timeline import SliceKind, What
from tcscope.rulebook import RuleBook

if TYPE_CHECKING:
    from tcscope.sources.nsys.timeline import Shape

# https://docs.nvidia.com/cupti/api/group__CUPTI__ACTIVITY__API.html: CUpti_ActivityMemcpyKind
_COPIES = {
    1: "host to device",
    2: "device to host",
    3: "host to array",
    4: "array to host",
    5: "array to array",
    6: "array to device",
    7: "device to array",
    8: "device to device",
    9: "host to host",
    10: "peer to peer",
}
Facts = tuple[tuple[str, str | int], ...]


class Kinds:
    """Numbers the kinds of slices as they turn up; `fresh` gives those that are new since it was last asked."""

    def __init__(self, judge: Judge, book: RuleBook, names: Mapping[int, str], engine: Sequence[Layer]) -> None:
        self._judge = judge
        self._book = book
        self._names = names
        self._layers = {plain_name(layer.name): layer for layer in engine}
        self._known: dict[tuple[object, ...], int] = {}
        self._fresh: list[SliceKind] = []

    def fresh(self) -> Iterator[SliceKind]:
        """The kinds that nobody has heard of yet."""
        found, self._fresh = self._fresh, []
        yield from found

    def of_shape(self, shape: Shape) -> int:
        """The kind of a row's slice."""
        from tcscope.sources.nsys import tables as t

        key = shape.table, shape.device if shape.table == t.KERNEL else None, shape.attributes
        if key in self._known:
            return self._known[key]
        if shape.table == t.KERNEL:
            return self._kernel(key, shape)
        if shape.table == t.MEMCPY:
            kind, size = shape.attributes
            return self._new(key, What.MEMCPY, _COPIES.get(kind, "memory copy"), _known(bytes=size))
        if shape.table == t.MEMSET:
            return self._new(key, What.MEMSET, "memory set", _known(bytes=shape.attributes[0]))
        return self._new(key, What.GRAPH, "CUDA graph launch", _known(graph=shape.attributes[0]))

    def of_range(self, name: str, *, is_layer: bool, projected: bool, still_open: bool) -> int:
        """The kind of an NVTX range's slice: on its thread, or `projected` above what it launched."""
        key = name, is_layer, projected, still_open
        if key in self._known:
            return self._known[key]
        facts: Facts = (("covers", "from the first to the last kernel it launched"),) if projected else ()
        if still_open:
            facts += (("open", "when the recording ended"),)
        layer = self._layers.get(plain_name(name)) if is_layer else None
        return self._new(key, What.LAYER if is_layer else What.RANGE, name, facts, layer)

    def _kernel(self, key: tuple[object, ...], shape: Shape) -> int:
        name_id, *sizes = shape.attributes
        name = self._names[name_id]
        verdict = self._judge.verdict(name, shape.device)
        facts = tuple(
            (what, " x ".join(map(str, size)))
            for what, size in (("grid", sizes[:3]), ("block", sizes[3:]))
            if min(size) >= 0
        )
        self._known[key] = len(self._known)
        self._fresh.append(
            SliceKind(self._known[key], What.KERNEL, name, verdict, cue=self._book.cue(name), facts=facts)
        )
        return self._known[key]

    def _new(self, key: tuple[object, ...], what: What, name: str, facts: Facts, layer: Layer | None = None) -> int:
        self._known[key] = len(self._known)
        self._fresh.append(SliceKind(self._known[key], what, name, facts=facts, layer=layer))
        return self._known[key]


def _known(**numbers: int) -> Facts:
    """The numbers that the export has."""
    return tuple((name, number) for name, number in numbers.items() if number >= 0)
