"""Arrays from files: .npz, .npy, or a folder of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tcscope.errors import UsageError
from tcscope.sensitivity.int8 import Array

_HINT = "numpy.savez('calib.npz', INPUT=samples)  # the network's input; the first axis counts the samples"


def arrays_of(path: Path, names: Sequence[str]) -> dict[str, Array]:
    """The arrays by name; of a folder those of its files, one after the other in the order of their names.

    An .npy is that of the only input. Raises UsageError.
    """
    if not path.is_dir():
        return _of_file(path, names)
    files = sorted(file for file in path.iterdir() if file.suffix in (".npz", ".npy"))
    if not files:
        raise UsageError(f"the folder {path} holds no .npz and no .npy", _HINT)
    parts = [_of_file(file, names) for file in files]
    for file, part in zip(files, parts, strict=True):
        if part.keys() != parts[0].keys():
            one, other = ", ".join(part), ", ".join(parts[0])
            raise UsageError(f"{file} holds {one}, and {files[0].name} {other}", "give each file the same arrays")
        for name, array in part.items():
            if array.shape[1:] != parts[0][name].shape[1:]:
                what = f"the samples of '{name}' are {array.shape[1:]} in {file}, and {parts[0][name].shape[1:]} before"
                raise UsageError(what, "give all samples one shape")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _of_file(path: Path, names: Sequence[str]) -> dict[str, Array]:
    try:
        with path.open("rb") as file:
            held = np.load(file, allow_pickle=False)
            if isinstance(held, np.ndarray):
                if len(names) != 1:
                    raise UsageError(f"{path} holds one array, and the network takes {', '.join(names)}", _HINT)
                return {names[0]: np.atleast_1d(held)}
            with held:
                return {name: np.atleast_1d(held[name]) for name in held.files}
    except FileNotFoundError as error:
        raise UsageError(f"no such data: {path}", "tcscope sensitivity model.onnx --data calib.npz") from error
    except UsageError:
        raise
    # OSError, ValueError, BadZipFile, zlib's and tokenize's own: whatever a wrong file leads to
    except Exception as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else "it is no .npz or .npy of numbers"
        raise UsageError(f"can't read the data of {path}: {said}", _HINT) from error
