"""Who reads the files: this process, processes of its own, the workers of a real Dask cluster; and who dies at it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tcscope.analysis.many import cluster as cluster_module
from tcscope.analysis.many.processes import fitting_jobs
from tcscope.analysis.many.run import analyze_many
from tcscope.analysis.pipeline import analyze
from tcscope.errors import ConfigError, UnanswerableError, UsageError
from tcscope.model.many import TraceSet
from tests.support.places import FIXTURES, FP16, INT8, INT8_CUDAGRAPH, NO_KERNELS, ORIN
from tests.support.ranks import GEMM, RELU, killing_nsys, rank

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for nsys is a shell script")

REAL = [INT8, FP16, INT8_CUDAGRAPH, ORIN]
RULE = """\
schema: tcscope.rules/1
about: Ours.
rules:
  - id: our-relu
    title: Ours
    match: {regex: 'relu_kernel'}
    unit: tensor_core
    precision: fp8
    op: gemm
    evidence: {level: documented, source: us}
    examples: [{name: relu_kernel, expect: {op: gemm}}]
"""


@pytest.fixture
def ranks(tmp_path: Path) -> list[Path]:
    return [rank(tmp_path / f"rank{i}.sqlite", {GEMM: 1_000 + 100 * i, RELU: 500}) for i in range(6)]


@pytest.fixture
def killer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that no process survives."""
    monkeypatch.setenv("NSYS", str(killing_nsys(tmp_path / "nsys")))
    path = tmp_path / "killer.nsys-rep"
    path.write_bytes(b"\0")
    return path


def errors(found: TraceSet) -> dict[str, str]:
    return {member.file: member.error for member in found.traces if member.error}


def test_a_set_of_real_traces_holds_what_each_report_begins_with() -> None:
    found = analyze_many(REAL, jobs=1)
    for path, member in zip(REAL, found.traces, strict=True):
        report = analyze(path)
        assert member.file == path.name
        assert (member.totals, member.tensor_share, member.breakdown) == (
            report.totals,
            report.tensor_share,
            report.breakdown,
        )
        assert member.devices == report.trace.devices
    assert [peers.traces for peers in found.peers] == [(0, 1, 2), (3,)]


def test_processes_answer_as_this_process_does(tmp_path: Path) -> None:
    saved = tmp_path / "report.json"
    analyze(INT8, range="inference").save(saved)
    empty = tmp_path / "empty.sqlite"
    empty.touch()
    every = [*REAL, saved, empty, NO_KERNELS, tmp_path / "gone.sqlite", tmp_path]
    here = analyze_many(every, jobs=1)
    assert analyze_many(every, jobs=2) == here
    assert here.answered == 5
    assert errors(here).keys() == {"empty.sqlite", "h100_no_kernels.sqlite", "gone.sqlite", tmp_path.name}
    assert str(tmp_path) not in here.to_json()


def test_the_arguments_of_analyze_go_for_each_trace(tmp_path: Path) -> None:
    rules = tmp_path / "ours.yaml"
    rules.write_text(RULE)
    nameless = rank(tmp_path / "nameless.sqlite", {GEMM: 1_000, RELU: 10}, name="", capability=None)
    asked: dict[str, Any] = {"sm": 80, "range": "step", "device": 0, "stats": True, "rules": [rules]}
    one = analyze(nameless, **asked)
    assert one.totals.busy_ns
    found = analyze_many([nameless], **asked)
    (member,) = found.traces
    assert (member.totals, member.tensor_share, member.devices) == (one.totals, one.tensor_share, one.trace.devices)
    (peers,) = found.peers
    assert peers.busy_ns is not None
    assert peers.selection == one.trace.selection
    assert one.tensor_share.low == 1.0  # with the rule


def test_an_argument_that_one_trace_contradicts_is_that_trace_s_error(ranks: list[Path], tmp_path: Path) -> None:
    nameless = rank(tmp_path / "nameless.sqlite", {GEMM: 1_000}, name="", capability=None)
    found = analyze_many([nameless, *ranks[:1]], 80)
    assert "contradicts" in errors(found)["rank0.sqlite"]
    assert found.answered == 1


def test_a_rule_file_that_is_wrong_is_said_once_and_at_once(ranks: list[Path], tmp_path: Path) -> None:
    rules = tmp_path / "ours.yaml"
    rules.write_text(RULE.replace("unit: tensor_core", "unit: tensorcore"))
    with pytest.raises(ConfigError, match=r"ours\.yaml:7"):
        analyze_many(ranks, rules=[rules])


def test_where_no_file_can_be_read_there_is_no_set(tmp_path: Path) -> None:
    with pytest.raises(UnanswerableError) as raised:
        analyze_many([tmp_path / "a.sqlite", tmp_path / "b.sqlite"])
    assert raised.value.problems == ("no such file: a.sqlite", "no such file: b.sqlite")


def test_a_process_that_dies_loses_its_file_alone(ranks: list[Path], killer: Path) -> None:
    found = analyze_many([*ranks[:3], killer, *ranks[3:]], jobs=2)
    assert errors(found) == {
        killer.name: f"{killer.name}: the process that read it was ended, perhaps for want of memory"
    }
    assert found.answered == 6
    assert multiprocessing.active_children() == []


def test_a_process_killed_from_outside_loses_nothing(ranks: list[Path]) -> None:
    answered = 0

    def kill_all_once() -> None:
        nonlocal answered
        answered += 1
        if answered == 1:
            for child in multiprocessing.active_children():
                os.kill(child.pid or 0, signal.SIGKILL)

    found = analyze_many([*ranks, *REAL], jobs=2, on_answer=kill_all_once)
    assert errors(found) == {}
    assert answered == 10


