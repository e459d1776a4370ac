"""The mixes worth a look, and the one to recommend: all subsets of few layers, cuts and local search for many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

from tcscope.analysis.advise.costs import Costs
from tcscope.analysis.advise.cuts import hull
from tcscope.model.advise import Aim, Goal, Search

FEW = 12  # layers of which all subsets are tried
_PASSES = 50
Key = Callable[[int], tuple[float, ...]]


def search_of(costs: Costs) -> Search:
    """How this many layers are searched."""
    return Search.ALL if len(costs.losses) <= FEW else Search.CUTS


def mixes(costs: Costs) -> list[int]:
    """The choices to look at: every one of few layers; of many the hull, and the ways between its corners."""
    if search_of(costs) is Search.ALL:
        return list(range(costs.everything + 1))
    corners = hull(costs)
    found = {0, *corners, *ranked(costs, corners[0])}
    for quick, safe in pairwise(corners):
        found.update(_between(costs, quick, safe))
    return sorted(found)


def ranked(costs: Costs, start: int) -> list[int]:
    """`start` and the layers with most loss, one after another: of each number of layers the mix that loses least."""
    found = [start]
    for at in sorted(costs.layers(costs.everything & ~start), key=lambda at: (-costs.losses[at], at)):
        found.append(found[-1] | 1 << at)
    return found


def front(costs: Costs, choices: Iterable[int]) -> list[int]:
    """The choices that no other beats in both time and loss, fastest first; of equal ones that with fewest layers."""
    found: list[int] = []
    for kept in sorted(choices, key=lambda kept: (costs.ns(kept), costs.loss(kept), kept.bit_count(), kept)):
        if not found or costs.loss(kept) < costs.loss(found[-1]):
            found.append(kept)
    return found


def recommended(costs: Costs, choices: list[int], goal: Goal) -> tuple[int, bool]:
    """The best choice for a goal, and whether it reaches it."""
    fastest = min(choices, key=lambda kept: (costs.ns(kept), kept.bit_count(), kept))
    reaches, best = _wish(costs, goal, fastest)
    able = [kept for kept in choices if reaches(kept)]
    if not able:
        return min(choices, key=lambda kept: (costs.loss(kept), costs.ns(kept))), False
    kept = min(able, key=best)
    return (kept if search_of(costs) is Search.ALL else _improved(costs, kept, reaches, best)), True


def _wish(costs: Costs, goal: Goal, fastest: int) -> tuple[Callable[[int], bool], Key]:
    """What a choice must reach, and what is better the less it is."""
    if goal.aim is Aim.MAX_LOSS:
        return lambda kept: costs.loss(kept) <= goal.value, lambda kept: (costs.ns(kept), kept.bit_count(), kept)
    if goal.aim is Aim.MAX_SLOWER:
        return lambda kept: costs.ns(kept) <= goal.value, lambda kept: (costs.loss(kept), costs.ns(kept), kept)
    # layers that are faster in FP16 stay there in any case; of the others as few as can be
    return (
        lambda kept: kept & fastest == fastest and costs.recovered(kept) >= goal.value,
        lambda kept: (kept.bit_count(), costs.ns(kept), kept),
    )


def _between(costs: Costs, quick: int, safe: int) -> Iterable[int]:
    """From one corner of the hull towards the next, the layer with most loss for its time first."""
    kept = quick
    while rest := costs.layers(safe & ~kept):
        before = costs.ns(kept)

        def price(at: int, kept: int = kept, before: float = before) -> float:
            return max(costs.ns(kept | 1 << at) - before, 1e-9) / max(costs.losses[at], 1e-30)

        kept |= 1 << min(rest, key=price)
        yield kept


def _improved(costs: Costs, kept: int, reaches: Callable[[int], bool], best: Key) -> int:
    """Add, leave out or swap one layer as long as that makes it better."""
    for _ in range(_PASSES):
        inside, outside = costs.layers(kept), costs.layers(costs.everything & ~kept)
        moves = [kept ^ 1 << at for at in (*inside, *outside)]
        moves += [kept ^ 1 << out ^ 1 << into for out in inside for into in outside]
        better = min((move for move in moves if reaches(move)), key=best, default=kept)
        if best(better) >= best(kept):
            break
        kept = better
    return kept
