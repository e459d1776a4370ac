"""Small nsys exports, written as a named version of nsys would have written them.

    TraceBuilder("2022.1").gpu().launch("kernel", 100, 250).write(path)

Tables and columns are those of real exports (2025.3) and of the schema reference in NVIDIA's documentation; a table is
made only when it has a row, as nsys does it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

H100 = "NVIDIA H100 80GB HBM3"
PID = 1771
Text = str | bytes  # bytes: text that need not be UTF-8


@dataclass(frozen=True, slots=True)
class Version:
    """What one release of nsys writes: which tables and columns came or went."""

    product: str
    schema: str
    export_table: str = "META_DATA_EXPORT"
    green_contexts: bool = True
    cuda_device: bool = True
    launch_attributes: bool = False
    tensor_sizes: bool = False


VERSIONS = {
    "2022.1": Version("2022.1.3.3", "2.9.1", "EXPORT_META_DATA", green_contexts=False, cuda_device=False),
    "2023.2": Version("2023.2.3.1001", "3.1.1", green_contexts=False, cuda_device=False),
    "2024.5": Version("2024.5.1.113", "3.17.1"),
    "2025.3": Version("2025.3.2.0", "3.20.3"),
    "2026.1": Version("2026.1.1.204", "3.24.14", launch_attributes=True),
    "2026.2": Version("2026.2.1.210", "3.25.0", launch_attributes=True, tensor_sizes=True),
}

_ACTIVITY = "start! end! deviceId! contextId! {green} streamId! correlationId globalPid"
_KERNEL = (
    f"{_ACTIVITY} demangledName! shortName! mangledName launchType cacheConfig registersPerThread! gridX! gridY! gridZ!"
    " blockX! blockY! blockZ! staticSharedMemory! dynamicSharedMemory! localMemoryPerThread! localMemoryTotal! gridId!"
    " sharedMemoryExecuted graphNodeId sharedMemoryLimitConfig {attributes} {sizes}"
)
_ATTRIBUTES = (
    "qmdBulkReleaseDone qmdPreexitDone qmdLastCtaDone graphId clusterX clusterY clusterZ clusterSchedulingPolicy"
    " maxPotentialClusterSize maxActiveClusters sharedMemoryRequestedPercentage"
)
# Columns of each table: `!` is NOT NULL, `:text` a type other than INTEGER.
TABLES = {
    "StringIds": "id! value:text!",
    "META_DATA_EXPORT": "name:text! value:text",
    "EXPORT_META_DATA": "name:text! value:text",
    "META_DATA_CAPTURE": "name:text! value:text",
    "TARGET_INFO_SYSTEM_ENV": "globalVid devStateName:text! name:text! nameEnum! value:text!",
    "TARGET_INFO_SESSION_START_TIME": "utcEpochNs utcTime:text localTime:text",
    "TARGET_INFO_GPU": "vmId! id! name:text busLocation:text isDiscrete l2CacheSize totalMemory memoryBandwidth"
    " clockRate smCount pwGpuId uuid:text luid chipName:text cuDevice computeMajor computeMinor smMajor smMinor",
    "TARGET_INFO_CUDA_DEVICE": "gpuId cudaId! pid!",
    "CUPTI_ACTIVITY_KIND_KERNEL": _KERNEL,
    "CUPTI_ACTIVITY_KIND_MEMCPY": f"{_ACTIVITY} bytes! copyKind! srcKind dstKind graphNodeId",
    "CUPTI_ACTIVITY_KIND_MEMSET": f"{_ACTIVITY} value! bytes! graphNodeId memKind",
    "CUPTI_ACTIVITY_KIND_GRAPH_TRACE": f"{_ACTIVITY} graphId! graphExecId!",
    "CUPTI_ACTIVITY_KIND_RUNTIME": "start! end! eventClass! globalTid correlationId nameId! returnValue! callchainId",
    "NVTX_EVENTS": "start! end eventType! rangeId category color text:text globalTid endGlobalTid textId domainId"
    " uint64Value int64Value doubleValue:real uint32Value int32Value floatValue:real jsonTextId jsonText:text"
    " {binary:text}",
    "GPU_METRICS": "timestamp! typeId! metricId! value!",
    "TARGET_INFO_GPU_METRICS": "typeId! sourceId! typeName:text! metricId! metricName:text!",
}
RANGE_KINDS = {"push": 59, "start": 60, "mark": 34, "push-of-others": 70, "start-of-others": 71}
_UNSET: Any = object()


def signed(number: int) -> int:
    """A 64-bit pattern as SQLite stores it."""
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number


def global_pid(pid: int, host: int = 1) -> int:
    """hw (8 bits) and vm (8) in `host`, pid (24), no thread (24); negative from host 0x8000 on."""
    return signed(host << 48 | (pid & 0xFFFFFF) << 24)


def global_tid(pid: int, tid: int, host: int = 1) -> int:
    """A thread's id."""
    return signed(global_pid(pid, host) | tid & 0xFFFFFF)