def test_little_work_starts_no_process(ranks: list[Path], tmp_path: Path) -> None:
    assert fitting_jobs([str(path) for path in [*ranks, *REAL]]) == 1
    large = tmp_path / "large.sqlite"
    with large.open("wb") as file:
        file.truncate(1 << 30)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    assert fitting_jobs([str(large), str(ranks[0])]) == min(2, cores)
    assert fitting_jobs([str(path) for path in ranks] * 50) == cores
    assert fitting_jobs(["\0", "gone"]) == 1


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cluster of two worker processes; a file that kills its reader is given up at its second worker."""
    config: Any = pytest.importorskip("dask.config")
    distributed: Any = pytest.importorskip("distributed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NSYS", str(killing_nsys(tmp_path_factory.mktemp("bin") / "nsys")))
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))  # relative paths must not be the workers'
        with (
            config.set({"distributed.scheduler.allowed-failures": 1}),
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", silence_logs=50
            ) as cluster,
        ):
            yield cluster


def test_a_cluster_answers_as_this_process_does(dask: Any, ranks: list[Path], tmp_path: Path) -> None:
    rules = tmp_path / "ours.yaml"
    rules.write_text(RULE)
    empty = tmp_path / "empty.sqlite"
    empty.touch()
    every = [Path(os.path.relpath(INT8)), *ranks, empty, tmp_path / "gone.sqlite", ORIN]
    there = analyze_many(every, range="step", rules=[rules], dask=dask.scheduler_address)
    assert there == analyze_many(every, range="step", rules=[rules], jobs=1)
    assert there.answered == 6
    assert str(tmp_path) not in there.to_json()


def test_a_worker_killed_in_the_middle_loses_only_the_file_that_kills(dask: Any, ranks: list[Path]) -> None:
    # GIVEN a cluster that reads many files, one of which kills whoever reads it
    killer = ranks[0].with_name("killer.nsys-rep")
    killer.write_bytes(b"\0")
    killed = 0

    def kill_one() -> None:
        nonlocal killed
        killed += 1
        if killed == 2:  # WHEN a worker is killed beside that, while others read
            os.kill(next(nanny.pid for nanny in dask.workers.values() if nanny.pid), signal.SIGKILL)

    copies = [rank(ranks[0].with_name(f"more{i}.sqlite"), {GEMM: 10_000}) for i in range(20)]
    found = analyze_many([*ranks, killer, *copies], dask=dask.scheduler_address, on_answer=kill_one)
    # THEN that file is reported, and no other is lost
    assert errors(found) == {
        killer.name: f"{killer.name}: the workers that read it were killed, perhaps for want of memory"
    }
    assert found.answered == 26


def _hide_tcscope() -> None:
    hidden = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "tcscope"}
    for name in hidden:
        del sys.modules[name]
    sys.modules["tcscope"] = None  # type: ignore[assignment] # this is how an import is refused


def _show_tcscope() -> None:
    sys.modules.pop("tcscope", None)


def _another_version() -> None:
    import tcscope

    tcscope.__version__ = "0.0.1"


def _own_version(version: str) -> None:
    import tcscope

    tcscope.__version__ = version


def test_workers_without_tcscope_or_with_another_say_so(dask: Any, ranks: list[Path]) -> None:
    distributed: Any = pytest.importorskip("distributed")
    import tcscope

    with distributed.Client(dask.scheduler_address, set_as_default=False) as client:
        client.wait_for_workers(2)  # one may be starting again
        for spoil, repair, said in (
            (_hide_tcscope, _show_tcscope, "can't import tcscope"),
            (_another_version, lambda: _own_version(tcscope.__version__), "has tcscope 0.0.1, not"),
        ):
            client.run(spoil)
            try:
                with pytest.raises(UnanswerableError) as raised:
                    analyze_many(ranks[:2], dask=dask.scheduler_address)
            finally:
                client.run(repair)
            assert all(said in problem for problem in raised.value.problems)
            assert "pip install tcscope" in raised.value.hint


def test_a_cluster_without_workers_is_not_waited_for_for_ever(
    ranks: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed: Any = pytest.importorskip("distributed")
    monkeypatch.setattr(cluster_module, "_NO_WORKERS_S", 1)
    with (
        distributed.LocalCluster(
            n_workers=0, processes=False, dashboard_address="127.0.0.1:0", host="tcp://127.0.0.1"
        ) as cluster,
        pytest.raises(UnanswerableError, match="no worker of the cluster is left"),
    ):
        analyze_many(ranks[:2], dask=cluster.scheduler_address)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp://", "nowhere", "http://127.0.0.1:1", "tcp://[::1", ""])
def test_an_address_where_no_scheduler_is(address: str, ranks: list[Path]) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(UsageError, match="no Dask scheduler answers at"):
        analyze_many(ranks, dask=address)


def test_without_the_package_the_remedy_is_named(ranks: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError) as raised:
        analyze_many(ranks, dask="tcp://127.0.0.1:1")
    assert raised.value.hint == "pip install 'tcscope[dask]'"


def test_links_and_folders_of_real_fixtures_are_labelled_apart(tmp_path: Path) -> None:
    for name in ("rank0", "rank1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.sqlite").write_bytes(INT8.read_bytes())
    found = analyze_many([tmp_path / "rank0" / "t.sqlite", tmp_path / "rank1" / "t.sqlite", FIXTURES / FP16.name])
    assert [member.file for member in found.traces] == ["rank0/t.sqlite", "rank1/t.sqlite", FP16.name]
