"""Which GPU a launch ran on: the export's ordinals, ids and processes put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tcscope import hardware
from tcscope.errors import UsageError
from tcscope.model import Device
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database
from tcscope.wording import plain


@dataclass(frozen=True, slots=True)
class DeviceMap:
    """The GPUs of a trace, and the way from a launch's (CUDA ordinal, process) to one of them."""

    devices: dict[int, Device]
    by_process: dict[tuple[int, int], int]
    by_ordinal: dict[int, int]
    asked_sm: int | None = None

    def index_of(self, ordinal: int, pid: int) -> int:
        """The index of the GPU that a process calls `ordinal`; the ordinal itself where the trace doesn't tell."""
        index = self.by_process.get((ordinal, pid))
        return index if index is not None else self.by_ordinal.get(ordinal, ordinal)

    def place(self, ordinal: int, global_pid: int) -> tuple[int, int]:
        """The index of the GPU and the process id of what a process launched on its device `ordinal` (NO_ID: 0)."""
        pid = t.pid_of(global_pid)
        return self.index_of(max(ordinal, 0), pid), pid

    def device(self, index: int) -> Device:
        """The GPU of an index; of one that the trace doesn't describe only the capability asked for is known."""
        if index in self.devices:
            return self.devices[index]
        gpu = hardware.gpu(self.asked_sm) if self.asked_sm is not None else None
        return Device(index, sm=self.asked_sm, has_tensor_cores=gpu.has_tensor_cores if gpu else None)


def read_devices(db: Database, sm: int | None) -> DeviceMap:
    """Read the trace's GPUs; `sm` is the capability of those of which the trace doesn't know it.

    Raises UsageError where `sm` contradicts the trace.
    """
    devices: dict[int, Device] = {}
    by_ordinal: dict[int, int] = {}
    for row in _gpu_rows(db):
        device = _device(row, sm)
        if row["smCount"] == 0:  # the software adapter that Windows lists
            continue
        devices[device.index] = device
        if row["cuDevice"] is not None:
            by_ordinal.setdefault(row["cuDevice"], device.index)
    if not by_ordinal:
        by_ordinal = {index: index for index in devices}
    by_process: dict[tuple[int, int], int] = {}
    if db.has(t.CUDA_DEVICE, "gpuId", "cudaId", "pid"):
        for gpu_id, cuda_id, pid in db.rows(f"select gpuId, cudaId, pid from {t.CUDA_DEVICE}"):
            by_process[cuda_id, pid] = gpu_id
    return DeviceMap(devices, by_process, by_ordinal, sm)


def _gpu_rows(db: Database) -> list[dict[str, Any]]:
    wanted = ("id", "name", "chipName", "smCount", "computeMajor", "computeMinor", "cuDevice", "isDiscrete")
    if not db.has(t.GPU, "id"):
        return []
    select = ", ".join(db.column(t.GPU, name) for name in wanted)
    return [dict(zip(wanted, row, strict=True)) for row in db.rows(f"select {select} from {t.GPU} order by id")]


def _device(row: dict[str, Any], asked_sm: int | None) -> Device:
    name, chip = plain(row["name"] or ""), plain(row["chipName"] or "")
    known = row["computeMajor"] * 10 + (row["computeMinor"] or 0) if row["computeMajor"] else hardware.sm_of_name(name)
    if known is not None and asked_sm is not None and known != asked_sm and row["smCount"] != 0:
        raise UsageError(
            f"the trace says that its GPU {name or row['id']} is sm_{known}; --sm {asked_sm} contradicts it",
            "leave --sm out: it is for traces that don't know their GPU",
        )
    sm = known if known is not None else asked_sm
    gpu = hardware.gpu(sm, chip=chip, name=name) if sm is not None else None
    return Device(
        index=row["id"],
        name=name,
        sm=sm,
        sm_count=row["smCount"],
        has_tensor_cores=gpu.has_tensor_cores if gpu is not None else None,
        chip=chip,
        integrated=None if row["isDiscrete"] is None else not row["isDiscrete"],
    )
