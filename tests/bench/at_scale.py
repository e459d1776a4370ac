"""Time `tcscope analyze` from 10^5 to 10^7 launches on one processor and on two, beside bare SQL and `nsys stats`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.bench.large_trace import BARE, FIXTURE, grow, run

SIZES = (100_000, 316_000, 1_000_000, 3_160_000, 10_000_000)
ALSO = (["--stats"], ["--range", "inference"], ["--by", "layer"])
ALSO_AT = 1_000_000


@dataclass(frozen=True)
class Row:
    """The least wall seconds and the peak MiB at one size on a number of processors."""

    launches: int
    mb: float
    processors: int
    ours: float
    bare: float
    peak: float
    nsys: float | None

    def per_launch(self, start_up: float) -> float:
        """Nanoseconds a launch, without the start-up."""
        return (self.ours - start_up) * 1e9 / self.launches

    def cells(self, start_up: float) -> tuple[str, ...]:
        """The row of the table."""
        numbers = (
            f"{self.launches:,}",
            f"{self.mb:,.0f}",
            f"{self.processors}",
            f"{self.ours:.2f}",
            f"{self.bare:.2f}",
        )
        nsys = "-" if self.nsys is None else f"{self.nsys:.1f} ({self.nsys / self.ours:.1f}x)"
        return (*numbers, f"{self.ours / self.bare:.2f}", f"{self.per_launch(start_up):.0f}", f"{self.peak:.0f}", nsys)


HEAD = ("launches", "MB", "processors", "tcscope s", "bare SQL s", "ratio", "ns/launch", "peak MiB", "nsys stats s")


def analyze(trace: Path, *arguments: str) -> list[str]:
    """The command."""
    return [sys.executable, "-m", "tcscope", "analyze", str(trace), *arguments]


def measure(trace: Path, launches: int, processors: int, runs: int, nsys: list[str] | None) -> Row:
    """Both in turn, each in a process of its own that may use so many processors; nsys may use them all."""
    ours, bare = analyze(trace), [sys.executable, "-c", BARE, str(trace)]
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(everywhere)[:processors])
    try:
        run(bare)  # the file is in the cache from here on, as far as it fits
        pairs = [(run(ours), run(bare)) for _ in range(runs)]
    finally:
        os.sched_setaffinity(0, everywhere)
    return Row(
        launches=launches,
        mb=trace.stat().st_size / 1e6,
        processors=processors,
        ours=min(a[0] for a, _ in pairs),
        bare=min(b[0] for _, b in pairs),
        peak=max(a[1] for a, _ in pairs),
        nsys=min(run([*nsys, str(trace)])[0] for _ in range(2)) if nsys else None,
    )


def nsys_command(nsys: str) -> list[str]:
    """`nsys stats` with the summary of kernels, which was called otherwise before 2023."""
    known = subprocess.run([nsys, "stats", "--help-reports"], capture_output=True, text=True, check=False).stdout
    return [nsys, "stats", "-r", "cuda_gpu_kern_sum" if "cuda_gpu_kern_sum" in known else "gpukernsum"]


def plot(rows: list[Row], start_up: float, path: Path) -> None:
    """Cost per launch over the number of launches, as SVG."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "tcscope"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.4), layout="constrained")
    for processors, marker in ((1, "o"), (2, "s")):
        mine = [row for row in rows if row.processors == processors]
        sizes, ns = [row.launches for row in mine], [row.per_launch(start_up) for row in mine]
        axes.plot(sizes, ns, marker=marker, label=f"tcscope, {processors} processor{'s'[: processors - 1]}")
    alone = [row for row in rows if row.processors == 1]
    bare = [row.bare * 1e9 / row.launches for row in alone]
    axes.plot(
        [row.launches for row in alone], bare, "--", color="grey", label="bare SQL, one processor, with its start-up"
    )
    axes.set(xscale="log", ylim=(0, None), xlabel="launches", ylabel="ns a launch")
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Grow traces, time them, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--most", type=int, default=SIZES[-1], help="no more launches than that")
    parser.add_argument("--source", type=Path, default=FIXTURE)
    parser.add_argument("--folder", type=Path, help="where the traces lie for a while: 4 GB (default: the system's)")
    parser.add_argument("--nsys", help="an nsys whose `nsys stats` is timed too")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg")
    args = parser.parse_args()
    start_up = min(run(analyze(args.source))[0] for _ in range(3 * args.runs))
    nsys = nsys_command(args.nsys) if args.nsys else None
    rows: list[Row] = []
    also: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        trace = Path(folder) / "large.sqlite"
        for launches in (size for size in SIZES if size <= args.most):
            count = grow(args.source, trace, launches)
            for processors in sorted({1, min(2, len(os.sched_getaffinity(0)))}):
                rows.append(measure(trace, count, processors, args.runs, nsys if processors == 2 else None))
                print("| " + " | ".join(rows[-1].cells(start_up)) + " |", file=sys.stderr)
            if launches == ALSO_AT:
                also = [min(run(analyze(trace, *arguments)) for _ in range(2)) for arguments in ALSO]
    print(f"start-up {start_up:.2f} s, which ns/launch leaves out; the best of {args.runs} runs each, in turn\n")
    for cells in (HEAD, ["--:"] * len(HEAD), *(row.cells(start_up) for row in rows)):
        print("| " + " | ".join(cells) + " |")
    for arguments, (wall, peak) in zip(ALSO, also, strict=False):
        print(f"\n`{' '.join(arguments)}` at {ALSO_AT:,} launches: {wall:.1f} s, {peak:.0f} MiB")
    if args.plot:
        plot(rows, start_up, args.plot)


if __name__ == "__main__":
    main()
