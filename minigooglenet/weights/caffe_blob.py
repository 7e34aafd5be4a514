"""One array of a ``.caffemodel``. NVIDIA's Caffe adds the two raw fields, for weights in half precision:

    BlobProto { int32 num = 1, channels = 2, height = 3, width = 4;             legacy shape
                float data = 5;   BlobShape shape = 7;   double double_data = 8;
                Type raw_data_type = 10;   bytes raw_data = 12; }
    BlobShape { int64 dim = 1; }
    Type      { DOUBLE = 0, FLOAT = 1, FLOAT16 = 2, INT = 3, UINT = 4, BOOL = 5 }

Sources: caffe.proto of BVLC Caffe 1.0 and of NVIDIA Caffe 0.17.
"""

import math

import numpy as np

from ..layers.base import Array
from .wire import FIXED32, FIXED64, LENGTH, VARINT, Budget, WireError, as_signed, expect, fields, read_varint

MOST_AXES = 32           # Caffe's kMaxBlobAxes

_RAW = {0: "<f8", 1: "<f4", 2: "<f2"}                   # Type -> dtype
_NOT_WEIGHTS = {3: "INT", 4: "UINT", 5: "BOOL"}


def read_blob(view: memoryview, budget: Budget) -> Array:
    """A BlobProto as float32, in its own shape. Raises WireError if it is malformed."""
    legacy: dict[int, int] = {}
    dims: list[int] = []
    shaped, single, double, raw, raw_type = False, bytearray(), bytearray(), None, 0
    for number, kind, value in fields(view, budget):
        if 1 <= number <= 4:
            legacy[number] = as_signed(expect(kind, VARINT, value, "a size"))
        elif number == 5:
            single += _values(kind, FIXED32, value)
        elif number == 7:
            shaped = True
            _read_shape(expect(kind, LENGTH, value, "a shape"), budget, dims)
        elif number == 8:
            double += _values(kind, FIXED64, value)
        elif number == 10:
            raw_type = expect(kind, VARINT, value, "a type of raw data")
        elif number == 12:
            raw = expect(kind, LENGTH, value, "raw data")
    if legacy or not shaped:                   # as in Caffe: any of the four legacy fields overrides a shape
        dims = [legacy.get(number, 0) for number in (1, 2, 3, 4)]
    if any(size < 0 for size in dims):
        raise WireError(f"impossible shape of {len(dims)} axes")
    if raw is not None and raw_type not in _RAW:
        raise WireError(f"its raw data are {_NOT_WEIGHTS.get(raw_type, f'of type {raw_type}')}, expected DOUBLE, FLOAT "
                        "or FLOAT16")
    contents, dtype = (raw, _RAW[raw_type]) if raw is not None else (double, "<f8") if double else (single, "<f4")
    if len(contents) % np.dtype(dtype).itemsize:
        raise WireError("ends in the middle of a weight")
    data = np.frombuffer(contents, dtype)
    if data.size == 0 or math.prod(dims) != data.size:
        raise WireError(f"{data.size:,} values for shape {dims_text(dims)}")
    with np.errstate(all="ignore"):            # a double beyond float32 becomes inf, which loading refuses
        return data.astype(np.float32, copy=raw is not None).reshape(dims)      # raw data are the file itself


def dims_text(shape: tuple[int, ...] | list[int]) -> str:
    """A shape for an error message: 64×3×7×7."""
    return "×".join(f"{size}" if size < 10**9 else "huge" for size in shape) or "()"


def _read_shape(view, budget, dims):
    """Append the sizes to ``dims``. Raises WireError beyond MOST_AXES, because a file may have millions of them."""
    for number, kind, value in fields(view, budget):
        if number != 1:
            continue
        if kind == VARINT:
            dims.append(as_signed(value))
        else:
            packed, at = expect(kind, LENGTH, value, "a dimension"), 0
            while at < len(packed) and len(dims) <= MOST_AXES:
                dim, at = read_varint(packed, at)
                dims.append(as_signed(dim))
        if len(dims) > MOST_AXES:
            raise WireError(f"impossible shape of more than {MOST_AXES} axes")


def _values(kind, fixed, value):
    """The little-endian bytes of repeated values, packed (LENGTH) or unpacked (a run of fixed-size records)."""
    if kind == fixed:
        return value.tobytes()
    return expect(kind, LENGTH, value, "a weight array")
