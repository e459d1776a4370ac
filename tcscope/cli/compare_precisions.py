"""Build an ONNX file in several precisions, record each, and say what moved: why INT8 is not faster.

Each is built and recorded as by tcscope profile --precision, in a folder of its own within that of -o. Shown is the
diff of each against the first, which is kept there too (diff-BASE-NEW.json and .md). One that fails doesn't stop the
others.

fp32 is FP32 without TF32; fp16 allows FP16; int8 allows INT8 and FP16; best allows all the GPU has.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tcscope.cli.complaint import complain
from tcscope.cli.options import Commands, add_rules, command, count_from_0
from tcscope.cli.output import put
from tcscope.cli.recording import add_build, add_engine, add_folder, add_recording, wish_of
from tcscope.errors import UsageError

if TYPE_CHECKING:
    from tcscope.errors import TcscopeError
    from tcscope.model import Diff

_DEFAULT = "fp16,int8"
_HINT = "tcscope compare-precisions MODEL.onnx --calib DATA.npz"


def add_to(commands: Commands) -> None:
    """Declare `tcscope compare-precisions`."""
    example = "tcscope compare-precisions model.onnx --precision fp16,int8 --calib samples.npz"
    parser = command(commands, "compare-precisions", __doc__, example)
    parser.add_argument("engine", metavar="MODEL.onnx", help="the network, with weights")
    add_folder(parser)
    built = parser.add_argument_group("how the engines are built")
    built.add_argument(
        "--precision", metavar="P,P", default=_DEFAULT, help=f"of fp32, fp16, int8, best (default {_DEFAULT})"
    )
    add_build(built)
    add_recording(parser.add_argument_group("how they are recorded"))
    add_engine(parser.add_argument_group("how they are run"))
    out = parser.add_argument_group("what is shown")
    out.add_argument("--range", metavar="NAME", help="only launches inside the NVTX range NAME")
    out.add_argument(
        "--top", metavar="N", type=count_from_0, help="show N layers (default: as many as fit on a screen)"
    )
    out.add_argument("--full-names", action="store_true", help="never cut a layer's name")
    out.add_argument("--format", choices=("table", "md"), default="table")
    add_rules(out)
    parser.set_defaults(run=run, program=[])


def run(args: argparse.Namespace) -> int:
    """Compare the precisions that were asked for."""
    from tcscope.capture.build import EngineBuild, check_files, parse_precisions

    precisions = parse_precisions(args.precision)
    if len(precisions) < 2:
        other = next(word for word in _DEFAULT.split(",") if word != precisions[0])
        raise UsageError(f"only {precisions[0]}: with what is it compared?", f"--precision {other},{precisions[0]}")
    if Path(args.engine).suffix.lower() != ".onnx":
        raise UsageError(f"engines are built of a .onnx file, and {args.engine} is none", _HINT)
    if not args.dry_run:
        check_files(EngineBuild(Path(args.engine), precisions[0], args.calib), _HINT)
    return compare(args, precisions)


def compare(args: argparse.Namespace, precisions: Sequence[str]) -> int:
    """Build, record and compare; show the diffs, and return the exit code of the first failure."""
    from tcscope.capture.build import CALIBRATED
    from tcscope.capture.comparison import carry_out_each, command_lines, each, folder_of_all
    from tcscope.capture.job import outline, prepare

    if args.format == "json":
        raise UsageError("the diffs are kept as JSON in the folder of -o, and not printed", "leave out --format json")
    if args.calib and not set(precisions) & set(CALIBRATED):
        raise UsageError(f"--calib is for {' and '.join(CALIBRATED)}", "leave it out")
    wish = wish_of(args, precisions[-1])
    folder = folder_of_all(wish).path
    jobs = {name: (outline if args.dry_run else prepare)(one) for name, one in each(wish, precisions).items()}
    for note in dict.fromkeys(note for job in jobs.values() for note in job.notes):
        print(f"note: {note}", file=sys.stderr)
    if args.dry_run:
        print("\n".join(command_lines(jobs, folder)))
        return 0
    made = carry_out_each(jobs, args.rules)
    for number, diff in enumerate(made.diffs.values()):
        if number:
            print()
        _show(diff, args)
    _keep(made.diffs, folder)
    if made.diffs and made.recorded[0] != precisions[0]:
        print(f"note: compared with {made.recorded[0]}, since {precisions[0]} failed", file=sys.stderr)
    if len(made.recorded) == 1:
        report = jobs[made.recorded[0]].folder.report
        print(f"note: only {made.recorded[0]} was recorded: tcscope analyze {report}", file=sys.stderr)
    return _complain(made.failures)


def _show(diff: Diff, args: argparse.Namespace) -> None:
    if args.format == "md":
        from tcscope.render.diff.markdown import as_markdown

        put(as_markdown(diff) if args.top is None else as_markdown(diff, top=args.top), None)
    else:
        from tcscope.render.diff import terminal as diff_terminal

        diff_terminal.write(diff, sys.stdout, top=args.top, full_names=args.full_names)
    sys.stdout.flush()


def _keep(diffs: Mapping[tuple[str, str], Diff], folder: Path) -> None:
    """Save the diffs beside the folders of the precisions."""
    from tcscope.capture.comparison import diff_path
    from tcscope.render.diff.markdown import as_markdown

    for (base, new), diff in diffs.items():
        put(diff.to_json(), diff_path(folder, base, new, ".json"))
        put(as_markdown(diff), diff_path(folder, base, new, ".md"))


def _complain(failures: Mapping[str, TcscopeError]) -> int:
    for precision, failure in failures.items():
        complain(failure, precision)
    return next((failure.exit_code for failure in failures.values()), 0)
