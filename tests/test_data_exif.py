"""The orientation of photos: each mode, format and compression, and any tags beside it."""

import functools
import io
import struct

import numpy as np
import PIL
import pytest
from image_files import exif, png
from PIL import Image, features

from minigooglenet.data.photos import open_photo

STORED = {1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
          4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90,
          7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270}
COLORS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[0, 0, 0], [255, 255, 255], [153, 102, 51]]], np.uint8)
version = tuple(map(int, PIL.__version__.split(".")[:2]))
MODES = ["1", "L", "LA", "La", "P", "PA", "I;16", "I", "F", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB"]
FILES = [("JPEG", {"subsampling": 0}), ("JPEG", {"subsampling": 0, "progressive": True}), ("MPO", {"subsampling": 0}),
         ("PNG", {}), ("WEBP", {"lossless": True}), ("WEBP", {"quality": 100}),
         *(("TIFF", {"compression": compression}) for compression in (
             "raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "group3", "group4", "tiff_ccitt",
             "jpeg", "lzma", "zstd", "webp")),
         *([("AVIF", {"quality": 100, "subsampling": "4:4:4"})] if features.check("avif") else [])]


def image(mode):
    """48 × 32 pixels, six uniform fields: JPEG stores them without a difference between fields."""
    colors = Image.fromarray(COLORS.repeat(16, 0).repeat(16, 1))
    gray = np.asarray(colors.convert("L"))
    if mode in ("I;16", "I", "F"):
        return Image.fromarray({"I;16": gray.astype(np.uint16) * 257, "I": gray.astype(np.int32) * 257,
                                "F": gray.astype(np.float32) / 255}[mode])
    if mode == "LAB":                                   # Pillow has no conversion to it
        return Image.merge("LAB", [channel.convert("L") for channel in colors.split()])
    return colors.convert({"La": "LA", "PA": "P"}.get(mode, mode), dither=Image.Dither.NONE).convert(mode)


def save(path, stored, kind, options, turned):
    tag = Image.Exif()
    tag[0x0112] = turned
    stored.save(path, kind, exif=tag, **options)


def stored(path, mode, kind, options):
    """The image of this mode, saved upright; None if Pillow cannot store the mode in this format.

    Pillow before 12 applies the orientation of a YCbCr TIFF file twice, and stores no Lab in WebP.
    """
    if version < (12,) and (mode, kind) in (("YCbCr", "TIFF"), ("LAB", "WEBP")):
        return None
    try:
        upright = image(mode)
        save(path, upright, kind, options, 1)
        Image.open(path).load()
        return upright
    except (OSError, ValueError, KeyError, SystemError, TypeError):
        return None


@pytest.mark.parametrize("kind, options", FILES, ids=[" ".join(map(str, (kind, *options.values()))) for kind, options
                                                      in FILES])
def test_each_mode_format_and_compression(tmp_path, kind, options):
    """An image stored in any of the eight orientations is opened as the one that is stored upright."""
    for mode in MODES:
        if (upright := stored(tmp_path / "upright", mode, kind, options)) is None:
            continue
        expected = np.asarray(open_photo(tmp_path / "upright"), int)
        assert expected.shape == (32, 48, 3) and len(np.unique(expected[8::16, 8::16].reshape(-1, 3), axis=0)) > 1
        for turned, method in STORED.items():
            save(tmp_path / "turned", upright if method is None else upright.transpose(method), kind, options, turned)
            difference = np.asarray(open_photo(tmp_path / "turned"), int) - expected
            assert abs(difference).max() <= (2 if "quality" in options else 0), (mode, turned)


def test_most_of_the_combinations_exist(tmp_path):
    assert sum(stored(tmp_path / "a", mode, *file) is not None for mode in MODES for file in FILES) >= 80


# -- tags beside the orientation ---------------------------------------------------------------------------------------

@functools.cache
def gray_jpeg():
    Image.new("RGB", (16, 8), "gray").save(file := io.BytesIO(), "JPEG")
    return file.getvalue()


def turned(tmp_path, block, kind="JPEG"):
    """Whether an image of 16 × 8 pixels with this EXIF block is opened upright, as 8 × 16."""
    gray = Image.new("RGB", (16, 8), "gray")
    if kind in ("JPEG", "no density"):                  # without a density Pillow looks for it in the EXIF block
        data = gray_jpeg()
        segment = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
        (tmp_path / "a").write_bytes((data[:20] if kind == "JPEG" else data[:20].replace(b"JFIF", b"JFIX"))
                                     + segment + data[20:])
    elif kind == "PNG profile":                           # ImageMagick's form of the block
        text = f"\nexif\n{len(block):8}\n{block.hex()}\n".encode("latin-1")
        (tmp_path / "a").write_bytes(png(16, 8, 8, 0, [bytes(16)] * 8, (b"tEXt", b"Raw profile type exif\0" + text)))
    else:
        gray.save(tmp_path / "a", kind, exif=block)
    return open_photo(tmp_path / "a").size == (8, 16)


@pytest.mark.parametrize("kind", ["JPEG", "no density", "PNG", "PNG profile", "WEBP"])
@pytest.mark.parametrize("tag", [0x010F, 0x011A, 0x0128, 0x0213, 0x8769, 0x8825, 0x9286])
def test_an_odd_tag_does_not_hide_the_orientation(tmp_path, kind, tag):
    """Any type, count and value of another tag: a negative short, ASCII for an integer, a place outside the block."""
    for order in "<>":
        good = (0x0112, 3, 1, struct.pack(order + "HH", 6, 0))
        for type_ in (*range(14), 99, 65535):
            for count in (0, 1, 3, 1000, 2 ** 32 - 1) if kind == "JPEG" else (1, 1000):
                for value in (0, 2 ** 32 - 1):
                    odd = (tag, type_, count, value)
                    assert turned(tmp_path, exif(odd, good, order=order), kind), odd
                    assert turned(tmp_path, exif(good, odd, order=order), kind), odd


@pytest.mark.parametrize("entry", [(1, 1, b"\6\0\0\0"), (3, 1, b"\6\0\0\0"), (4, 1, b"\6\0\0\0"), (6, 1, b"\6\0\0\0"),
                                   (8, 1, b"\6\0\0\0"), (9, 1, b"\6\0\0\0"), (2, 2, b"6\0\0\0"), (3, 2, b"\6\0\6\0"),
                                   (3, 3, 10), (7, 1, b"\6\0\0\0")])
def test_types_of_the_orientation_itself(tmp_path, entry):
    """``(3, 3, 10)`` points to three shorts, of which the first is the tag 0x0112 itself: not an orientation."""
    assert turned(tmp_path, exif((0x0112, *entry))) == (entry != (3, 3, 10))


def test_three_shorts_a_rational_and_a_float(tmp_path):
    place = len(exif((0x0112, 3, 3, 0))) - 6
    assert turned(tmp_path, exif((0x0112, 3, 3, place)) + struct.pack("<HHH", 6, 0, 0))
    assert turned(tmp_path, exif((0x0112, 5, 1, place)) + struct.pack("<II", 12, 2))
    assert turned(tmp_path, exif((0x0112, 11, 1, struct.pack("<f", 6))))


@pytest.mark.parametrize("block", [b"", b"Exif\0\0", exif(), exif((0x0112, 3, 1, 0)), exif((0x0112, 3, 1, 9)),
                                   exif((0x0112, 3, 1, 6))[:-14], exif((0x0112, 3, 0, 6)), b"Exif\0\0XX" + bytes(99)])
def test_without_a_valid_orientation_the_image_stays_as_it_is(tmp_path, block):
    assert not turned(tmp_path, block)


def test_xmp(tmp_path):
    packet = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    segment = b"\xff\xe1" + struct.pack(">H", len(packet) + 2) + packet
    for block, size in ((b"", (8, 16)), (exif((0x0112, 3, 1, 1)), (16, 8))):        # EXIF precedes XMP
        Image.new("RGB", (16, 8)).save(file := io.BytesIO(), "JPEG", exif=block)
        (tmp_path / "a.jpg").write_bytes(file.getvalue()[:2] + segment + file.getvalue()[2:])
        with Image.open(tmp_path / "a.jpg") as image:
            if 0x0112 not in image.getexif():
                pytest.skip("this Pillow does not read XMP in JPEG")
        assert open_photo(tmp_path / "a.jpg").size == size
