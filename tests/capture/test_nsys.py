"""The command line that records, for each nsys as it says it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tcscope.capture.nsys import (
    NEWEST,
    check_gpu_metrics,
    known_options,
    missed,
    open_nsys,
    profile_command,
    stop_command,
)
from tcscope.errors import TcscopeError, TraceError, UsageError
from tests.capture import stand_in

VERSIONS = sorted(path.stem for path in stand_in.HELPS.glob("*.txt"))


def options_of(version: str) -> frozenset[str]:
    return known_options((stand_in.HELPS / f"{version}.txt").read_text())


def line(version: str, *, profiler_range: bool = False, gpu_metrics: bool = False) -> str:
    options = options_of(version)
    made = profile_command(
        "nsys", options, Path("out/x"), ["prog", "-o", "y"], profiler_range=profiler_range, gpu_metrics=gpu_metrics
    )
    return " ".join(made)


def test_an_nsys_of_2025() -> None:
    assert line("2025.1") == (
        "nsys profile -t cuda,nvtx --cuda-graph-trace=node -s none --cpuctxsw=none"
        " --force-overwrite=true -o out/x prog -o y"
    )
    assert line("2025.3") == line("2025.1")
    with_all = line("2025.3", profiler_range=True, gpu_metrics=True)
    assert "--capture-range=cudaProfilerApi --capture-range-end=stop --gpu-metrics-devices=all" in with_all


def test_an_nsys_of_2022_calls_gpu_metrics_otherwise() -> None:
    assert "--gpu-metrics-device=all" in line("2022.4.2", gpu_metrics=True)
    assert line("2022.4.2") == line("2025.1")


def test_an_nsys_of_2021_knows_less_and_is_given_no_more() -> None:
    assert line("2021.1", profiler_range=True) == (
        "nsys profile -t cuda,nvtx -s none --capture-range=cudaProfilerApi --stop-on-range-end=true --kill=none"
        " --force-overwrite=true -o out/x prog -o y"
    )
    assert [what.split()[0] for what in missed(options_of("2021.1"), profiler_range=True)] == ["kernels"]
    with pytest.raises(TraceError, match="can't sample GPU metrics"):
        line("2021.1", gpu_metrics=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_option_is_given_that_the_help_does_not_name(version: str) -> None:
    known = options_of(version)
    metrics = any(name.startswith("--gpu-metrics-device") for name in known)
    made = line(version, profiler_range=True, gpu_metrics=metrics).partition(" -o ")[0]
    assert set(re.findall(r"--[a-z-]+", made)) <= known
    assert {"--trace", "--sample", "--output", "--force-overwrite"} <= known  # their short forms are used


def test_what_is_taken_as_known_without_an_nsys_is_what_a_new_one_knows() -> None:
    assert options_of("2025.1") & options_of("2025.3") >= NEWEST
    assert missed(NEWEST, profiler_range=True) == []


def test_a_percent_sign_in_the_output_is_no_pattern() -> None:
    made = profile_command("nsys", NEWEST, Path("50% off/x%p"), ["prog"])
    assert made[made.index("-o") + 1] == str(Path("50%% off/x%%p"))


def test_version_and_options_are_read(tmp_path: Path) -> None:
    found = open_nsys(str(stand_in.nsys(tmp_path)))
    assert found is not None
    assert (found.version, found.options) == ("2025.3.2.367", options_of("2025.1"))


def test_what_is_no_nsys(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--nsys is '/no/such', which is no program"):
        open_nsys("/no/such")
    other = stand_in.program(tmp_path / "other", "#!/bin/sh\necho hello\n")
    with pytest.raises(TraceError, match="is no nsys"):
        open_nsys(str(other))
    broken = stand_in.program(tmp_path / "broken", "\x7fELF")
    with pytest.raises(TraceError, match="can't run"):
        open_nsys(str(broken))


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (
            "Illegal --gpu-metrics-devices argument: all.\nInsufficient privilege, see https://developer.nvidia.com/ERR_NVGPUCTRPERM.",
            "may not sample GPU metrics",
        ),
        (
            "None of the installed GPUs are supported:\n\tTesla V100 PCI[0000:17:00.0] - Unsupported architecture",
            "of any GPU here: Tesla V100.*Unsupported architecture",
        ),
        (
            "Possible --gpu-metrics-device values are:\n\tNVIDIA GPUs not found, feature is not available",
            "of any GPU here",
        ),
    ],
)
def test_gpu_metrics_that_nsys_refuses(said: str, error: str, tmp_path: Path) -> None:
    found = open_nsys(str(stand_in.nsys(tmp_path, metrics=said)))
    assert found is not None
    with pytest.raises(TcscopeError, match=error) as caught:
        check_gpu_metrics(found)
    assert "--gpu-metrics" in caught.value.hint


def test_gpu_metrics_that_nsys_permits(tmp_path: Path) -> None:
    found = open_nsys(str(stand_in.nsys(tmp_path)))
    assert found is not None
    check_gpu_metrics(found)


def test_a_recording_with_a_name_can_be_stopped() -> None:
    record = profile_command("nsys", NEWEST, Path("out/x"), ["prog"], session="tcscope-7")
    assert record[:2] == ["nsys", "profile"]
    assert {"--session-new=tcscope-7", "--kill=none"} <= set(record)
    assert stop_command(record) == ["nsys", "stop", "--session=tcscope-7"]
    # an engine's recording ends by itself, and an old nsys knows no sessions
    assert stop_command(profile_command("nsys", NEWEST, Path("x"), ["p"], profiler_range=True, session="s")) == []
    assert stop_command(profile_command("nsys", frozenset(), Path("x"), ["p"], session="s")) == []
