"""Reports made by hand: what the analysis is fed where no trace is needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from tcscope.model import (
    Accumulate,
    Device,
    Evidence,
    Kernel,
    Op,
    Place,
    Precision,
    Report,
    Totals,
    TraceInfo,
    Unit,
)

H100 = Device(0, "NVIDIA H100", 90, 132, True, "GH100", False)
GTX = Device(1, "NVIDIA GeForce GTX 1650", 75, 14, False, "TU117", False)
NAMELESS = Device(2)


def kernel(name: str, unit: Unit, op: Op, ns: int, *, device: int = 0, process: int = 7, **fields: Any) -> Kernel:
    """A kernel that ran once, in one place."""
    made = Kernel(
        name=name,
        rule=None if unit is Unit.UNKNOWN else "some-rule",
        unit=unit,
        precision=Precision.UNKNOWN,
        accumulate=None,
        op=op,
        evidence=Evidence.NONE if unit is Unit.UNKNOWN else Evidence.SASS,
        launches=1,
        ns=ns,
        median_ns=None,
        min_ns=ns,
        max_ns=ns,
        places=(Place(device, process, 1, ns),),
    )
    return replace(made, **fields)


def report(*kernels: Kernel, devices: tuple[Device, ...] = (H100,), **totals: int) -> Report:
    """A report of these kernels; `totals` adds to their sums. It has no shares and no breakdown."""
    summed = Totals(sum(k.launches for k in kernels), sum(k.ns for k in kernels))
    processes = tuple(sorted({place.process for k in kernels for place in k.places}))
    trace = TraceInfo("t.sqlite", devices=devices, processes=processes)
    return Report(trace=trace, totals=replace(summed, **totals), kernels=kernels)


PLACES = st.builds(Place, st.integers(0, 2), st.sampled_from([7, 9]), st.integers(1, 40), st.integers(0, 10**9))


@st.composite
def kernels(draw: st.DrawFn) -> Kernel:
    """Any kernel in one or more places."""
    places = draw(st.lists(PLACES, min_size=1, max_size=4, unique_by=lambda p: (p.device, p.process)))
    return Kernel(
        name=draw(st.sampled_from(["gemm", "relu", "reformat", "a|b", "核"])),
        rule=draw(st.none() | st.sampled_from(["rule-a", "rule-b"])),
        unit=draw(st.sampled_from(Unit)),
        precision=draw(st.sampled_from(Precision)),
        accumulate=draw(st.none() | st.sampled_from(Accumulate)),
        op=draw(st.sampled_from(Op)),
        evidence=draw(st.sampled_from(Evidence)),
        launches=sum(place.launches for place in places),
        ns=sum(place.ns for place in places),
        median_ns=draw(st.none() | st.integers(0, 100)),
        min_ns=0,
        max_ns=10**9,
        places=tuple(places),
    )


REPORTS = st.lists(kernels(), max_size=8).map(lambda found: report(*found, devices=(H100, GTX, NAMELESS)))
