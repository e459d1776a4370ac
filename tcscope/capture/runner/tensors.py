"""An engine's inputs and outputs, by the tensor API of TensorRT 8.5 to 11 or the binding API of TensorRT 7 and 8."""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence, Tuple

from tcscope.capture.runner.dtypes import name_of

Shape = Tuple[int, ...]


class Tensor(NamedTuple):
    """An input or output; `lanes` elements stand together along dimension `vector_dim` (-1: none do)."""

    name: str
    dtype: str
    shape: Shape  # -1 where it is dynamic
    is_input: bool
    on_host: bool  # a shape tensor: its values are sizes, and it lives in the CPU's memory
    lanes: int
    vector_dim: int


class TensorApi:
    """Tensors by name: `execute_async_v3`."""

    name = "tensors"

    def __init__(self, trt: Any, engine: Any, context: Any) -> None:
        self._engine, self._context = engine, context
        self.tensors: list[Tensor] = []
        for index in range(engine.num_io_tensors):
            name = engine.get_tensor_name(index)
            tensor = Tensor(
                name,
                name_of(engine.get_tensor_dtype(name)),
                tuple(engine.get_tensor_shape(name)),
                engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT,
                engine.get_tensor_location(name) == trt.TensorLocation.HOST,
                max(1, engine.get_tensor_components_per_element(name)),
                engine.get_tensor_vectorized_dim(name),
            )
            self.tensors.append(tensor)

    def optimum(self, tensor: Tensor) -> Shape | None:
        """The shape (of a shape tensor: the values) for which the engine was tuned."""
        if tensor.on_host:
            values = getattr(self._engine, "get_tensor_profile_values", None)
            return tuple(values(0, tensor.name)[1]) if values else None
        return tuple(self._engine.get_tensor_profile_shape(tensor.name, 0)[1])

    def limits(self, tensor: Tensor) -> Sequence[Shape]:
        """The smallest, tuned and greatest shape."""
        return [tuple(shape) for shape in self._engine.get_tensor_profile_shape(tensor.name, 0)]

    def give_shape(self, tensor: Tensor, shape: Shape) -> bool:
        """Choose the shape of a dynamic input; False where the engine doesn't take it."""
        return bool(self._context.set_input_shape(tensor.name, shape))

    def give_values(self, tensor: Tensor, values: Shape, address: int) -> bool:
        """Choose the values of a shape tensor, which stand at an address of the CPU's memory."""
        return bool(self._context.set_tensor_address(tensor.name, address))

    def shape_now(self, tensor: Tensor) -> Shape:
        """The shape that follows from those chosen; -1 where it depends on the data."""
        return tuple(self._context.get_tensor_shape(tensor.name))

    def most_bytes(self, tensor: Tensor) -> int:
        """The bound of an output whose shape depends on the data."""
        return int(self._context.get_max_output_size(tensor.name))

    def bind(self, tensor: Tensor, address: int) -> None:
        """Say where a tensor is."""
        self._context.set_tensor_address(tensor.name, address)

    def enqueue(self, stream: int) -> bool:
        """Run one inference."""
        return bool(self._context.execute_async_v3(stream))


class BindingApi:
    """Tensors by number: `execute_async_v2`, or `execute_async` where the batch is implicit."""

    name = "bindings"

    def __init__(self, trt: Any, engine: Any, context: Any) -> None:
        self._engine, self._context = engine, context
        self._batch = engine.max_batch_size if engine.has_implicit_batch_dimension else 0
        count = engine.num_bindings // max(1, engine.num_optimization_profiles)  # the first profile's
        self._addresses = [0] * engine.num_bindings
        self._number: dict[str, int] = {engine.get_binding_name(number): number for number in range(count)}
        leading: Shape = (self._batch,) if self._batch else ()
        self.tensors = [
            Tensor(
                name,
                name_of(engine.get_binding_dtype(number)),
                leading + tuple(engine.get_binding_shape(number)),
                bool(engine.binding_is_input(number)),
                bool(engine.is_shape_binding(number)),
                max(1, engine.get_binding_components_per_element(number)),
                engine.get_binding_vectorized_dim(number),
            )
            for name, number in self._number.items()
        ]

    def optimum(self, tensor: Tensor) -> Shape | None:
        """The shape (of a shape tensor: the values) for which the engine was tuned."""
        number = self._number[tensor.name]
        if tensor.on_host:
            return tuple(self._engine.get_profile_shape_input(0, number)[1])
        return tuple(self._engine.get_profile_shape(0, number)[1])

    def limits(self, tensor: Tensor) -> Sequence[Shape]:
        """The smallest, tuned and greatest shape."""
        return [tuple(shape) for shape in self._engine.get_profile_shape(0, self._number[tensor.name])]

    def give_shape(self, tensor: Tensor, shape: Shape) -> bool:
        """Choose the shape of a dynamic input; False where the engine doesn't take it."""
        return bool(self._context.set_binding_shape(self._number[tensor.name], shape))

    def give_values(self, tensor: Tensor, values: Shape, address: int) -> bool:
        """Choose the values of a shape tensor, which stand at an address of the CPU's memory."""
        self._addresses[self._number[tensor.name]] = address
        return bool(self._context.set_shape_input(self._number[tensor.name], values))

    def shape_now(self, tensor: Tensor) -> Shape:
        """The shape that follows from those chosen."""
        shape = tuple(self._context.get_binding_shape(self._number[tensor.name]))
        return ((self._batch,) if self._batch else ()) + shape

    def most_bytes(self, tensor: Tensor) -> int:
        """Unknown to this API."""
        return -1

    def bind(self, tensor: Tensor, address: int) -> None:
        """Say where a tensor is."""
        self._addresses[self._number[tensor.name]] = address

    def enqueue(self, stream: int) -> bool:
        """Run one inference."""
        if self._batch:
            return bool(self._context.execute_async(self._batch, self._addresses, stream))
        return bool(self._context.execute_async_v2(self._addresses, stream))


def open_tensors(trt: Any, engine: Any, context: Any, api: str = "auto") -> Any:
    """The API that this engine and this TensorRT have."""
    implicit = getattr(engine, "has_implicit_batch_dimension", False)
    if api == "bindings" or (api == "auto" and (implicit or not hasattr(engine, "num_io_tensors"))):
        return BindingApi(trt, engine, context)
    return TensorApi(trt, engine, context)
