"""Calibration data: the arrays of an .npz, cut into batches as they are read, or random numbers from a seed."""

from __future__ import annotations

import random
import struct
import sys
import zipfile
from typing import IO, Iterator, NamedTuple

from tcscope.capture.runner.dtypes import packed
from tcscope.capture.runner.failure import USAGE, RunError
from tcscope.capture.runner.shapes import Shape, written
from tcscope.capture.runner.values import Header, random_bytes, read_header, volume

# How numpy writes what is a TensorRT type as it stands.
_SAME = {"FLOAT": "f4", "HALF": "f2", "INT32": "i4", "INT64": "i8", "INT8": "i1", "UINT8": "u1", "BOOL": "b1"}


class Wanted(NamedTuple):
    """What an input takes."""

    name: str
    dtype: str
    shape: Shape


def is_cache(path: str) -> bool:
    """Whether a file is a calibration cache, as TensorRT writes it, instead of data. Raises RunError."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"TRT-"
    except OSError as error:
        raise RunError(USAGE, f"can't read {path}: {error.strerror}") from error


def random_batch(inputs: list[Wanted], seed: int) -> Iterator[dict[str, bytes]]:
    """One batch of random numbers."""
    generator = random.Random(seed)  # noqa: S311 - test data, not a secret
    yield {wanted.name: random_bytes(wanted.dtype, volume(wanted.shape), generator) for wanted in inputs}


def npz_batches(path: str, inputs: list[Wanted]) -> Iterator[dict[str, bytes]]:
    """The batches of an .npz, whose arrays are named as the inputs and hold samples along their first axis.

    Everything that can be wrong is raised as RunError at once, and not at the first batch.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        hint = "numpy.savez('calib.npz', NAME=samples)  # NAME: the input's"
        raise RunError(USAGE, f"can't read the calibration data of {path}: {error}", hint) from error
    files = {(file[:-4] if file.endswith(".npy") else file): file for file in archive.namelist()}
    names = [wanted.name for wanted in inputs]
    for name in files:
        if name not in names:
            what = f"{path} holds an array '{name}', and the network has no such input"
            raise RunError(USAGE, what, "it has: " + ", ".join(names))
    columns = []
    for wanted in inputs:
        if wanted.name not in files:
            raise RunError(
                USAGE,
                f"{path} holds no array for the input '{wanted.name}'",
                f"numpy.savez('{path}', **{{'{wanted.name}': samples}})  # each {written(wanted.shape[1:])}",
            )
        columns.append(_column(path, wanted, archive.open(files[wanted.name])))
    counts = {column.batches for column in columns}
    if len(counts) > 1:
        told = ", ".join(f"'{column.wanted.name}' {column.batches}" for column in columns)
        raise RunError(USAGE, f"the arrays of {path} make different numbers of batches: {told}")
    return _rows(path, columns)


class _Column(NamedTuple):
    """The array of one input, read batch by batch."""

    wanted: Wanted
    header: Header
    stream: IO[bytes]
    batches: int


def _column(path: str, wanted: Wanted, stream: IO[bytes]) -> _Column:
    header = read_header(path, wanted.name, stream)
    shape = header.shape
    if shape and shape[1:] == wanted.shape:  # the samples of an input without a batch axis, or whole batches
        return _Column(wanted, header, stream, shape[0])
    if len(shape) != len(wanted.shape) or shape[1:] != wanted.shape[1:]:
        takes = written(wanted.shape[1:])
        what = f"each sample of '{wanted.name}' is {written(shape[1:])} in {path}, and the network takes {takes}"
        raise RunError(USAGE, what, "the first axis counts the samples")
    size = wanted.shape[0] if wanted.shape else 1
    if shape and shape[0] < size:
        what = f"{path} holds {shape[0]} samples of '{wanted.name}', and a batch takes {size}"
        raise RunError(USAGE, what, f"numpy.resize(samples, {wanted.shape})  # repeats them")
    batches = shape[0] // size if shape else 1
    rest = shape[0] % size if shape else 0
    if rest:
        print(f"note: the last {rest} of {shape[0]} samples make no batch of {size}: left out", file=sys.stderr)
    return _Column(wanted, header, stream, batches)


def _rows(path: str, columns: list[_Column]) -> Iterator[dict[str, bytes]]:
    for _ in range(columns[0].batches):
        yield {column.wanted.name: _next(path, column) for column in columns}


def _next(path: str, column: _Column) -> bytes:
    (name, dtype, shape), header = column.wanted, column.header
    elements = volume(shape)
    try:
        data = column.stream.read(elements * header.size)
        if len(data) < elements * header.size:
            raise ValueError("it ends too early")
        if header.numpy == _SAME.get(dtype) and header.order != ">":
            return data
        values = struct.unpack(f"{'>' if header.order == '>' else '<'}{elements}{header.code}", data)
    except (ValueError, OSError, struct.error, zipfile.BadZipFile, EOFError) as error:
        raise RunError(USAGE, f"can't read the array '{name}' of {path}: {error}") from error
    return packed(dtype, values)
