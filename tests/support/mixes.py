"""Two engines of one network, made by hand: a chain of layers in FP16, and in INT8 with what reformats it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tcscope.model import Op, Precision, Report, Unit
from tcscope.model.sensitivity import LayerSensitivity, Metric, Mode, Score, Sensitivity
from tests.support.networks import layer, network, ran

DIMS = "1x64x56x56"
QUANTIZE_NS = 5_000


def sensitivity(losses: Sequence[float], names: Sequence[str] = (), *, whole: float | None = None) -> Sensitivity:
    """A table made up: these losses (noise over signal) of `/conv0/Conv`, `/conv1/Conv`, ..."""
    names = names or [f"/conv{at}/Conv" for at in range(len(losses))]
    layers = tuple(
        LayerSensitivity(name, "Conv", (name,), loss, Score(loss)) for name, loss in zip(names, losses, strict=True)
    )
    total = sum(losses) if whole is None else whole
    return Sensitivity(
        "made_up.onnx", "", 13, "made up", 1, Mode.ONE, layers, Metric(), int8=Score(total), interaction=1.0
    )


def fp16(times: Sequence[int], names: Sequence[str] = ()) -> Report:
    """A chain of FP16 convolutions of these times, in ns."""
    names = names or [f"/conv{at}/Conv" for at in range(len(times))]
    layers = [
        layer(
            name,
            ran(f"hmma{at}", Unit.TENSOR_CORE, Precision.FP16, Op.CONV, ns),
            reads=f"t{at}:fp16:HWC8:{DIMS}",
            writes=f"t{at + 1}:fp16:HWC8:{DIMS}",
            kind="CaskConvolution",
        )
        for at, (name, ns) in enumerate(zip(names, times, strict=True))
    ]
    return named(network(*layers), "fp16.json")


def int8(times: Sequence[int], names: Sequence[str] = ()) -> Report:
    """The same in INT8: its input, which is FP16, is quantized, and its output written in FP16."""
    names = names or [f"/conv{at}/Conv" for at in range(len(times))]
    copy = ran("copy", Unit.CUDA_CORE, Precision.UNKNOWN, Op.REFORMAT, QUANTIZE_NS)
    layers = [
        layer(
            f"Reformatting CopyNode for Input Tensor 0 to {names[0]}",
            copy,
            reads=f"t0:fp16:HWC8:{DIMS}",
            writes=f"q0:int8:CHW32:{DIMS}",
            kind="Reformat",
            origin="REFORMAT",
        )
    ]
    for at, (name, ns) in enumerate(zip(names, times, strict=True)):
        last = at == len(times) - 1
        layers.append(
            layer(
                name,
                ran(f"imma{at}", Unit.TENSOR_CORE, Precision.INT8, Op.CONV, ns),
                reads=f"q{at}:int8:CHW32:{DIMS}",
                writes=f"out:fp16:HWC8:{DIMS}" if last else f"q{at + 1}:int8:CHW32:{DIMS}",
                kind="CaskConvolution",
            )
        )
    return named(network(*layers), "int8.json")


def named(report: Report, file: str) -> Report:
    """The report as that of a file."""
    return replace(report, trace=replace(report.trace, file=file))


def files_of_a_mix(folder: Path) -> None:
    """Both reports of the digits network, its ONNX file, data, sensitivity table, and what Polygraphy records of it."""
    from polygraphy.comparator import RunResults

    from tcscope.model.sensitivity import Calibration
    from tcscope.sensitivity.answer import sensitivity_of
    from tcscope.sensitivity.bench import Bench, Settings
    from tcscope.sensitivity.data import read_samples
    from tcscope.sensitivity.network import load
    from tests.support import digits

    model, data, _ = digits.write(folder, 16)
    model.rename(folder / "model.onnx")
    with np.load(data) as held:
        np.savez(folder / "calib.npz", image=held["image"])
    count = len(digits.LAYERS)
    fp16([40_000] * count, digits.LAYERS).save(folder / "fp16.json")
    int8([30_000] * count, digits.LAYERS).save(folder / "int8.json")
    network = load(folder / "model.onnx")
    samples = read_samples(network, folder / "calib.npz", {}, extra=False, most=None, seed=0)
    bench = Bench(network, samples, Settings(Calibration.MINMAX))  # entropy takes seconds
    sensitivity_of(bench).save(folder / "s.json")
    for name, quantized in (("fp32", ()), ("int8", bench.names())):
        runs = RunResults()
        runs.add([bench.machine.whole(bench.samples.arrays, quantized)], runner_name=name)
        runs.save(str(folder / f"polygraphy_{name}.json"))
