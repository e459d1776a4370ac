"""Time `tcscope analyze` on millions of launches beside a bare GROUP BY, as whole processes in turn."""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIXTURE = Path(__file__).parents[2] / "fixtures" / "h100_trt86_resnet18s_fp16.sqlite"
TABLES = ("CUPTI_ACTIVITY_KIND_KERNEL", "CUPTI_ACTIVITY_KIND_RUNTIME", "NVTX_EVENTS", "CUPTI_ACTIVITY_KIND_MEMSET")
BARE = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
rows = db.execute("select demangledName, count(*), sum(end - start), min(end - start), max(end - start)"
                  " from CUPTI_ACTIVITY_KIND_KERNEL group by demangledName").fetchall()
print(len(rows), sum(row[2] for row in rows))
"""


def grow(source: Path, target: Path, launches: int) -> int:
    """Repeat a trace's rows, shifted in time and with fresh correlation ids; returns how many launches there are."""
    shutil.copyfile(source, target)
    db = sqlite3.connect(target)
    db.executescript("pragma journal_mode = off; pragma synchronous = off;")
    first, last, ids = db.execute(f"select min(start), max(end), max(correlationId) + 1 from {TABLES[1]}").fetchone()
    base = db.execute(f"select count(*) from {TABLES[0]}").fetchone()[0]
    step = last - first + 1_000_000
    shifted = {"start": f"start + ?1 * {step}", "end": f"end + ?1 * {step}"}
    shifted["correlationId"] = f"correlationId + ?1 * {ids}"
    present = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
    for table in (table for table in TABLES if table in present):
        columns = [row[1] for row in db.execute(f"pragma table_info({table})")]
        select = ", ".join(shifted.get(column, f'"{column}"') for column in columns)
        db.execute(f"create temp table base as select * from {table}")
        for k in range(1, max(1, launches // base)):
            db.execute(f"insert into {table} select {select} from base", (k,))
        db.execute("drop table base")
    db.commit()
    count: int = db.execute(f"select count(*) from {TABLES[0]}").fetchone()[0]
    db.close()
    return count


def run(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak MiB of one process."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed with {process.returncode}")
    return wall, usage.ru_maxrss / 1024


def main() -> None:
    """Grow a trace, time both in turn, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--launches", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--source", type=Path, default=FIXTURE)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("arguments", nargs="*", help="more arguments for tcscope analyze, after --")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trace = args.keep or Path(folder) / "large.sqlite"
        count = grow(args.source, trace, args.launches)
        ours = [sys.executable, "-m", "tcscope", "analyze", str(trace), *args.arguments]
        bare = [sys.executable, "-c", BARE, str(trace)]
        run(bare)  # the file is in the cache from here on
        pairs = [(run(ours), run(bare)) for _ in range(args.runs)]
    print(f"{count:,} launches, {args.runs} runs each in turn")
    for name, at in (("tcscope", 0), ("bare sqlite3", 1)):
        walls, peak = [pair[at][0] for pair in pairs], max(pair[at][1] for pair in pairs)
        print(f"{name:14} median {statistics.median(walls):6.2f} s  peak {peak:6.0f} MiB")
    print(f"{'ratio':14} median {statistics.median(a[0] / b[0] for a, b in pairs):6.2f}")


if __name__ == "__main__":
    main()
