"""Whether a baseline may be compared: same GPU, same TensorRT, same part of the trace."""

from __future__ import annotations

from collections.abc import Iterator

from tcscope.model import Device, Report, Selection


def differences(base: Report, new: Report) -> list[str]:
    """What makes two reports incomparable, a sentence each. What one of them doesn't know is no difference."""
    return [
        *_gpus(base.trace.devices, new.trace.devices),
        *_engines(base.trace.tensorrt, new.trace.tensorrt),
        *_selections(base.trace.selection, new.trace.selection),
    ]


def remarks(base: Report, new: Report) -> list[str]:
    """What else differs between two recordings and may explain times."""
    pairs = (("driver", base.trace.driver, new.trace.driver), ("CUDA", base.trace.cuda, new.trace.cuda))
    return [f"the baseline was recorded with {what} {old}, this with {now}" for what, old, now in pairs if old != now
            and old and now]  # fmt: skip


def _gpus(base: tuple[Device, ...], new: tuple[Device, ...]) -> Iterator[str]:
    if len(base) != len(new):
        yield f"the baseline ran on {len(base)} GPUs, this on {len(new)}"
        return
    for old, now in zip(base, new, strict=True):
        for what, before, after in (
            ("on", old.name, now.name),
            ("on compute capability", old.sm, now.sm),
            ("on a GPU of SMs:", old.sm_count, now.sm_count),
        ):
            if before and after and before != after:
                yield f"the baseline ran {what} {before}, this {what} {after}"


def _engines(base: str | None, new: str | None) -> Iterator[str]:
    if base and new and base != new:
        yield f"the baseline ran with TensorRT {base}, this with {new}"


def _selections(base: Selection, new: Selection) -> Iterator[str]:
    if base != new:
        yield f"the baseline holds {selected(base)}, this {selected(new)}"


def selected(selection: Selection) -> str:
    """`the range 'inference' but its first 3 instances, on device 0`, or `the whole trace`."""
    parts = [f"the range '{selection.range}'" if selection.range is not None else "the whole trace"]
    if selection.skip:
        what = "instances" if selection.range is not None else "launches"
        parts.append(f" but its first {selection.skip} {what}")
    if selection.device is not None:
        parts.append(f", on device {selection.device}")
    return "".join(parts)
