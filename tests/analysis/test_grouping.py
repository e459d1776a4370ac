"""`--by`: each dimension of a kernel, and every combination, sums to the totals."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcscope.analysis.grouping import DEFAULT_BY, DIMENSIONS, LAYER_DIMENSIONS, group
from tcscope.cli import main
from tcscope.errors import UsageError
from tcscope.model import Accumulate, Group, Op, Place, Precision, Report, Unit
from tests.support.places import INT8
from tests.support.reports import GTX, H100, NAMELESS, REPORTS, kernel, report

EXAMPLE = report(
    kernel("a", Unit.TENSOR_CORE, Op.GEMM, 30, precision=Precision.FP16, accumulate=Accumulate.FP32),
    kernel("b", Unit.CUDA_CORE, Op.POOL, 60, launches=3, places=(Place(0, 7, 1, 10), Place(1, 9, 2, 50))),
    kernel("a", Unit.UNKNOWN, Op.GEMM, 10, device=2),
    devices=(H100, GTX, NAMELESS),
)
EXPECTED: dict[str, list[tuple[str, int, int]]] = {
    "unit": [("cuda_core", 3, 60), ("tensor_core", 1, 30), ("unknown", 1, 10)],
    "precision": [("unknown", 4, 70), ("fp16", 1, 30)],
    "accumulate": [("-", 4, 70), ("fp32", 1, 30)],
    "op": [("pool", 3, 60), ("gemm", 2, 40)],
    "evidence": [("sass", 4, 90), ("none", 1, 10)],
    "rule": [("some-rule", 4, 90), ("-", 1, 10)],
    "kernel": [("b", 3, 60), ("a", 2, 40)],
    "device": [("1 NVIDIA GeForce GTX 1650", 2, 50), ("0 NVIDIA H100", 2, 40), ("2", 1, 10)],
    "process": [("7", 3, 50), ("9", 2, 50)],
}


def test_every_dimension_has_an_example_here() -> None:
    assert set(EXPECTED) == set(DIMENSIONS) - set(LAYER_DIMENSIONS)
    assert DEFAULT_BY == ("unit", "precision", "accumulate")


@pytest.mark.parametrize("name", EXPECTED)
def test_one_dimension(name: str) -> None:
    grouped = group(EXAMPLE, [name])
    assert grouped.by == (name,)
    assert grouped.groups == tuple(Group((key,), n, ns, ns / 100) for key, n, ns in EXPECTED[name])


def test_two_dimensions() -> None:
    assert [(g.keys, g.ns) for g in group(EXAMPLE, ["process", "op"]).groups] == [
        (("9", "pool"), 50),
        (("7", "gemm"), 40),
        (("7", "pool"), 10),
    ]


@given(made=REPORTS, by=st.lists(st.sampled_from(sorted(EXPECTED)), min_size=1, max_size=4, unique=True))
def test_groups_sum_to_the_totals(made: Report, by: Sequence[str]) -> None:
    groups = group(made, by).groups
    assert sum(g.launches for g in groups) == made.totals.launches
    assert sum(g.ns for g in groups) == made.totals.kernel_ns
    assert len({g.keys for g in groups}) == len(groups)
    assert all(len(g.keys) == len(by) for g in groups)
    assert [g.ns for g in groups] == sorted((g.ns for g in groups), reverse=True)
    whole = sum(g.share for g in groups)
    assert whole == (pytest.approx(1) if made.totals.kernel_ns else 0)


@given(made=REPORTS, by=st.sampled_from(sorted(EXPECTED)), then=st.sampled_from(sorted(EXPECTED)))
def test_grouping_again_starts_anew(made: Report, by: str, then: str) -> None:
    assert group(group(made, [by]), [then]) == group(made, [then])


def test_an_unknown_dimension() -> None:
    with pytest.raises(UsageError, match=r"--by can't group by 'kernels', did you mean 'kernel'\?"):
        group(EXAMPLE, ["unit", "kernels"])


def test_blanks_between_the_names_are_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for by in ("op,unit", " op , unit "):
        assert main(["analyze", str(INT8), "--format", "csv", "--by", by]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert shown[0].startswith("op,unit,launches,ns,share\n")
