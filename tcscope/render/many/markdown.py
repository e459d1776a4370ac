"""The set as Markdown: for an issue, a pull request, a step summary."""

from __future__ import annotations

from collections.abc import Iterator

from tcscope.model.many import Peers, TraceSet
from tcscope.render import text
from tcscope.render.many import text as many_text
from tcscope.render.markdown import code, escaped, row, table_head


def as_markdown(found: TraceSet, *, top: int = 10) -> str:
    """The traces, what differs between them, and findings."""
    lines = [f"### Tensor Core use of {many_text.heading(found)}"]
    for peers in found.peers:
        lines += ["", *_peers(found, peers)]
    lines += _mixed(found, top)
    for peers in found.peers:
        lines += _partial(found, peers, top)
    for peers in found.peers:
        lines += _spreads(found, peers, top)
    unread = [member for member in found.traces if member.error]
    if unread:
        lines += ["", "**Not read**", ""]
    for member in unread:
        lines.append(f"- {escaped(member.error)}" + (f"<br>{code(member.hint)}" if member.hint else ""))
    if found.findings:
        lines.append("")
    for finding in found.findings:
        hint = f"<br>{code(finding.hint)}" if finding.hint else ""
        lines.append(f"- **{finding.level}**: {escaped(finding.message)}{hint}")
    return "\n".join(lines) + "\n"


def _peers(found: TraceSet, peers: Peers) -> Iterator[str]:
    yield f"- GPU: {escaped(many_text.gpus(peers))}"
    for label, value in (
        ("Only", many_text.selection(peers)),
        ("Slowest", many_text.slowest(found, peers, many_text.names(found))),
        ("GPU busy", many_text.busy(peers)),
    ):
        if value:
            yield f"- {label}: {escaped(value)}"
    yield ""
    yield from table_head([("trace", False), *((name, True) for name in many_text.COLUMNS)])
    for line in many_text.rows(found, peers, many_text.names(found)):
        yield row([code(line.label) if line.is_trace else f"*{line.label}*", *line.numbers])


def _mixed(found: TraceSet, top: int) -> Iterator[str]:
    if found.mixed:
        yield from ("", "**Kernels whose unit or precision differs**", "")
        yield from table_head([("kernel", False), ("verdict", False), ("where", False), ("total ms", True)])
    for kernel in found.mixed[:top]:
        for variant in kernel.variants:
            words = many_text.verdict(variant.unit, variant.precision, kernel.op)
            where = escaped(many_text.who(many_text.names(found), variant.traces))
            yield row([code(kernel.name), words, where, text.milliseconds(variant.ns)])


def _partial(found: TraceSet, peers: Peers, top: int) -> Iterator[str]:
    if peers.partial:
        yield from ("", f"**Kernels that only some traces run**{_of(found, peers)}", "")
        yield from table_head(
            [("kernel", False), ("verdict", False), ("run by", False), ("launches", True), ("total ms", True)]
        )
    for kernel in peers.partial[:top]:
        words = many_text.verdict(kernel.unit, kernel.precision, kernel.op)
        where = escaped(many_text.who(many_text.names(found), kernel.traces, None, peers.traces))
        yield row([code(kernel.name), words, where, f"{kernel.launches:,}", text.milliseconds(kernel.ns)])


def _spreads(found: TraceSet, peers: Peers, top: int) -> Iterator[str]:
    kernels = [kernel for kernel in peers.kernels if kernel.min_ns < kernel.max_ns]
    if kernels:
        yield from ("", f"**Kernels whose time differs most**{_of(found, peers)}", "")
        numbers = ((name, True) for name in ("mean ms", "min", "max", "max - min"))
        yield from table_head([("kernel", False), ("most in", False), *numbers])
    for kernel in kernels[:top]:
        times = (kernel.min_ns, kernel.max_ns, kernel.max_ns - kernel.min_ns)
        most = escaped(many_text.who(many_text.names(found), (kernel.most,)))
        yield row([code(kernel.name), most, f"{kernel.mean_ns / 1e6:,.3f}", *map(text.milliseconds, times)])


def _of(found: TraceSet, peers: Peers) -> str:
    return f" of {escaped(many_text.gpus(peers))}" if len(found.peers) > 1 else ""
