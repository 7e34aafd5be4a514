"""Reading and writing safetensors. Loading such a file runs no code.

    8 bytes    n, the length of the header, little-endian
    n bytes    JSON: {"__metadata__": {key: text}, name: {"dtype": "F32", "shape": [...], "data_offsets": [start, end]}}
    the rest   the arrays in C order, little-endian, without gaps; the offsets count from here

Source: https://github.com/huggingface/safetensors, section "Format".
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import numpy as safetensors_numpy

from ..errors import UserError
from ..files import parse_json, recognize, regular_file, write_atomically
from ..layers.base import Array, Shape
from .names import current_name, shown, with_current_names

LARGEST_HEADER = 5_000_000    # bytes, parsed in 25 times as much memory. A run of 10,000 epochs needs 3 MB
MOST_AXES = 32

DTYPES = {  # the dtypes that NumPy has, and bfloat16, which is widened to float32
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "u1", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
}


class _Entry(NamedTuple):
    """Where an array is in the file: the bytes from start to end, counted from the end of the header."""

    dtype: str
    shape: Shape
    start: int
    end: int


def save(path: Path | str, arrays: Mapping[str, Array], metadata: Mapping[str, object] | None = None) -> None:
    """Write {name: array} and the metadata {key: value} to ``path``, atomically. Values are stored as text.

    Raises UserError if the file cannot be written, the format does not support an array's dtype, or names and metadata
    are too long to be read again. Raises ValueError if there are no arrays.
    """
    if not arrays:
        raise ValueError(f"{path}: no arrays to save")          # the library would write a file that it cannot read
    dense = {name: np.asarray(array, order="C") for name, array in arrays.items()}   # the format does not store strides
    for name, array in dense.items():
        if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
            raise UserError(f"{path}: {name} has dtype {array.dtype}, which safetensors cannot store")
    contents = safetensors_numpy.save(dense, metadata={str(k): str(v) for k, v in (metadata or {}).items()})
    _check_header_length(int.from_bytes(contents[:8], "little"), path)
    write_atomically(path, lambda file: file.write(contents))


def load(path: Path | str) -> tuple[dict[str, Array], dict[str, str]]:
    """({name: array}, metadata) from a safetensors file; the arrays are new and writable. bfloat16 becomes float32.

    Names of version 0.1 are replaced by the current ones (``names.current_name``). Raises UserError that names the file
    if it is missing, of another kind, truncated or damaged, or if it contains an array of a dtype that NumPy lacks.
    """
    metadata, entries, start = _header(path)
    for name, entry in entries.items():
        if entry.dtype not in DTYPES:
            raise UserError(f"{path}: {shown(name)} has dtype {shown(entry.dtype)}, which is not supported; save it as "
                            "F32, F16 or BF16")
    try:
        with open(path, "rb") as file:
            arrays = {name: _read(file, start, entry) for name, entry in entries.items()}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise _invalid(path, error) from error
    return with_current_names(arrays, path), metadata


def metadata(path: Path | str) -> dict[str, str]:
    """The metadata of a safetensors file, without its arrays. Raises UserError as ``load`` does."""
    return _header(path)[0]


def array_names(path: Path | str) -> list[str]:
    """The names of the arrays in a safetensors file, without reading them. Raises UserError as ``load`` does."""
    return [current_name(name) for name in _header(path)[1]]


def is_safetensors(path: Path | str) -> bool:
    """Whether a file has the form of safetensors: 8 bytes of header length, then a JSON object of that length."""
    size = regular_file(path, "the weights")
    try:
        with open(path, "rb") as file:
            head = file.read(9)
            length = int.from_bytes(head[:8], "little")
            if head[8:] != b"{" or not 2 <= length <= size - 8:
                return False
            return length > LARGEST_HEADER or isinstance(parse_json(b"{" + file.read(length - 1)), dict)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError:
        return False


def _header(path):
    """(metadata, {name: _Entry}, the position of the data), all of it checked against the size of the file."""
    size = regular_file(path, "a .safetensors file")
    try:
        with open(path, "rb") as file:
            head = file.read(512)
            length = int.from_bytes(head[:8], "little")
            if size < 8 or length > size - 8 or head[8:9] != b"{":
                if (what := recognize(head)) is not None:
                    raise UserError(f"{path}: expected a .safetensors file, but this is {what}")
                raise ValueError(f"a header of {length:,} bytes in a file of {size:,}" if length > size - 8 else
                                 "no header")
            _check_header_length(length, path)
            file.seek(8)
            header = parse_json(file.read(length))
        return *_entries(header, size - 8 - length), 8 + length
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise _invalid(path, error) from error


def _check_header_length(length, path):
    if length > LARGEST_HEADER:
        raise UserError(f"{path}: names and metadata of {length:,} bytes, expected at most {LARGEST_HEADER:,}")


def _entries(header, available):
    """(metadata, {name: _Entry}) from the header. Raises ValueError unless the entries fill all ``available`` bytes."""
    metadata = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata are not text")
    entries = {name: _entry(name, fields) for name, fields in header.items()}
    at = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1][2:]):
        if entry.start != at or entry.end < at:
            raise ValueError(f"{shown(name)} starts at byte {entry.start:,}, expected {at:,}")
        at = entry.end
    if at != available:
        raise ValueError(f"{available:,} bytes of data, expected {at:,}")
    return metadata, entries


def _entry(name, fields):
    match fields:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [start, end]} if len(shape) <= MOST_AXES and all(
                type(n) is int and 0 <= n < 2**63 for n in (*shape, start, end)):
            if dtype in DTYPES and math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize != end - start:
                raise ValueError(f"{shown(name)} has {end - start:,} bytes for {shown(dtype)} "
                                 f"{'×'.join(map(str, shape))}")
            return _Entry(dtype, tuple(shape), start, end)
    raise ValueError(f"the entry {shown(name)} lacks a valid dtype, shape or position")


def _read(file, start, entry):
    dtype = np.dtype(DTYPES[entry.dtype])
    file.seek(start + entry.start)
    array = np.fromfile(file, dtype, math.prod(entry.shape)).reshape(entry.shape)   # ValueError if it became shorter
    if entry.dtype == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32)     # the upper half of a float32
    return array.astype(bool if entry.dtype == "BOOL" else dtype.newbyteorder("="), copy=False)


def _invalid(path, error):
    reason = " ".join(str(error).split())[:200]
    return UserError(f"{path}: not a valid .safetensors file ({reason}); damaged or of another kind")
