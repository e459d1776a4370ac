"""Reports side by side: held against plain arithmetic over the same reports."""

from __future__ import annotations

import os
import statistics
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcscope.analysis.many.answers import Answer, Question
from tcscope.analysis.many.combine import spread, trace_set
from tcscope.analysis.many.labels import labels, refuse_duplicates
from tcscope.errors import UsageError
from tcscope.model import Device, Finding, Level, Op, Precision, Report, Selection, Unit
from tcscope.model.many import TraceSet
from tests.support.reports import GTX, H100, REPORTS, kernel, report

GEMM = kernel("gemm", Unit.TENSOR_CORE, Op.GEMM, 600, precision=Precision.FP16)
RELU = kernel("relu", Unit.CUDA_CORE, Op.ELEMENTWISE, 400)


def combined(*reports: Report | str) -> TraceSet:
    """The set of these reports; a text is a file that could not be read, and why."""
    every = [Answer(None, r, "try again") if isinstance(r, str) else Answer(r) for r in reports]
    return trace_set([(f"rank{i}.sqlite", answer) for i, answer in enumerate(every)])


def codes(found: TraceSet) -> list[str]:
    return [finding.code for finding in found.findings]


def of(name: str, found: TraceSet, kind: str) -> Any:
    (match,) = (k for peers in found.peers for k in getattr(peers, kind) if k.name == name)
    return match


@given(st.lists(REPORTS, min_size=1, max_size=5))
def test_a_set_is_the_sums_of_its_reports(reports: list[Report]) -> None:
    found = combined(*reports)
    # GIVEN what each report says of each kernel
    times: dict[str, Counter[int]] = defaultdict(Counter)
    verdicts: dict[str, dict[tuple[Unit, Precision], set[int]]] = defaultdict(lambda: defaultdict(set))
    for i, one in enumerate(reports):
        for k in one.kernels:
            times[k.name][i] += k.ns
            verdicts[k.name][k.unit, k.precision].add(i)
    # THEN the members are as their reports
    assert [(m.totals, m.tensor_share) for m in found.traces] == [(r.totals, r.tensor_share) for r in reports]
    # AND all of them are peers, whose figures are those of plain arithmetic
    (peers,) = found.peers
    every = [one.totals.kernel_ns for one in reports]
    assert (peers.kernel_ns.min, peers.kernel_ns.max) == (min(every), max(every))
    assert peers.kernel_ns.mean == pytest.approx(sum(every) / len(every))
    assert peers.kernel_ns.median == statistics.median(every)
    if peers.slowest is None:
        assert len(set(every)) == 1
    else:
        assert every[peers.slowest] == max(every) > min(every)
    # AND each kernel is in one of two lists, by whether all ran it
    if len(reports) > 1:
        whole = {name for name, by in times.items() if len(by) == len(reports)}
        assert {k.name for k in peers.kernels} == whole
        assert {k.name for k in peers.partial} == set(times) - whole
    for s in peers.kernels:
        by = times[s.name]
        assert (s.min_ns, s.max_ns) == (by[s.least], by[s.most]) == (min(by.values()), max(by.values()))
        assert s.mean_ns == pytest.approx(sum(by.values()) / len(by))
    for p in peers.partial:
        assert (p.ns, set(p.traces)) == (times[p.name].total(), set(times[p.name]))
        assert set(p.traces) | set(p.missing) == set(range(len(reports)))
        assert not set(p.traces) & set(p.missing)
    # AND a kernel is mixed where its verdicts are not the same in all traces that ran it
    differing = {name for name, by in verdicts.items() if len({frozenset(where) for where in by.values()}) > 1}
    assert {m.name for m in found.mixed} == differing
    for m in found.mixed:
        assert {(v.unit, v.precision): set(v.traces) for v in m.variants} == verdicts[m.name]
        assert m.ns == times[m.name].total() == sum(v.ns for v in m.variants)


