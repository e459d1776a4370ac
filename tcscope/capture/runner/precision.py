"""What `--precision` means: flags of the builder up to TensorRT 10, the ONNX's own types in TensorRT 11 and RTX."""

from __future__ import annotations

import os
from typing import Any

from tcscope.capture.runner.failure import USAGE, RunError
from tcscope.capture.runner.network import quantizes, strongly_typed, types_of

PRECISIONS = ("fp32", "fp16", "int8", "best")
# What the builder may use beside FP32; TF32 is left on by TensorRT itself, and only `fp32` does without it.
_FLAGS = {"fp32": (), "fp16": ("FP16",), "int8": ("INT8", "FP16"), "best": ("INT8", "FP16", "BF16")}
_LOW = {"HALF": "FP16", "BF16": "BF16", "INT8": "INT8", "FP8": "FP8", "INT4": "INT4", "FP4": "FP4"}
_CONVERT = {
    "fp16": "python3 -m modelopt.onnx.autocast --onnx_path {0}  # makes an FP16 ONNX",
    "int8": "python3 -m modelopt.onnx.quantization --onnx_path {0} --quantize_mode int8  # adds Q/DQ nodes",
}


def set_precision(trt: Any, builder: Any, config: Any, network: Any, path: str, precision: str) -> bool:
    """Allow the builder what the word says. True where it then needs a calibration. Raises RunError."""
    quantized = quantizes(trt, network)
    if precision == "fp32" and hasattr(trt.BuilderFlag, "TF32"):  # it has 10 bits of mantissa, on Tensor Cores
        config.clear_flag(trt.BuilderFlag.TF32)
    if strongly_typed(trt):
        _check_types(trt, network, path, precision)
        return False
    if quantized and precision in ("fp32", "fp16"):
        what = f"{os.path.basename(path)} holds Q/DQ nodes, which make INT8: no {precision} engine comes of it"
        raise RunError(USAGE, what, "--precision int8, or the ONNX from before it was quantized")
    for name in _FLAGS[precision]:
        # BF16 came with the same GPUs as TF32, and with TensorRT 9
        if name != "BF16" or (hasattr(trt.BuilderFlag, "BF16") and getattr(builder, "platform_has_tf32", False)):
            config.set_flag(getattr(trt.BuilderFlag, name))
    return "INT8" in _FLAGS[precision] and not quantized


def _check_types(trt: Any, network: Any, path: str, precision: str) -> None:
    """Refuse a precision that the ONNX's own types don't make: an FP32 engine must not be called fp16."""
    made = {_LOW[name] for name in types_of(network) if name in _LOW}
    fits = {
        "fp32": not made,
        "fp16": "FP16" in made and "INT8" not in made,
        "int8": "INT8" in made,
        "best": True,
    }
    if fits[precision]:
        return
    name, types = os.path.basename(path), ", ".join(sorted(made)) or "FP32"
    what = f"this TensorRT ({trt.__version__}) takes the types of the ONNX, and those of {name} are {types}: "
    if precision == "int8" and not quantizes(trt, network):
        what += "int8 needs Q/DQ nodes"
    else:
        what += f"no {precision} engine comes of it"
    raise RunError(USAGE, what, _CONVERT.get(precision, "--precision best  # builds it as it is").format(path))
