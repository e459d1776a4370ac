"""What `polygraphy run --save-outputs` recorded of two runs, compared tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tcscope.analysis.difference.names import node_op
from tcscope.errors import UsageError
from tcscope.model.report import Finding
from tcscope.model.sensitivity import Calibration, LayerSensitivity, Metric, Mode, Score, Sensitivity
from tcscope.model.words import Level
from tcscope.sensitivity.int8 import Array
from tcscope.sensitivity.network import Network, captured
from tcscope.sensitivity.quantizable import OPS
from tcscope.sensitivity.sums import Sums, compared
from tcscope.wording import count

_FORCE = "polygraphy run ... --precision-constraints prefer --layer-precisions LAYER:int8 ..."
_OUTPUT = "_output_0"  # torch.onnx names the first output of a node after it
_RUN = "polygraphy run model.onnx --onnxrt --onnx-outputs mark all --save-outputs fp32.json"
_PASSING = frozenset(  # what may stand between a layer and the tensor that an engine shows of it
    ("BatchNormalization", "Relu", "Clip", "LeakyRelu", "Add", "Identity", "HardSwish", "Sigmoid")
)
# An INT8 tensor that fills its range has 6.02 * 8 + 1.76 = 50 dB of signal over noise; FP16 leaves some 70, FP32 130
_BEYOND_INT8 = 60.0
Run = list[Mapping[str, Array]]  # what each iteration gave, by tensor


def read_runs(files: Sequence[Path]) -> list[tuple[str, Run]]:
    """The two runs, each with its name: of two files the first run in each, of one file its first two.

    Raises UsageError.
    """
    found = [(path, _loaded(path)) for path in files]
    if len(found) == 1:
        path, runs = found[0]
        if len(runs) < 2:
            raise UsageError(
                f"{path} holds one run, {runs[0][0]}: with what is it compared?", f"give a second file: {_RUN}"
            )
        return runs[:2]
    return [(f"{path.name} ({runs[0][0]})", runs[0][1]) for path, runs in found]


def sensitivity_of_runs(runs: Sequence[tuple[str, Run]], network: Network | None = None) -> Sensitivity:
    """The table of two runs: the first is the reference. Raises UsageError where they have nothing in common.

    Each layer's score is that of its output, with the errors of all layers before it in it. Its `loss` is what it adds
    to them: the noise over the signal at its output less the largest at what it reads (of a `network`), or at the
    output before it (without one). Layers are those that are marked: with a network its Conv, ConvTranspose, Gemm and
    MatMul, each by its own output or that of the activation behind it.
    """
    (first, base), (second, new) = runs
    if len(base) != len(new):
        what = f"{first} has {count(len(base), 'iteration')}, {second} {len(new)}"
        raise UsageError(what, "feed both runs the same: polygraphy run --save-inputs inputs.json, --load-inputs")
    scores = dict(_scores(first, second, base, new))
    if not scores:
        what = f"{first} and {second} have no tensor in common"
        raise UsageError(what, f"mark the same tensors in both: {_RUN}")
    layers = tuple(_of_network(network, scores) if network is not None else _in_order(scores))
    if not layers:
        raise UsageError(f"no layer of {network.path if network else first} is marked in both runs", _RUN)
    outputs = [name for name in network.outputs if name in scores] if network is not None else [list(scores)[-1]]
    whole = _whole(base, new, outputs) if outputs else None
    first_tensor = next(iter(base[0].values()))
    return Sensitivity(
        model=network.path.name if network is not None else first,
        digest=network.digest if network is not None else "",
        opset=network.opset if network is not None else 0,
        data=f"recorded: {first} and {second}",
        samples=len(base) * (first_tensor.shape[0] if first_tensor.ndim else 1),
        mode=Mode.COMPARED,
        layers=layers,
        metric=Metric(),
        calibration=Calibration.NONE,
        scheme="as it was recorded",
        int8=whole,
        findings=tuple(_notes(network, layers, scores)),
    )


def _loaded(path: Path) -> list[tuple[str, Run]]:
    """The runs in a file, by name. Raises UsageError."""
    from importlib.util import find_spec

    if find_spec("polygraphy") is None:
        raise UsageError("this needs polygraphy", "pip install 'tcscope[ptq]'")
    if not path.exists():
        raise UsageError(f"no such file: {path}", _RUN)
    try:
        from polygraphy.comparator import RunResults
        from polygraphy.logger import G_LOGGER

        with G_LOGGER.verbosity(G_LOGGER.CRITICAL + 1):
            # newer ones write a folder with a file an iteration
            one_by_one = path.is_dir() and hasattr(RunResults, "load_streaming")
            results = (
                RunResults.concat(RunResults.load_streaming(str(path))) if one_by_one else RunResults.load(str(path))
            )
            runs: list[tuple[str, Run]] = [
                (str(name), [{str(k): np.asarray(v) for k, v in one.items()} for one in iterations])
                for name, iterations in results.items()
            ]
    except Exception as error:  # PolygraphyException, a JSON error, whatever a wrong file leads to
        raise UsageError(f"{path} is nothing that polygraphy run --save-outputs wrote", _RUN) from error
    if not runs or not all(run and run[0] for _, run in runs):
        raise UsageError(f"{path} holds no outputs", _RUN)
    return runs


def _scores(first: str, second: str, base: Run, new: Run) -> Iterator[tuple[str, Score]]:
    """Each floating tensor of both runs, in the order of the first. Raises UsageError where one differs in shape."""
    for name, value in base[0].items():
        if name not in new[0] or value.dtype.kind != "f":
            continue
        sums = Sums()
        for one, other in zip(base, new, strict=True):
            if one[name].shape != other[name].shape:
                shapes = [
                    f"{run} {'x'.join(map(str, a.shape))}" for run, a in ((first, one[name]), (second, other[name]))
                ]
                raise UsageError(f"'{name}' differs in shape: {', '.join(shapes)}", "feed both runs the same")
            sums.add(compared({name: one[name]}, {name: other[name].astype(one[name].dtype)}, [name]))
        yield name, _score(sums)


def _score(sums: Sums) -> Score:
    from tcscope.sensitivity.sums import decibels

    sqnr = decibels(sums.ratio)
    return Score(sums.ratio, sqnr, sums.cosine, sums.max_error, sums.top1, sqnr)


def _whole(base: Run, new: Run, outputs: Sequence[str]) -> Score:
    sums = Sums()
    for one, other in zip(base, new, strict=True):
        sums.add(compared(one, {name: other[name].astype(one[name].dtype) for name in outputs}, outputs))
    return _score(sums)


def _in_order(scores: Mapping[str, Score]) -> Iterator[LayerSensitivity]:
    before = 0.0
    for tensor, score in scores.items():
        name = tensor.removesuffix(_OUTPUT)
        op = node_op(name) if name != tensor else ""
        yield LayerSensitivity(name, op, (name,), score.loss - before, score)
        before = score.loss


def _of_network(network: Network, scores: Mapping[str, Score]) -> Iterator[LayerSensitivity]:
    readers: dict[str, list[Any]] = {}
    writer = {name: node for node in network.nodes for name in node.output if name}
    for node in network.nodes:
        for name in captured(node):
            readers.setdefault(name, []).append(node)

    def shown(tensor: str) -> str:
        """The tensor, or the first one behind it, that both runs have; empty without one."""
        while tensor not in scores:
            after = readers.get(tensor, [])
            if len(after) != 1 or after[0].op_type not in _PASSING:
                return ""
            tensor = after[0].output[0]
        return tensor

    def before(tensor: str) -> float:
        """The noise at a tensor, or at what it is made of where it isn't shown."""
        seen, waiting, found = {tensor}, [tensor], 0.0
        while waiting:
            at = waiting.pop()
            if at in scores:
                found = max(found, scores[at].loss)
            elif at in writer:
                more = captured(writer[at]) - seen
                seen |= more
                waiting += more
        return found

    for node in network.nodes:
        tensor = shown(node.output[0]) if node.op_type in OPS and node.output else ""
        if tensor:
            score = scores[tensor]
            own = score.loss - max((before(name) for name in captured(node)), default=0.0)
            yield LayerSensitivity(node.name, node.op_type, (node.name,), own, score)


