"""Where things lie in the repository."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FIXTURES = REPOSITORY / "fixtures"
SHARED_TRACES = REPOSITORY.parent / "shared" / "traces"  # more real traces; not in every checkout
SHARED_TRTEXEC = REPOSITORY.parent / "shared" / "trtexec"

INT8 = FIXTURES / "h100_trt86_resnet18s_int8.sqlite"
FP16 = FIXTURES / "h100_trt86_resnet18s_fp16.sqlite"
INT8_CUDAGRAPH = FIXTURES / "h100_trt86_resnet18s_int8_cudagraph.sqlite"
INT8_METRICS = FIXTURES / "h100_trt86_resnet18s_int8_metrics.sqlite"
GRAPHS = FIXTURES / "h100_resnet50_fp16_graph.sqlite"
NO_KERNELS = FIXTURES / "h100_no_kernels.sqlite"
ORIN = FIXTURES / "orin_trt85_resnet_reconstructed.sqlite"
INT8_LAYERS = FIXTURES / "h100_trt86_resnet18s_int8.layers.json"
FP16_LAYERS = FIXTURES / "h100_trt86_resnet18s_fp16.layers.json"
