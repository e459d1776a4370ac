"""The fastest choice at a given price of loss, found exactly as a minimum cut.

Each reformat is there when two layers differ in type, so that time plus price x loss is a function of pairs whose
minimum is a minimum cut (Greig, Porteous, Seheult: Exact maximum a posteriori estimation for binary images, 1989).
Sweeping the price gives every mix on the convex hull of the Pareto front (Everett: Generalized Lagrange multiplier
method, 1963; the sweep is that of Eisner and Severance, 1976).
"""

from __future__ import annotations

from collections import defaultdict
from math import inf

from tcscope.analysis.advise.costs import Costs, When

_LARGEST = 2**30  # capacities are whole numbers of 32 bits


def hull(costs: Costs) -> list[int]:
    """The choices on the convex hull of time and loss, fastest first."""
    fastest, safest = cheapest(costs, 0.0), cheapest(costs, inf)
    found = {fastest, safest}
    waiting = [(fastest, safest)]
    while waiting:
        quick, safe = waiting.pop()
        gained = costs.loss(quick) - costs.loss(safe)
        if gained <= 0:
            continue
        price = (costs.ns(safe) - costs.ns(quick)) / gained
        if price <= 0:
            continue
        middle = cheapest(costs, price)
        if middle in found:
            continue
        found.add(middle)
        waiting += [(quick, middle), (middle, safe)]
    corners: list[int] = []
    for kept in sorted(found, key=lambda kept: (costs.ns(kept), costs.loss(kept))):
        if not corners or costs.loss(kept) < costs.loss(corners[-1]):
            corners.append(kept)
    return corners


def cheapest(costs: Costs, price: float) -> int:
    """The choice with the least time + price x loss; at an infinite price the fastest without loss."""
    import numpy as np
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    edges, nodes = _edges(costs, price)
    finite = [capacity for capacity in edges.values() if capacity != inf]
    scale = _LARGEST / max(sum(finite), 1e-12)
    rows, columns = np.array(list(edges)).T
    capacities = np.array([_LARGEST if c == inf else round(c * scale) for c in edges.values()], dtype=np.int32)
    graph = csr_array((capacities, (rows.astype(np.int32), columns.astype(np.int32))), shape=(nodes, nodes))
    flow = maximum_flow(graph, 0, 1).flow
    left = csr_array(graph - flow)
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    reached = breadth_first_order(left, 0, return_predecessors=False)
    return sum(1 << int(node) - 2 for node in reached if 2 <= node < 2 + len(costs.losses))


def _edges(costs: Costs, price: float) -> tuple[dict[tuple[int, int], float], int]:
    """The graph's capacities: 0 is the side of what is kept, 1 that of INT8, then a node for each layer."""
    edges: dict[tuple[int, int], float] = defaultdict(float)
    edges[0, 1] = 0.0
    for at, (loss, slower) in enumerate(zip(costs.losses, costs.slower_ns, strict=True)):
        edges[0, at + 2] += (price * loss if loss else 0.0) + max(-slower, 0)
        edges[at + 2, 1] += max(slower, 0)
    more = len(costs.losses) + 2
    for term in costs.terms:
        readers = [at + 2 for at in costs.layers(term.readers)]
        source = term.source.bit_length() + 1 if term.source else None
        if term.when is When.KEPT:
            edges[readers[0], 1] += term.ns
        elif term.fixed:
            if source is not None:
                edges[(source, 1) if term.when is When.QUANTIZE else (0, source)] += term.ns
        elif term.when is When.QUANTIZE:  # `more` is kept only if all readers are
            edges[0 if source is None else source, more] += term.ns
            edges.update({(more, reader): inf for reader in readers})
            more += 1
        else:  # `more` is kept if any reader is
            edges[more, 1 if source is None else source] += term.ns
            edges.update({(reader, more): inf for reader in readers})
            more += 1
    return edges, more