@given(st.lists(st.integers(0, 2**62), min_size=2, max_size=6))
def test_a_spread_is_that_of_the_sample(values: list[int]) -> None:
    found = spread(values)
    mean = sum(values) / len(values)
    assert found.count == len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    assert found.stdev == pytest.approx(variance**0.5, rel=1e-6, abs=1e-6 * (mean + 1))
    assert found.cv == (None if mean == 0 else pytest.approx((found.stdev or 0) / mean))


def test_one_value_has_no_deviation() -> None:
    assert spread([7]) == spread([7.0])
    assert (spread([7]).stdev, spread([7]).cv, spread([0, 0]).cv) == (None, None, None)


def test_the_slowest_is_named_and_each_is_held_against_the_median() -> None:
    slow = replace(GEMM, ns=1_600)
    found = combined(report(GEMM, RELU), report(GEMM, RELU), report(slow, RELU))
    (peers,) = found.peers
    assert peers.slowest == 2
    assert [member.to_median for member in found.traces] == [0.0, 0.0, 1.0]
    gemm = of("gemm", found, "kernels")
    assert (gemm.min_ns, gemm.max_ns, gemm.most) == (600, 1_600, 2)


def test_gpus_of_different_kinds_are_never_pooled() -> None:
    slice_of_it = replace(H100, sm_count=16)
    found = combined(report(GEMM), report(GEMM, devices=(GTX,)), report(GEMM), report(GEMM, devices=(slice_of_it,)))
    assert [peers.traces for peers in found.peers] == [(0, 2), (1,), (3,)]
    assert [member.peers for member in found.traces] == [0, 1, 0, 2]
    assert found.traces[1].to_median is None
    assert "not-pooled" in codes(found)


def test_a_gpu_s_number_in_its_trace_makes_no_difference() -> None:
    found = combined(*(report(GEMM, devices=(replace(H100, index=i),)) for i in range(4)))
    assert [peers.traces for peers in found.peers] == [(0, 1, 2, 3)]
    assert codes(found) == []


def test_a_saved_report_of_one_range_is_not_pooled_with_whole_traces() -> None:
    whole = report(GEMM)
    part = replace(whole, trace=replace(whole.trace, selection=Selection(range="inference")))
    found = combined(whole, part, whole)
    assert [(peers.traces, peers.selection.range) for peers in found.peers] == [((0, 2), None), ((1,), "inference")]


def test_a_profile_of_trtexec_is_not_pooled_with_traces() -> None:
    whole = report(GEMM)
    found = combined(whole, replace(whole, trace=replace(whole.trace, tool="trtexec")))
    assert len(found.peers) == 2


def test_traces_that_don_t_know_their_gpu_are_compared_and_it_is_said() -> None:
    found = combined(*[report(GEMM, devices=(Device(0),))] * 2)
    assert [peers.traces for peers in found.peers] == [(0, 1)]
    assert codes(found) == ["gpu-unknown"]


def test_a_kernel_on_another_unit_in_one_trace_is_found() -> None:
    on_cuda_cores = replace(GEMM, unit=Unit.CUDA_CORE, precision=Precision.FP32)
    found = combined(report(GEMM), report(on_cuda_cores), report(GEMM))
    (mixed,) = found.mixed
    assert [(v.unit, v.traces, v.ns) for v in mixed.variants] == [
        (Unit.TENSOR_CORE, (0, 2), 1_200),
        (Unit.CUDA_CORE, (1,), 600),
    ]
    assert codes(found) == ["unit-differs"]
    assert found.findings[0].kernels == ("gemm",)


def test_a_precision_that_differs_is_a_finding_of_its_own() -> None:
    found = combined(report(GEMM), report(replace(GEMM, precision=Precision.TF32)))
    assert codes(found) == ["precision-differs"]


def test_two_units_in_each_trace_are_no_difference_between_traces() -> None:
    both = report(GEMM, replace(GEMM, unit=Unit.CUDA_CORE), devices=(H100, GTX))
    assert combined(both, both).mixed == ()


