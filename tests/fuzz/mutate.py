"""Changed inputs: bytes without regard to their meaning, and the parts of known formats, encoded again.

A change of bytes is mostly refused by the first check of a reader. A change of one part of a format, with all lengths
and checksums around it made right again, reaches the checks behind it.
"""

import gzip
import json
import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

from caffe_writer import varint

from .mutate_bytes import CHARACTERS, LONGEST, NUMBERS, changed_bytes, overwritten


def message(data: bytes, depth: int = 0) -> list[list[Any]] | None:
    """[[number, wire type, value]] of a message, with embedded messages as such lists; None for other bytes."""
    fields, at = [], 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag is None or tag >> 3 == 0 or tag & 7 not in (0, 1, 2, 5):
            return None
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if size is None:
                size, at = _varint(data, at)
            if size is None or size > len(data) - at:
                return None
            value, at = data[at:at + size], at + size
            inner = message(value, depth + 1) if kind == 2 and value and depth < 8 else None
            value = value if inner is None else inner
        if value is None:
            return None
        fields.append([number, kind, value])
    return fields


def encoded(fields: list[list[Any]]) -> bytes:
    """The inverse of ``message``."""
    parts = []
    for number, kind, value in fields:
        if kind == 0:
            value = varint(value)
        elif kind == 2:
            value = encoded(value) if isinstance(value, list) else value
            value = varint(len(value)) + value
        parts.append(varint(number << 3 | kind) + value)
    return b"".join(parts)


def changed_message(data: bytes, rng: Random) -> bytes:
    """A field at any depth is changed, removed, repeated, nested or replaced; the lengths around it are right again."""
    fields = message(data)
    if not fields:
        return changed_bytes(data, rng)
    for _ in range(rng.choice((1, 1, 2, 4))):
        inside = fields
        while True:
            field = rng.choice(inside)
            if not (isinstance(field[2], list) and field[2] and rng.random() < 0.8):
                break
            inside = field[2]
        at = inside.index(field)
        match rng.randrange(7):
            case 0 if len(inside) > 1:
                del inside[at]
            case 1:
                inside[at:at] = [field] * rng.choice((1, 1, 1, 3, 3, 1000))
            case 2:
                field[0] = rng.choice((1, 2, 5, 7, 8, 100, rng.randrange(1, 2**29)))
            case 3:
                field[1:] = rng.choice(([0, rng.choice(NUMBERS) % 2**64], [1, rng.randbytes(8)], [5, rng.randbytes(4)],
                                        [2, rng.randbytes(5)], [2, b""]))
            case 4:
                field[1:] = [2, _nested(encoded([field]), rng.choice((2, 50, 3000)), field[0])]
            case 5:
                field[1:] = rng.choice(inside)[1:]
            case _:
                field[2] = _other(field, rng)
    return encoded(fields)[:LONGEST]


def _other(field, rng):
    _, kind, value = field
    if kind == 0:
        return rng.choice((*NUMBERS, value + 1)) % 2**64
    if isinstance(value, list):
        return value[::-1]
    if kind == 2 and value.isascii():
        return changed_text(value, rng)
    changed = changed_bytes(value, rng)
    return changed if kind == 2 else changed.ljust(len(value), b"\0")[:len(value)]


def _nested(data, depth, number):
    for _ in range(depth):
        data = varint(number << 3 | 2) + varint(len(data)) + data
    return data


def _varint(data, at):
    value = 0
    for i in range(10):
        if at + i >= len(data):
            break
        value |= (data[at + i] & 127) << 7 * i
        if data[at + i] < 128:
            return value % 2**64, at + i + 1
    return None, at


# ---------------------------------------------------------------------------------------------------------------------
# JSON, safetensors, text


