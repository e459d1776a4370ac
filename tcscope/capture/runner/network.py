"""From an ONNX file to TensorRT's network: parsed, its shapes chosen, and the types that it brings along."""

from __future__ import annotations

import os
import sys
from typing import Any

from tcscope.capture.runner.failure import BAD_MODEL, USAGE, RunError
from tcscope.capture.runner.shapes import Shape, written

_KEPT: list[Any] = []  # the parser owns the weights: it must outlive the build


def strongly_typed(trt: Any) -> bool:
    """Whether this TensorRT takes the types of the ONNX alone.

    TensorRT 11 has no flags of precisions any more; those of TensorRT-RTX are there and do nothing.
    https://docs.nvidia.com/deeplearning/tensorrt/latest/api/migration/tensorrt-10x-to-11x-python-api-reference.html
    """
    return str(trt.__name__) == "tensorrt_rtx" or not hasattr(trt.BuilderFlag, "FP16")


def parse_onnx(trt: Any, logger: Any, builder: Any, path: str) -> Any:
    """The network of an ONNX file. Raises RunError, once TensorRT has said all that is wrong with it."""
    flag = "STRONGLY_TYPED" if strongly_typed(trt) else "EXPLICIT_BATCH"
    known = getattr(trt, "NetworkDefinitionCreationFlag", None)
    network = builder.create_network(1 << int(getattr(known, flag)) if hasattr(known, flag) else 0)
    parser = trt.OnnxParser(network, logger)
    _KEPT.append((parser, network))
    if parser.parse_from_file(os.path.abspath(path)):  # not `parse`: weights may lie in files beside it
        return network
    errors = [parser.get_error(number) for number in range(parser.num_errors)]
    for error in errors:
        if not any(error.desc() in line for line in logger.said):
            print(f"[TensorRT] [E] {_place(error)}{error.desc()} ({error.func()})", file=sys.stderr, flush=True)
    if not errors:
        raise RunError(BAD_MODEL, f"{path} can't be read by TensorRT {trt.__version__}: is it an ONNX file?")
    first = errors[0]
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    raise RunError(
        BAD_MODEL,
        f"TensorRT {trt.__version__} can't parse {path}: {_place(first)}{first.desc()}{more}",
        "export it with an older opset or simpler operators, or --plugin LIBRARY.so for one of your own",
    )


def _place(error: Any) -> str:
    """`node 3 (NonZero, 'a/b'): `; the operator and the name are told since TensorRT 10."""
    if error.node() < 0:
        return ""
    known = [error.node_operator()] if hasattr(error, "node_operator") else []
    known += [f"'{error.node_name()}'"] if hasattr(error, "node_name") else []
    return f"node {error.node()}{' (' + ', '.join(known) + ')' if known else ''}: "


def inputs_of(network: Any) -> list[Any]:
    """The network's inputs."""
    return [network.get_input(number) for number in range(network.num_inputs)]


def choose_shapes(network: Any, wanted: dict[str, Shape]) -> dict[str, Shape]:
    """The shape of every input, as given or as the ONNX fixes it; of a shape tensor the values. Raises RunError."""
    inputs = inputs_of(network)
    for name in wanted:
        if name not in [tensor.name for tensor in inputs]:
            known = ", ".join(tensor.name for tensor in inputs)
            raise RunError(USAGE, f"the network has no input '{name}'", f"it has: {known}")
    return {tensor.name: _shape(tensor, wanted.get(tensor.name)) for tensor in inputs}


def _shape(tensor: Any, chosen: Shape | None) -> Shape:
    own = tuple(tensor.shape)
    if tensor.is_shape_tensor:
        if chosen is None:
            raise RunError(USAGE, f"the input '{tensor.name}' holds sizes", f"--shapes {tensor.name}:4x8")
        return chosen
    if chosen is None and -1 not in own:
        return own
    if chosen is None:
        example = "x".join("1" if extent < 0 else str(extent) for extent in own)
        what = f"the input '{tensor.name}' is dynamic: {_dynamic(own)}"
        raise RunError(USAGE, what, f"--shapes {tensor.name}:{example}")
    if len(chosen) != len(own) or any(fixed not in (-1, given) for fixed, given in zip(own, chosen)):
        hint = "leave its shape out: it is fixed in the ONNX" if -1 not in own else f"it is {_dynamic(own)}"
        raise RunError(USAGE, f"the input '{tensor.name}' is {_dynamic(own)}, not {written(chosen)}", hint)
    return chosen


def _dynamic(shape: Shape) -> str:
    return "x".join("?" if extent < 0 else str(extent) for extent in shape) or "scalar"


def add_profile(builder: Any, config: Any, network: Any, shapes: dict[str, Shape]) -> Any:
    """The optimisation profile of a network with dynamic inputs, tuned for these shapes alone; None without any."""
    profile = None
    for tensor in inputs_of(network):
        if not tensor.is_shape_tensor and -1 not in tuple(tensor.shape):
            continue
        profile = profile if profile is not None else builder.create_optimization_profile()
        give = profile.set_shape_input if tensor.is_shape_tensor else profile.set_shape
        give(tensor.name, *[shapes[tensor.name]] * 3)  # smallest, tuned for, greatest
    if profile is not None and config.add_optimization_profile(profile) < 0:
        raise RunError(USAGE, "TensorRT doesn't take these --shapes", "its own words are above")
    return profile


def quantizes(trt: Any, network: Any) -> bool:
    """Whether the ONNX holds Q/DQ nodes: the network then says itself what is INT8."""
    kind = getattr(trt.LayerType, "QUANTIZE", None)
    return kind is not None and any(network.get_layer(n).type == kind for n in range(network.num_layers))


def types_of(network: Any) -> set[str]:
    """The element types that its layers make."""
    made = set()
    for number in range(network.num_layers):
        layer = network.get_layer(number)
        for output in range(layer.num_outputs):
            tensor = layer.get_output(output)
            if tensor is not None:
                made.add(str(getattr(tensor.dtype, "name", tensor.dtype)).rpartition(".")[2].upper())
    return made
