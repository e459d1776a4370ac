"""Sampled GPU metrics, and when each kernel ran, as numpy arrays: what is needed to take the samples apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.devices import DeviceMap
from tcscope.sources.nsys.rows import Columns, Ints, combinations, factorized, read_columns

Floats = npt.NDArray[np.float64]

# Metrics by the beginning of their names, which differ between GPUs: `Tensor Active [Throughput %]`, on Turing
# `Tensor Active / FP16 Active`, `DRAM Read Bandwidth [Throughput %]` or `VRAM Read Bandwidth`.
METRICS = {
    "tensor_active": re.compile(r"Tensor Active\b"),
    "sm_issue": re.compile(r"SM Issue\b"),
    "dram_read": re.compile(r"[DV]RAM Read\b"),
    "dram_write": re.compile(r"[DV]RAM Write\b"),
}
_GPU = 0xFF  # the low byte of a typeId is the GPU's id: https://docs.nvidia.com/nsight-systems/UserGuide/
_MOST = 105  # percent; a sample a little above 100 is one of 100 that was counted in a period a little short
OPAQUE = ("graphs", "copies", "sets")  # what runs beside kernels, each one component
_ACTIVITIES = (t.GRAPH, t.MEMCPY, t.MEMSET)
_COLUMNS = ("deviceId", "globalPid", "start", "end")


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one GPU: `timestamps` ascending in ns, of each metric a value in percent, NaN where there is none.

    `dropped` is the number of values that were negative or beyond any percentage.
    """

    device: int
    timestamps: Ints
    values: dict[str, Floats]
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Intervals:
    """What ran on one GPU and when, in ns: `code` is an index into `names` or, beyond them, into OPAQUE."""

    names: tuple[str, ...]
    start: Ints
    end: Ints
    code: Ints


def is_read(metric: str) -> bool:
    """Whether a metric of this name is taken apart."""
    return any(pattern.match(metric) for pattern in METRICS.values())


def read_samples(db: Database, devices: DeviceMap) -> list[Samples]:
    """The samples of each GPU whose Tensor activity was sampled."""
    ids: dict[int, dict[int, str]] = {}
    for type_id, metric_id, name in db.rows(f"select typeId, metricId, metricName from {t.METRIC_NAMES}"):
        for metric, pattern in METRICS.items():
            if pattern.match(name) and ("[" not in name or "%" in name):
                of_gpu = ids.setdefault(type_id, {})
                if metric not in of_gpu.values():
                    of_gpu[metric_id] = metric
    found = (
        _samples(db, devices, type_id, metrics)
        for type_id, metrics in sorted(ids.items())
        if "tensor_active" in metrics.values()
    )
    return [samples for samples in found if len(samples.timestamps) > 1]


def _samples(db: Database, devices: DeviceMap, type_id: int, metrics: dict[int, str]) -> Samples:
    device = type_id & _GPU
    if device not in devices.devices and len(devices.devices) == 1:
        (device,) = devices.devices
    listed = ", ".join(str(int(number)) for number in metrics)
    where = f"typeId = ? and metricId in ({listed})"
    rows = read_columns(db, t.METRICS, ("timestamp", "metricId", "value"), where, (type_id,))
    times = np.unique(rows["timestamp"])
    values, dropped = {}, 0
    for number, metric in metrics.items():
        at = rows["metricId"] == number
        value = rows["value"][at].astype(np.float64)
        wrong = (value < 0) | (value > _MOST)
        dropped += int(wrong.sum())
        values[metric] = np.full(len(times), np.nan)
        values[metric][np.searchsorted(times, rows["timestamp"][at])] = np.where(wrong, np.nan, np.minimum(value, 100))
    return Samples(device, times, values, dropped)


def read_intervals(db: Database, devices: DeviceMap) -> dict[int, Intervals]:
    """By GPU, every launch of the trace, every CUDA graph whose kernels it hides, every copy and set."""
    kernels = read_columns(db, t.KERNEL, ("demangledName", *_COLUMNS))
    ids, code = factorized(kernels["demangledName"])
    texts = db.kernel_names(ids.tolist())
    names = tuple(sorted(set(texts.values())))
    number = {name: at for at, name in enumerate(names)}
    code = np.array([number[texts[name]] for name in ids.tolist()], dtype=np.int64)[code]
    tables = [(kernels, code)]
    for at, table in enumerate(_ACTIVITIES):
        if db.has(table, "deviceId", "start", "end"):
            rows = read_columns(db, table, _COLUMNS)
            tables.append((rows, np.full(len(rows), len(names) + at)))
    parts: dict[int, list[tuple[Ints, Ints, Ints]]] = {}
    for rows, of in tables:
        places = _places(rows, devices)
        for device in np.unique(places).tolist():
            here = (places == device) & (rows["end"] > rows["start"])
            parts.setdefault(device, []).append((rows["start"][here], rows["end"][here], of[here]))
    return {
        device: Intervals(names, *(np.concatenate(column) for column in zip(*found, strict=True)))
        for device, found in parts.items()
    }


def _places(rows: Columns, devices: DeviceMap) -> Ints:
    """The index of the GPU of each row."""
    keys, code = combinations(rows, ("deviceId", "globalPid"))
    return np.array([devices.place(ordinal, process)[0] for ordinal, process in keys], dtype=np.int64)[code]
