"""Record a TensorRT engine or any program under nsys, so that its kernels are seen, and analyze it.

ENGINE is run in a Python that has TensorRT (--python), or by trtexec; of a MODEL.onnx it is built first, outside the
recording. After -- stands a command of your own; end it with Ctrl-C if it doesn't end by itself. The folder of -o keeps
the .nsys-rep, the .sqlite, report.json and log.txt, and an engine that was built.

--precision fp32 is FP32 without TF32; fp16 allows FP16; int8 allows INT8 and FP16; best allows all the GPU has. With
several, as fp16,int8, it is tcscope compare-precisions. TensorRT 11 and RTX take the types of the ONNX instead, and the
word must fit them.
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
    from tcscope.capture.build import EngineBuild
    from tcscope.capture.job import Wish
    from tcscope.model.verification import Verification

_USAGE = """tcscope profile [options] ENGINE
       tcscope profile [options] MODEL.onnx --precision fp16
       tcscope profile [options] -- COMMAND [ARGUMENT ...]"""
_OF_BUILDS = ("precision", "calib", "tactic_sources")
_OF_ENGINES = ("shapes", "inputs", "python", "trtexec", "cuda_graph", "dla_core", "plugin", *_OF_BUILDS)
_TOP = 10


def add_to(commands: Commands) -> None:
    """Declare `tcscope profile`."""
    parser = command(commands, "profile", __doc__, "tcscope profile model.plan --shapes input:8x3x224x224 -o run1")
    parser.usage = _USAGE
    parser.add_argument(
        "engine", metavar="ENGINE", nargs="?", help="a TensorRT engine (.plan, .engine, .trt), or a network (.onnx)"
    )
    add_folder(parser)
    recorded = parser.add_argument_group("how it is recorded")
    add_recording(recorded)
    recorded.add_argument(
        "--counters", action="store_true", help="then count each kernel's matrix instructions with ncu, and verify"
    )
    recorded.add_argument("--ncu", metavar="PATH", help="the ncu to use (default: $NCU, PATH, the usual folders)")
    add_engine(parser.add_argument_group("how an engine is run"))
    built = parser.add_argument_group("how an engine is built of a .onnx")
    built.add_argument("--precision", metavar="P", help="fp32, fp16, int8 or best; several, with commas, are compared")
    add_build(built)
    out = parser.add_argument_group("what is shown")
    out.add_argument("--range", metavar="NAME", help="only launches inside the NVTX range NAME")
    out.add_argument("--top", metavar="N", type=count_from_0, help=f"the N kernels with most time (default {_TOP})")
    out.add_argument("--full-names", action="store_true", help="never cut a kernel's name")
    out.add_argument("--format", choices=("table", "json", "md"), default="table")
    add_rules(out)
    parser.set_defaults(run=run, program=[])


def add_folder(parser: argparse._ActionsContainer) -> None:
    """`-o`, `--force` and `--dry-run`."""
    parser.add_argument(
        "-o", "--output", metavar="DIR", type=Path, help="the folder that keeps all files (default: tcscope-NAME)"
    )
    parser.add_argument("--force", action="store_true", help="write over an earlier capture in DIR")
    parser.add_argument("--dry-run", action="store_true", help="print the command lines and run none of them")


def add_recording(group: argparse._ActionsContainer) -> None:
    """How nsys records."""
    group.add_argument("--nsys", metavar="PATH", help="the nsys to use (default: $NSYS, PATH, the usual folders)")
    group.add_argument(
        "--gpu-metrics", action="store_true", help="sample the GPU's counters too: Tensor activity; may need root"
    )


def add_engine(group: argparse._ActionsContainer) -> None:
    """How an engine is run."""
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


def add_build(group: argparse._ActionsContainer) -> None:
    """How an engine is built, in whichever precision."""
    group.add_argument(
        "--calib", metavar="FILE", type=Path, help="for INT8: samples, an .npz of arrays named as the inputs"
    )
    group.add_argument(
        "--tactic-sources", metavar="NAMES", default="", help="let TensorRT choose from these only: CUDNN,CUBLAS,..."
    )


def run(args: argparse.Namespace) -> int:
    """Record, analyze and show; or show what would be run."""
    from tcscope.capture.build import parse_precisions
    from tcscope.capture.job import outline, prepare
    from tcscope.capture.session import carry_out

    precisions = parse_precisions(args.precision) if args.precision else ()
    if len(precisions) > 1:
        from tcscope.cli.compare_precisions import compare

        return compare(args, precisions)
    wish = wish_of(args, precisions[0] if precisions else None)
    job = outline(wish) if args.dry_run else prepare(wish)
    for note in job.notes:
        print(f"note: {note}", file=sys.stderr)
    if args.dry_run:
        print("\n".join(job.command_lines()))
        return 0
    captured = carry_out(job, args.rules)
    put_report(
        captured.report, args.format, None, top=_TOP if args.top is None else args.top, full_names=args.full_names
    )
    if captured.verification is not None:
        _show(captured.verification, args.format)
    print(f"wrote {job.folder.sqlite}, {job.folder.report.name} and {job.folder.log.name}", file=sys.stderr)
    if captured.trouble is not None:
        raise captured.trouble
    return 0


def _show(verification: Verification, form: str) -> None:
    """The verdicts beside the counters; beside an answer that a program reads, on stderr."""
    from tcscope.render import verify

    lines = f"\nAgainst hardware counters ({verification.counters})\n{verify.summary(verification)}\n"
    (sys.stdout if form == "table" else sys.stderr).write(lines)


def wish_of(args: argparse.Namespace, precision: str | None) -> Wish:
    """What the arguments ask for; with a precision, an engine that is built first."""
    from tcscope.capture.engine import EngineRun
    from tcscope.capture.job import Wish

    if bool(args.engine) == bool(args.program):
        what = f"both an engine ({args.engine}) and a command" if args.engine else "neither an engine nor a command"
        raise UsageError(what, "tcscope profile ENGINE, or: tcscope profile -- COMMAND")
    strange = next((name for name in _OF_ENGINES if args.program and getattr(args, name)), None)
    if strange is not None:
        raise UsageError(f"--{strange.replace('_', '-')} is for engines, not for a command", "leave it out")
    build = _build(args, precision)
    engine = None
    if args.engine:
        engine = EngineRun(
            Path(args.engine) if build is None else Path(f"{build.model.stem}.{build.precision}.plan"),
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
        counters=getattr(args, "counters", False),
        ncu=getattr(args, "ncu", None),
        build=build,
    )


def _build(args: argparse.Namespace, precision: str | None) -> EngineBuild | None:
    from tcscope.capture.build import EngineBuild, parse_tactic_sources

    if precision is None:
        if str(args.engine or "").lower().endswith(".onnx"):
            raise UsageError(
                f"{args.engine} is a network, of which an engine must be built: in which precision?",
                f"tcscope profile {args.engine} --precision fp16  # or fp32, int8, best; fp16,int8 compares",
            )
        strange = next((name for name in _OF_BUILDS if getattr(args, name)), None)
        if strange is not None:
            raise UsageError(f"--{strange.replace('_', '-')} is for building an engine", "--precision int8")
        return None
    return EngineBuild(Path(args.engine or ""), precision, args.calib, parse_tactic_sources(args.tactic_sources))


def _from_1(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1 on")
    return int(text)
