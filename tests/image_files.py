"""Image files written by hand: TIFF, PNG and EXIF blocks with any tags, as Pillow does not write them."""

import struct
import zlib

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}      # TIFF's types of values
CODES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i"}


def tiff(tags, data=b"", order="<"):
    """A TIFF file of one strip. tags: {tag: (type, values)}; values may be bytes, used as they are."""
    tags = {tag: (kind, values if isinstance(values, bytes) else b"".join(
        struct.pack(order + CODES[kind], value) for value in values)) for tag, (kind, values) in tags.items()}
    tags |= {279: (4, struct.pack(order + "I", len(data))), 273: (4, bytes(4))}
    place = 8 + 2 + 12 * len(tags) + 4
    strip = place + sum(len(values) for _, values in tags.values() if len(values) > 4)
    tags[273] = (4, struct.pack(order + "I", strip))
    directory = further = b""
    for tag, (kind, values) in sorted(tags.items()):
        field = values.ljust(4, b"\0") if len(values) <= 4 else struct.pack(order + "I", place + len(further))
        directory += struct.pack(order + "HHI", tag, kind, len(values) // SIZES[kind]) + field
        further += values if len(values) > 4 else b""
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "IH", 8, len(tags)) + directory + bytes(4) + further + data


def exif(*entries, order="<"):
    """An EXIF block of entries (tag, type, count, field); the field is 4 bytes, or an integer of 4 bytes."""
    magic = b"II*\0" if order == "<" else b"MM\0*"
    directory = b"".join(struct.pack(order + "HHI", *entry[:3]) + (
        entry[3] if isinstance(entry[3], bytes) else struct.pack(order + "I", entry[3])) for entry in entries)
    return b"Exif\0\0" + magic + struct.pack(order + "IH", 8, len(entries)) + directory + bytes(4)


def png(width, height, depth, color, rows, *chunks):
    """A PNG file. color: 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGBA; chunks (name, data) precede the image."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    image = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in [(b"IHDR", header), *chunks, (b"IDAT", image), (b"IEND", b"")])
