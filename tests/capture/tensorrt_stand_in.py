"""A TensorRT without a GPU: of its Python API what building takes, as versions 8, 10, 11 and RTX have it.

Its ONNX files are JSON, `{"inputs": {"x": ["FLOAT", [-1, 3]]}, "layers": [["CONVOLUTION", "FLOAT"]], "errors": []}`,
and so are its plans: what the builder was told, and what the calibrator gave it.
"""

from __future__ import annotations

import ctypes
import enum
import json
import math
import sys
import time
import types
from typing import Any

SIZES = {"FLOAT": 4, "HALF": 2, "INT32": 4, "INT64": 8, "INT8": 1}


class Cuda:
    """CUDA whose device memory is the host's."""

    name = "host"

    def __init__(self) -> None:
        self._kept: list[Any] = []

    def allocate(self, size: int) -> int:
        self._kept.append(ctypes.create_string_buffer(size))
        return ctypes.addressof(self._kept[-1])

    def upload(self, address: int, data: bytes) -> None:
        ctypes.memmove(address, data, len(data))


class Logger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class Named:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class Network:
    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.inputs: list[Any] = []
        self.layers: list[Any] = []

    num_inputs = property(lambda self: len(self.inputs))
    num_layers = property(lambda self: len(self.layers))

    def get_input(self, number: int) -> Any:
        return self.inputs[number]

    def get_layer(self, number: int) -> Any:
        return self.layers[number]


class OnnxParser:
    def __init__(self, network: Network, logger: Any) -> None:
        self._network, self._logger = network, logger
        self._errors: list[Any] = []

    num_errors = property(lambda self: len(self._errors))

    def get_error(self, number: int) -> Any:
        return self._errors[number]

    def parse_from_file(self, path: str) -> bool:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if not text.startswith("{"):
            self._logger.log(Logger.ERROR, "Failed to parse ONNX model")
            return False
        model = json.loads(text)
        for error in model.get("errors", ()):
            self._errors.append(Named(**{key: (lambda value=value: value) for key, value in error.items()}))
        if self._errors:  # it logs one of them itself
            self._logger.log(Logger.ERROR, "While parsing node number 3: " + self._errors[0].desc())
        for name, (dtype, shape) in model.get("inputs", {}).items():
            sizes = name in model.get("sizes", ())
            self._network.inputs.append(Named(name=name, dtype=dtype, shape=tuple(shape), is_shape_tensor=sizes))
        for kind, dtype in model.get("layers", ()):
            output = Named(dtype=Named(name=dtype))
            self._network.layers.append(Named(type=kind, num_outputs=1, get_output=lambda n, output=output: output))
        return not self._errors


class Profile:
    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    def set_shape(self, name: str, *shapes: Any) -> None:
        self.given[name] = shapes

    def set_shape_input(self, name: str, *values: Any) -> None:
        self.given[f"values of {name}"] = values


class Config:
    progress_monitor: Any = None
    int8_calibrator: Any = None
    profiling_verbosity = ""
    default_device_type = "GPU"
    DLA_core = -1

    def __init__(self, flags: Any) -> None:
        self.flags = {flags.TF32}
        self.sources = -1
        self.profiles: list[Profile] = []
        self.calibration_profile: Any = None

    def set_flag(self, flag: Any) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: Any) -> None:
        self.flags.discard(flag)

    def set_tactic_sources(self, bits: int) -> bool:
        self.sources = bits
        return True

    def set_memory_pool_limit(self, pool: Any, size: int) -> None:
        raise AssertionError("it takes what there is")

    def add_optimization_profile(self, profile: Profile) -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def set_calibration_profile(self, profile: Profile) -> None:
        self.calibration_profile = profile


