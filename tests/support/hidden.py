"""Copies of real TensorRT traces in which the layer ranges are hidden, as CUDA graphs or other captures hide them."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

_NAME = "coalesce(text, (select value from StringIds where id = textId))"
_RANGES = "eventType in (59, 60)"
KINDS = ("no layer ranges", "no ranges", "graphs")


def hidden(trace: Path, kind: str, folder: Path) -> Path:
    """A copy of a trace with one NVTX range `inference` around each inference, of one of the KINDS.

    `graphs` makes each inference one launch of a CUDA graph: one call, whose id all its kernels carry.
    """
    path = folder / f"{kind.replace(' ', '_')}_{trace.name}"
    shutil.copyfile(trace, path)
    with closing(sqlite3.connect(path)) as db:
        if kind == "no ranges":
            db.execute("drop table NVTX_EVENTS")
        else:
            db.execute(f"delete from NVTX_EVENTS where domainId <> 0 and {_RANGES} and {_NAME} not like 'Execution%'")
        if kind == "graphs":
            _as_graphs(db)
        db.commit()
    return path


def _as_graphs(db: sqlite3.Connection) -> None:
    inferences = list(db.execute(f"select start, \"end\", globalTid from NVTX_EVENTS where {_NAME} = 'inference'"))
    for start, end, tid in inferences:
        launches = list(
            db.execute(
                "select correlationId from CUPTI_ACTIVITY_KIND_RUNTIME r where globalTid = ? and start >= ? and"
                ' "end" <= ? and exists (select 1 from CUPTI_ACTIVITY_KIND_KERNEL k where k.correlationId ='
                " r.correlationId) order by start",
                (tid, start, end),
            )
        )
        ((first,), *others) = launches
        for node, (call,) in enumerate(launches, 1):
            sql = "update CUPTI_ACTIVITY_KIND_KERNEL set correlationId = ?, graphNodeId = ? where correlationId = ?"
            db.execute(sql, (first, node, call))
        db.executemany("delete from CUPTI_ACTIVITY_KIND_RUNTIME where correlationId = ?", others)
    db.execute(f"delete from NVTX_EVENTS where domainId <> 0 and {_RANGES}")
