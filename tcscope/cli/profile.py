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
from typing import TYPE_CHECKING

from tcscope.cli.options import Commands, add_rules, command, count_from_0
from tcscope.cli.output import put_report
from tcscope.cli.recording import add_build, add_engine, add_folder, add_recording, wish_of

if TYPE_CHECKING:
    from tcscope.model.verification import Verification

_USAGE = """tcscope profile [options] ENGINE
       tcscope profile [options] MODEL.onnx --precision fp16
       tcscope profile [options] -- COMMAND [ARGUMENT ...]"""
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
