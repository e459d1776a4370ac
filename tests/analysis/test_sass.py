"""Machine code as evidence: which of it ran on which GPU, and what it then proves of a trace's kernels."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcscope.analysis.pipeline import analyze
from tcscope.analysis.sass import MachineCode, examine, load
from tcscope.cli import main
from tcscope.errors import TraceError
from tcscope.model import Accumulate, Evidence, Op, Precision, Unit, Verdict
from tcscope.model.sass import CodeFile, CodeKernel, Instruction, Sass
from tests.conftest import Golden
from tests.support.cli import failure
from tests.support.places import INT8
from tests.support.sass import FATBIN, needs_cuobjdump
from tests.support.traces import TraceBuilder

HMMA = Instruction("HMMA.16816.F32", 2, Precision.FP16, Accumulate.FP32)
IMMA = Instruction("IMMA.16832.S8.S8", 8, Precision.INT8, Accumulate.INT32)


def code(
    name: str, sm: int, *instructions: Instruction, variant: str = "", file: str = "k.cubin", mangled: str = ""
) -> CodeKernel:
    """A kernel whose code holds these instructions."""
    types = {i.precision for i in instructions}
    precision = types.pop() if len(types) == 1 else Precision.MIXED if types else Precision.UNKNOWN
    unit = Unit.TENSOR_CORE if instructions else Unit.CUDA_CORE
    return CodeKernel(name, mangled, file, sm, variant, unit, precision, instructions=instructions)


def said(kernels: list[CodeKernel], name: str, sm: int | None, before: Verdict = Verdict()) -> Verdict:  # noqa: B008
    return MachineCode(Sass(kernels=tuple(kernels))).verdict(before, name, sm)


def test_code_outranks_the_rules_and_keeps_the_op() -> None:
    named = Verdict(Unit.CUDA_CORE, Precision.FP32, op=Op.GEMM, rule="some-rule", evidence=Evidence.DOCUMENTED)
    found = said([code("gelu_matmul", 90, HMMA)], "gelu_matmul", 90, named)
    assert found == Verdict(
        Unit.TENSOR_CORE,
        Precision.FP16,
        None,
        Op.GEMM,
        rule=None,
        evidence=Evidence.SASS,
        source="machine code of k.cubin",
    )
    assert found.note == "k.cubin, sm_90: 2 HMMA.16816.F32"


def test_code_without_matrix_instructions_is_cuda_core_and_keeps_a_type_that_fits() -> None:
    claimed = Verdict(Unit.TENSOR_CORE, Precision.FP16, Accumulate.FP32, Op.GEMM, rule="some-rule")
    found = said([code("f", 80)], "f", 80, claimed)
    assert (found.unit, found.precision, found.accumulate) == (Unit.CUDA_CORE, Precision.UNKNOWN, None)
    elementwise = Verdict(Unit.CUDA_CORE, Precision.BF16, op=Op.ELEMENTWISE, rule="some-rule")
    assert said([code("f", 80)], "f", 80, elementwise).precision is Precision.BF16


def test_code_of_another_name_proves_nothing() -> None:
    named = Verdict(Unit.UNKNOWN, op=Op.OTHER, rule="r")
    assert said([code("f", 90, HMMA)], "g", 90, named) is named


ALL = [code("f", 80, HMMA), code("f", 86), code("f", 90, IMMA), code("f", 90, HMMA, variant="a"), code("f", 100)]


@pytest.mark.parametrize(
    ("sm", "unit", "precision"),
    [
        (80, Unit.TENSOR_CORE, Precision.FP16),
        (86, Unit.CUDA_CORE, Precision.UNKNOWN),
        (89, Unit.CUDA_CORE, Precision.UNKNOWN),  # takes the code of 8.6
        (90, Unit.TENSOR_CORE, Precision.FP16),  # sm_90a before sm_90
        (100, Unit.CUDA_CORE, Precision.UNKNOWN),
        (103, Unit.CUDA_CORE, Precision.UNKNOWN),
        (75, Unit.UNKNOWN, Precision.UNKNOWN),  # older than all of it
        (120, Unit.UNKNOWN, Precision.UNKNOWN),  # another major version: the driver compiles PTX
        (None, Unit.UNKNOWN, Precision.UNKNOWN),  # an unknown GPU: the code differs
    ],
)
def test_the_code_that_a_gpu_takes(sm: int | None, unit: Unit, precision: Precision) -> None:
    found = said(ALL, "f", sm)
    assert (found.unit, found.precision) == (unit, precision)


def test_code_for_one_gpu_alone_does_not_run_on_the_next() -> None:
    assert said([code("f", 100, HMMA, variant="a")], "f", 103).unit is Unit.UNKNOWN
    assert said([code("f", 100, HMMA, variant="f")], "f", 103).unit is Unit.TENSOR_CORE


def test_programs_of_one_name_must_agree() -> None:
    # GIVEN a Triton kernel, of which the cache holds one program for each of its constants
    both = [code("kernel", 90, HMMA, file="a/kernel.cubin"), code("kernel", 90, HMMA, file="b/kernel.cubin")]
    assert said(both, "kernel", 90).unit is Unit.TENSOR_CORE
    assert said(both, "kernel", 90).source == "machine code of a/kernel.cubin and 1 more"
    # other types: the unit is sure, the precision is not
    found = said([*both, code("kernel", 90, IMMA, file="c/kernel.cubin")], "kernel", 90)
    assert (found.unit, found.precision) == (Unit.TENSOR_CORE, Precision.UNKNOWN)
    # one without matrix instructions: nothing is
    named = Verdict(op=Op.GEMM, rule="inductor-template")
    assert said([*both, code("kernel", 90)], "kernel", 90, named) is named


def test_an_exact_symbol_comes_before_a_similar_name() -> None:
    mine = code("void f<3>(float const*)", 90, HMMA, mangled="_Z1fILi3EEvPKf")
    other = code("void f<3>(int const*)", 90, mangled="_Z1fILi3EEvPKi")
    proof = MachineCode(Sass(kernels=(mine, other)))
    assert proof.verdict(Verdict(), "void f<(int)3>(const T1 *)", 90, "_Z1fILi3EEvPKf").unit is Unit.TENSOR_CORE
    assert proof.verdict(Verdict(), "void f<(int)3>(const T1 *)", 90, "_Z1fILi3EEvPKi").unit is Unit.CUDA_CORE
    assert proof.verdict(Verdict(), "void f<(int)3>(const T1 *)", 90).unit is Unit.UNKNOWN


@needs_cuobjdump
def test_what_the_code_of_our_own_kernels_holds() -> None:
    found = {kernel.name.partition("(")[0]: kernel for kernel in examine([FATBIN]).kernels if kernel.sm == 90}
    units = {name: (str(kernel.unit), str(kernel.precision)) for name, kernel in found.items()}
    assert {name.removeprefix("void ") for name in units} >= {"both_products", "calls", "dot", "int8_product", "packed"}
    assert units["both_products"] == ("tensor_core", "mixed")
    assert units["int8_product"] == ("tensor_core", "int8")
    assert units["dot"] == units["packed"] == ("cuda_core", "unknown")
    assert units["calls"] == ("unknown", "unknown")
    assert found["calls"].note == "calls code that is not in it"


def trace(path: Path, sm: str = "9.0") -> Path:
    """A trace of our own kernels, as nsys spells them; the last is not in the code."""
    made = TraceBuilder().gpu(capability=sm, name=f"GPU {sm}")
    names = [
        "void mine::product<__half>(const T1 *, const T1 *, float *)",
        "void mine::<unnamed>::scale<(int)3, float>(const T2 *, T2 *)",
        "int8_product",
        "calls",
        "packed",
        "elsewhere",
    ]
    for at, name in enumerate(names):
        made.launch(name, 1000 * at, 1000 * at + 10**at)
    return made.write(path)


@needs_cuobjdump
@pytest.mark.parametrize("form", ["file", "folder", "saved"])
def test_a_trace_with_the_code_of_its_kernels(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a trace, and the code as a file, in a folder like Triton's cache, or as tcscope sass saved it
    path = trace(tmp_path / "t.sqlite")
    given = FATBIN
    if form == "folder":
        given = tmp_path / "cache"
        (given / "x1").mkdir(parents=True)
        (given / "x1" / "kernels.fatbin").write_bytes(FATBIN.read_bytes())
    elif form == "saved":
        given = tmp_path / "sass.json"
        assert main(["sass", str(FATBIN), "-o", str(given)]) == 0
    # WHEN it is analyzed with it
    found = analyze(path, sass=[given])
    # THEN the code decides, and the sums stay as they were
    verdicts = {kernel.name.split("(const")[0]: kernel for kernel in found.kernels}
    units = {name: (str(k.unit), str(k.precision), str(k.evidence), k.rule) for name, k in verdicts.items()}
    assert units["void mine::product<__half>"] == ("tensor_core", "fp16", "sass", None)
    assert units["void mine::<unnamed>::scale<(int)3, float>"] == ("cuda_core", "unknown", "sass", None)
    assert units["int8_product"] == ("tensor_core", "int8", "sass", None)
    assert units["packed"] == ("cuda_core", "unknown", "sass", None)
    for name in ("calls", "elsewhere"):  # nothing proven: what the rules say stands
        without = next(k for k in analyze(path).kernels if k.name == name)
        assert verdicts[name] == without
    assert found.totals == analyze(path).totals
    assert found.tensor_share.low == pytest.approx(101 / found.totals.kernel_ns)
    assert verdicts["int8_product"].note == "kernels.fatbin, sm_90: 1 IMMA.16832.S8.S8"
    capsys.readouterr()
    assert main(["analyze", str(path), "--sass", str(given)]) == 0
    assert "tensor_core fp16 (sass)\n" in capsys.readouterr().out


@needs_cuobjdump
def test_a_gpu_for_which_there_is_only_ptx(tmp_path: Path) -> None:
    path = trace(tmp_path / "t.sqlite", "10.0")
    assert analyze(path, sass=[FATBIN]).kernels == analyze(path).kernels


def test_machine_code_never_exceeds_what_the_gpu_has(tmp_path: Path) -> None:
    saved = tmp_path / "sass.json"
    Sass((CodeFile("k.cubin", 1),), (code("f", 61, HMMA),)).save(saved)
    path = TraceBuilder().gpu(capability="6.1", name="GPU").launch("f", 0, 9).write(tmp_path / "t.sqlite")
    assert analyze(path, sass=[saved]).kernels[0].unit is Unit.CUDA_CORE


def test_documents_and_their_faults(tmp_path: Path) -> None:
    whole = Sass((CodeFile("k.cubin", 2, ("sm_100",)),), (code("f", 90, HMMA, IMMA), code("g", 80)))
    whole.save(tmp_path / "a.json")
    assert load([tmp_path / "a.json"]) == whole
    assert len(load([tmp_path / "a.json", tmp_path / "a.json"]).kernels) == 4
    (tmp_path / "b.json").write_text('{"schema": "tcscope.report/1"}')
    (tmp_path / "c.json").write_text("{")
    for name, error in (("b.json", "is no saved machine code"), ("c.json", "is not JSON")):
        with pytest.raises(TraceError, match=error):
            load([tmp_path / name])


def test_code_judges_traces_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(INT8), "-o", str(tmp_path / "r.json")]) == 0
    capsys.readouterr()
    said = failure(capsys, "analyze", tmp_path / "r.json", "--sass", FATBIN)
    assert said.code == 2
    assert said.error.startswith("--sass judges the kernels of a trace")


@needs_cuobjdump
@pytest.mark.parametrize("form", ["txt", "json", "csv"])
def test_what_tcscope_sass_shows(form: str, tmp_path: Path, golden: Golden) -> None:
    path = tmp_path / f"sass.{form}"
    assert main(["sass", str(FATBIN), "-o", str(path)]) == 0
    shown = path.read_text(encoding="utf-8")
    golden(f"sass.{form}", shown)
    assert form != "txt" or max(len(line) for line in shown.splitlines()) <= 80


@needs_cuobjdump
def test_files_that_hold_no_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = failure(capsys, "sass", INT8)
    assert (said.code, said.error) == (3, f"{INT8} holds no device code")
    said = failure(capsys, "sass", FATBIN, "-o", "x.doc")
    assert (said.code, said.error) == (2, "the suffix of x.doc names no format")