def changed_value(value: Any, rng: Random) -> Any:
    """A value of JSON with one part, at any depth, changed."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = rng.choice(keys)
        value = value.copy()
        match rng.randrange(8):
            case 0:
                del value[key]
            case 1 if isinstance(value, dict):
                value[rng.choice(("", "config", "x" * 300, rng.choice(CHARACTERS)))] = value[key]
            case 1:
                value += [value[key]] * rng.choice((1, 2, 1000))
            case 2:
                value[key] = value[rng.choice(keys)]
            case _:
                value[key] = changed_value(value[key], rng)
        return value
    if isinstance(value, str) and rng.random() < 0.5:
        if value[:1] in ("{", "[", '"') or value.isdecimal():            # JSON in JSON
            return changed_json(value.encode(errors="surrogatepass"), rng).decode(errors="replace")
        return _changed_characters(value, rng)
    if isinstance(value, (int, float)) and rng.random() < 0.5:
        return rng.choice((-value, value + 1, value * 1e9, float(value) / 3, str(value), -1, *NUMBERS))
    return rng.choice((None, True, False, 0, -1, 2**63, 10**400, 0.5, 1e308, float("nan"), float("inf"), -float("inf"),
                       "", "x" * 10_000, rng.choice(CHARACTERS), [], {}, [[]], {"": None}, [0] * 40, [value],
                       _Deep(rng.choice((10, 100, 5000))), "cifar10", "/dev/zero", "../../x"))


class _Deep(list):
    """Marks a list that is nested so deep that json.dumps would not write it."""

    def __init__(self, depth: int) -> None:
        super().__init__([f"<nested {depth}>"])


def changed_json(data: bytes, rng: Random) -> bytes:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return changed_text(data, rng)
    text = json.dumps(changed_value(value, rng))
    for depth in (10, 100, 5000):
        text = text.replace(f'["<nested {depth}>"]', "[" * depth + "]" * depth)
    return (text if rng.random() < 0.8 else text.replace(", ", rng.choice((",,", ",", " "))))[:LONGEST].encode()


def changed_safetensors(data: bytes, rng: Random) -> bytes:
    """The header is changed and its length made right, or the arrays are changed."""
    length = int.from_bytes(data[:8], "little")
    header, arrays = data[8:8 + length], data[8 + length:]
    if rng.random() < 0.8:
        header = changed_json(header, rng)
    if rng.random() < 0.3:
        values = bytearray(arrays)
        at = rng.randrange(max(1, len(values) // 4)) * 4
        values[at:at + 4] = struct.pack("<f", rng.choice((float("nan"), float("inf"), -1.0, 1e30, 1e38, 1e-40, 0.0)))
        arrays = bytes(values)
    return len(header).to_bytes(8, "little") + header + arrays


def _changed_characters(text, rng):
    at = rng.randrange(len(text) + 1)
    match rng.randrange(4):
        case 0:
            return text[:at] + rng.choice(CHARACTERS) * rng.choice((1, 1, 500)) + text[at:]
        case 1:
            return text[:at]
        case 2:
            return text * rng.choice((2, 1000))
    return text[:at] + text[at + 1:]


def changed_text(data: bytes, rng: Random) -> bytes:
    """Lines are removed, repeated, moved or changed; encodings and separators change."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    at = rng.randrange(len(lines))
    match rng.randrange(9):
        case 0:
            del lines[at]
        case 1:
            lines[at:at] = [lines[at]] * rng.choice((1, 2, 2000))
        case 2:
            rng.shuffle(lines)
        case 3 | 4 | 5:
            lines[at] = _changed_characters(lines[at], rng)
        case 6:
            lines = [line.replace(*rng.choice(((" ", ","), (",", ";"), ("1", "9" * 5000), ("0", "-1"), ("0", "1e400"),
                                               (".", ""), ("a", "\0"), ("1", "nan"), ("1", "inf"), ("1", "²"))))
                     for line in lines]
        case 7:
            text = "\n".join(lines)
            return text.encode(rng.choice(("utf-16", "utf-8-sig", "utf-32", "latin1")), "replace")
        case _:
            return changed_bytes(data, rng)
    text = rng.choice(("\n", "\n", "\r\n", "\r", "\u2028")).join(lines)
    return text.encode("utf-8", "surrogatepass" if "\ud800" in text else "surrogateescape")[:LONGEST]


# ---------------------------------------------------------------------------------------------------------------------
# Archives and images


