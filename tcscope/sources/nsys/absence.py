"""Why an export holds no kernels, and how to capture again: told from what else it holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tcscope.errors import TraceError
from tcscope.model import GraphLaunches, Selection
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.header import capture_metadata
from tcscope.sources.nsys.nvtx import domains, range_counts
from tcscope.wording import count

if TYPE_CHECKING:
    from tcscope.sources.nsys.ranges import LaunchFilter

CAPTURE_AGAIN = "nsys profile -t cuda,nvtx --cuda-graph-trace=node -o again COMMAND"
_OTHER_TRIGGERS = ("Immediate", "Delayed")


def why_no_kernels(db: Database) -> TraceError:
    """The most likely reason, from the most certain clue to the least."""
    return TraceError(f"{db.path} holds no kernels: {_reason(db)}", CAPTURE_AGAIN + _advice(db))


def nothing_selected(
    path: Path,
    selection: Selection,
    devices: set[int],
    graphs: tuple[GraphLaunches, ...],
    launched: LaunchFilter | None,
) -> TraceError:
    """Why a selection holds no kernel of a trace that has some; `devices` are those it would have held without one."""
    if devices:
        known = ", ".join(map(str, sorted(devices)))
        return TraceError(f"{path} has no kernel on device {selection.device}", f"--device takes one of: {known}")
    if launched is None:
        return TraceError(
            f"--skip {selection.skip} leaves nothing: {path} has no more launches than that",
            f"tcscope info {path}  # says how many it has",
        )
    if graphs:
        hidden = count(sum(g.launches for g in graphs), "CUDA graph launch")
        return TraceError(
            f"the range '{selection.range}' of {path} holds no kernels, but {hidden} traced as a whole", CAPTURE_AGAIN
        )
    if not len(launched.calls):
        return TraceError(f"{path} has no launch calls, so that no range can hold a kernel", CAPTURE_AGAIN)
    return TraceError(
        f"no kernel of {path} was launched inside the range '{selection.range}'",
        f"tcscope info {path}  # lists ranges; a launch counts for the ranges open on its own thread",
    )


def no_layers(db: Database, graph_ns: int, unplaced_ns: int) -> TraceError:
    """Why no kernel of a trace lies in a range of TensorRT's layers."""
    file = "--layers LAYERS.json, the engine's file of trtexec --exportLayerInfo"
    by_range = f"tcscope analyze {db.path} --by range  # or: {file}"
    if not range_counts(db):
        return TraceError(
            f"{db.path} has no layers: it was captured without NVTX ranges",
            f"nsys profile -t cuda,nvtx -o again COMMAND  # or: {file}",
        )
    if graph_ns:
        return TraceError(f"{db.path} shows no layers: CUDA graphs launched its kernels, which hides them", by_range)
    if "TensorRT" not in domains(db):
        return TraceError(f"{db.path} has no layers: there are no TensorRT ranges in it", by_range)
    if unplaced_ns:
        return TraceError(
            f"{db.path} shows no layers: it lacks the calls that launched its kernels",
            f"nsys profile -t cuda,nvtx -o again COMMAND  # or: {file}",
        )
    return TraceError(f"{db.path} shows no layers: no kernel was launched inside a range of TensorRT's", by_range)


def _reason(db: Database) -> str:
    graphs = _count(db, t.GRAPH)
    capture = capture_metadata(db)
    if graphs:
        return f"all its work is in {count(graphs, 'CUDA graph launch')}, traced as a whole (--cuda-graph-trace=graph)"
    if capture.get("COLLECT_CUDA_TRACE") == "false":
        return "it was captured without CUDA tracing"
    launches = launch_calls(db)
    if launches:
        return f"it has {count(launches, 'launch call')}, but the GPU's records of them were not collected"
    trigger = capture.get("START_TRIGGER", "Immediate")
    if trigger not in _OTHER_TRIGGERS:
        return f"the capture was to begin at '{trigger}', and no CUDA work came after that"
    if t.RUNTIME in db.tables:
        return "the program called CUDA, but launched nothing while it was recorded"
    return "no CUDA activity was recorded: the program ran none, or it ended before its records were flushed"


def _advice(db: Database) -> str:
    """What to see to besides the options."""
    if _count(db, t.GRAPH):
        return ""
    if launch_calls(db):
        return "  # let the program end with cudaDeviceSynchronize() and cudaProfilerStop()"
    return "  # profile the process that runs the engine, and let it end with cudaProfilerStop()"


def launch_calls(db: Database) -> int:
    """The number of kernel and graph launch calls that the trace recorded."""
    if not db.has(t.RUNTIME, "nameId") or not db.has(t.STRINGS, "id", "value"):
        return 0
    return int(db.row(f"select count(*) from {t.RUNTIME} where nameId in ({t.LAUNCH_NAMES})")[0])


def _count(db: Database, table: str) -> int:
    return int(db.row(f"select count(*) from {table}")[0]) if table in db.tables else 0
