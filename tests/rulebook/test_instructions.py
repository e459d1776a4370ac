"""Opcodes as ptxas and cuobjdump of CUDA 13 spell them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcscope.errors import ConfigError
from tcscope.rulebook.instructions import FILE, Meaning, instruction_table, read_instruction_table
from tests.support.places import REPOSITORY

TABLE = instruction_table()


@pytest.mark.parametrize(
    ("opcode", "precision", "accumulate"),
    [
        ("HMMA.884.F32.F32.STEP0", "fp16", "fp32"),
        ("HMMA.16816.F16", "fp16", "fp16"),
        ("HMMA.16816.F32", "fp16", "fp32"),
        ("HMMA.16816.F32.BF16", "bf16", "fp32"),
        ("HMMA.1688.F32.TF32", "tf32", "fp32"),
        ("HMMA.SP.16832.F32", "fp16", "fp32"),
        ("IMMA.16832.U8.S8", "int8", "int32"),
        ("IMMA.16864.S4.S4", "int4", "int32"),
        ("BMMA.168256.XOR.POPC", "int1", "int32"),
        ("DMMA.884", "fp64", "fp64"),
        ("DMMA.16x8x16", "fp64", "fp64"),
        ("QMMA.16832.F16.E4M3.E5M2", "fp8", "fp16"),
        ("QMMA.16832.F32.E2M1.E2M1", "fp4", "fp32"),
        ("QMMA.16832.F32.E3M2.E4M3", "mixed", "fp32"),
        ("QMMA.SF.16832.F32.E4M3.E4M3.E8", "fp8", "fp32"),
        ("OMMA.SF.16864.F32.E2M1.E2M1.E8", "fp4", "fp32"),
        ("HGMMA.64x8x16.F16", "fp16", "fp16"),
        ("HGMMA.64x8x8.F32.TF32", "tf32", "fp32"),
        ("QGMMA.64x8x32.F32.E4M3.E5M2", "fp8", "fp32"),
        ("IGMMA.64x8x32.S8.U8", "int8", "int32"),
        ("BGMMA.64x8x256.AND.POPC", "int1", "int32"),
        ("UTCIMMA.2CTA", "int8", "int32"),
        ("UTCOMMA.2CTA.4X", "fp4", "fp32"),
        ("UTCHMMA", "unknown", None),
        ("UTCHMMA.WS", "unknown", None),
        ("UTCQMMA.2CTA", "unknown", None),
    ],
)
def test_matrix_instructions(opcode: str, precision: str, accumulate: str | None) -> None:
    found = TABLE.of(opcode)
    assert found is not None
    assert (found.precision, found.accumulate, found.known) == (precision, accumulate, True)


@pytest.mark.parametrize("opcode", ["HFMA2.MMA", "HFMA2.MMA.BF16_V2", "HADD2", "FFMA", "IDP.4A.S8.S8", "IMAD.WIDE.U32"])
def test_arithmetic_of_cuda_cores(opcode: str) -> None:
    assert TABLE.of(opcode) is None


def test_an_instruction_of_tomorrow_is_not_taken_for_nothing() -> None:
    assert TABLE.of("ZMMA.256.F32") == Meaning(known=False)
    assert TABLE.of("UTCZMMA") == Meaning(known=False)


def test_a_wrong_table_says_where(tmp_path: Path) -> None:
    text = (REPOSITORY / "rules" / FILE).read_text(encoding="utf-8")
    path = tmp_path / FILE
    path.write_text(text.replace("otherwise: fp16", "otherwise: fp17").replace("[DMMA]", "[HMMA]"))
    with pytest.raises(ConfigError) as caught:
        read_instruction_table(path)
    problems = "\n".join(caught.value.problems)
    assert "'fp17' is no precision" in problems
    assert "opcode 'HMMA' is given twice" in problems