class Builder:
    platform_has_tf32 = True

    def __init__(self, logger: Any) -> None:
        self._logger = logger

    def create_network(self, flags: int = 0) -> Network:
        return Network(flags)

    def create_builder_config(self) -> Config:
        return Config(sys.modules["tensorrt"].BuilderFlag)

    def create_optimization_profile(self) -> Profile:
        return Profile()

    def build_serialized_network(self, network: Network, config: Config) -> bytes | None:
        flags = sorted(flag.name for flag in config.flags)
        quantized = any(layer.type == "QUANTIZE" for layer in network.layers)
        calibrated = None
        if monitor := config.progress_monitor:
            monitor.phase_start("Building", None, 2)
            assert monitor.step_complete("Building", 0)
        if "INT8" in flags and not quantized:
            if config.int8_calibrator is None:
                self._logger.log(Logger.ERROR, "Calibration failure occurred with no scaling factors detected.")
                return None
            calibrated = self._calibrated(network, config)
            if not calibrated:
                self._logger.log(Logger.ERROR, "Calibration failed.")
                return None
        if monitor:
            monitor.phase_finish("Building")
        if any(layer.type == "SLOW" for layer in network.layers):
            self._logger.log(Logger.WARNING, "still building")
            time.sleep(60)
        if any(layer.type == "UNBUILDABLE" for layer in network.layers):
            self._logger.log(Logger.ERROR, "Error Code 10: Could not find any implementation for node foo")
            return None
        if any(layer.type == "TWINS" for layer in network.layers):  # as TensorRT 8.6.0 says it
            self._logger.log(Logger.ERROR, "Error Code 4: (?: Input dimensions with this name are inconsistent.)")
            return None
        told = {
            "network": network.flags,
            "flags": flags,
            "verbosity": config.profiling_verbosity,
            "sources": config.sources,
            "profiles": [profile.given for profile in config.profiles],
            "calibration profile": bool(config.calibration_profile),
            "calibrated": calibrated,
            "device": [config.default_device_type, config.DLA_core],
        }
        return json.dumps(told).encode()

    def _calibrated(self, network: Network, config: Config) -> Any:
        calibrator = config.int8_calibrator
        if (known := calibrator.read_calibration_cache()) is not None:
            return known.decode()
        inputs = [tensor for tensor in network.inputs if not tensor.is_shape_tensor]
        given = config.profiles[0].given if config.profiles else {}
        batches = []
        while addresses := calibrator.get_batch([tensor.name for tensor in inputs]):
            shapes = [given.get(tensor.name, [tensor.shape])[0] for tensor in inputs]
            sizes = [math.prod(shape) * SIZES[tensor.dtype] for shape, tensor in zip(shapes, inputs, strict=True)]
            read = (ctypes.string_at(address, size) for address, size in zip(addresses, sizes, strict=True))
            batches.append([data.hex() for data in read])
        calibrator.write_calibration_cache(b"TRT-8600-EntropyCalibration2\nx: 3c010a14\n")
        return {"size": calibrator.get_batch_size(), "batches": batches}


class Base:
    """What an application derives its own classes from."""


def members(name: str, words: list[str]) -> Any:
    """An enum of these words, counted from 0."""
    make_enum: Any = enum.IntEnum
    return make_enum(name, words, start=0)


def make(version: str, *, rtx: bool = False) -> Any:
    """A module as `import tensorrt` gives it."""
    major = int(version.split(".")[0])
    made: Any = types.ModuleType("tensorrt_rtx" if rtx else "tensorrt")
    made.__version__ = version
    weak = ["FP16", "INT8"] if major < 11 or rtx else []
    newer = ["BF16", "FP8"] if major == 10 or rtx else []
    made.BuilderFlag = members("BuilderFlag", ["TF32", "GPU_FALLBACK", *weak, *newer])
    typed = ["EXPLICIT_BATCH", "STRONGLY_TYPED"] if major >= 10 or rtx else ["EXPLICIT_BATCH"]
    made.NetworkDefinitionCreationFlag = members("NetworkDefinitionCreationFlag", typed)
    sources = ["CUBLAS", "CUBLAS_LT", "CUDNN", "EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS"]
    made.TacticSource = members("TacticSource", sources)
    made.ProfilingVerbosity = Named(DETAILED="detailed")
    made.DeviceType = Named(DLA="DLA") if major < 11 else Named()
    made.LayerType = Named(QUANTIZE="QUANTIZE")
    made.ILogger = Logger
    made.init_libnvinfer_plugins = lambda logger, namespace: True
    made.Builder, made.OnnxParser = Builder, OnnxParser
    made.Runtime = object
    if weak and not rtx:
        made.IInt8EntropyCalibrator2 = type("IInt8EntropyCalibrator2", (Base,), {})
    if major >= 10 or rtx:
        made.IProgressMonitor = type("IProgressMonitor", (Base,), {})
    return made
