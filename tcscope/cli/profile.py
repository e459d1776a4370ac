"""Record a TensorRT engine or any program under nsys, so that its kernels are seen, and analyze it.

ENGINE is run in a Python that has TensorRT (--python), or by trtexec. After -- stands a command of your own; end it
with Ctrl-C if it doesn't end by itself. The folder of -o keeps the .nsys-rep, the .sqlite, report.json and log.txt.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tcscope.cli.options import Commands, add_rules, command, count_from_0
from tcscope.cli.output import put_report
from tcscope.errors import UsageError

if TYPE_CHECKING:
    from tcscope.capture.job import Wish

_USAGE = "tcscope profile [options] ENGINE\n       tcscope profile [options] -- COMMAND [ARGUMENT ...]"
_OF_ENGINES = ("shapes", "inputs", "python", "trtexec", "cuda_graph", "dla_core", "plugin")


def add_to(commands: Commands) -> None:
    """Declare `tcscope profile`."""
    parser = command(commands, "profile", __doc__, "tcscope profile model.plan --shapes input:8x3x224x224 -o run1")
    parser.usage = _USAGE
    parser.add_argument("engine", metavar="ENGINE", nargs="?", help="a TensorRT engine (.plan, .engine, .trt)")
    parser.add_argument(
        "-o", "--output", metavar="DIR", type=Path, help="the folder that keeps all files (default: tcscope-NAME)"
    )
    parser.add_argument("--force", action="store_true", help="write over an earlier capture in DIR")
    parser.add_argument("--dry-run", action="store_true", help="print the command lines and run none of them")
    _add_recording(parser.add_argument_group("how it is recorded"))
    _add_engine(parser.add_argument_group("how an engine is run"))
    out = parser.add_argument_group("what is shown")
    out.add_argument("--range", metavar="NAME", help="only launches inside the NVTX range NAME")
    out.add_argument(
        "--top", metavar="N", type=count_from_0, default=10, help="the N kernels with most time (default 10)"
    )
    out.add_argument("--full-names", action="store_true", help="never cut a kernel's name")
    out.add_argument("--format", choices=("table", "json", "md"), default="table")
    add_rules(out)
    parser.set_defaults(run=run, program=[])


def _add_recording(group: argparse._ActionsContainer) -> None:
    group.add_argument("--nsys", metavar="PATH", help="the nsys to use (default: $NSYS, PATH, the usual folders)")
    group.add_argument(
        "--gpu-metrics", action="store_true", help="sample the GPU's counters too: Tensor activity; may need root"
    )


def _add_engine(group: argparse._ActionsContainer) -> None:
    group.add_argument("--iterations", metavar="N", type=_from_1, default=20, help="inferences (default 20)")
    group.add_argument("--warmup", metavar="N", type=count_from_0, default=5, help="inferences before them (default 5)")
    group.add_argument("--shapes", metavar="S", default="", help="of dynamic inputs: name:1x3x224x224,other:1x8")
    group.add_argument("--inputs", metavar="FILE", type=Path, help="arrays for the inputs (.npz; default: random)")
    group.add_argument("--seed", metavar="N", type=count_from_0, default=0, help="of the random inputs (default 0)")
    group.add_argument("--cuda-graph", action="store_true", help="run it as a CUDA graph")
    group.add_argument("--dla-core", metavar="N", type=count_from_0, help="run it on this DLA core (Jetson)")
    group.add_argument("--plugin", metavar="FILE", action="append", default=[], help="load this library of plugins")
    group.add_argument("--python", metavar="PATH", help="the Python that has TensorRT (default: tcscope's own)")
    group.add_argument("--trtexec", action="store_true", help="run it with trtexec instead of Python")


def run(args: argparse.Namespace) -> int:
    """Record, analyze and show; or show what would be run."""
    from tcscope.capture.job import outline, prepare
    from tcscope.capture.session import carry_out

    wish = _wish(args)
    job = outline(wish) if args.dry_run else prepare(wish)
    for note in job.notes:
        print(f"note: {note}", file=sys.stderr)
    if args.dry_run:
        print("\n".join(job.command_lines()))
        return 0
    captured = carry_out(job, args.rules)
    put_report(captured.report, args.format, None, top=args.top, full_names=args.full_names)
    print(f"wrote {job.folder.sqlite}, {job.folder.report.name} and {job.folder.log.name}", file=sys.stderr)
    if captured.trouble is not None:
        raise captured.trouble
    return 0


def _wish(args: argparse.Namespace) -> Wish:
    from tcscope.capture.engine import EngineRun
    from tcscope.capture.job import Wish

    if bool(args.engine) == bool(args.program):
        what = f"both an engine ({args.engine}) and a command" if args.engine else "neither an engine nor a command"
        raise UsageError(what, "tcscope profile ENGINE, or: tcscope profile -- COMMAND")
    strange = next((name for name in _OF_ENGINES if args.program and getattr(args, name)), None)
    if strange is not None:
        raise UsageError(f"--{strange.replace('_', '-')} is for engines, not for a command", "leave it out")
    engine = None
    if args.engine:
        engine = EngineRun(
            Path(args.engine),
            iterations=args.iterations,
            warmup=args.warmup,
            shapes=args.shapes,
            inputs=args.inputs,
            seed=args.seed,
            cuda_graph=args.cuda_graph,
            dla_core=args.dla_core,
            plugins=tuple(args.plugin),
        )
    return Wish(
        engine,
        tuple(args.program),
        args.output,
        force=args.force,
        nsys=args.nsys,
        python=args.python,
        trtexec=args.trtexec,
        gpu_metrics=args.gpu_metrics,
        range=args.range,
    )


def _from_1(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1 on")
    return int(text)
