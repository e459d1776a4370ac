"""What an export says of itself: versions, time of capture, the machine."""

from __future__ import annotations

import os
import re

from tcscope.model import TraceInfo
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database
from tcscope.wording import plain


def read_header(db: Database) -> TraceInfo:
    """Versions, capture time and host. Never the environment or the command line: they may hold secrets."""
    export = export_metadata(db)
    system = _pairs(db, t.SYSTEM, "CpuArchitecture", "NvDriverVersion", "CudaDriverVersion", "OsDescription")
    return TraceInfo(
        file=os.fsencode(db.path.name).decode("utf-8", "replace"),
        tool=_tool(export),
        schema_version=export.get("EXPORT_SCHEMA_VERSION", ""),
        captured=_captured(db),
        host=system.get("CpuArchitecture", ""),
        driver=system.get("NvDriverVersion", ""),
        cuda=_cuda_version(system.get("CudaDriverVersion", "")),
    )


def export_metadata(db: Database) -> dict[str, str]:
    """What the exporter wrote down: product, version, schema."""
    for table in t.EXPORT_TABLES:
        if table in db.tables:
            return _pairs(db, table)
    return {}


def capture_metadata(db: Database) -> dict[str, str]:
    """How the capture was set up; names as in META_DATA_CAPTURE without their `PROCESS_0:` prefix."""
    return {name.rpartition("PROCESS_0:")[2]: value for name, value in _pairs(db, t.CAPTURE).items()}


def _pairs(db: Database, table: str, *names: str) -> dict[str, str]:
    if not db.has(table, "name", "value"):
        return {}
    rows = db.rows(f"select name, value from {table}")
    return {str(name): plain(str(value)) for name, value in rows if (not names or name in names) and value is not None}


def _tool(export: dict[str, str]) -> str:
    product = export.get("EXPORT_PRODUCT_NAME", "").removeprefix("NVIDIA ")
    return f"{product} {export.get('EXPORT_PRODUCT_VERSION', '')}".strip()


def _captured(db: Database) -> str:
    if not db.has(t.SESSION, "utcTime"):
        return ""
    return next((plain(str(time or "")) for (time,) in db.rows(f"select utcTime from {t.SESSION}")), "")


def _cuda_version(text: str) -> str:
    """`13000` is CUDA 13.0."""
    return f"{int(text) // 1000}.{int(text) % 1000 // 10}" if re.fullmatch("[0-9]{4,6}", text) else text
