"""Kernels to layers where no range tells: by the names of tactics, by order, and by what a layer's type can launch.

A tactic is looked for among the kernels of one inference; where several layers share it, they take its launches in the
order of the engine. Between two kernels so placed, layers without a tactic (reformats, pooling) take the kernels that
suit their type, if there is only one way to do it in order. What stays ambiguous is left outside.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from tcscope.analysis.join.gaps import Owners, fill
from tcscope.model import LaunchSequence, Layer, Op, RangePart, Verdict
from tcscope.rulebook import canonical
from tcscope.rulebook.layer_types import LayerTypes, Side

VerdictOf = Callable[[str, int], Verdict]

_ENDS = "_ <("  # what may follow a tactic in the name of a kernel that is more than the tactic


class TacticJoin:
    """Places the launches of one engine's inferences."""

    def __init__(self, layers: Sequence[Layer], types: LayerTypes, verdict_of: VerdictOf) -> None:
        self._types = types
        self._verdict_of = verdict_of
        self._layers = layers
        self._of_tactic: dict[str, list[int]] = defaultdict(list)
        for number, layer in enumerate(layers):
            if layer.tactic:
                self._of_tactic[canonical(layer.tactic)].append(number)
        self._tactics: dict[str, str | None] = {}

    def parts(self, sequences: Iterable[LaunchSequence]) -> Iterator[RangePart]:
        """The kernels of each sequence by the number of their layer, None where they have none."""
        for run in sequences:
            sums: dict[tuple[int | None, str], list[int]] = defaultdict(lambda: [0, 0])
            for name, owner, ns in zip(run.names, self.owners(run), run.times, strict=True):
                entry = sums[owner, name]
                entry[0] += run.count
                entry[1] += ns
            for (owner, name), (launches, ns) in sums.items():
                yield RangePart(owner, name, run.device, run.process, launches, ns)

    def owners(self, sequence: LaunchSequence) -> Owners:
        """The layer of each kernel."""
        verdicts = {name: self._verdict_of(name, sequence.device) for name in set(sequence.names)}
        side_of = {name: self._types.helpers.get(verdict.rule or "") for name, verdict in verdicts.items()}
        helpers = [side_of[name] for name in sequence.names]
        ops = [verdicts[name].op if side_of[name] is None else None for name in sequence.names]
        whole = (len(sequence.names), tuple(range(len(self._layers))))
        owners: Owners = []
        known: dict[tuple[tuple[str, ...], tuple[int, ...]], Owners] = {}
        for length, order in [whole] if sequence.is_inference else self._cut(sequence.names):
            part = slice(len(owners), len(owners) + length)
            key = sequence.names[part], order
            if key not in known:
                known[key] = self._inference(key[0], ops[part], order)
            owners += known[key]
        for at, side in enumerate(helpers):
            if side is not None and owners[at] is None:
                owners[at] = _beside(owners, helpers, at, 1 if side is Side.NEXT else -1)
        return owners

    def _cut(self, names: tuple[str, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
        """A thread's launches, cut before each launch of the rarest tactic: how many, and the layers in their order.

        What comes before the first cut is the beginning of an inference, what follows the last one the end, if all
        tactics say so; else the capture began or stopped in the middle.
        """
        every = tuple(range(len(self._layers)))
        seen = {tactic for name in names if (tactic := self._tactic_of(name)) is not None}
        pivot = min(seen, key=lambda tactic: (len(self._of_tactic[tactic]), self._of_tactic[tactic]), default=None)
        if pivot is None:
            yield len(names), every
            return
        owners = self._of_tactic[pivot]
        launches = [at for at, name in enumerate(names) if self._tactic_of(name) == pivot]
        cuts, first = launches[:: len(owners)], owners[0]
        turned = every[first:] + every[:first]
        usual = self._counted(names[cuts[0] : cuts[1]]) if len(cuts) > 1 else Counter[str]()
        each = {tactic: max(number // len(self._of_tactic[tactic]), 1) for tactic, number in usual.items()}
        for number, (begin, end) in enumerate(pairwise([0, *cuts, len(names)])):
            order = every[:first] if number == 0 else every[first:] if end == len(names) else turned
            if order != turned:
                wanted = Counter(canonical(self._layers[at].tactic) for at in order if self._layers[at].tactic)
                expected = {tactic: count * each.get(tactic, 1) for tactic, count in wanted.items()}
                order = order if self._counted(names[begin:end]) == expected else turned
            yield end - begin, order

    def _counted(self, names: Sequence[str]) -> Counter[str]:
        """How often each tactic was launched."""
        return Counter(tactic for name in names if (tactic := self._tactic_of(name)) is not None)

    def _inference(self, names: Sequence[str], ops: Sequence[Op | None], order: Sequence[int]) -> Owners:
        """The layers of one inference's kernels. An op of None is that of a helper, which is not placed here.

        A tactic that could not be placed by its name is placed by nothing else.
        """
        owners = self._by_tactic(names, order)
        tactics = [self._tactic_of(name) for name in names]
        left = {number for tactic in set(tactics) if tactic for number in self._of_tactic[tactic]} - set(owners)
        free = [at for at in order if at not in left]
        fill(
            owners,
            [self._layers[at] for at in free],
            free,
            [None if tactic else op for tactic, op in zip(tactics, ops, strict=True)],
            self._types,
        )
        return owners

    def _by_tactic(self, names: Sequence[str], order: Sequence[int]) -> Owners:
        launched: dict[str, list[int]] = defaultdict(list)
        for at, name in enumerate(names):
            tactic = self._tactic_of(name)
            if tactic is not None:
                launched[tactic].append(at)
        place = {number: position for position, number in enumerate(order)}
        owners: Owners = [None] * len(names)
        for tactic, launches in launched.items():
            layers = sorted((n for n in self._of_tactic[tactic] if n in place), key=place.__getitem__)
            if layers and len(launches) % len(layers) == 0:
                each = len(launches) // len(layers)
                for number, at in enumerate(launches):
                    owners[at] = layers[number // each]
        return owners

    def _tactic_of(self, name: str) -> str | None:
        """The engine's tactic that a kernel's name is: equal, else the longest that one of both begins with."""
        if name not in self._tactics:
            text = canonical(name)
            near = [text] if text in self._of_tactic else [t for t in self._of_tactic if _begins(text, t)]
            self._tactics[name] = max(near, key=len, default=None)
        return self._tactics[name]


def _begins(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return bool(short) and long.startswith(short) and long[len(short)] in _ENDS


def _beside(owners: Owners, helpers: Sequence[Side | None], at: int, step: int) -> int | None:
    """The layer of the nearest kernel on one side that is no helper."""
    at += step
    while 0 <= at < len(owners) and helpers[at] is not None:
        at += step
    return owners[at] if 0 <= at < len(owners) else None