def test_a_kernel_that_one_rank_alone_runs_is_found() -> None:
    found = combined(report(GEMM, RELU), report(RELU), report(RELU, RELU, GEMM))
    gemm = of("gemm", found, "partial")
    assert (gemm.traces, gemm.missing, gemm.ns, gemm.launches) == ((0, 2), (1,), 1_200, 2)
    assert "launches-differ" in codes(found)


def test_what_can_t_be_read_is_in_no_number() -> None:
    found = combined("rank0.sqlite is empty", report(GEMM), "rank2.sqlite is empty", report(replace(GEMM, ns=900)))
    assert (found.answered, len(found.traces)) == (2, 4)
    (peers,) = found.peers
    assert (peers.traces, peers.kernel_ns.count, peers.slowest) == ((1, 3), 2, 3)
    assert (found.traces[0].error, found.traces[0].hint) == ("rank0.sqlite is empty", "try again")
    assert found.findings[0].code == "traces-unread"
    assert "2 of 4 traces" in found.findings[0].message


def test_warnings_of_the_traces_are_said_once_with_where() -> None:
    warning = Finding("opaque-graphs", Level.WARNING, 5, "graphs hide kernels", "record again")
    note = Finding("odd", Level.NOTE, 5, "a note")
    warned = replace(report(GEMM), findings=(warning, warning, note))
    found = combined(report(GEMM), warned, warned, warned)
    (finding,) = found.findings
    assert (finding.code, finding.ns, finding.hint) == ("opaque-graphs", 15, "record again")
    assert finding.message == "rank1.sqlite and 2 more: graphs hide kernels"
    assert combined(warned, warned).findings[0].message == "all 2 traces: graphs hide kernels"


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["run/a.sqlite", "run/b.sqlite"], ["a.sqlite", "b.sqlite"]),
        (["r0/t.sqlite", "r1/t.sqlite", "x.sqlite"], ["r0/t.sqlite", "r1/t.sqlite", "x.sqlite"]),
        (["1/r/t", "2/r/t", "2/s/t"], ["1/r/t", "2/r/t", "s/t"]),
        (["a/../t", "b/t"], [f"{Path.cwd().name}/t", "b/t"]),
        (["a\udce4.sqlite"], ["a?.sqlite"]),
    ],
)
def test_traces_are_called_by_the_shortest_name_that_differs(paths: list[str], expected: list[str]) -> None:
    assert labels(paths) == [os.path.normpath(name) for name in expected]


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), min_size=1, max_size=8, unique_by=tuple))
def test_labels_differ_and_are_ends_of_their_paths(parts: list[list[str]]) -> None:
    paths = [os.path.join("/root", *part) for part in parts]
    found = labels(paths)
    assert len(set(found)) == len(found)
    assert all(path.endswith(label) for path, label in zip(paths, found, strict=True))


def test_a_file_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").touch()
    (tmp_path / "b.sqlite").symlink_to(tmp_path / "a.sqlite")
    given = str(tmp_path / "a.sqlite")
    for other in (given, str(tmp_path / "b.sqlite"), str(tmp_path / "." / "a.sqlite"), f"{tmp_path}//a.sqlite"):
        with pytest.raises(UsageError, match="twice"):
            refuse_duplicates([given, other], here=True)
    with pytest.raises(UsageError, match="twice"):
        refuse_duplicates(["gone.sqlite", "./gone.sqlite"], here=True)
    with pytest.raises(UsageError, match="twice"):
        refuse_duplicates(["/data/a.sqlite", "/data/./a.sqlite"], here=False)
    with pytest.raises(UsageError, match="the export of"):
        refuse_duplicates(["run.nsys-rep", "other.sqlite", "run.sqlite"], here=False)
    refuse_duplicates(["a.nsys-rep", "b.sqlite", "x/a.sqlite"], here=True)


def test_a_question_travels_as_text() -> None:
    asked = Question(87, "infer\udce4nce", 1, 3, True, ("/x.json",), (("r.yaml", "schema: x\n"),))
    assert Question.from_json(asked.to_json()) == asked
