"""How the gaps are shown: to people, and as rules to fill in."""

from __future__ import annotations

from pathlib import Path

from tcscope.analysis.coverage import Coverage, Gap
from tcscope.model import Op
from tcscope.render.coverage import as_text, as_yaml
from tcscope.rulebook import RuleBook
from tcscope.rulebook.selftest import failures

GAPS = (
    Gap("void mine::tile<float>(int)", 3, 600, Op.GEMM, "matrix-word"),
    Gap("other_kernel's", 1, 100, note="depends on the GPU's architecture: give it with --sm"),
)
TIMED = Coverage(kernels=7, launches=40, ns=1_000_000, gaps=GAPS)


def test_times_shares_and_whole_names() -> None:
    assert as_text(TIMED).splitlines() == [
        "2 of 7 kernels have no verdict: 0.1 % of the kernel time (0.001 ms of 1.000 ms)",
        "",
        "  0.1 %      0.001 ms       3 x  gemm op, rule matrix-word",
        "  void mine::tile<float>(int)",
        "  0.0 %      0.000 ms       1 x  unknown op, depends on the GPU's architecture: give it with --sm",
        "  other_kernel's",
    ]


def test_names_have_no_time() -> None:
    text = as_text(Coverage(2, 3, None, (Gap("a", 2, None),)))

    assert text.splitlines() == [
        "1 of 2 kernels has no verdict: 66.7 % of the names",
        "",
        "     2 x  unknown op, no rule",
        "  a",
    ]


def test_the_rest_is_told() -> None:
    assert as_text(TIMED, top=1).splitlines()[-1] == "and 1 more (--top 2)"


def test_nothing_is_missing() -> None:
    assert as_text(Coverage(3, 3, None, ())) == "all 3 kernels have a verdict\n"
    assert as_text(Coverage(0, 0, None, ())) == "no kernel names\n"
    assert as_yaml(Coverage(3, 3, None, ())).startswith("# every kernel has a verdict")


def test_the_rules_load_as_they_stand_and_claim_their_names(tmp_path: Path) -> None:
    # GIVEN names with quotes, templates and control characters
    odd = (*GAPS, Gap("tab\there", 1, 1), Gap("über_kernel", 1, 1))
    file = tmp_path / "my-rules.yaml"
    file.write_text(as_yaml(Coverage(9, 9, 9, odd)), encoding="utf-8")

    # WHEN
    book = RuleBook.load([file])

    # THEN each rule wins its example; what is still to do is not hidden
    assert {book.classify(gap.name).rule for gap in odd} == {"my-tile", "my-other", "my-tab-here", "my-ber"}
    assert [line for line in failures(book) if "example" in line and str(file) in line] == []
