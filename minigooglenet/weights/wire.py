"""The wire format of Protocol Buffers: enough of it to read any message without a generated parser.

A message is a sequence of fields without header, end mark or checksum. A field is

    tag, value        tag = (field number << 3) | wire type, encoded as a varint

The wire type determines the length of the value, so unknown fields can be skipped:

    0  varint      7 bits per byte, least significant first, the top bit is set if more bytes follow; at most 10 bytes
    1  fixed64     8 bytes, little-endian
    2  length      a varint n, then n bytes: text, packed values, or an embedded message
    5  fixed32     4 bytes, little-endian

Repeated values are either packed (one length field) or unpacked (a tag before each value). Seven million unpacked
weights would need seven million iterations of a Python loop, so a run of equal tags is returned as one array.

Source: Protocol Buffers, "Encoding" (protobuf.dev/programming-guides/encoding).
"""

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..files import regular_file

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_WIDTH = {FIXED64: 8, FIXED32: 4}


class WireError(ValueError):
    """Bytes that are not a well-formed message."""


class Budget:
    """A limit on the number of fields in a file. Networks have thousands; millions of empty fields are an attack."""

    def __init__(self, fields: int) -> None:
        self.allowed = self.left = fields

    def spend(self) -> None:
        """Count one field. Raises WireError if the limit is exceeded."""
        self.left -= 1
        if self.left < 0:
            raise WireError(f"more than {self.allowed:,} fields")


def map_file(path: Path | str, what: str, largest: int) -> memoryview:
    """The bytes of a file, memory-mapped. Raises UserError as ``files.regular_file`` does, or if it cannot be read."""
    size = regular_file(path, what, largest)
    try:
        with open(path, "rb") as file:
            return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:                # it has become shorter
        raise UserError(f"{path}: changed while it was being opened; try again") from error


def read_varint(view: memoryview, at: int) -> tuple[int, int]:
    """(value, next position): value = Σ (byteᵢ & 127) · 128ⁱ, as an unsigned 64-bit integer."""
    value = 0
    for i in range(10):
        if at + i >= len(view):
            raise WireError("ends in the middle of a varint")
        byte = view[at + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + i + 1
    raise WireError("a varint longer than 10 bytes")


def as_signed(value: int) -> int:
    """An int32 or int64 from its encoding in 64-bit two's complement. Raises WireError for a text in its place."""
    if not isinstance(value, int):
        raise WireError("a text in place of an integer")
    return value - (1 << 64) if value >> 63 else value


def expect(kind: int, wanted: int, value: Any, what: str) -> Any:
    """``value``. Raises WireError if its wire type is not the wanted one."""
    if kind != wanted:
        raise WireError(f"{what} has wire type {kind}, expected {wanted}")
    return value


def fields(view: memoryview, budget: Budget) -> Iterator[tuple[int, int, Any]]:
    """Yield (field number, wire type, value) for each field of a message, in the order of the file.

    view: memoryview of bytes. value: int for VARINT, memoryview for LENGTH (a view, not a copy), and for FIXED32 and
    FIXED64 a uint8 array (n, 4) or (n, 8) of n >= 1 consecutive values with the same tag.

    Raises WireError. Never reads outside ``view``, does not recurse, and stops when ``budget`` is exhausted.
    """
    at = 0
    while at < len(view):
        budget.spend()
        start = at
        tag, at = read_varint(view, at)
        number, kind = tag >> 3, tag & 7
        if not 1 <= number < 1 << 29:
            raise WireError(f"field number {number}")
        if kind == VARINT:
            value, at = read_varint(view, at)
            yield number, kind, value
        elif kind == LENGTH:
            length, at = read_varint(view, at)
            if length > len(view) - at:
                raise WireError(f"field {number} has length {length:,}, but only {len(view) - at:,} bytes are left")
            yield number, kind, view[at:at + length]
            at += length
        elif kind in _WIDTH:
            stride = at - start + _WIDTH[kind]
            if start + stride > len(view):
                raise WireError(f"ends in the middle of field {number}")
            count = _run(view, start, stride) if at - start == 1 else 1
            records = np.frombuffer(view, np.uint8, count * stride, start).reshape(count, stride)
            yield number, kind, records[:, at - start:]
            at = start + count * stride
        else:
            raise WireError(f"field {number} has wire type {kind}")  # 3 and 4, groups, are older than Caffe


def _run(view, start, stride):
    """The number of consecutive records of ``stride`` bytes that all begin with the byte at ``start``.

    The search window doubles only while all records match, so the work is proportional to the run. Comparing the whole
    rest of the file each time would take quadratic time for alternating tags.
    """
    data = np.frombuffer(view, np.uint8)
    most = (len(data) - start) // stride
    count, window = 1, 32
    while count < most:
        tags = data[start + count * stride:start + min(count + window, most) * stride:stride]
        same = tags == data[start]
        if not same.all():
            return count + int(same.argmin())
        count += len(tags)
        window *= 2
    return count
