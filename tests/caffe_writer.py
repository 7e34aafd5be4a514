"""Writes small ``.caffemodel`` files in every layout of Caffe's history, for the tests of the reader."""

import itertools

import numpy as np

LAYOUTS = ("legacy", "newer")
ENCODINGS = ("packed", "unpacked", "double packed", "double unpacked", "raw double", "raw float", "raw half")
VARIANTS = list(itertools.product(LAYOUTS, ENCODINGS))


def varint(value):
    value &= 2**64 - 1
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes(encoded) + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def length(field, payload):
    return varint(field << 3 | 2) + varint(len(payload)) + payload


def text(field, words):
    return length(field, words.encode())


def float32(field, value):
    return varint(field << 3 | 5) + np.array(value, "<f4").tobytes()


def float64(field, value):
    return varint(field << 3 | 1) + np.array(value, "<f8").tobytes()


def blob(array, layout="legacy", encoding="packed", noise=True):
    """A BlobProto. Legacy shapes have four sizes, padded with leading ones."""
    if layout == "legacy":
        shape = b"".join(number(i + 1, n) for i, n in enumerate((1,) * (4 - array.ndim) + array.shape))
    else:
        shape = length(7, length(1, b"".join(varint(n) for n in array.shape)))
    flat = array.ravel()
    data = {
        "packed": lambda: length(5, flat.astype("<f4").tobytes()),
        "unpacked": lambda: b"".join(float32(5, x) for x in flat),
        "double packed": lambda: length(8, flat.astype("<f8").tobytes()),
        "double unpacked": lambda: b"".join(float64(8, x) for x in flat),
        "raw double": lambda: number(10, 0) + length(12, flat.astype("<f8").tobytes()),     # NVIDIA's fields
        "raw float": lambda: number(10, 1) + length(12, flat.astype("<f4").tobytes()),
        "raw half": lambda: length(12, flat.astype("<f2").tobytes()) + number(10, 2),
    }[encoding]()
    diff = length(6, np.full(flat.size, 7, "<f4").tobytes()) if noise else b""
    return (diff + shape + data) if noise else (data + shape)      # fields may come in any order


def layer(name, blobs, layout="legacy", encoding="packed", noise=True):
    """A V1LayerParameter or a LayerParameter with blobs."""
    name_field, blobs_field = (4, 6) if layout == "legacy" else (1, 7)
    body = text(name_field, name)
    if noise:
        kind = number(5, 4) if layout == "legacy" else text(2, "Convolution")
        bottom = text(2 if layout == "legacy" else 3, "data")
        multipliers = b"".join(float32(8, x) for x in (1.0, 2.0)) if layout == "legacy" else length(6, b"")
        body = kind + bottom + body + multipliers + float32(2000, 0.5) + float64(15, 0.5) + number(2001, -1)
    return body + b"".join(length(blobs_field, blob(b, layout, encoding, noise)) for b in blobs)


def net(layers, layout="legacy", encoding="packed", noise=True):
    """A NetParameter: {name: [array, ...]} as the bytes of a ``.caffemodel``."""
    field = 2 if layout == "legacy" else 100
    head = text(1, "GoogleNet")
    if noise:
        head += text(3, "data") + number(5, 1) + length(field, text(4 if layout == "legacy" else 1, "relu"))
    return head + b"".join(
        length(field, layer(name, blobs, layout, encoding, noise)) for name, blobs in layers.items()
    )
