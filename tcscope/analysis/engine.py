"""A trtexec pair as a report: no trace, but a verdict and a time for each layer. The kernel is the layer's tactic."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tcscope import hardware
from tcscope.analysis.join.layers import in_use, plain_name
from tcscope.analysis.layers import judged
from tcscope.analysis.summarize import Judged, assemble
from tcscope.model import (
    Device,
    Dtype,
    Finding,
    Iterations,
    Launches,
    Layer,
    Layering,
    LayerKernel,
    Level,
    Precision,
    Report,
    Selection,
    TraceInfo,
    Verdict,
)
from tcscope.rulebook import RuleBook
from tcscope.rulebook.layer_types import layer_types
from tcscope.sources.trtexec import EnginePair, ProfileRow
from tcscope.wording import count, duration

PROFILE = "trtexec profile"
_DEVICE = _PROCESS = 0  # a profile names neither


def report_of_pair(pair: EnginePair, book: RuleBook) -> Report:
    """The report of an engine's layers and their times, without findings. Times are sums over all inferences.

    A layer counts as one launch an inference, with the mean as its shortest and longest time: more isn't in the file.
    """
    gpu = hardware.gpu(pair.sm) if pair.sm is not None else None
    device = Device(_DEVICE, sm=pair.sm, has_tensor_cores=gpu.has_tensor_cores if gpu else None)
    times, strange = match_times(pair.layers, pair.profile.rows)
    runs = pair.profile.count
    judged_launches: Judged = defaultdict(list)
    layers: list[Layer] = []
    for layer, ns in [*zip(_used(pair), times, strict=True), *((Layer(row.name), row.ns) for row in strange)]:
        verdict = verdict_of(layer, book, gpu)
        name = layer.tactic or layer.type or "(not in the layer file)"
        launches = runs if ns else 0
        kernel = LayerKernel(name, verdict.unit, verdict.precision, verdict.op, launches, ns)
        layers.append(judged(replace(layer, kernels=(kernel,))) if ns or not _is_idle(layer) else layer)
        if ns:
            mean = round(ns / runs)
            judged_launches[name, verdict].append(Launches(name, _DEVICE, _PROCESS, launches, ns, mean, mean))
    merged = {key: [_joined(parts)] for key, parts in judged_launches.items()}
    info = TraceInfo(pair.path.name, tool="trtexec", devices=(device,), selection=Selection())
    report = assemble(info, merged, book)
    total = report.totals.kernel_ns
    return replace(
        report,
        layers=tuple(layers),
        layering=Layering(level="layer"),
        iterations=Iterations(PROFILE, runs, wall_ns=0, kernel_ns=total),
    )


def verdict_of(layer: Layer, book: RuleBook, gpu: hardware.Gpu | None) -> Verdict:
    """The rulebook's verdict on the layer's tactic; without one its type's, with the types of its tensors."""
    kind = layer_types().of(layer.type)
    if layer.tactic:
        verdict = book.classify(layer.tactic, gpu=gpu)
        if verdict.op is not verdict.op.UNKNOWN or kind is None:
            return verdict
        return replace(verdict, op=kind.op)
    if kind is None:
        return Verdict()
    src, dst = _only_type(layer, inputs=True), _only_type(layer, inputs=False)
    verdict = kind.verdict if gpu is None else gpu.limit(kind.verdict)
    if kind.op.is_matrix:
        return verdict
    if src is not None and src is dst and src.value in {word.value for word in Precision}:
        verdict = replace(verdict, precision=Precision(src.value))
    return replace(verdict, src=src, dst=dst) if kind.op is kind.op.REFORMAT else verdict


def match_times(layers: Sequence[Layer], rows: Sequence[ProfileRow]) -> tuple[list[int], list[ProfileRow]]:
    """The ns of each layer that is in use, and the rows of no layer.

    Of rows and layers of one name the first goes to the first and so on; the last layer takes what rows are left. A row
    without the mark of its shape profile goes to a layer with it, and the other way round.
    """
    used = in_use(layers, [row.name for row in rows])
    times = [0] * len(used)
    left: list[ProfileRow] = list(rows)
    for spelled in (str, plain_name):
        waiting: dict[str, deque[int]] = defaultdict(deque)
        for at, layer in enumerate(used):
            waiting[spelled(layer.name)].append(at)
        rest = []
        for row in left:
            queue = waiting.get(spelled(row.name))
            if not queue:
                rest.append(row)
                continue
            times[queue.popleft() if len(queue) > 1 else queue[0]] += row.ns
        left = rest
    return times, [row for row in left if row.ns]


def gaps(pair: EnginePair) -> Iterator[Finding]:
    """Rows of the profile that the layer file doesn't know."""
    _, strange = match_times(pair.layers, pair.profile.rows)
    if strange:
        ns = sum(row.ns for row in strange)
        yield Finding(
            "rows-without-layer",
            Level.WARNING,
            ns,
            f"{count(len(strange), 'row')} of the profile ({duration(ns)}) have no layer in {pair.path.name}",
            "trtexec --loadEngine=ENGINE --exportLayerInfo=LAYERS.json --exportProfile=PROFILE.json  # both of one run",
            layers=tuple(row.name for row in strange),
        )


def _used(pair: EnginePair) -> list[Layer]:
    return in_use(pair.layers, [row.name for row in pair.profile.rows])


def _joined(parts: Sequence[Launches]) -> Launches:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.joined(part)
    return whole


def _only_type(layer: Layer, *, inputs: bool) -> Dtype | None:
    """The type of the layer's first input or of its outputs, if they agree."""
    tensors = layer.inputs[:1] if inputs else layer.outputs
    types = {tensor.dtype for tensor in tensors}
    return types.pop() if len(types) == 1 else None


def _is_idle(layer: Layer) -> bool:
    kind = layer_types().of(layer.type)
    return kind is not None and kind.idle and not layer.tactic
