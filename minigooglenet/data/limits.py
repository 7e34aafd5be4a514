"""Limits of image files: what a file may cost is known before it is decoded, however little it contains.

A file of a few kilobytes can announce an image of gigabytes, or one that is decoded thousands of times. Within these
limits a file of up to 10 MB needs less than 1 GB of memory and less than 5 s.
"""

import io
import re

import numpy as np
from PIL import Image

from ..errors import UserError
from .exif import INTEGERS, entries

BYTES = 2 ** 29                         # a file; it is read into memory
PIXELS = 8192 * 6144                    # an image: 50 megapixels, the largest common sensor. 4 to 12 bytes per pixel
HEAVY = {"WEBP": 40_000_000, "AVIF": 30_000_000, "JPEG2000": 25_000_000}    # decoders of 15 to 25 bytes per pixel
SLOW = 1920 * 1080                      # decoders that Pillow has in Python only take up to 2.5 s per million pixels
LONGEST = 100                           # maximum aspect ratio; resized, the longer side is up to 100 · 352
SCANS = 2 * 10 ** 9                     # pixels times scans of a JPEG; each scan passes over the whole image
TILES = 200_000                         # strips or tiles of a TIFF file; Pillow decodes each from Python

#: formats that Pillow opens and this package does not: EPS is a program for Ghostscript; FITS is unpacked without a
#: limit; ICNS and IPTC contain another file, whose size or format is unknown until it is decoded
EXCLUDED = ("EPS", "FITS", "ICNS", "IPTC")
_TILES = (273, 324)                     # TIFF's tags of the places of strips and of tiles
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


class File(io.BytesIO):
    """The contents of a file, of which at most four times its size is read: entries of a directory can overlap."""

    def __init__(self, path: object, data: bytes) -> None:
        super().__init__(data)
        self.path, self.left = path, 4 * len(data) + 2 ** 20

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.left -= len(data)
        if self.left < 0:
            raise UserError(f"{self.path}: a damaged image (parts of the file overlap); save it again")
        return data


def formats() -> list[str]:
    """The names of the formats that ``Image.open`` may try."""
    Image.init()
    return [name for name in Image.ID if name not in EXCLUDED]


def check_file(path: object, data: bytes) -> None:
    """Raise UserError if the contents of an image file take long before Pillow reports the size of the image."""
    for tag, kind, count, _ in entries(data):
        if tag in _TILES and kind in (*INTEGERS, 16) and count > TILES:
            raise UserError(f"{path}: {count:,} strips or tiles, at most {TILES:,} are read; save it again")


def check_image(path: object, image: Image.Image) -> None:
    """Raise UserError if an image that is open is too large or too elongated."""
    width, height = image.size
    short, long = sorted(image.size)
    if not 0 < long <= LONGEST * short:
        raise UserError(f"{path}: {width}×{height} pixels, one side is more than {LONGEST} times as long as the other; "
                        "crop it first")
    limit = min(HEAVY.get(image.format or "", PIXELS), Image.MAX_IMAGE_PIXELS or PIXELS)
    if any(tile[0] in Image.DECODERS for tile in (getattr(image, "tile", None) or ())[:1]):
        limit = min(limit, SLOW)
    if width * height > limit:
        raise UserError(f"{path}: {width}×{height} pixels, more than {limit:,} pixels; make it smaller first")


def check_scans(path: object, image: Image.Image, data: bytes) -> None:
    """Raise UserError if a JPEG that is open, but not decoded, has so many scans that decoding takes too long."""
    width, height = image.size
    if image.format not in ("JPEG", "MPO"):
        return
    pairs = (np.frombuffer(data, "<u2", (len(data) - odd) // 2, odd) for odd in (0, 1))     # faster than data.count
    if sum(np.count_nonzero(pair == 0xDAFF) for pair in pairs) * width * height > SCANS:
        scans = _scans(data)
        if scans * width * height > SCANS:
            raise UserError(f"{path}: {width}×{height} pixels in {scans:,} scans take too long to decode; save it "
                            "again")


def _scans(data):
    """The number of scans of the first image in a JPEG file: thumbnails and what follows the image do not count."""
    scans, place = 0, 2
    while match := _MARKER.search(data, place):
        marker = data[match.end() - 1]
        if marker == 0xD9:
            break
        scans += marker == 0xDA
        length = int.from_bytes(data[match.end():match.end() + 2], "big")
        place = match.end() + (0 if marker in (0x01, 0xD8) else length)
    return scans
