"""The hardware table, and what it makes of a kernel's claims."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tcscope import data, hardware
from tcscope.errors import TcscopeError, UsageError
from tcscope.hardware import capabilities, gpu, parse_sm, sm_of_name
from tcscope.model import Accumulate, Evidence, Op, Precision, Unit, Verdict

RAW = hardware.load_yaml()
ROWS: list[dict[str, Any]] = RAW["capabilities"]
EXCEPTIONS: list[dict[str, Any]] = RAW["without_tensor_cores"]
EVERY_ROW = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"sm_{row['sm']}")

NOT_MULTIPLIED = {"fp32", "mixed", "unknown"}  # no matrix instruction multiplies FP32
ORDER = [word.value for word in Precision if word.value not in NOT_MULTIPLIED]

# Operand types of the matrix instructions seen in the machine code of public libraries (cuDNN, cuBLAS, TensorRT,
# PyTorch, vLLM, ...), per capability of the code. Several in one set: the instruction doesn't tell which (UTCHMMA).
SEEN_IN_MACHINE_CODE: dict[int, list[set[str]]] = {
    70: [{"fp16"}],
    72: [{"int8"}],
    75: [{"fp16"}, {"int8"}],
    80: [{"bf16"}, {"fp16"}, {"fp64"}, {"int8"}, {"tf32"}],
    86: [{"bf16"}, {"fp16"}, {"fp64"}, {"int8"}, {"tf32"}],
    87: [{"bf16"}, {"fp16"}, {"int8"}, {"tf32"}],
    89: [{"bf16"}, {"fp16"}, {"fp64"}, {"fp8"}, {"int8"}, {"tf32"}],
    90: [{"bf16"}, {"fp16"}, {"fp64"}, {"fp8"}, {"int8"}, {"tf32"}],
    100: [{"bf16"}, {"fp16"}, {"fp64"}, {"fp4"}, {"fp8", "fp6", "fp4"}, {"int8"}, {"tf32"}],
    101: [{"bf16"}, {"fp16"}, {"fp64"}, {"tf32"}],
    103: [{"fp16", "bf16", "tf32"}, {"fp4"}, {"fp8", "fp6", "fp4"}],
    110: [{"bf16"}, {"fp16"}, {"fp64"}, {"fp4"}, {"fp8", "fp6", "fp4"}, {"int8"}, {"tf32"}],
    120: [{"bf16"}, {"fp16"}, {"fp64"}, {"fp4"}, {"fp8", "fp6", "fp4"}, {"int8"}, {"tf32"}],
    121: [{"bf16"}, {"fp4"}],
}

# What ptxas turns into something else for lack of an instruction: no kernel can run it on Tensor Cores as what it is.
EMULATED = [
    (70, "int8"),
    (75, "bf16"),
    (80, "fp8"),
    (86, "fp8"),
    (89, "fp4"),
    (90, "int4"),
    (90, "fp4"),
    (100, "int4"),
    (100, "int1"),
    (110, "int4"),
    (120, "int1"),
]

HMMA = Verdict(Unit.TENSOR_CORE, Precision.FP16, Accumulate.FP32, Op.CONV, "cudnn-s1688", Evidence.SASS, "cuDNN 8")
NO_RULE = Verdict(op=Op.UNKNOWN)


def known(sm: int, **names: str) -> hardware.Gpu:
    found = gpu(sm, **names)
    assert found is not None
    return found


class TestFile:
    def test_has_every_capability_once_and_in_order(self) -> None:
        sms = [row["sm"] for row in ROWS]

        assert sms == sorted(set(sms))
        asked_for = {50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 89, 90, 100, 101, 103, 110, 120, 121}
        assert asked_for <= set(sms)

    def test_says_what_it_is(self) -> None:
        assert RAW["schema"] == "tcscope.hardware/1"
        assert RAW["about"]
        assert set(RAW) == {"schema", "about", "capabilities", "without_tensor_cores", "tensor_active"}

    def test_repeats_no_key(self) -> None:
        text = (data.rules_dir() / hardware.HARDWARE_FILE).read_text(encoding="utf-8")
        stack = [yaml.compose(text, yaml.SafeLoader)]

        while stack:
            node = stack.pop()
            if isinstance(node, yaml.MappingNode):
                keys = [key.value for key, _ in node.value]
                assert len(keys) == len(set(keys)), f"line {node.start_mark.line + 1}: repeated key in {keys}"
                stack += [value for _, value in node.value]
            elif isinstance(node, yaml.SequenceNode):
                stack += node.value

    @EVERY_ROW
    def test_row_is_complete_and_in_our_words(self, row: dict[str, Any]) -> None:
        assert list(row) in (
            ["sm", "architecture", "tensor_cores", "packed", "chips", "gpus", "jetson", "source"],
            ["sm", "architecture", "tensor_cores", "packed", "chips", "gpus", "jetson", "note", "source"],
        )
        assert type(row["sm"]) is int
        assert row["chips"] or row["note"], "no GPU of this capability is named, and no note says why"
        assert row["packed"] == [word for word in ("hfma2", "dp4a") if word in row["packed"]]
        if row["tensor_cores"] is not None:
            assert set(row["tensor_cores"]) == {"generation", "precisions"}
            assert row["tensor_cores"]["precisions"] == [p for p in ORDER if p in row["tensor_cores"]["precisions"]]
            assert row["tensor_cores"]["precisions"]

    @pytest.mark.parametrize("row", [*ROWS, *EXCEPTIONS], ids=lambda row: f"sm_{row['sm']}")
    def test_row_has_a_source_a_reader_can_open(self, row: dict[str, Any]) -> None:
        assert row["source"]
        assert all(re.fullmatch(r"https://[\w./#%@-]+", url) for url in row["source"])

    def test_names_belong_to_one_capability_and_lead_back_to_it(self) -> None:
        owner: dict[str, int] = {}
        for row in ROWS:
            for name in (*row["chips"], *row["gpus"], *row["jetson"]):
                assert name.lower() not in owner, f"{name} stands at {owner.get(name.lower())} and {row['sm']}"
                owner[name.lower()] = row["sm"]
                assert sm_of_name(name) == sm_of_name(f"NVIDIA {name} (test)") == row["sm"]

    def test_exceptions_take_products_away_from_their_own_capability_only(self) -> None:
        for exception in EXCEPTIONS:
            (row,) = (row for row in ROWS if row["sm"] == exception["sm"])
            assert row["tensor_cores"], "nothing to take away"
            assert set(exception["chips"]) < set(row["chips"])
            for pattern in exception["names"]:
                if pattern != r"\bCMP 30HX\b":
                    assert any(re.search(pattern, name) for name in row["gpus"]), f"{pattern} names no GPU of the list"

    @pytest.mark.parametrize("sm", SEEN_IN_MACHINE_CODE)
    def test_allows_every_matrix_instruction_that_real_code_holds(self, sm: int) -> None:
        for types in SEEN_IN_MACHINE_CODE[sm]:
            assert types & set(known(sm).precisions), f"sm_{sm} runs a matrix instruction on {sorted(types)}"

    @pytest.mark.parametrize(("sm", "word"), EMULATED)
    def test_leaves_out_what_is_only_emulated(self, sm: int, word: str) -> None:
        assert Precision(word) not in known(sm).precisions

    @pytest.mark.parametrize(
        ("sm", "packed"),
        [(52, set()), (53, {"hfma2"}), (60, {"hfma2"}), (61, {"dp4a"}), (62, {"hfma2"}), (70, {"hfma2", "dp4a"})],
    )
    def test_knows_what_cuda_cores_pack(self, sm: int, packed: set[str]) -> None:
        assert known(sm).packed == packed


class TestGpu:
    @pytest.mark.parametrize(
        ("sm", "architecture", "generation"),
        [
            (62, "Pascal", None),
            (72, "Volta", 1),
            (75, "Turing", 2),
            (87, "Ampere", 3),
            (90, "Hopper", 4),
            (110, "Blackwell", 5),
        ],
    )
    def test_of_a_capability(self, sm: int, architecture: str, generation: int | None) -> None:
        found = known(sm, name="a board")

        assert (found.sm, found.architecture, found.generation, found.name) == (sm, architecture, generation, "a board")
        assert found.has_tensor_cores is (generation is not None)

    @pytest.mark.parametrize("sm", [0, 35, 71, 130])
    def test_of_a_capability_the_table_does_not_know_is_none(self, sm: int) -> None:
        assert gpu(sm) is None

    @pytest.mark.parametrize(
        ("chip", "name"),
        [
            ("TU116", ""),
            ("tu117", "Graphics Device"),
            ("", "NVIDIA GeForce GTX 1660 SUPER"),
            ("TU106", "NVIDIA GeForce GTX 1650"),
            ("", "GeForce MX450"),
            ("", "Quadro T1000 with Max-Q Design"),
            ("", "NVIDIA T400 4GB"),
            ("", "NVIDIA T600 Laptop GPU"),
        ],
    )
    def test_small_turing_has_no_tensor_cores(self, chip: str, name: str) -> None:
        found = known(75, chip=chip, name=name)

        assert not found.has_tensor_cores
        assert found.generation is None
        assert found.name == (name or chip)

    @pytest.mark.parametrize(
        ("sm", "chip", "name"),
        [
            (75, "TU104", "Tesla T4"),
            (75, "TU106", "NVIDIA GeForce RTX 2060"),
            (75, "", "Quadro RTX 4000"),
            (75, "", ""),
            (89, "", "NVIDIA RTX 2000 Ada Generation"),
            (120, "", "NVIDIA GeForce GTX 1650"),  # a name says nothing about a capability that isn't its own
        ],
    )
    def test_other_turing_has_them(self, sm: int, chip: str, name: str) -> None:
        assert known(sm, chip=chip, name=name).has_tensor_cores


class TestLimit:
    def test_without_tensor_cores_a_tensor_core_claim_is_cuda_core(self) -> None:
        limited = known(62).limit(HMMA)

        assert limited == replace(
            HMMA,
            unit=Unit.CUDA_CORE,
            accumulate=None,
            evidence=Evidence.DOCUMENTED,
            source="hardware.yaml: sm_62",
        )
        assert limited.note == "sm_62 has no Tensor Cores"

    def test_without_tensor_cores_even_an_unknown_kernel_is_cuda_core(self) -> None:
        limited = known(53, name="NVIDIA Tegra X1").limit(NO_RULE)

        assert (limited.unit, limited.evidence, limited.rule) == (Unit.CUDA_CORE, Evidence.DOCUMENTED, None)
        assert (limited.precision, limited.op) == (Precision.UNKNOWN, Op.UNKNOWN)
        assert limited.note == "NVIDIA Tegra X1 (sm_53) has no Tensor Cores"

    def test_a_chip_without_tensor_cores_limits_its_capability(self) -> None:
        limited = known(75, chip="TU117").limit(HMMA)

        assert limited.unit is Unit.CUDA_CORE
        assert limited.note == "TU117 (sm_75) has no Tensor Cores"

    @pytest.mark.parametrize(("sm", "word"), EMULATED)
    def test_a_precision_the_tensor_cores_lack_becomes_unknown_and_the_unit_stays(self, sm: int, word: str) -> None:
        claim = replace(HMMA, precision=Precision(word), note="from the name")

        limited = known(sm).limit(claim)

        assert limited == replace(claim, precision=Precision.UNKNOWN)
        assert limited.note == f"from the name; the Tensor Cores of sm_{sm} don't multiply {word}"

    @pytest.mark.parametrize("sm", [sm for sm in capabilities() if sm >= 70])
    def test_a_claim_within_the_hardware_is_left_alone(self, sm: int) -> None:
        found = known(sm)
        claims = [replace(HMMA, precision=word) for word in found.precisions]

        assert [found.limit(claim) for claim in claims] == claims

    @pytest.mark.parametrize("word", [Precision.MIXED, Precision.UNKNOWN])
    def test_no_claim_of_a_precision_is_no_false_claim(self, word: Precision) -> None:
        claim = replace(HMMA, precision=word)

        assert known(87).limit(claim) is claim

    @pytest.mark.parametrize("word", [Precision.UNKNOWN, Precision.FP32])  # FP32: its element type, no claim of an MMA
    def test_an_unknown_kernel_on_tensor_core_hardware_stays_unknown(self, word: Precision) -> None:
        kernel = replace(NO_RULE, precision=word)

        assert known(87).limit(kernel) is kernel

    @pytest.mark.parametrize("sm", [62, 87])
    def test_cuda_core_verdicts_are_never_touched(self, sm: int) -> None:
        dp4a = Verdict(Unit.CUDA_CORE, Precision.INT8, op=Op.CONV, rule="cudnn-icudnn", evidence=Evidence.SASS)

        assert known(sm).limit(dp4a) is dp4a


class TestParseSm:
    @pytest.mark.parametrize(
        ("text", "sm"),
        [
            ("87", 87),
            ("8.7", 87),
            ("sm_87", 87),
            ("sm87", 87),
            (" SM_87 ", 87),
            ("compute_90", 90),
            ("sm_90a", 90),
            ("sm_103f", 103),
            ("10.0", 100),
            ("100", 100),
            ("12.1", 121),
            ("13.0", 130),
            ("sm_140", 140),
        ],
    )
    def test_takes_every_usual_spelling(self, text: str, sm: int) -> None:
        assert parse_sm(text) == sm

    @pytest.mark.parametrize(
        "text", ["", "orin", "8", "10", "78", "8.70", "870", "1000", "sm_", "-87", "87 88", "8,7", "3.5"]
    )
    def test_refuses_what_is_none_and_lists_what_is(self, text: str) -> None:
        with pytest.raises(UsageError) as caught:
            parse_sm(text)

        assert caught.value.message == f"no such compute capability: '{text}'"
        assert "5.3, 6.0, 6.1" in caught.value.hint
        assert "12.1" in caught.value.hint


class TestSmOfName:
    @pytest.mark.parametrize(
        ("name", "sm"),
        [
            ("Orin", 87),
            ("Orin (nvgpu)", 87),
            ("NVIDIA Jetson Orin Nano Developer Kit", 87),
            ("NVIDIA Jetson Nano", 53),
            ("NVIDIA Tegra X1", 53),
            ("nvidia tegra x2", 62),
            ("Xavier", 72),
            ("NVIDIA Thor", 110),
            ("GA10B", 87),
            ("NVIDIA A100-SXM4-80GB", 80),
            ("NVIDIA H100 80GB HBM3", 90),
            ("NVIDIA GH200 480GB", 90),
            ("Tesla V100-SXM2-16GB", 70),
            ("Tesla T4", 75),
            ("NVIDIA L4", 89),
            ("Quadro RTX 4000", 75),
            ("NVIDIA RTX 4000 Ada Generation", 89),
            ("NVIDIA RTX 4000 SFF Ada Generation", 89),
            ("NVIDIA RTX PRO 4000 Blackwell", 120),
            ("NVIDIA GeForce RTX 3050 Laptop GPU", 86),
            ("NVIDIA GeForce RTX 3050 A Laptop GPU", 89),
            ("NVIDIA GeForce GTX TITAN X", 52),
            ("NVIDIA TITAN X (Pascal)", 61),
            ("NVIDIA TITAN Xp", 61),
            ("Quadro M2000", 52),
            ("Quadro M2000M", 50),
            ("NVIDIA GB10", 121),
        ],
    )
    def test_finds_whole_words_longest_first(self, name: str, sm: int) -> None:
        assert sm_of_name(name) == sm

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "NVIDIA",
            "Graphics Device",
            "RTX 4000",  # Turing, Ada or Blackwell
            "TITAN X",  # Maxwell or Pascal
            "A1000",
            "Orinoco",
            "Orin or Xavier",
            "NVIDIA A100 and H100",
            "Intel(R) UHD Graphics 770",
        ],
    )
    def test_an_unknown_or_ambiguous_name_is_none(self, name: str) -> None:
        assert sm_of_name(name) is None


class TestRulesDir:
    def test_is_found_beside_the_package_in_a_checkout(self) -> None:
        assert (data.rules_dir() / "hardware.yaml").is_file()

    def test_inside_the_package_comes_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        package = tmp_path / "tcscope"
        for folder in (package / "rules", tmp_path / "rules"):
            folder.mkdir(parents=True)
            shutil.copy(data.rules_dir() / "hardware.yaml", folder)
        monkeypatch.setattr(data, "__file__", str(package / "data.py"))

        assert data.rules_dir() == package / "rules"

    def test_somebody_elses_rules_folder_is_not_taken(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "rules").mkdir()
        monkeypatch.setattr(data, "__file__", str(tmp_path / "tcscope" / "data.py"))

        with pytest.raises(TcscopeError) as caught:
            data.rules_dir()

        assert "install" in caught.value.hint


def test_yaml_is_imported_only_when_a_gpu_is_asked_for() -> None:
    seen = "'yaml' in sys.modules"
    code = f"import sys, tcscope.hardware as h; assert not {seen}; assert h.gpu(87); assert {seen}"

    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_file_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu(87)
    monkeypatch.setattr(hardware, "load_yaml", lambda: pytest.fail("read again"))

    assert gpu(90)
    assert sm_of_name("Orin") == 87
