"""Every unit in INT8 by itself, or every one but it, over all samples: from a bench to the answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tcscope.model.sensitivity import Mode
from tcscope.sensitivity.bench import Bench
from tcscope.sensitivity.journal import Journal, Measured
from tcscope.sensitivity.machine import Values
from tcscope.sensitivity.metric import Measure
from tcscope.sensitivity.stats import Activation
from tcscope.sensitivity.sums import compared, noise_of, power_of
from tcscope.sensitivity.units import Unit

ALL = "(all)"  # the journal's name of the whole network in INT8; `(fp32)` of FP32's outputs
FP32 = "(fp32)"
Say = Callable[[str], None]


@dataclass
class Findings:
    """What was measured: by unit, of the whole in INT8, and of each activation."""

    units: dict[str, Measured]
    whole: Measured
    powers: dict[str, float]
    activations: dict[str, Activation]


def measure_units(bench: Bench, units: Sequence[Unit], mode: Mode, journal: Journal, keep: bool, say: Say) -> Findings:
    """Measure each unit on each batch; `keep`: the outputs are needed afterwards."""
    found = Findings({}, Measured(), {}, {n: Activation(n, s, bench.clips[n]) for n, s in bench.seen.items()})
    total, done = (len(units) + 1) * bench.sizes, 0
    for at in range(bench.sizes):
        values = bench.reference(at)
        for name, activation in found.activations.items():
            activation.add(values[name])
            found.powers[name] = found.powers.get(name, 0.0) + power_of(values[name])
        open_units = [unit for unit in units if not journal.has(unit.name, at, outputs=keep)]
        whole = None
        if not journal.has(ALL, at, outputs=keep) or (open_units and mode is Mode.ALL_BUT_ONE):
            whole = bench.machine.whole({k: values[k] for k in bench.samples.arrays}, bench.names())
            journal.keep(
                ALL, at, Measured(compared(values, whole, bench.network.outputs)), _outputs(bench, whole, keep)
            )
        if keep and not journal.has(FP32, at, outputs=True):
            journal.keep(FP32, at, Measured(), _outputs(bench, values, keep))
        done += 1 + len(units) - len(open_units)
        with ThreadPoolExecutor(bench.jobs) as pool:
            futures = {pool.submit(_one, bench, unit, mode, values, whole, keep): unit for unit in open_units}
            try:
                for future in as_completed(futures):
                    measured, outputs = future.result()
                    journal.keep(futures[future].name, at, measured, outputs)
                    done += 1
                    say(f"{done} of {total}: {futures[future].name}")
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    for at in range(bench.sizes):
        found.whole.add(journal.found[ALL, at])
        for unit in units:
            found.units.setdefault(unit.name, Measured()).add(journal.found[unit.name, at])
    return found


def _outputs(bench: Bench, values: Values, keep: bool) -> Values | None:
    return {name: values[name] for name in bench.network.outputs} if keep else None


def _one(
    bench: Bench, unit: Unit, mode: Mode, values: Values, whole: Values | None, keep: bool
) -> tuple[Measured, Values | None]:
    """One unit on one batch."""
    base = whole if mode is Mode.ALL_BUT_ONE and whole is not None else values
    changed = bench.machine.changed(base, unit.layers, to_int8=base is values)
    outputs = {name: changed.get(name, base[name]) for name in bench.network.outputs}
    measured = Measured(compared(values, outputs, bench.network.outputs))
    if base is values:
        measured.reached = {
            name: noise_of(values[name], changed[name]) for name in bench.seen if name in changed
        }  # by the activation that it reaches
    return measured, outputs if keep else None


def key_of(bench: Bench, units: Sequence[Unit], mode: Mode, measure: Measure) -> str:
    """What the journal's lines belong to: the network, the data, and all that changes a number."""
    import onnxruntime

    settings = bench.settings
    how = [str(settings.calibration), settings.percentile, bench.batch, str(mode), measure.name, measure.digest]
    what = [bench.network.digest, bench.samples.digest, onnxruntime.__version__, *how]
    text = json.dumps([*what, [[unit.name, *unit.layers] for unit in units]])
    return hashlib.sha256(text.encode()).hexdigest()


def journal_for(bench: Bench, units: Sequence[Unit], mode: Mode, measure: Measure, output: Path | None) -> Journal:
    """The journal beside the answer's file. Raises UsageError."""
    return Journal(output, key_of(bench, units, mode, measure))
