"""Protocol Buffers on the wire, by hand: enough of the format to read any message without its compiler.

A message is a row of fields, nothing else: no header, no end mark, no checksum. A field is

    tag, value        tag = (field number << 3) | wire type, written as a varint

and the wire type alone says how long the value is, which is why unknown fields can be skipped:

    0  varint      7 bits a byte, lowest first, the top bit says "more follows"; at most 10 bytes
    1  fixed64     8 bytes, little-endian
    2  length      a varint n, then n bytes: text, a packed row of numbers, or a message inside the message
    5  fixed32     4 bytes, little-endian

A repeated number may come packed (one length field) or unpacked (a tag before each number). Seven million unpacked
weights would be seven million steps of a Python loop, so a run of equal tags is handed out as one array.

Source: Protocol Buffers, "Encoding" (protobuf.dev/programming-guides/encoding).
"""

import numpy as np

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_WIDTH = {FIXED64: 8, FIXED32: 4}


class WireError(ValueError):
    """Bytes that are no well-formed message."""


class Budget:
    """How many fields a file may still spend. Real networks have thousands; millions of empty ones are an attack."""

    def __init__(self, fields):
        self.allowed = self.left = fields

    def spend(self):
        self.left -= 1
        if self.left < 0:
            raise WireError(f"more than {self.allowed:,} fields")


def read_varint(view, at):
    """(value, next position): value = Σ (byteᵢ & 127) · 128ⁱ, as an unsigned 64-bit number."""
    value = 0
    for i in range(10):
        if at + i >= len(view):
            raise WireError("ends in the middle of a number")
        byte = view[at + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + i + 1
    raise WireError("a number longer than 10 bytes")


def as_signed(value):
    """int32 and int64 travel as 64-bit two's complement."""
    return value - (1 << 64) if value >> 63 else value


def fields(view, budget):
    """Walk one message: yield (field number, wire type, value) in the file's order.

    view: memoryview of bytes. value: int for VARINT, memoryview for LENGTH (a view, nothing is copied), and for FIXED32
    and FIXED64 a uint8 array (n, 4) or (n, 8) of n >= 1 numbers that follow each other under the same tag.

    Raises WireError. Never reads outside ``view``, never recurses, and stops when ``budget`` is spent.
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
                raise WireError(f"field {number} announces {length:,} bytes where {len(view) - at:,} are left")
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
            raise WireError(f"field {number} has wire type {kind}")  # 3 and 4, groups, died before Caffe was born


def _run(view, start, stride):
    """How many records of ``stride`` bytes, all opening with the byte at ``start``, follow each other.

    Looks ahead in windows that double only while they match, so that the work stays in proportion to the run: looking
    at the whole rest each time would make a file of alternating tags quadratic.
    """
    octets = np.frombuffer(view, np.uint8)
    most = (len(octets) - start) // stride
    count, window = 1, 32
    while count < most:
        tags = octets[start + count * stride:start + min(count + window, most) * stride:stride]
        same = tags == octets[start]
        if not same.all():
            return count + int(same.argmin())
        count += len(tags)
        window *= 2
    return count
