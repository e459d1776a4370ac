"""A network on its data: FP32's tensors kept, activations calibrated, any mix of layers in INT8 run and scored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from tcscope.errors import UsageError
from tcscope.model.sensitivity import Calibration, Score
from tcscope.sensitivity.calibrate import PERCENTILE, Seen, clip_of
from tcscope.sensitivity.data import Samples
from tcscope.sensitivity.failure import refused
from tcscope.sensitivity.machine import Machine, Values
from tcscope.sensitivity.metric import Measure
from tcscope.sensitivity.network import Network
from tcscope.sensitivity.quantizable import quantizable
from tcscope.sensitivity.session import cores
from tcscope.sensitivity.sums import Sums, compared

KEPT_BYTES = 1 << 30  # of FP32's tensors: what doesn't fit is computed again
BATCH_BYTES = 1 << 28  # of one batch: each job may hold as much again
LARGEST_BATCH = 32
Counted = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """How a network is quantized and run. `batch` None: as many samples as BATCH_BYTES hold, LARGEST_BATCH at most."""

    calibration: Calibration = Calibration.ENTROPY
    percentile: float = PERCENTILE
    batch: int | None = None
    jobs: int | None = None


class Bench:
    """A network, calibrated on samples. Raises UsageError where it can't be run on them."""

    def __init__(
        self, network: Network, samples: Samples, settings: Settings, say: Counted = lambda what: None
    ) -> None:
        self.network, self.samples, self.settings = network, samples, settings
        self.layers, self.left = quantizable(network)
        if not self.layers:
            what = f"{network.path} has no layer to quantize: no Conv, ConvTranspose, Gemm or MatMul of floating point"
            raise UsageError(what, "give a network that has one")
        self.machine = Machine(network, self.layers)
        self.jobs = settings.jobs or cores()
        self.batch = samples.fixed or settings.batch or 1
        self._kept: dict[int, Values] = {}
        if samples.fixed is None and settings.batch is None:
            self.batch = self._batch_size()
        self.sizes = -(-samples.count // self.batch)
        self.seen: dict[str, Seen] = {}
        self._calibrate(say)

    def _batch_size(self) -> int:
        """How many samples a batch takes, by what the first one leaves."""
        first = self._fp32(next(self.samples.batches(1)), 0)
        size = sum(value.nbytes for value in first.values())
        return max(1, min(LARGEST_BATCH, BATCH_BYTES // max(size, 1), self.samples.count))

    def reference(self, at: int) -> Values:
        """FP32's tensors of one batch, inputs included."""
        if at in self._kept:
            return self._kept[at]
        span = slice(at * self.batch, (at + 1) * self.batch)
        values = self._fp32({name: array[span] for name, array in self.samples.arrays.items()}, at * self.batch)
        held = sum(value.nbytes for kept in self._kept.values() for value in kept.values())
        if held + sum(value.nbytes for value in values.values()) <= KEPT_BYTES:
            self._kept[at] = values
        return values

    def references(self) -> Iterator[Values]:
        """FP32's tensors, batch by batch."""
        return (self.reference(at) for at in range(self.sizes))

    def _fp32(self, inputs: Values, first: int) -> Values:
        try:
            values = self.machine.whole(inputs)
        except UsageError:
            raise
        except Exception as error:  # onnxruntime's own kinds have no common base
            raise refused(self.network.path, error) from error
        for name in self.network.outputs:
            if values[name].dtype.kind == "f" and not np.isfinite(values[name]).all():
                last = first + len(next(iter(inputs.values()))) - 1
                what = (
                    f"the output '{name}' of {self.network.path} is not finite in FP32, for samples {first} to {last}"
                )
                raise UsageError(what, "take out the samples that the network can't handle")
        return values

    def _calibrate(self, say: Counted) -> None:
        """Find each activation's range, over all samples."""
        names = sorted({name for layer in self.layers for name in layer.activations})
        self.seen = {name: Seen() for name in names}
        for at, values in enumerate(self.references()):
            say(f"fp32, batch {at + 1} of {self.sizes}")
            for name, seen in self.seen.items():
                seen.widen(values[name])
        for values in self.references():
            for name, seen in self.seen.items():
                seen.count(values[name])
        from tcscope.sensitivity.int8 import scale_of

        self.clips = {}
        for at, (name, seen) in enumerate(self.seen.items(), 1):
            say(f"calibration, activation {at} of {len(self.seen)}")
            self.clips[name] = clip_of(seen, self.settings.calibration, self.settings.percentile)
        self.machine.scales = {name: scale_of(clip) for name, clip in self.clips.items()}

    def names(self) -> tuple[str, ...]:
        """The layers' names, in the network's order."""
        return tuple(layer.name for layer in self.layers)

    def score(self, int8: Iterable[str], measure: Measure | None = None) -> Score:
        """The network with these layers in INT8 and all others in FP32, really run over all samples."""
        return self.scores([int8], measure)[0]

    def scores(self, mixes: Sequence[Iterable[str]], measure: Measure | None = None) -> list[Score]:
        """Several mixes at once; each is the layers in INT8."""
        measure = measure or Measure()
        chosen = [frozenset(mix) for mix in mixes]
        sums = [Sums() for _ in chosen]
        outputs: list[list[Values]] = [[] for _ in chosen]
        base: list[Values] = []

        def one(mix: frozenset[str], values: Values) -> Values:
            changed = self.machine.changed(values, mix, to_int8=True) if mix else {}
            return {name: changed.get(name, values[name]) for name in self.network.outputs}

        for values in self.references():
            with ThreadPoolExecutor(self.jobs) as pool:
                made = list(pool.map(lambda mix, values=values: one(mix, values), chosen))
            for at, new in enumerate(made):
                sums[at].add(compared(values, new, self.network.outputs))
                if measure.function is not None:
                    outputs[at].append(new)
            if measure.function is not None:
                base.append({name: values[name] for name in self.network.outputs})
        if measure.function is None:
            return [measure.score(one) for one in sums]
        joined = stacked(base)
        fp32 = measure.called(joined, joined, self.inputs())
        told = [measure.called(joined, stacked(new), self.inputs()) for new in outputs]
        return [measure.score(one, fp32, value) for one, value in zip(sums, told, strict=True)]

    def inputs(self) -> Values:
        """What the user's metric sees of the data: the inputs, and the arrays beside them."""
        return self.samples.arrays | self.samples.extra


def stacked(batches: Sequence[Values]) -> Values:
    """Outputs of several batches, one after the other."""
    return {name: np.concatenate([np.atleast_1d(batch[name]) for batch in batches]) for name in batches[0]}
