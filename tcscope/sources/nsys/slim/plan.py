"""What stays of an nsys export: tables, columns and metadata by name. What is not listed here is not copied.

Tests hold this list against every column that a reader asks SQLite for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tcscope.sources.nsys import metrics, timeline_samples
from tcscope.sources.nsys import tables as t


@dataclass(frozen=True, slots=True)
class Kept:
    """The columns of one table that stay: numbers, ids of strings, and texts; nothing else of the table does."""

    numbers: tuple[str, ...] = ()
    strings: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.numbers, *self.strings, *self.texts)


_TIMED = ("start", "end")
_ACTIVITY = (*_TIMED, "deviceId", "contextId", "streamId", "correlationId", "globalPid")
_SHAPE = ("gridX", "gridY", "gridZ", "blockX", "blockY", "blockZ")
_RESOURCES = ("registersPerThread", "staticSharedMemory", "dynamicSharedMemory")
_GPU = (
    *("id", "isDiscrete", "smCount", "cuDevice", "computeMajor", "computeMinor", "clockRate", "memoryBandwidth"),
    *("maxWarpsPerSm", "maxBlocksPerSm", "maxRegistersPerSm", "maxShmemPerSm", "maxShmemPerBlock", "numThreadsPerWarp"),
)
_PAIRS = Kept(texts=("name", "value"))

# The tables whose rows a launch call causes, one row a correlation id.
ACTIVITIES = (t.KERNEL, t.MEMCPY, t.MEMSET, t.GRAPH)

KEPT: dict[str, Kept] = {
    t.KERNEL: Kept(
        (*_ACTIVITY, *_SHAPE, *_RESOURCES, "graphNodeId", "graphId"), ("demangledName", "shortName", "mangledName")
    ),
    t.MEMCPY: Kept((*_ACTIVITY, "bytes", "copyKind", "graphNodeId")),
    t.MEMSET: Kept((*_ACTIVITY, "bytes", "graphNodeId")),
    t.GRAPH: Kept((*_ACTIVITY, "graphId", "graphExecId")),
    t.RUNTIME: Kept((*_TIMED, "globalTid", "correlationId"), ("nameId",)),
    t.NVTX: Kept((*_TIMED, "eventType", "globalTid", "endGlobalTid", "domainId"), ("textId",), ("text",)),
    t.GPU: Kept(_GPU, texts=("name", "chipName")),
    t.CUDA_DEVICE: Kept(("gpuId", "cudaId", "pid")),
    t.METRICS: Kept(("timestamp", "typeId", "metricId", "value")),
    t.METRIC_NAMES: Kept(("typeId", "metricId"), texts=("metricName",)),
    t.DETAILS: Kept(("duration", "startTime", "stopTime")),
    t.SESSION: Kept(texts=("utcTime",)),
    t.SYSTEM: _PAIRS,
    t.CAPTURE: _PAIRS,
    **dict.fromkeys(t.EXPORT_TABLES, _PAIRS),
    t.STRINGS: Kept(("id",), texts=("value",)),  # of strings those that a row of the copy refers to
}

_EXPORT = frozenset(
    f"EXPORT_{word}"
    for word in (
        *("ARCH", "PARAM_LAZY", "PARAM_TIME_NORMALIZE", "PARAM_TIME_SHIFT", "PLATFORM"),
        *("PRODUCT_DATE", "PRODUCT_NAME", "PRODUCT_VERSION", "TIME_UTC"),
        *("SCHEMA_VERSION", "SCHEMA_VERSION_CKSUM"),
        *("SCHEMA_VERSION_MAJOR", "SCHEMA_VERSION_MICRO", "SCHEMA_VERSION_MINOR"),
    )
) | {"RECONSTRUCTED"}  # by which a file says that it is no measurement
# Of the tables of names and values the names that stay; those of a capture without their `PROCESS_0:`.
KEPT_NAMES: dict[str, frozenset[str]] = {
    **dict.fromkeys(t.EXPORT_TABLES, _EXPORT),
    t.CAPTURE: frozenset(
        (
            *("CAPTURE_EVENT_TYPE", "COLLECT_CUDA_TRACE", "COLLECT_GPU_MEMORY_USAGE", "COLLECT_NVTX_TRACE"),
            *("CUDA_GRAPH_TRACE_OPTIONS:MODE", "DEVICE_TYPE", "RUN_DURATION_MS", "START_TRIGGER", "STOP_TRIGGER"),
        )
    ),
    t.SYSTEM: frozenset(
        (
            *("CpuArchitecture", "CudaDriverVersion", "HardwarePlatform"),
            *("NvDriverVersion", "OsDescription", "SoftwarePlatform"),
        )
    ),
}
_PROCESS_PREFIX = re.compile(r"^PROCESS_\d+:")

RANGE_EVENTS = (*t.PUSH_POP, *t.START_END)  # of NVTX events these, and those that create a domain


def keeps_metric(name: object) -> bool:
    """Whether the samples of a GPU metric stay: those of some twenty others are most of a large file."""
    return isinstance(name, str) and (metrics.is_read(name) or timeline_samples.is_shown(name))


def keeps_name(table: str, name: object) -> bool:
    """Whether a row of a table of names and values stays."""
    return _PROCESS_PREFIX.sub("", str(name)) in KEPT_NAMES[table]
