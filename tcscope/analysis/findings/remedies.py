"""What to do about each finding, by its code: one thing, in the words of trtexec and its users.

`{file}` is the trace that was analyzed. Variants of a code say what fits what the user has done already.
"""

from __future__ import annotations

from tcscope.model import Precision

REMEDIES = {
    "no-tensor-cores": "INT8 can't gain there what it gains on Tensor Cores; compare times, not shares",
    "unknown-architecture": "tcscope analyze {file} --sm 87  # the GPU's compute capability; Jetson Orin is 87",
    "opaque-graphs": "nsys profile -t cuda,nvtx --cuda-graph-trace=node COMMAND",
    "unknown-kernels": "tcscope rules coverage {file}  # lists them, ready for a rule of your own",
    "unplaced-launches": "begin the capture before the range: nsys profile without --capture-range",
    "fp32-ffma": "if TF32 or FP16 is accurate enough: trtexec without --noTF32, or --fp16; in PyTorch allow_tf32",
    "fp32-ffma/fp16": "FP16 is in use elsewhere; if these layers need more, allow TF32 (trtexec without --noTF32)",
    "fp32-ffma/tf32": "TF32 is in use elsewhere; if these layers' channels are no multiples of 4, pad them",
    "int8-dp4a-stem": "keep this layer in FP16, or pad its channels: tcscope analyze {file} --keep-fp16",
    "int8-dp4a-stem/guess": "if its input has 3 channels, keep it in FP16: tcscope analyze {file} --keep-fp16",
    "depthwise-int8": "if an FP16 build is as fast, keep these layers in FP16: tcscope analyze {file} --keep-fp16",
    "deconv-int8": "keep these layers in FP16, for which Tensor Cores serve: tcscope analyze {file} --keep-fp16",
    "channels-unaligned": "if the model may change, give these layers channels in multiples of {step}",
    "constant-reformat": "fold the constants before the build: polygraphy surgeon sanitize --fold-constants",
    "io-reformat": "if the caller can use that type and layout, bind it: trtexec --inputIOFormats, --outputIOFormats",
    "reformat-pair": "if the layer between may run in its neighbours' type, let it: trtexec --layerPrecisions",
    "qdq-splits-fusion": "place Q/DQ after the activation: Conv, ReLU, then QuantizeLinear",
    "qdq-unfused": "if Q/DQ nodes were placed by hand, check NVIDIA's placement rules for Q/DQ layers",
    "qdq-unfused/shared": "quantize the other branch too (the skip connection into an Add), so that it runs in INT8",
    "launch-bound": "launch a CUDA graph (trtexec --useCudaGraph), or use a larger batch or fewer layers",
    "claims-tensor-measures-none": "tcscope explain NAME  # why it is judged so; a rule of your own can correct it",
    "claims-cuda-measures-tensor": "tcscope explain NAME  # why it is judged so; a rule of your own can correct it",
    "samples-unexplained": "capture more runs, at a higher rate: nsys profile --gpu-metrics-frequency=20000",
    "tensor-active-while-idle": "capture again with no other program on the GPU",
    "tensor-cores-idle/grid": "give the kernel more blocks: a larger batch, smaller tiles, or split-K",
    "tensor-cores-idle/tail": "fill the last wave: another batch size or tile makes the blocks a multiple of the SMs",
    "tensor-cores-idle/memory": "it waits for memory: fuse it with its neighbours, or use a smaller element type",
    "tensor-cores-idle/other": "its launch shape doesn't explain it: look into the kernel with ncu --set full",
    "launch-bound/graph": "CUDA graphs are in use: try a larger batch, or fewer and larger layers",
}

# Matrix work on CUDA cores, by the precision in which it ran there.
MATRIX = {
    Precision.FP32: "if FP16 is accurate enough, let TensorRT choose it: trtexec --fp16",
    Precision.FP16: "HFMA2 kernels: give channels in multiples of 8 and NHWC, and rebuild with more workspace",
    Precision.INT8: "dp4a kernels: allow FP16 beside INT8 (trtexec --int8 --fp16) or pad channels to multiples of 32",
    Precision.FP64: "FP64 on CUDA cores: check that the network is not exported in double precision",
}
INT8_BESIDE_FP16 = "dp4a kernels: pad channels to multiples of 32, or keep FP16: tcscope analyze {file} --keep-fp16"
OTHER_MATRIX = "tcscope explain NAME  # says how each is known"