def _notes(
    network: Network | None, layers: Sequence[LayerSensitivity], scores: Mapping[str, Score]
) -> Iterator[Finding]:
    if network is None:
        said = "without the network each tensor is a layer, and what it adds is counted from the tensor before it"
        yield Finding("no-network", Level.NOTE, 0, said, "tcscope sensitivity model.onnx --polygraphy A.json B.json")
    marked = {layer.name for layer in layers}
    missing = (
        [n.name for n in network.nodes if n.op_type in OPS and n.name not in marked] if network is not None else []
    )
    if missing:
        said = f"{count(len(missing), 'layer')} not marked in both runs: {', '.join(missing[:3])}"
        yield Finding("layers-not-marked", Level.WARNING, 0, said, "--onnx-outputs mark all, --trt-outputs mark all")
    if all(score.loss == 0 for score in scores.values()):
        yield Finding("same-runs", Level.WARNING, 0, "both runs are equal: was one of them INT8?", "")
        return
    exact = [layer.name for layer in layers if layer.score.sqnr_db is None or layer.score.sqnr_db > _BEYOND_INT8]
    if exact:
        every = len(exact) == len(layers)
        all_of = count(len(layers), "layer")
        said = f"none of {all_of} ran in INT8" if every else f"{len(exact)} of {all_of} didn't run in INT8"
        said += f", by how little they differ (over {_BEYOND_INT8:g} dB): {', '.join(exact[:3])}"
        level = Level.WARNING if every else Level.NOTE
        yield Finding("not-int8", level, 0, said, _FORCE, layers=tuple(exact))