def changed_gzip(data: bytes, rng: Random) -> bytes:
    """What is compressed is changed, and compressed again."""
    return gzip.compress(changed_tar(gzip.decompress(data), rng), 1, mtime=0)


def changed_tar(data: bytes, rng: Random) -> bytes:
    """A header of a tar file, with its checksum made right again, or any bytes."""
    headers = [at for at in range(0, len(data), 512) if data[at + 257:at + 262] == b"ustar"]
    if not headers or rng.random() < 0.4:
        return changed_bytes(data, rng)
    at = rng.choice(headers)
    header = bytearray(data[at:at + 512])
    name, value = rng.choice((
        (slice(0, 100), rng.choice((b"../../x", b"/etc/x", b"x" * 100, b"\xff\x1b[31m", b"data_batch_1.bin"))),
        (slice(124, 136), rng.choice((b"77777777777\0", b"00000000000\0", b"-0000000001\0", b"\x80" + b"\xff" * 11))),
        (slice(156, 157), bytes([rng.choice(b"0123456SxgLK7")])),
        (slice(157, 257), b"/etc/passwd")))
    header[name] = value[:name.stop - name.start].ljust(name.stop - name.start, b"\0")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return data[:at] + bytes(header) + data[at + 512:]


def changed_png(data: bytes, rng: Random) -> bytes:
    """A chunk is changed, removed, repeated or moved; its checksum is right."""
    chunks, at = [], 8
    while at + 8 <= len(data):
        length = int.from_bytes(data[at:at + 4], "big")
        chunks.append((data[at + 4:at + 8], data[at + 8:at + 8 + length]))
        at += length + 12
    i = rng.randrange(len(chunks))
    name, body = chunks[i]
    match rng.randrange(6):
        case 0:
            del chunks[i]
        case 1:
            chunks[i:i] = [chunks[i]] * rng.choice((1, 5, 5000))
        case 2:
            rng.shuffle(chunks)
        case 3 if name == b"IDAT":
            chunks[i] = name, zlib.compress(changed_bytes(zlib.decompress(body), rng), 1)
        case 4:
            chunks[i:i] = [(rng.choice((b"iTXt", b"zTXt", b"eXIf", b"tRNS", b"PLTE", b"acTL", b"fdAT", b"iCCP")),
                            rng.choice((b"", b"x\0\0" + zlib.compress(bytes(10**6), 1), rng.randbytes(50))))]
        case _:
            chunks[i] = name, (overwritten if body else changed_bytes)(body, rng)
    return data[:8] + b"".join(struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
                               for name, body in chunks)[:LONGEST]


FORMS: dict[str, Callable[[bytes, Random], bytes]] = {
    "bytes": changed_bytes, "protobuf": changed_message, "json": changed_json, "safetensors": changed_safetensors,
    "text": changed_text, "gzip": changed_gzip, "tar": changed_tar, "png": changed_png,
}


def changed(data: bytes, form: str, other: bytes, rng: Random) -> bytes:
    """``data``, in one of FORMS, changed; sometimes joined with a part of ``other``, another valid input."""
    chance = rng.random()
    if chance < 0.05:
        return (data[:rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1):])[:LONGEST]
    if chance < 0.35:
        return changed_bytes(data, rng)
    data = FORMS[form](data, rng)
    return changed_bytes(data, rng) if chance > 0.95 else data


def changed_name(rng: Random) -> str:
    """A name of a file or folder: any bytes but "/" and NUL, as Python decodes them."""
    name = rng.choice((rng.randbytes(rng.randrange(1, 20)), b"\x1b[2J\n" + rng.randbytes(3),
                       b"x" * rng.randrange(1, 256), "caf\u0301é".encode(), b"-rf", b"*[1]?", b"$HOME $(x) `x` %s {0}",
                       b".hidden", b"train", b"test",
                       "\u202egnp.1".encode(), b"a.png", b"A.PNG", b"~", b"new\nline", b"\xe9t\xe9", b"\r\r\x07\x9b"))
    clean = bytes(byte for byte in name if byte not in b"/\0")[:255]
    return (clean if clean not in (b"", b".", b"..") else b"x").decode("utf-8", "surrogateescape")
