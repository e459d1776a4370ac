"""Files of Nsight Compute as ncu writes them, and real counts to put into them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tcscope.rulebook.counters import counter_table
from tests.support.places import FIXTURES

NAMES_TRUTH = FIXTURES / "names_truth.csv"
HEAD = ("ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Context", "Stream", "Block Size", "Grid Size")
PROGRESS = '==PROF== Connected to process 4711 (/usr/bin/python3)\n==PROF== Profiling "k" - 0: 0%....100% - 2 passes\n'
DONE = "==PROF== Disconnected from process 4711\n"
ENOUGH = 1_234_567  # ncu prints it with thousands separators

Launch = tuple[str, Mapping[str, float]]


def metrics_of(sm: int) -> list[str]:
    """The exact counters of an architecture, as ncu is asked for them."""
    return [f"{counter.metric}.sum" for counter in counter_table().exact if sm in counter.sms]


def launch(name: str, sm: int = 90, /, **above: float) -> Launch:
    """A launch with every counter of its GPU: zero, or what `above` gives for an operand type (`fp16=12`)."""
    values: dict[str, float] = dict.fromkeys(metrics_of(sm), 0)
    for word, value in above.items():
        counter = next(c for c in counter_table().exact if sm in c.sms and word in c.precisions)
        values[f"{counter.metric}.sum"] = value
    return name, values


def wide(launches: Iterable[Launch], sm: str = "9.0") -> str:
    """`ncu --csv --page raw`: a column a metric, and a row of units."""
    launches = list(launches)
    columns = list(dict.fromkeys(metric for _, values in launches for metric in values))
    rows: list[Sequence[object]] = [[*HEAD, "Device", "CC", *columns], [*([""] * 11), *["inst"] * len(columns)]]
    for at, (name, values) in enumerate(launches):
        cells = [_shown(values[metric]) if metric in values else "n/a" for metric in columns]
        rows.append([*_head(at, name), "0", sm, *cells])
    return PROGRESS + _csv(rows) + DONE


def long(launches: Iterable[Launch], sm: str = "9.0") -> str:
    """`ncu --csv`: a row a metric."""
    rows: list[Sequence[object]] = [
        [*HEAD, "Device", "CC", "Section Name", "Metric Name", "Metric Unit", "Metric Value"]
    ]
    for at, (name, values) in enumerate(launches):
        for metric, value in values.items():
            section = "Command line profiler metrics"
            rows.append([*_head(at, name), "0", sm, section, metric, "inst", _shown(value)])
    return PROGRESS + _csv(rows) + DONE


def counted_kernels() -> list[Launch]:
    """47 kernels of four real TensorRT engines on an H100, with the type that was counted (fixtures/NAMES.md)."""
    with NAMES_TRUTH.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "hardware counters"]
    return [launch(row["name"], **({row["precision"]: ENOUGH} if row["precision"] else {})) for row in rows]


def written(path: Path, text: str) -> Path:
    """The text in a file; its path."""
    path.write_text(text, encoding="utf-8")
    return path


def _head(at: int, name: str) -> list[str]:
    return [str(at), "4711", "python3", "127.0.0.1", name, "1", "7", "(256, 1, 1)", "(132, 1, 1)"]


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,}"


def _csv(rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return stream.getvalue()
