"""What `tcscope advise -o DIR` writes beside the JSON: Markdown, trtexec's arguments, a plain list."""

from __future__ import annotations

import shlex

from tcscope.model.advise import MixAdvice
from tcscope.render import advise as page
from tcscope.render import text
from tcscope.render.markdown import code, escaped, row, table_head
from tcscope.wording import duration, percent, plain


def as_markdown(advice: MixAdvice, *, top: int = 8, mixed: str | None = None) -> str:
    """The recommended mix, its layers, the mixes beside it, for an issue or a pull request.

    `mixed` is the Q/DQ file of the mix, if one was written.
    """
    lines = [f"### {escaped(page.one_line(advice)[:1].upper() + page.one_line(advice)[1:])}", ""]
    lines += [
        f"- Base: {code(advice.base.trace.file)}, {duration(advice.base_ns)}",
        f"- New: {code(advice.new.trace.file)}, {duration(advice.new_ns)}",
        f"- Loss: {code(advice.sensitivity)}, {escaped(advice.metric.name)} of {code(advice.model)}",
        f"- Goal: {escaped(page.goal(advice))}; {escaped(page.searched(advice))}",
        f"- Reformats: {escaped(page.estimated(advice.reformats))}",
    ]
    rows = page.measured(advice)
    if rows:
        lines += ["", *table_head((("", False), ("predicted", True), ("measured", True)))]
        lines += [row([escaped(cell) for cell in cells]) for cells in rows]
    columns = (("layer", False), ("loss %", True), ("FP16, us", True), ("INT8, us", True), ("reformats, us", True))
    lines += ["", *table_head((("keep", False), *columns, ("why", False)))]
    for choice in (*advice.kept, *[c for c in advice.choices if not c.keep][:top]):
        times = [f"{choice.fp16_ns / 1e3:.1f}", f"{choice.int8_ns / 1e3:.1f}", f"{choice.reformat_ns / 1e3:+.1f}"]
        name = code(" + ".join(choice.layers))
        why = escaped(choice.why)
        lines.append(row(["**FP16**" if choice.keep else "", name, percent(choice.share), *times, why]))
    heads = ("layers in FP16", "ms", "against NEW", "won back", "left")
    lines += ["", *table_head((head, True) for head in heads)]
    for mix in page.thinned(advice, top):
        number = f"**{len(mix.keep)}**" if mix.recommended else f"{len(mix.keep)}"
        back = f"{percent(max(mix.recovered, 0.0))} %"
        ms = text.milliseconds(mix.ns)
        lines.append(row([number, ms, page.change(advice, mix), back, page.loss(advice, mix.loss)]))
    if advice.arguments:
        lines += ["", "trtexec, TensorRT 8 to 10, on the network without Q/DQ nodes:", "", code(advice.arguments)]
    if mixed is not None:
        again = code(f"tcscope profile {shlex.quote(plain(mixed))} --precision int8")
        lines += ["", f"mixed.onnx, {page.OF_MIXED}:", "", f"{code(page.built_by_trtexec(mixed))} or {again}"]
        lines += ["", f"{page.OF_TYPED}:", "", code(page.converted(mixed))]
    if advice.findings:
        lines.append("")
    for finding in advice.findings:
        hint = f"<br>{code(finding.hint)}" if finding.hint else ""
        lines.append(f"- **{finding.level}**: {escaped(finding.message)}{hint}")
    return "\n".join(lines) + "\n"


def as_arguments(advice: MixAdvice) -> str:
    """trtexec's arguments on a line, ready for `trtexec --onnx=model.onnx $(cat trtexec.txt)` without a quoted name."""
    return f"{advice.arguments}\n" if advice.arguments else ""


def as_list(advice: MixAdvice) -> str:
    """The nodes to keep in FP16, a line each."""
    return "".join(f"{plain(node)}\n" for node in advice.nodes)
