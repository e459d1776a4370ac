"""Parts of a report in words, as every output for people has them."""

from __future__ import annotations

from tcscope.model import Estimate, Iterations, Measurement, TensorShare, Totals, TraceInfo
from tcscope.rulebook import canonical
from tcscope.wording import count, duration, percent, plain

NOT_APPLICABLE = "n/a"


def milliseconds(ns: int) -> str:
    """`5,437.102` for 5437102000 ns."""
    return f"{ns / 1e6:,.3f}"


def bracket(low: float | None, high: float | None) -> str:
    """`64.3 %`, `64.3 to 70.1 %`, or `n/a`."""
    if low is None or high is None:
        return NOT_APPLICABLE
    first, last = percent(low), percent(high)
    return f"{first} %" if first == last else f"{first} to {last} %"


def shares(tensor_share: TensorShare) -> tuple[tuple[str, float | None, float | None], ...]:
    """What each bracket is a share of, with its ends."""
    return (
        ("of the kernel time", tensor_share.low, tensor_share.high),
        ("of matrix work (gemm, conv, attention)", tensor_share.eligible_low, tensor_share.eligible_high),
    )


def why_no_share(trace: TraceInfo) -> str:
    """Why a report has no Tensor Core share."""
    none = bool(trace.devices) and all(device.has_tensor_cores is False for device in trace.devices)
    return "there are none" if none else "no kernel time"


def gpus(trace: TraceInfo) -> list[str]:
    """A line for each GPU: `0: NVIDIA H100 80GB HBM3, sm_90, 132 SMs`."""
    lines = []
    for device in trace.devices:
        parts = [device.name or "unknown GPU", f"sm_{device.sm}" if device.sm else "architecture unknown"]
        if device.sm_count:
            parts.append(f"{device.sm_count} SMs")
        if device.has_tensor_cores is False:
            parts.append("no Tensor Cores")
        lines.append(("" if len(trace.devices) == 1 else f"{device.index}: ") + ", ".join(parts))
    return lines


def beside(totals: Totals) -> str:
    """What ran beside the kernels: `GPU busy for 5.4 ms, 120 memory sets of 188.4 us`."""
    parts = [] if totals.busy_ns is None else [f"GPU busy for {duration(totals.busy_ns)}"]
    for number, ns, noun in (
        (totals.copies, totals.copy_ns, "memory copy"),
        (totals.sets, totals.set_ns, "memory set"),
        (totals.graph_launches, totals.graph_ns, "opaque graph launch"),
    ):
        if number:
            parts.append(f"{count(number, noun)} of {duration(ns)}")
    return ", ".join(parts)


def per_inference(iterations: Iterations) -> str:
    """`508.3 us a range 'inference' (20): kernels 271.9 us, idle between 188.8 us`; of a profile the kernels alone."""
    wall, kernels, idle = (
        duration(ns / iterations.count) for ns in (iterations.wall_ns, iterations.kernel_ns, iterations.idle_ns)
    )
    name = plain(iterations.name)
    if not iterations.wall_ns and not iterations.span_ns:
        return f"kernels {kernels} an inference ({name}, {count(iterations.count, 'inference')})"
    return f"{wall} a range '{name}' ({iterations.count:,}): kernels {kernels}, idle between {idle}"


def estimate(found: Estimate | None) -> tuple[str, str]:
    """A measured value and its interval: `32.8`, `30.8 to 34.6`; `-` where there is none."""
    return ("-", "-") if found is None else (f"{found.value:.1f}", f"{found.low:.1f} to {found.high:.1f}")


def how_measured(whole: Measurement) -> str:
    """`2,535 samples of 50.0 us (R2 0.992, clocks 0.1 us apart)`."""
    apart = f"clocks {duration(abs(whole.offset_ns))} apart"
    drift = f", drifting {abs(whole.drift_ppm):g} ppm" if whole.drift_ppm else ""
    return f"{whole.windows:,} samples of {duration(whole.period_ns)} (R2 {whole.r2:.3f}, {apart}{drift})"


def captured_with(trace: TraceInfo) -> str:
    """`Nsight Systems 2025.3.2.0 (schema 3.20.3), TensorRT 8.6.0, 2026-11-23T06:06:53`."""
    schema = f"schema {trace.schema_version}" if trace.schema_version else ""
    tool = f"{trace.tool} ({schema})" if trace.tool and schema else trace.tool or schema
    engine = f"TensorRT {plain(trace.tensorrt)}" if trace.tensorrt else ""
    return ", ".join(part for part in (tool, engine, trace.captured) if part) or "unknown tool"


def selection(trace: TraceInfo) -> str:
    """`range 'inference' but its first 3 instances, device 0`; nothing where the whole trace is taken."""
    chosen = trace.selection
    parts = []
    if chosen.range is not None:
        parts.append(
            f"range '{plain(chosen.range)}'" + (f" but its first {chosen.skip} instances" if chosen.skip else "")
        )
    elif chosen.skip:
        parts.append(f"all but the first {chosen.skip} launches")
    if chosen.device is not None:
        parts.append(f"device {chosen.device}")
    return ", ".join(parts)


def cut(name: str, width: int, cue: str = "", *, gap: str = "…") -> str:
    """A name that fits into `width`: without its wrappers and parameters, then cut in its middle, `cue` kept."""
    if len(plain(name)) <= width:
        return plain(name)
    name = plain(canonical(name))
    if len(name) <= width:
        return name
    at = name.find(cue) if cue else -1
    tail = max(width // 3, 1)
    head = width - tail - len(gap)
    if at < 0 or at + len(cue) <= head or at >= len(name) - tail or len(cue) + 2 * len(gap) >= width:
        return shorten(name, width, gap=gap)
    after = name[at + len(cue) :]
    room = width - len(cue) - len(gap)
    rest = after if len(after) <= room // 3 else after[: max(room // 3 - len(gap), 0)] + gap
    return name[: room - len(rest)] + gap + cue + rest


def shorten(name: str, width: int, *, gap: str = "…") -> str:
    """A layer's name that fits into `width`, cut in its middle."""
    name = plain(name)
    if len(name) <= width:
        return name
    tail = max(width // 3, 1)
    return name[: width - tail - len(gap)] + gap + name[-tail:]
