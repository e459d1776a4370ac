"""What a source tells of a trace: its devices, and launches already summed by kernel."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU of the trace.

    `index` is the number by which the trace and `--device` name it; `sm` its compute capability (87 for 8.7), None
    where the trace doesn't know. `has_tensor_cores` is None where that can't be told.
    """

    index: int
    name: str = ""
    sm: int | None = None
    sm_count: int | None = None
    has_tensor_cores: bool | None = None
    chip: str = ""
    integrated: bool | None = None


@dataclass(frozen=True, slots=True)
class Launches:
    """All launches of one kernel by one process on one device. Times in ns; a negative duration counts as 0."""

    name: str
    device: int
    process: int
    launches: int
    ns: int
    min_ns: int
    max_ns: int

    def joined(self, other: Launches) -> Launches:
        """These launches and others of the same kernel, device and process."""
        return replace(
            self,
            launches=self.launches + other.launches,
            ns=self.ns + other.ns,
            min_ns=min(self.min_ns, other.min_ns),
            max_ns=max(self.max_ns, other.max_ns),
        )


@dataclass(frozen=True, slots=True)
class Copies:
    """Memory copies and sets on one device: beside the kernels, never inside their shares."""

    device: int
    copies: int = 0
    copy_ns: int = 0
    sets: int = 0
    set_ns: int = 0


@dataclass(frozen=True, slots=True)
class GraphLaunches:
    """CUDA graph launches whose kernels the trace doesn't show, on one device."""

    device: int
    launches: int
    ns: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which launches of a trace are looked at.

    `range` is the name of an NVTX range that must enclose the launch call on its thread; `skip` leaves out the first N
    instances of the range or, without one, the first N launches; `device` is a Device's index.
    """

    range: str | None = None
    skip: int = 0
    device: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every launch of the trace is in."""
        return self.range is None and self.skip == 0

    def takes(self, device: int) -> bool:
        """Whether what ran on this device is in."""
        return self.device is None or self.device == device


@dataclass(frozen=True, slots=True)
class RangeLevel:
    """Which NVTX ranges launches are attributed to: TensorRT's layers, or ranges of any domain at a depth.

    `depth` counts from the outermost range (1); 0 is the innermost. TensorRT's layers are always the innermost.
    `sequences` asks for the order of launches that no range claims.
    """

    layers: bool = True
    depth: int = 0
    sequences: bool = False


@dataclass(frozen=True, slots=True)
class RangePart:
    """What one kernel ran for one range: an index into `Attribution.ranges`, None where no range claims it."""

    range: int | None
    name: str
    device: int
    process: int
    launches: int
    ns: int


@dataclass(frozen=True, slots=True)
class LaunchSequence:
    """Kernels in the order of their launches, as often as one process ran just these on one device.

    `times` are ns summed over the `count` repetitions, one number a kernel. `is_inference` tells that they are one
    inference (an instance of a range, or one launch of a CUDA graph); else they are all else that a thread launched.
    """

    names: tuple[str, ...]
    device: int
    process: int
    times: tuple[int, ...]
    count: int = 1
    is_inference: bool = True
    in_graph: bool = False


@dataclass(frozen=True, slots=True)
class Attribution:
    """The selected launches by range. `ranges` are names in the order of their first launch.

    `graph_ns` is the time of kernels launched by a CUDA graph as a whole: they lie in the range around that launch.
    `unplaced_ns` is the time of kernels whose launch call the trace lacks; both are among the parts. `sequences`, where
    they were asked for, hold just the launches of the parts that no range claims.
    """

    ranges: tuple[str, ...]
    parts: tuple[RangePart, ...]
    graph_ns: int = 0
    unplaced_ns: int = 0
    sequences: tuple[LaunchSequence, ...] = ()


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of a range, with the fields of `Iterations`; `start_ns` counts from the first instance's start."""

    start_ns: int
    wall_ns: int
    launches: int
    kernel_ns: int
    span_ns: int
    idle_ns: int


@dataclass(frozen=True, slots=True)
class Iterations:
    """The instances of one NVTX range, an inference each. `wall_ns` is their summed length on the CPU.

    Of a trtexec profile only the number of inferences and `kernel_ns` are known; the other times are 0.

    `kernel_ns` is the time of the kernels launched in them, `span_ns` reaches in each from its first kernel's start to
    its last kernel's end, and `idle_ns` is the part of the spans in which no kernel ran. All are sums over instances.
    `instances` holds the first thousand one by one, in order of time.
    """

    name: str
    count: int
    wall_ns: int
    kernel_ns: int = 0
    span_ns: int = 0
    idle_ns: int = 0
    instances: tuple[Instance, ...] = ()


@dataclass(frozen=True, slots=True)
class Selected:
    """The selected part of a trace, summed, and what could not be taken as it stands.

    `negative` launches end before they start: they count as 0 ns. `unplaced` kernels, of `unplaced_ns`, have no launch
    call in the trace, so that no range can claim them.
    """

    launches: tuple[Launches, ...]
    copies: tuple[Copies, ...] = ()
    graphs: tuple[GraphLaunches, ...] = ()
    negative: int = 0
    unplaced: int = 0
    unplaced_ns: int = 0
