"""The launch shapes of kernels: how many blocks, and how many of them fit on the GPU at once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tcscope.model.measured import Shape
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.devices import DeviceMap

_GRID, _BLOCK = ("gridX", "gridY", "gridZ"), ("blockX", "blockY", "blockZ")
_USED = ("registersPerThread", "staticSharedMemory", "dynamicSharedMemory")
_LIMITS = ("maxWarpsPerSm", "maxBlocksPerSm", "maxRegistersPerSm", "maxShmemPerSm")
# Registers are given out to warps in units of 256, and from 8.0 on each block costs 1 KiB of shared memory beside its
# own: https://docs.nvidia.com/cuda/cuda-c-programming-guide/#compute-capabilities
_WARP, _REGISTERS, _RESERVED = 32, 256, 1024


def read_shapes(db: Database, devices: DeviceMap, names: Collection[str]) -> dict[tuple[str, int], Shape]:
    """The launch shape on which each of these kernels spent most time, by name and GPU."""
    if not db.has(t.KERNEL, *_GRID, *_BLOCK) or not names:
        return {}
    ids = [string_id for string_id, text in db.rows(f"select id, value from {t.STRINGS}") if text in names]
    used = ", ".join(db.column(t.KERNEL, column) for column in _USED)
    keys = f"demangledName, deviceId, {db.column(t.KERNEL, 'globalPid')}, {', '.join(_GRID + _BLOCK)}, {used}"
    texts, limits = db.strings(ids), _limits(db)
    longest: dict[tuple[str, int], tuple[int, Shape]] = {}
    of_these = f"demangledName in ({', '.join('?' * len(ids))})"
    sums = f"select {keys}, sum(max(end - start, 0)) from {t.KERNEL} where {of_these} group by {keys}"
    for string_id, ordinal, process, *shape, ns in db.rows(sums, ids):
        device = devices.place(ordinal, process if process is not None else t.NO_ID)[0]
        key = texts[string_id], device
        if key not in longest or ns > longest[key][0]:
            longest[key] = ns, _shape(shape, limits.get(device, {}), devices.device(device).sm_count)
    return {key: shape for key, (_, shape) in longest.items()}


def _limits(db: Database) -> dict[int, dict[str, int]]:
    """What one SM of each GPU holds; without the limits that the export doesn't tell."""
    if not db.has(t.GPU, "id"):
        return {}
    select = ", ".join(db.column(t.GPU, name) for name in _LIMITS)
    rows = db.rows(f"select id, {select} from {t.GPU}")
    return {row[0]: {name: value for name, value in zip(_LIMITS, row[1:], strict=True) if value} for row in rows}


def _shape(row: list[Any], limits: dict[str, int], sm_count: int | None) -> Shape:
    grid, block, (registers, static, dynamic) = tuple(row[:3]), tuple(row[3:6]), (value or 0 for value in row[6:9])
    warps = -(-block[0] * block[1] * block[2] // _WARP)
    an_sm = 0
    if len(limits) == len(_LIMITS) and warps:
        an_sm = min(
            limits["maxBlocksPerSm"],
            limits["maxWarpsPerSm"] // warps,
            limits["maxRegistersPerSm"] // max(-(-registers * _WARP // _REGISTERS) * _REGISTERS * warps, 1),
            limits["maxShmemPerSm"] // (static + dynamic + _RESERVED),
        )
    waves = grid[0] * grid[1] * grid[2] / (max(an_sm, 1) * sm_count) if sm_count else None
    return Shape(grid, block, max(an_sm, 1), None if waves is None else round(waves, 2))
