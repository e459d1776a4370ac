"""Names of the tables of an nsys export, and how it packs ids.

Schema: https://docs.nvidia.com/nsight-systems/UserGuide/index.html (SQLite schema reference).
"""

KERNEL = "CUPTI_ACTIVITY_KIND_KERNEL"
RUNTIME = "CUPTI_ACTIVITY_KIND_RUNTIME"
MEMCPY = "CUPTI_ACTIVITY_KIND_MEMCPY"
MEMSET = "CUPTI_ACTIVITY_KIND_MEMSET"
GRAPH = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE"
NVTX = "NVTX_EVENTS"
STRINGS = "StringIds"
GPU = "TARGET_INFO_GPU"
CUDA_DEVICE = "TARGET_INFO_CUDA_DEVICE"
SYSTEM = "TARGET_INFO_SYSTEM_ENV"
SESSION = "TARGET_INFO_SESSION_START_TIME"
DETAILS = "ANALYSIS_DETAILS"
DIAGNOSTIC = "DIAGNOSTIC_EVENT"
CAPTURE = "META_DATA_CAPTURE"
METRICS = "GPU_METRICS"
METRIC_NAMES = "TARGET_INFO_GPU_METRICS"
EXPORT_TABLES = ("META_DATA_EXPORT", "EXPORT_META_DATA")  # the second is 2022's spelling

PUSH_POP = (59, 70)  # the second numbers of each pair come from tools that write nsys-like exports
START_END = (60, 71)
DOMAIN = 75

PROCESS_MASK = -16777216  # a globalTid without its low 24 bits, the thread, is the globalPid


# Names of API calls that launch kernels or graphs: cudaLaunchKernel_v7000, cuLaunchKernelEx, cudaGraphLaunch_v10000
LAUNCH_NAMES = f"select id from {STRINGS} where value like 'cu%Launch%'"

NO_ID = -1  # stands for NULL and for an absent column; no id is negative but a globalPid, whose low 24 bits are 0


def pid_of(global_id: int | None) -> int:
    """The process id in a globalPid or globalTid: hardware (8 bits), vm (8), pid (24), tid (24); 0 where unknown."""
    return (global_id >> 24) & 0xFFFFFF if global_id is not None and global_id != NO_ID else 0


def nameless(string_id: int) -> str:
    """What a kernel is called whose name the export lacks."""
    return f"(kernel without a name, string {string_id})"
