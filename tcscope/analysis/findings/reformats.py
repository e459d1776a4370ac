"""Time that goes into moving and converting data, by its cause. Needs the ledger of a report with layers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tcscope.analysis.findings.evidence import matters, network_layers, time_of
from tcscope.analysis.findings.remedies import REMEDIES
from tcscope.analysis.ledger.wiring import Wiring
from tcscope.model import Finding, Layer, Level, Reason, Reformat, Report
from tcscope.wording import count, percent

_ACTIVATION = re.compile(r"relu|sigmoid|silu|swish|gelu|clip|tanh|activation|pointwise|PWN", re.IGNORECASE)


def find(report: Report) -> Iterator[Finding]:
    """The findings on reformats; without layers there is no cause to name."""
    if not network_layers(report):
        return
    yield from _constants(report)
    yield from _network_io(report)
    yield from _pairs(report)
    yield from _qdq(report)


def _constants(report: Report) -> Iterator[Finding]:
    rows = [row for row in report.reformats if row.reason is Reason.CONSTANT]
    inside = [row for row in rows if row.layer in row.feeds]
    alone = [row for row in rows if row.layer not in row.feeds]
    parts = []
    if inside:
        kernels = ", ".join(sorted({_short(row.kernel) for row in inside}))
        parts.append(f"{_share(inside, report)} in {kernels} of {count(len(inside), 'layer')}")
    if alone:
        parts.append(f"{_share(alone, report)} in {count(len(alone), 'layer')} of their own")
    said = f"constants are reformatted in every inference: {time_of(_ns(rows), report)}; {', '.join(parts)}"
    yield from _made(report, "constant-reformat", rows, said)


def _network_io(report: Report) -> Iterator[Finding]:
    rows = [row for row in report.reformats if row.reason is Reason.NETWORK_IO]
    ways = ", ".join(dict.fromkeys(row.direction for row in rows if row.direction))
    what = f"inputs or outputs of the network are reformatted{f' ({ways})' if ways else ''}"
    said = f"{what}: {time_of(_ns(rows), report)}"
    yield from _made(report, "io-reformat", rows, said, Level.NOTE)


def _pairs(report: Report) -> Iterator[Finding]:
    """Layers whose input is converted and whose output is converted back."""
    rows: dict[tuple[str, str], Reformat] = {}
    around = set()
    for before in report.reformats:
        for after in report.reformats:
            if after.leaves and after.leaves in before.feeds and _is_way_back(before, after):
                rows[before.layer, before.kernel], rows[after.layer, after.kernel] = before, after
                around.add(after.leaves)
    ns = _ns(list(rows.values()))
    said = f"{count(len(around), 'layer')} with a reformat before and the reverse behind: {time_of(ns, report)}"
    yield from _made(report, "reformat-pair", list(rows.values()), said)


def _qdq(report: Report) -> Iterator[Finding]:
    rows = [row for row in report.reformats if row.reason is Reason.QDQ]
    by_name = {layer.name: layer for layer in report.layers}
    split = [row for row in rows if _splits(row, by_name)]
    said = f"{count(len(split), 'Q/DQ layer')} between a convolution and its activation: {time_of(_ns(split), report)}"
    yield from _made(report, "qdq-splits-fusion", split, said)
    rest = [row for row in rows if row not in split]
    wiring = Wiring(report.layers)
    shared = [row for row in rest if _is_shared(by_name.get(row.layer), wiring)]
    code = "qdq-unfused/shared" if shared else "qdq-unfused"
    why = f"; {len(shared)} quantize what another layer reads unquantized" if shared else ""
    said = f"{count(len(rest), 'Q/DQ layer')} ran as kernels of their own: {time_of(_ns(rest), report)}{why}"
    yield from _made(report, code, rest, said)


def _made(
    report: Report, remedy: str, rows: Sequence[Reformat], said: str, level: Level = Level.WARNING
) -> Iterator[Finding]:
    ns = _ns(rows)
    if matters(ns, report):
        layers = tuple(dict.fromkeys(row.layer for row in rows))
        kernels = tuple(dict.fromkeys(row.kernel for row in rows if row.kernel))
        yield Finding(remedy.partition("/")[0], level, ns, said, REMEDIES[remedy], layers, kernels)


def _is_way_back(before: Reformat, after: Reformat) -> bool:
    there, back = (before.src, before.src_layout), (after.dst, after.dst_layout)
    changed = before.src is not before.dst or before.src_layout != before.dst_layout
    return there[0] is not None and there == back and changed and before.dst is after.src


def _splits(row: Reformat, by_name: dict[str, Layer]) -> bool:
    """Whether a Q/DQ layer lies between matrix work without an activation and an activation of its own."""
    before = by_name.get(row.leaves)
    after = [by_name[name] for name in row.feeds if name in by_name]
    return (
        before is not None
        and before.op.is_matrix
        and not _ACTIVATION.search(before.name)
        and any(_ACTIVATION.search(f"{layer.type} {layer.name}") and not layer.op.is_matrix for layer in after)
    )


def _is_shared(layer: Layer | None, wiring: Wiring) -> bool:
    """Whether another layer that computes reads the same tensor as this one."""
    if layer is None or not layer.inputs:
        return False
    writer = wiring.writer(layer.inputs[0], layer)
    return writer is not None and any(reader.op.is_matrix for reader in wiring.readers(writer))


def _short(kernel: str) -> str:
    """`padBiasWeights` for its name with namespaces and parameters."""
    return re.sub(r"<.*|\(.*", "", kernel, flags=re.DOTALL).split("::")[-1].split()[-1]


def _share(rows: Sequence[Reformat], report: Report) -> str:
    return f"{percent(_ns(rows) / max(report.totals.kernel_ns, 1))} %"


def _ns(rows: Sequence[Reformat]) -> int:
    return sum(row.ns for row in rows)
