"""Machine code as cuobjdump prints it: recorded, and of the real program where it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tcscope.errors import TraceError, UsageError
from tcscope.sources.sass import Function, Tools, code_files, disassemble, find_tools, tools
from tcscope.sources.sass.disassembly import parse
from tests.support.places import NO_KERNELS
from tests.support.sass import FATBIN, LISTING, needs_cuobjdump

SCALE, PRODUCT = (
    "_ZN4mine43_GLOBAL__N__e17d2f3a_10_kernels_cu_f99441b55scaleILi3EfEEvPKT0_PS2_",
    "_ZN4mine7productI6__halfEEvPKT_S4_Pf",
)


def matrix(functions: list[Function] | tuple[Function, ...], sm: int) -> dict[str, dict[str, int]]:
    """The opcodes with MMA of each function for one architecture."""
    return {
        f.symbol: {opcode: n for opcode, n in f.opcodes.items() if "MMA" in opcode} for f in functions if f.sm == sm
    }


def test_a_recorded_listing() -> None:
    functions, ptx = parse(LISTING.read_text().splitlines())
    assert ptx == ["sm_100"]
    assert matrix(functions, 80) == {
        SCALE: {"HFMA2.MMA": 1},
        PRODUCT: {"HMMA.16816.F32": 2},
        "calls": {"HFMA2.MMA": 1},
        "dot": {"HFMA2.MMA": 1},
        "packed": {"HFMA2.MMA": 5},
        "both_products": {"HMMA.16816.F16": 1, "IMMA.16832.S8.S8": 1},
        "int8_product": {"IMMA.16832.S8.S8": 1},
    }
    assert {f.symbol for f in functions if f.sm == 90} == {f.symbol for f in functions if f.sm == 80}
    assert {(f.symbol, f.calls_out) for f in functions if f.calls_out} == {("calls", True)}


@needs_cuobjdump
def test_the_real_program_says_what_was_recorded() -> None:
    recorded, _ = parse(LISTING.read_text().splitlines())
    found = disassemble(FATBIN, find_tools())
    assert found.ptx == ("sm_100",)
    for sm in (80, 90):
        assert matrix(found.functions, sm) == matrix(recorded, sm)


def test_predicates_operands_and_architectures_of_other_listings() -> None:
    lines = [
        "\tcode for sm_90a",
        "\t\tFunction : k",
        "        /*0000*/               @!P0 HGMMA.64x8x16.F32 R24, gdesc[UR4], R24, gsb0 ;",
        "        /*0010*/              @!UPT UIADD3 URZ, URZ, URZ, URZ ;",
        "        /*0020*/                   { HMMA.884.F32.F32.STEP0 R8, R2.reuse.ROW, R4.reuse.COL, R8 ;",
        "        /*00030*/                  CALL.ABS.NOINC 0x0 ;",
        "                                                                     /* 0x000fe20000000f00 */",
    ]
    (function,), ptx = parse(lines)
    assert (function.sm, function.variant, function.calls_out, ptx) == (90, "a", True, [])
    assert function.opcodes == {
        "HGMMA.64x8x16.F32": 1,
        "UIADD3": 1,
        "HMMA.884.F32.F32.STEP0": 1,
        "CALL.ABS.NOINC": 1,
    }


def test_a_call_within_the_function_is_no_way_out() -> None:
    functions, _ = parse(["code for sm_80", "Function : k", "        /*0070*/    CALL.REL.NOINC 0x160 ;"])
    assert not functions[0].calls_out


@needs_cuobjdump
def test_files_without_device_code_have_none_and_broken_ones_are_an_error(tmp_path: Path) -> None:
    found = find_tools()
    assert disassemble(NO_KERNELS, found).functions == ()
    (tmp_path / "cut.fatbin").write_bytes(FATBIN.read_bytes()[:700])
    (tmp_path / "empty.cubin").write_bytes(b"")
    for name in ("cut.fatbin", "empty.cubin"):
        with pytest.raises(TraceError, match=f"cuobjdump can't read .*{name}"):
            disassemble(tmp_path / name, found)


def test_the_files_of_a_cache(tmp_path: Path) -> None:
    for name in ("a1/k.cubin", "a1/k.json", "b2/k.cubin", "b2/launcher.so", "b2/k.ptx"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    found = [path.relative_to(tmp_path).as_posix() for path in code_files([tmp_path, tmp_path / "a1/k.json"])]
    assert found == [
        "a1/k.cubin",
        "b2/k.cubin",
        "b2/launcher.so",
        "a1/k.json",
    ]  # a file that is named is taken as it is
    with pytest.raises(UsageError, match="no such file"):
        code_files([tmp_path / "none"])
    (tmp_path / "c3").mkdir()
    with pytest.raises(UsageError, match=r"no \.cubin, \.fatbin, \.so file in"):
        code_files([tmp_path / "c3"])


def test_a_machine_without_the_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "INSTALL_FOLDERS", ())
    monkeypatch.setattr(tools, "PACKAGES", ())
    with pytest.raises(TraceError, match="there is no cuobjdump and no nvdisasm here") as caught:
        find_tools()
    assert "pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm" in caught.value.hint
    with pytest.raises(UsageError, match="--cuobjdump is 'nosuch', which is no program"):
        find_tools("nosuch")


def test_the_programs_of_a_package_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # GIVEN triton's package, which brings its own
    folder = tmp_path / "triton" / "backends" / "nvidia" / "bin"
    folder.mkdir(parents=True)
    (tmp_path / "triton" / "__init__.py").write_text("")
    for name in ("cuobjdump", "nvdisasm"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "INSTALL_FOLDERS", ())
    found = find_tools()
    assert (found.cuobjdump, found.nvdisasm) == (folder / "cuobjdump", folder / "nvdisasm")
    assert found.environment["PATH"].split(":")[0] == str(folder)


@pytest.mark.skipif(shutil.which("c++filt") is None, reason="there is no c++filt here")
def test_names_are_demangled() -> None:
    made = Tools(Path("x"), Path("y"), Path(str(shutil.which("c++filt"))))
    assert made.demangled([PRODUCT, "plain", SCALE]) == {
        PRODUCT: "void mine::product<__half>(__half const*, __half const*, float*)",
        SCALE: "void mine::(anonymous namespace)::scale<3, float>(float const*, float*)",
    }
    assert Tools(Path("x"), Path("y")).demangled([PRODUCT]) == {PRODUCT: PRODUCT}