class TraceBuilder:
    """Collects rows; `write` makes the file. Every method gives the builder back. Times are in ns."""

    def __init__(self, schema: str = "2025.3") -> None:
        self.version = VERSIONS[schema]
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self._strings: dict[Text, int] = {}
        self._correlation = count(100_000)
        self._columns: dict[str, str] = {}
        self._without: dict[str, set[str]] = {}
        self._then: list[str] = []
        for name, value in (
            ("EXPORT_PRODUCT_NAME", "NVIDIA Nsight Systems"),
            ("EXPORT_PRODUCT_VERSION", self.version.product),
            ("EXPORT_SCHEMA_VERSION", self.version.schema),
        ):
            self.row(self.version.export_table, name=name, value=value)
        self.rows["StringIds"] = []

    def row(self, table: str, **columns: Any) -> TraceBuilder:
        """Any row of any table; what it doesn't name is NULL, or 0 where that is not allowed."""
        self.rows.setdefault(table, []).append(columns)
        return self

    def text(self, value: Text, *, again: bool = False) -> int:
        """The id of a string; `again` gives it another one."""
        if again or value not in self._strings:
            self._strings[value] = len(self.rows["StringIds"]) + 1
            self.row("StringIds", id=self._strings[value], value=value)
        return self._strings[value]

    def gpu(
        self,
        id: int = 0,  # noqa: A002 - the column's name
        name: Text | None = H100,
        capability: str | None = "9.0",
        *,
        sm_count: int | None = 132,
        cu_device: int | None = _UNSET,
        chip: str = "",
        discrete: int | None = 1,
    ) -> TraceBuilder:
        """A row of TARGET_INFO_GPU; `cu_device` is `id` unless said otherwise."""
        major, minor = map(int, capability.split(".")) if capability else (None, None)
        return self.row(
            "TARGET_INFO_GPU",
            id=id,
            name=name,
            isDiscrete=discrete,
            smCount=sm_count,
            chipName=chip,
            cuDevice=id if cu_device is _UNSET else cu_device,
            computeMajor=major,
            computeMinor=minor,
        )

    def cuda_device(self, gpu_id: int, cuda_id: int, pid: int = PID) -> TraceBuilder:
        """A row of TARGET_INFO_CUDA_DEVICE: process `pid` calls GPU `gpu_id` device `cuda_id`."""
        assert self.version.cuda_device, "this version has no TARGET_INFO_CUDA_DEVICE"
        return self.row("TARGET_INFO_CUDA_DEVICE", gpuId=gpu_id, cudaId=cuda_id, pid=pid)

    def launch(
        self,
        name: Text | int,
        start: int,
        end: int,
        *,
        device: int = 0,
        pid: int = PID,
        host: int = 1,
        context: int = 1,
        stream: int = 7,
        corr: int | None = _UNSET,
        call: tuple[int, int] | None = None,
        tid: int | None = None,
        mangled: Text | None = None,
    ) -> TraceBuilder:
        """A kernel; `name` may be a string's id. `call` adds the API call, from its start to its end, on thread `tid`.

        Without `corr` it has a correlation id of its own; None is NULL.
        """
        correlation = next(self._correlation) if corr is _UNSET else corr
        if call is not None:
            self.api("cudaLaunchKernel_v7000", *call, pid=pid, tid=tid, host=host, corr=correlation)
        name_id = name if isinstance(name, int) else self.text(name)
        return self._activity(
            "KERNEL",
            (start, end, device, pid, host, correlation),
            contextId=context,
            streamId=stream,
            demangledName=name_id,
            shortName=name_id,
            mangledName=None if mangled is None else self.text(mangled),
        )

    def api(
        self,
        name: str,
        start: int,
        end: int,
        *,
        pid: int = PID,
        tid: int | None = None,
        host: int = 1,
        corr: int | None = None,
    ) -> TraceBuilder:
        """A call of the CUDA API; without `tid` on the process's first thread."""
        return self.row(
            "CUPTI_ACTIVITY_KIND_RUNTIME",
            start=start,
            end=end,
            globalTid=global_tid(pid, pid if tid is None else tid, host),
            correlationId=corr,
            nameId=self.text(name),
        )

    def copy(self, start: int, end: int, *, device: int = 0, pid: int = PID, corr: int | None = None) -> TraceBuilder:
        """A memory copy."""
        return self._activity("MEMCPY", (start, end, device, pid, 1, corr), copyKind=1)

    def memset(self, start: int, end: int, *, device: int = 0, pid: int = PID, corr: int | None = None) -> TraceBuilder:
        """A memory set."""
        return self._activity("MEMSET", (start, end, device, pid, 1, corr))

    def graph(self, start: int, end: int, *, device: int = 0, pid: int = PID, corr: int | None = None) -> TraceBuilder:
        """A CUDA graph launch, traced as a whole."""
        return self._activity("GRAPH_TRACE", (start, end, device, pid, 1, corr), graphId=3, graphExecId=4)

    def nvtx(
        self,
        name: Text,
        start: int,
        end: int | None,
        *,
        pid: int = PID,
        tid: int | None = None,
        host: int = 1,
        kind: str = "push",
        end_tid: int | None = None,
        registered: bool = False,
    ) -> TraceBuilder:
        """A range (`end` None: never closed); `registered` names it through textId, as TensorRT does."""
        return self.row(
            "NVTX_EVENTS",
            start=start,
            end=end,
            eventType=RANGE_KINDS[kind],
            text=None if registered else name,
            textId=self.text(name) if registered else None,
            globalTid=global_tid(pid, pid if tid is None else tid, host),
            endGlobalTid=None if end_tid is None else global_tid(pid, end_tid, host),
            domainId=1 if registered else 0,
        )

    def domain(self, name: str, pid: int = PID) -> TraceBuilder:
        """The event that creates an NVTX domain."""
        return self.row("NVTX_EVENTS", start=0, eventType=75, text=name, globalTid=global_tid(pid, pid), domainId=1)

    def metric(self, name: str, samples: dict[int, int], *, metric_id: int = 0, gpu: int = 0) -> TraceBuilder:
        """A sampled metric of a GPU: its values in percent by the time of the sample."""
        type_id = 1 << 48 | 1 << 32 | gpu
        self.row("TARGET_INFO_GPU_METRICS", typeId=type_id, metricId=metric_id, metricName=name)
        for timestamp, value in samples.items():
            self.row("GPU_METRICS", timestamp=timestamp, typeId=type_id, metricId=metric_id, value=value)
        return self

    def capture(self, **options: str) -> TraceBuilder:
        """How the capture was set up: rows of META_DATA_CAPTURE; `_` stands for `:` in names that begin PROCESS_0."""
        for name, value in options.items():
            key = name.replace("PROCESS_0_", "PROCESS_0:").replace("OPTIONS_MODE", "OPTIONS:MODE")
            self.row("META_DATA_CAPTURE", name=key, value=value)
        return self

    def system(self, **properties: Text) -> TraceBuilder:
        """Properties of the target: rows of TARGET_INFO_SYSTEM_ENV."""
        for name, value in properties.items():
            self.row("TARGET_INFO_SYSTEM_ENV", devStateName="Local (CLI)", name=name, value=value)
        return self

    def without(self, table: str, *columns: str) -> TraceBuilder:
        """Leave these columns out of a table, or the whole table."""
        self._without.setdefault(table, set()).update(columns)
        return self

    def with_column(self, table: str, column: str) -> TraceBuilder:
        """A column more, as other tools add them: `name`, or `name:type`."""
        self._columns[table] = f"{self._columns.get(table, '')} {column}"
        return self

    def then(self, sql: str) -> TraceBuilder:
        """A statement to run once all rows are in."""
        self._then.append(sql)
        return self

    def write(self, path: Path) -> Path:
        """Make the file; its path."""
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as db:
            db.execute("pragma synchronous = off")
            for table, rows in self.rows.items():
                gone = self._without.get(table)
                if gone is None or gone:
                    self._write_table(db, table, rows, gone or set())
            for sql in self._then:
                db.execute(sql)
            db.commit()
        return path

    def _activity(self, kind: str, what: tuple[int, int, int, int, int, int | None], **columns: Any) -> TraceBuilder:
        start, end, device, pid, host, correlation = what
        return self.row(
            f"CUPTI_ACTIVITY_KIND_{kind}",
            start=start,
            end=end,
            deviceId=device,
            globalPid=global_pid(pid, host),
            correlationId=correlation,
            **{"contextId": 1, "streamId": 7, **columns},
        )

    def _write_table(self, db: sqlite3.Connection, table: str, rows: list[dict[str, Any]], gone: set[str]) -> None:
        declared = {name: (kind, needed) for name, kind, needed in self._declared(table) if name not in gone}
        columns = [f'"{name}" {kind}{" not null" if needed else ""}' for name, (kind, needed) in declared.items()]
        db.execute(f"create table {table} ({', '.join(columns)})")
        marks = ", ".join("cast(? as text)" if kind == "text" else "?" for kind, _ in declared.values())
        empty = {name: ("" if kind == "text" else 0) if needed else None for name, (kind, needed) in declared.items()}
        # bytes go in as they are and become text; everything else binds as itself
        db.executemany(
            f"insert into {table} values ({marks})", [[row.get(name, empty[name]) for name in declared] for row in rows]
        )

    def _declared(self, table: str) -> list[tuple[str, str, bool]]:
        """(name, type, whether NOT NULL) of the table's columns in this version."""
        written = TABLES[table].replace("{green}", "greenContextId" if self.version.green_contexts else "")
        written = written.replace("{attributes}", _ATTRIBUTES if self.version.launch_attributes else "")
        written = written.replace("{sizes}", "tensorSizeMinusOneElements:text!" if self.version.tensor_sizes else "")
        written = written.replace("{binary:text}", "binaryData:text" if self.version.green_contexts else "")
        found = []
        for word in f"{written} {self._columns.get(table, '')}".split():
            name, _, kind = word.rstrip("!").partition(":")
            found.append((name, kind or "integer", word.endswith("!")))
        return found
