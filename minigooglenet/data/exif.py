"""The orientation of a photo: its EXIF tag, read on its own, and the rotation or reflection that undoes it.

A camera stores the pixels as its sensor reads them, and an orientation from 1 to 8. Other tags of the same block are
often invalid. They are neither decoded nor written again, so they do not affect the orientation.

Source: JEITA CP-3451, "Exchangeable image file format for digital still cameras: Exif 2.2", 2002; the layout of the
block is that of TIFF 6.0, Adobe, 1992.
"""

import struct
from collections.abc import Iterator

from PIL import Image

ORIENTATION = 0x0112
INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i"}     # TIFF's type of a value -> struct's format
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(image: Image.Image, turned: int) -> Image.Image:
    """The image rotated or reflected as the orientation ``turned`` requires; the same object for 1."""
    method = UPRIGHT.get(turned)
    return image if method is None else image.transpose(method)


def orientation(image: Image.Image) -> int:
    """The orientation in the EXIF block or the XMP packet of an image, 1 to 8; 1 if there is no valid one.

    The image must be decoded: PNG may store the block last. It is 1 for a TIFF file, which Pillow decodes upright.
    """
    if image.format == "TIFF":
        return 1
    block = _block(image)
    order = "<" if block[:2] == b"II" else ">"
    for tag, kind, count, value in entries(block):
        if tag == ORIENTATION and kind in INTEGERS and count > 0:
            size = struct.calcsize(INTEGERS[kind])
            if size * count > 4:                                        # the value is the place of several values
                start = struct.unpack(order + "I", value)[0]
                value = block[start:start + size]
            if len(value) >= size and 1 <= (found := struct.unpack(order + INTEGERS[kind], value[:size])[0]) <= 8:
                return found
    try:                                                                # XMP, and types that are not integers
        found = int(image.getexif().get(ORIENTATION, 1))
    except Exception:                                                   # Pillow raises various exceptions
        return 1
    return found if 1 <= found <= 8 else 1


def entries(block: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """(tag, type, count, value) of the first directory of a TIFF file or EXIF block, as far as it is complete.

    ``value`` is the field of 4 bytes (8 in a BigTIFF file), which contains the values or their place.
    """
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return
    try:
        if struct.unpack_from(order + "H", block, 2)[0] == 43:          # BigTIFF
            start, = struct.unpack_from(order + "Q", block, 8)
            number, layout = struct.unpack_from(order + "Q", block, start)[0], order + "HHQ8s"
            start += 8
        else:
            start, = struct.unpack_from(order + "I", block, 4)
            number, layout = struct.unpack_from(order + "H", block, start)[0], order + "HHI4s"
            start += 2
        for place in range(number):
            yield struct.unpack_from(layout, block, start + place * struct.calcsize(layout))
    except (struct.error, OverflowError):                               # it ends before its last entry
        return


def _block(image):
    """The EXIF block of an image from its TIFF header on, or b""."""
    block = image.info.get("exif", b"")
    if not block and isinstance(text := image.info.get("Raw profile type exif"), str):      # ImageMagick's, in PNG
        try:
            block = bytes.fromhex("".join(text.split("\n")[3:]))
        except ValueError:
            return b""
    return block.removeprefix(b"Exif\0\0") if isinstance(block, bytes) else b""
