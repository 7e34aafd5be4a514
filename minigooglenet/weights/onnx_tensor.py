"""One array of an ``.onnx`` file, a TensorProto:

    TensorProto     { int64 dims = 1;   int32 data_type = 2;   string name = 8;   bytes raw_data = 9;
                      float float_data = 4;   int32 int32_data = 5;   int64 int64_data = 7;   double double_data = 10;
                      uint64 uint64_data = 11;   DataLocation data_location = 14; }

Half-precision values that are not raw are bit patterns in int32_data. Source: onnx.proto of ONNX 1.17.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..layers.base import Array, Shape
from .names import shown
from .wire import FIXED32, FIXED64, LENGTH, VARINT, Budget, WireError, as_signed, expect, fields, read_varint

MOST_AXES = 32
MOST_INTEGERS = 100_000    # in one list: integers are sizes and indices

_DTYPES = {1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8", 12: "<u4",
           13: "<u8"}
_BFLOAT16 = 16
_REAL = (1, 10, 11, _BFLOAT16)
_DATA = {4: (FIXED32, "<f4"), 10: (FIXED64, "<f8")}        # field -> the wire type and dtype of one value
_INTEGER_DATA = (5, 7, 11)                                 # the last one is uint64_data


@dataclass
class Tensor:
    """An initializer. Its values stay in the file until ``array`` is called."""

    name: str = ""
    shape: Shape = ()
    type: int = 0
    external: bool = False
    raw: memoryview | None = None
    parts: list[tuple[int, int, Any]] = field(default_factory=list, repr=False)    # (field, wire type, value)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def real(self) -> bool:
        """Whether the values are floating-point numbers."""
        return self.type in _REAL

    def array(self) -> Array:
        """The values. Raises WireError if they are missing, in another file, of an unknown type, or too few or many."""
        if self.external:
            raise WireError("its values are in another file (external data); save the model as one file")
        dtype = self.check()
        values = np.frombuffer(self.raw, np.uint8) if self.raw is not None else self._listed(dtype)
        if values.nbytes != self.size * dtype.itemsize:
            raise self._wrong(values.nbytes, dtype)
        values = values.view(dtype).reshape(self.shape)
        if self.type == _BFLOAT16:                         # the upper half of a float32
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values

    def check(self) -> np.dtype[Any]:
        """The dtype of the stored values. Raises WireError if it is unknown, or if ``raw`` has another length."""
        if self.type not in _DTYPES and self.type != _BFLOAT16:
            raise WireError(f"'{shown(self.name)}' has values of type {self.type}, expected numbers")
        dtype = np.dtype(_DTYPES.get(self.type, "<u2"))
        if self.raw is not None and len(self.raw) != self.size * dtype.itemsize:
            raise self._wrong(len(self.raw), dtype)
        return dtype

    def _wrong(self, found, dtype):
        wanted = self.size * dtype.itemsize
        return WireError(f"'{shown(self.name)}' has {found:,} bytes of values, expected "
                         + (f"{wanted:,}" if wanted < 10**15 else "a huge number of"))

    def _listed(self, dtype):
        """The bytes of the values in the repeated fields, packed or not."""
        contents, found = bytearray(), []
        for number, kind, value in self.parts:
            if number in _INTEGER_DATA:
                found += integers(kind, value)
            elif kind == _DATA[number][0]:
                contents += value.tobytes()
            else:
                contents += expect(kind, LENGTH, value, "a list of values")
            if len(found) > MOST_INTEGERS:
                raise WireError(f"more than {MOST_INTEGERS:,} values in a list of integers")
        if found:
            stored = "<u2" if self.type in (10, _BFLOAT16) else dtype
            return np.array([n & 2**64 - 1 for n in found], np.uint64).astype(stored).view(np.uint8)
        return np.frombuffer(contents, np.uint8)


def read_tensor(view: memoryview, budget: Budget) -> Tensor:
    """A TensorProto. Raises WireError if it is malformed."""
    tensor = Tensor()
    dims: list[int] = []
    for number, kind, value in fields(view, budget):
        if number == 1:
            dims += integers(kind, value, MOST_AXES)
        elif number == 2:
            tensor.type = expect(kind, VARINT, value, "a type")
        elif number in _DATA or number in _INTEGER_DATA:
            tensor.parts.append((number, kind, value))
        elif number == 8:
            tensor.name = text(value)
        elif number == 9:
            tensor.raw = expect(kind, LENGTH, value, "raw data")
        elif number == 14:
            tensor.external = value == 1
        if len(dims) > MOST_AXES:
            raise WireError(f"an array of more than {MOST_AXES} axes")
    if any(size < 0 for size in dims):
        raise WireError(f"the initializer '{shown(tensor.name)}' has a negative size")
    tensor.shape = tuple(dims)
    return tensor


def integers(kind: int, value: Any, most: int = MOST_INTEGERS) -> list[int]:
    """Repeated integers, packed or not; at most one more than ``most``."""
    if kind == VARINT:
        return [as_signed(value)]
    packed, at = expect(kind, LENGTH, value, "a list of integers"), 0
    found: list[int] = []
    while at < len(packed) and len(found) <= most:
        number, at = read_varint(packed, at)
        found.append(as_signed(number))
    return found


def text(value: Any) -> str:
    """A name. Raises WireError if it is not UTF-8, or not bytes at all: of an integer n, ``bytes`` makes n zeros."""
    try:
        if isinstance(value, bytes | memoryview):
            return str(value, "utf-8")
    except UnicodeDecodeError:
        pass
    raise WireError("a name that is not text")
