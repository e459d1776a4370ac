"""Which layers of two engines are the same work: by name, by ONNX nodes, by order; kernels by name, then by op."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from tcscope.analysis.difference.align import align, next_anchors
from tcscope.analysis.difference.names import is_numbered, numbered, numbers_agree, reformat_target
from tcscope.analysis.difference.sides import UNNAMED, Item
from tcscope.model import Kind


@dataclass(frozen=True, slots=True)
class Match:
    """Items of both sides that are the same work; one side is empty where nothing was found. `how` they were found."""

    base: tuple[Item, ...]
    new: tuple[Item, ...]
    how: str = ""


def match_layers(base: Sequence[Item], new: Sequence[Item]) -> list[Match]:
    """The layers of both sides, each in one match. Both are in the order in which they ran."""
    matching = _Matching(base, new)
    matching.by_name()
    matching.by_nodes()
    matching.by_order(Kind.COMPUTE)
    matching.by_target()
    matching.by_order(Kind.REFORMAT)
    matching.by_order(Kind.GLUE)
    return matching.result()


def match_kernels(base: Sequence[Item], new: Sequence[Item]) -> list[Match]:
    """Kernels, whose order is not known: by name, then all the rest of one op and kind together."""
    matching = _Matching(base, new)
    matching.by_name()
    left: list[dict[Hashable, list[int]]] = [defaultdict(list), defaultdict(list)]
    for side, by_op in enumerate(left):
        for at in matching.free(side):
            item = matching.sides[side][at]
            if item.name != UNNAMED:
                by_op[item.kind, item.op].append(at)
    for key in left[0].keys() & left[1].keys():
        matching.join(left[0][key], left[1][key], "op")
    return matching.result()


class _Matching:
    """What is matched so far: for each item of each side the number of its match."""

    def __init__(self, base: Sequence[Item], new: Sequence[Item]) -> None:
        self.sides = (base, new)
        self.owner: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.how: list[str] = []
        self.agree = numbers_agree(*([item.name for item in side if item.kind is Kind.COMPUTE] for side in self.sides))

    def free(self, side: int, kind: Kind | None = None) -> list[int]:
        """Items of a side that have no match yet."""
        items = self.sides[side]
        return [at for at in range(len(items)) if at not in self.owner[side] and kind in (None, items[at].kind)]

    def join(self, base: Iterable[int], new: Iterable[int], how: str) -> None:
        """Make these items one match."""
        for side, numbers in enumerate((base, new)):
            self.owner[side].update(dict.fromkeys(numbers, len(self.how)))
        self.how.append(how)

    def by_name(self) -> None:
        """Equal names, the first with the first; not where a name is a number that the other export gave to others."""
        self._by_key(lambda side, item: item.name if self.agree or not numbered(item.name) else None, "name")

    def by_target(self) -> None:
        """Reformats of the same input or output of layers that are the same work."""
        number_of = [
            {item.name: self.owner[side].get(at) for at, item in enumerate(self.sides[side])} for side in (0, 1)
        ]

        def key(side: int, item: Item) -> Hashable | None:
            target = reformat_target(item.name)
            number = number_of[side].get(target[0]) if target else None
            return None if number is None or target is None else (number, *target[1:])

        self._by_key(key, "target")

    def by_nodes(self) -> None:
        """Layers that share ONNX nodes, however they are fused: each connected group is one match."""
        holders: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for side in (0, 1):
            for at in self.free(side, Kind.COMPUTE):
                for node in self._nodes(side, at):
                    holders[node][side].append(at)
        for base, new in _components(holders.values()):
            for pair in self._pairs(sorted(base), sorted(new)) if len(base) == len(new) else [(base, new)]:
                self.join(*pair, "nodes")

    def by_order(self, kind: Kind) -> None:
        """Items with work to do that are alike, in order, between the same matched layers."""
        anchors = [next_anchors(self.sides[side], self.owner[side]) for side in (0, 1)]
        gaps: dict[int | None, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for side in (0, 1):
            for at in self.free(side, kind):
                if self.sides[side][at].ns:
                    gaps[anchors[side][at]][side].append(at)
        for base, new in gaps.values():
            pairs = align([self.sides[0][at] for at in base], [self.sides[1][at] for at in new])
            for left, right in pairs:
                self.join([base[left]], [new[right]], "order")

    def result(self) -> list[Match]:
        """Every match, then what found no partner; items without time and partner are left out."""
        found: list[tuple[list[Item], list[Item]]] = [([], []) for _ in self.how]
        for side in (0, 1):
            for at, number in sorted(self.owner[side].items()):
                found[number][side].append(self.sides[side][at])
        matches = [Match(tuple(base), tuple(new), how) for (base, new), how in zip(found, self.how, strict=True)]
        alone = [[self.sides[side][at] for at in self.free(side)] for side in (0, 1)]
        matches += [Match((item,), ()) for item in alone[0] if item.ns or item.launches]
        return matches + [Match((), (item,)) for item in alone[1] if item.ns or item.launches]

    def _by_key(self, key: Callable[[int, Item], Hashable | None], how: str) -> None:
        waiting: dict[Hashable, list[int]] = defaultdict(list)
        for at in self.free(0):
            waiting[key(0, self.sides[0][at])].append(at)
        waiting.pop(None, None)
        for at in self.free(1):
            same = waiting.get(key(1, self.sides[1][at]))
            if same:
                self.join([same.pop(0)], [at], how)

    def _nodes(self, side: int, at: int) -> set[str]:
        return {node for node in self.sides[side][at].nodes if self.agree or not is_numbered(node)}

    def _pairs(self, base: list[int], new: list[int]) -> list[tuple[list[int], list[int]]]:
        """As many layers on both sides: each with the one it shares most nodes with."""
        found = []
        left, right = set(base), set(new)
        overlap = {(b, n): len(self._nodes(0, b) & self._nodes(1, n)) for b in base for n in new}
        for b, n in sorted(overlap, key=lambda pair: (-overlap[pair], pair)):
            if b in left and n in right and overlap[b, n]:
                found.append(([b], [n]))
                left.discard(b)
                right.discard(n)
        return [*found, *([(sorted(left), sorted(right))] if left else [])]


def _components(edges: Iterable[tuple[list[int], list[int]]]) -> list[tuple[list[int], list[int]]]:
    """Items connected by shared nodes, where both sides have some."""
    parent: dict[tuple[int, int], tuple[int, int]] = {}

    def root(item: tuple[int, int]) -> tuple[int, int]:
        while parent.setdefault(item, item) != item:
            parent[item] = item = parent[parent[item]]
        return item

    for holders in edges:
        members = [(side, at) for side in (0, 1) for at in holders[side]]
        if all(holders):
            for member in members:
                parent[root(member)] = root(members[0])
    found: dict[tuple[int, int], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for member in sorted(parent):
        found[root(member)][member[0]].append(member[1])
    return list(found.values())
