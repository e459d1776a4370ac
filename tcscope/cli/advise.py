"""Say which INT8 layers to keep in FP16: the milliseconds of two traces beside each layer's loss of accuracy.

BASE is the FP16 trace, NEW the INT8 one: nsys exports, .nsys-rep, trtexec's layer files, or saved reports. The loss of
each layer is what tcscope sensitivity wrote. Without a goal: the fewest layers that win back 80 % of what INT8 loses.

-o DIR gets advice.json, advice.md, trtexec.txt (arguments for TensorRT 8 to 10) and layers.txt; with --model also
mixed.onnx: Q/DQ nodes around all layers but those, for explicit quantization and TensorRT 11. That mix is run, and its
measured loss shown beside the predicted one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tcscope.cli.networks import add_data, bench_of
from tcscope.cli.options import Commands, add_rules, add_selection, add_sm, command, count_from_0
from tcscope.cli.output import put
from tcscope.cli.status import Status
from tcscope.errors import UsageError

if TYPE_CHECKING:
    from tcscope.analysis.advise.build import Plan
    from tcscope.model.advise import MixAdvice
    from tcscope.model.sensitivity import Sensitivity

FORMATS = ("table", "json", "md")


def add_to(commands: Commands) -> None:
    """Declare `tcscope advise`."""
    example = "tcscope advise fp16.sqlite int8.sqlite --sensitivity s.json --max-slower 2% -o mix"
    parser = command(commands, "advise", __doc__, example)
    parser.add_argument("base", metavar="BASE", help="the FP16 trace, or a saved report")
    parser.add_argument("new", metavar="NEW", help="the INT8 trace, or a saved report")
    parser.add_argument("--sensitivity", metavar="FILE", required=True, help="what tcscope sensitivity -o wrote")
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument(
        "--max-loss",
        metavar="LOSS",
        help="the fastest mix that loses no more: of sqnr 1%% of the signal's power, or 1dB above it; else in the "
        "metric's unit, or a %% of FP32's",
    )
    goal.add_argument("--max-slower", metavar="N%", help="the mix that loses least in at most N %% more time than NEW")
    measured = parser.add_argument_group("to measure the mix (pip install 'tcscope[ptq]')")
    measured.add_argument("--model", metavar="FILE", type=Path, help="the ONNX file that the sensitivity was made from")
    add_data(measured)
    measured.add_argument("--metric", metavar="M", help="file.py:function, if the sensitivity was ranked by one")
    add_selection(parser.add_argument_group("which launches, on both sides"), "inside the NVTX range NAME")
    how = parser.add_argument_group("how they are judged")
    add_sm(how, ", where a trace doesn't know its GPU")
    add_rules(how)
    out = parser.add_argument_group("what is shown")
    out.add_argument("--top", metavar="N", type=count_from_0, default=8, help="mixes and layers shown (default 8)")
    out.add_argument("--full-names", action="store_true", help="never cut a layer's name")
    out.add_argument("--format", choices=FORMATS, default="table")
    out.add_argument("-o", "--output", metavar="DIR", type=Path, help="write the files into this folder as well")
    out.add_argument("--force", action="store_true", help="write over the files of an earlier run in that folder")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Join traces and sensitivity, choose, measure, show."""
    from tcscope.analysis.advise.build import Plan
    from tcscope.analysis.advise.goals import goal_of
    from tcscope.analysis.advise.table import read
    from tcscope.analysis.difference.reports import report_for
    from tcscope.hardware import parse_sm
    from tcscope.rulebook import RuleBook

    if args.model is None and (args.data is not None or args.random is not None):
        raise UsageError("--data without the network that it is for", "--model model.onnx")
    folder = _Folder(args)
    sensitivity = read(Path(args.sensitivity))
    goal = goal_of(args.max_loss, args.max_slower, sensitivity)
    book = RuleBook.load(args.rules)
    sm = parse_sm(args.sm) if args.sm is not None else None
    base, new = (report_for(file, book, sm, args.range, args.device, args.skip) for file in (args.base, args.new))
    plan = Plan(base, new, sensitivity, goal, named=Path(args.sensitivity).name)
    advice = plan.advice() if args.model is None else _measured(plan, sensitivity, folder, args)
    folder.write(advice)
    put(_rendered(advice, folder, args), None)
    return 0


def _measured(plan: Plan, sensitivity: Sensitivity, folder: _Folder, args: argparse.Namespace) -> MixAdvice:
    """The advice with its mix run; quantized as for the sensitivity."""

    args.calibration = "entropy" if sensitivity.calibration == "none" else str(sensitivity.calibration)
    args.percentile, args.jobs = sensitivity.percentile, None
    metric = _metric(sensitivity, args)
    bench = bench_of(args, extra=":" in metric)
    from tcscope.sensitivity.metric import measure_of
    from tcscope.sensitivity.mix import measured_advice, save

    measure = measure_of(metric)
    with Status() as status:
        advice, model = measured_advice(plan, bench, measure, status)
    if folder.mixed is not None:
        save(model, folder.mixed)
        print(f"wrote {folder.mixed}", file=sys.stderr)
    return advice


def _metric(sensitivity: Sensitivity, args: argparse.Namespace) -> str:
    """The metric to measure by: the sensitivity's, whose file the user has to name. Raises UsageError."""
    known = sensitivity.metric.name
    if args.metric is None and ":" in known:
        raise UsageError(f"the sensitivity was ranked by {known}, and where is that file?", f"--metric {known}")
    given = str(args.metric or known)
    if (
        Path(given.rpartition(":")[0]).name != known.rpartition(":")[0]
        or given.rpartition(":")[2] != known.rpartition(":")[2]
    ):
        raise UsageError(f"the sensitivity was ranked by {known}, not by {given}", f"--metric {known}")
    return given


def _rendered(advice: MixAdvice, folder: _Folder, args: argparse.Namespace) -> str:
    mixed = None if folder.mixed is None else str(folder.mixed)
    if args.format == "json":
        return advice.to_json()
    if args.format == "md":
        from tcscope.render.advise_files import as_markdown

        return as_markdown(advice, top=args.top, mixed=mixed)
    from tcscope.render.advise import as_text

    encoding = sys.stdout.encoding or "utf-8"
    gap = "…" if encoding.lower().startswith("utf") else "..."
    shown = as_text(advice, top=args.top, full_names=args.full_names, gap=gap, mixed=mixed)
    return shown.encode(encoding, "replace").decode(encoding)


class _Folder:
    """The folder of -o, made if it isn't there. Raises UsageError where it holds an answer, or can't be made."""

    NAMES = ("advice.json", "advice.md", "trtexec.txt", "layers.txt", "mixed.onnx")

    def __init__(self, args: argparse.Namespace) -> None:
        self.path: Path | None = args.output
        self.mixed: Path | None = None
        if self.path is None:
            return
        if args.model is not None:
            self.mixed = self.path / "mixed.onnx"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"can't make the folder {self.path}: {error.strerror}", "give -o another name") from error
        held = [name for name in self.NAMES if (self.path / name).exists()]
        if held and not args.force:
            raise UsageError(f"{self.path} holds {held[0]} already", "give -o another folder, or --force")

    def write(self, advice: MixAdvice) -> None:
        """Write the advice in all its forms."""
        from tcscope.render.advise_files import as_arguments, as_list, as_markdown

        if self.path is None:
            return
        put(advice.to_json(), self.path / "advice.json")
        put(as_markdown(advice, mixed=None if self.mixed is None else self.mixed.name), self.path / "advice.md")
        put(as_arguments(advice), self.path / "trtexec.txt")
        put(as_list(advice), self.path / "layers.txt")
