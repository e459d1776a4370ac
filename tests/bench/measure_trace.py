"""Time `tcscope analyze` on a made trace of millions of launches and samples of GPU metrics; its peak memory too."""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.bench.large_trace import run

KERNELS = 60
METRICS = ("Tensor Active [Throughput %]", "SM Issue [Throughput %]", "DRAM Read [Throughput %]", "DRAM Write [%]")
PERIOD = 50_000
STEP = 1_000_000  # rows written at once


def make(path: Path, launches: int, samples: int) -> None:
    """Kernels one after the other in random order, so long that they fill the samples; with noise."""
    random = np.random.default_rng(0)
    db = sqlite3.connect(path)
    db.executescript("pragma journal_mode = off; pragma synchronous = off;")
    db.executescript(
        "create table StringIds (id integer primary key, value text);"
        "create table META_DATA_EXPORT (name text, value text);"
        "create table TARGET_INFO_GPU (id, name text, smCount, computeMajor, computeMinor, cuDevice, isDiscrete);"
        "insert into TARGET_INFO_GPU values (0, 'NVIDIA H100 80GB HBM3', 132, 9, 0, 0, 1);"
        "create table CUPTI_ACTIVITY_KIND_KERNEL (start integer, end integer, deviceId integer, globalPid integer,"
        " correlationId integer, demangledName integer, gridX, gridY, gridZ, blockX, blockY, blockZ);"
        "create table TARGET_INFO_GPU_METRICS (typeId, metricId, metricName text);"
        "create table GPU_METRICS (timestamp integer, typeId integer, metricId integer, value integer);"
    )
    names = [
        (k, f"sm80_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize{k}x64x32_stage3_tensor16x8x16") for k in range(KERNELS)
    ]
    db.executemany("insert into StringIds values (?, ?)", names)
    db.executemany("insert into TARGET_INFO_GPU_METRICS values (0, ?, ?)", list(enumerate(METRICS)))
    which = random.integers(0, KERNELS, launches)
    mean = samples * PERIOD * 0.9 / launches
    ns = (mean * random.uniform(0.5, 1.5, KERNELS))[which].astype(np.int64)
    gaps = random.integers(0, max(int(mean * 0.2), 1), launches)
    start = np.cumsum(gaps) + np.cumsum(ns) - ns
    done = np.concatenate([[0], np.cumsum(ns * random.uniform(0, 60, KERNELS)[which])])
    edges = np.arange(samples + 1) * PERIOD
    at = np.searchsorted(start, edges)
    inside = np.where(at > 0, np.clip((edges - start[at - 1]) / np.maximum(ns[at - 1], 1), 0, 1), 0)
    reached = done[np.maximum(at - 1, 0)] + inside * np.where(at > 0, done[at] - done[at - 1], 0)
    value = np.clip(np.rint(np.diff(reached) / PERIOD + random.normal(0, 1, samples)), 0, 100).astype(int)
    for first in range(0, launches, STEP):
        part = slice(first, first + STEP)
        rows = zip(start[part].tolist(), (start + ns)[part].tolist(), which[part].tolist(), strict=True)
        kernel = "insert into CUPTI_ACTIVITY_KIND_KERNEL values (?, ?, 0, 16777216, 0, ?, 132, 1, 1, 128, 1, 1)"
        db.executemany(kernel, rows)
    for metric in range(len(METRICS)):
        sampled = ((at, metric, one) for at, one in zip(edges[:-1].tolist(), value.tolist(), strict=True))
        db.executemany("insert into GPU_METRICS values (?, 0, ?, ?)", sampled)
    db.commit()
    db.close()


def main() -> None:
    """Make a trace, analyze it, print seconds and MiB."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--launches", type=int, default=5_000_000)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "measured.sqlite"
        begun = time.perf_counter()
        make(trace, args.launches, args.samples)
        print(f"made in {time.perf_counter() - begun:.0f} s, {trace.stat().st_size / 1e6:.0f} MB")
        walls = [run([sys.executable, "-m", "tcscope", "analyze", str(trace)]) for _ in range(args.runs)]
    print(f"{args.launches:,} launches, {args.samples:,} samples of {len(METRICS)} metrics, {KERNELS} kernels")
    print(f"best {min(wall for wall, _ in walls):.1f} s, peak {max(peak for _, peak in walls):.0f} MiB")


if __name__ == "__main__":
    main()
