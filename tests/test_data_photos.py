import json
import os
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import PIL
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from minigooglenet.data import limits
from minigooglenet.data.photos import caffe_input, center_crop, center_square, open_photo, resize_shorter
from minigooglenet.errors import UserError

CAFFE, PHOTOS = os.environ.get("MINIGOOGLENET_CAFFE"), os.environ.get("MINIGOOGLENET_PHOTOS")
# red green blue, black white brown, all of them in the web palette
COLORS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[0, 0, 0], [255, 255, 255], [153, 102, 51]]], np.uint8)


def six_colors():
    """48 × 32, six uniform fields of 16 × 16: red green blue above, black white brown below."""
    return Image.fromarray(COLORS.repeat(16, 0).repeat(16, 1))


def fields(image):
    assert image.mode == "RGB" and image.size == (48, 32)
    return np.asarray(image)[8::16, 8::16].astype(int)


@pytest.mark.parametrize("name, mode, options", [
    ("a.png", "RGB", {}), ("a.png", "RGBA", {}), ("a.png", "P", {}), ("a.bmp", "RGB", {}), ("a.tif", "RGB", {}),
    ("a.tif", "CMYK", {}), ("a.tif", "YCbCr", {"compression": "tiff_lzw"}),
    pytest.param("a.tif", "YCbCr", {}, marks=pytest.mark.skipif(
        int(PIL.__version__.split(".")[0]) < 13, reason="Pillow before 13 cannot read an uncompressed YCbCr TIFF")),
    ("a.jpg", "RGB", {"quality": 95}),
    ("a.jpg", "CMYK", {"quality": 95}), ("a.gif", "P", {}), ("a.webp", "RGB", {"lossless": True}), ("a.ppm", "RGB", {}),
    ("a.tga", "RGBA", {}), ("no ending", "RGB", {"format": "PNG"}), ("wrong.gif", "RGB", {"format": "JPEG"}),
])
def test_colors_survive(tmp_path, name, mode, options):
    six_colors().convert(mode).save(tmp_path / name, **options)
    assert abs(fields(open_photo(tmp_path / name)) - COLORS).max() <= 12      # JPEG and YCbCr round


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_gray(tmp_path, mode):
    six_colors().convert("L").convert(mode).save(tmp_path / "a.png")
    came = fields(open_photo(tmp_path / "a.png"))
    assert (came[..., 0] == came[..., 1]).all() and (came[1, 0] == 0).all() and (came[1, 1] == 255).all()


def test_damaged_exif_leaves_the_pixels(tmp_path):
    six_colors().save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    np.testing.assert_array_equal(fields(open_photo(tmp_path / "a.png")), COLORS)


def test_transparent_images_are_composited_on_white(tmp_path):
    x = np.zeros((2, 3, 4), np.uint8)
    x[:, 1, 3], x[:, 2, 3] = 128, 255
    Image.fromarray(x).save(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(open_photo(tmp_path / "a.png"))[0, :, 0], [255, 127, 0])
    Image.fromarray(x[..., 2:]).save(tmp_path / "la.png")
    np.testing.assert_array_equal(np.asarray(open_photo(tmp_path / "la.png"))[1, :, 2], [255, 127, 0])
    key = Image.fromarray(np.array([[0, 1, 1]], np.uint8), "P")
    key.putpalette([9, 9, 9, 200, 100, 50])
    key.save(tmp_path / "p.png", transparency=0)
    np.testing.assert_array_equal(np.asarray(open_photo(tmp_path / "p.png"))[0, :2], [[255] * 3, [200, 100, 50]])
    Image.fromarray(np.full((1, 1, 3), 9, np.uint8)).save(tmp_path / "rgb.png", transparency=(9, 9, 9))
    np.testing.assert_array_equal(np.asarray(open_photo(tmp_path / "rgb.png")), [[[255] * 3]])


def test_sixteen_bits_and_more(tmp_path):
    deep = np.array([[0, 257 * 7, 257 * 100 + 100, 65535]], np.uint16)
    for name, x in (("a.png", deep), ("a.tif", deep), ("i.tif", deep.astype(np.int32)),
                    ("f1.tif", (deep / 65535).astype(np.float32)), ("f255.tif", (deep / 257).astype(np.float32))):
        Image.fromarray(x).save(tmp_path / name)
        np.testing.assert_array_equal(np.asarray(open_photo(tmp_path / name))[0, :, 1], [0, 7, 100, 255])
    Image.fromarray(np.zeros((1, 1), np.float32)).save(tmp_path / "black.tif")
    assert not np.asarray(open_photo(tmp_path / "black.tif")).any()


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif"])
def test_first_frame(tmp_path, name):
    black = Image.new("RGB", (48, 32))
    six_colors().save(tmp_path / name, save_all=True, append_images=[black, black],
                   **({"lossless": True} if name == "a.webp" else {}))
    assert abs(fields(open_photo(tmp_path / name)) - COLORS).max() <= 2


def refused(path, says):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserError, match=says) as error:
            open_photo(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_files_that_are_not_images(tmp_path):
    refused(tmp_path / "missing.jpg", "no such file")
    refused(tmp_path, "a folder")
    for octets, says in ((b"", "empty"), (b"hello", "not an image that Pillow can read"), (b"<html>404", "a web page"),
                         (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"), (b"%PDF-1.7", "a PDF"),
                         (b"\xff\xd8\xff\xe0" * 9, "a JPEG image that is damaged|a damaged or unsupported image"),
                         (b"\x89PNG\r\n\x1a\n", "a PNG image that is damaged|a damaged or unsupported image"),
                         (b"\0\0\0\x18ftypheic" + bytes(12), "a HEIC photo; save it as JPEG first"),
                         (b"\0\0\0\x18ftypisom" + bytes(12), "an MP4 or QuickTime video"),
                         (b"\0\0\0\x18ftypqt  " + bytes(12), "an MP4 or QuickTime video"),
                         (b"\x1aE\xdf\xa3" + bytes(30), "a Matroska or WebM video"),
                         (b"RIFF\0\1\0\0AVI LIST", "an AVI video"), (b"\xff\x0a\xff", "a JPEG XL photo"),
                         (b'<?xml version="1.0"?>\n<!-- by hand -->\n<svg width="9">', "an SVG drawing"),
                         (b"\xef\xbb\xbf <SVG>", "an SVG drawing"), (b"<?xml version='1.0'?><html>", "an XML file")):
        (tmp_path / "a.jpg").write_bytes(octets)
        refused(tmp_path / "a.jpg", says)
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "pipe")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP"])
def test_truncated_files(tmp_path, kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole", format=kind)
    octets = (tmp_path / "whole").read_bytes()
    (tmp_path / "half").write_bytes(octets[:len(octets) // 2])
    refused(tmp_path / "half", "damaged|expected an image")


OPEN = """
import os, sys
from minigooglenet.data.photos import open_photo
for path in sys.argv[1:]:
    try:
        open_photo(path)
    except Exception as error:
        print(error)
os.write(2, b"still open")
"""


def test_a_damaged_tiff_prints_nothing(tmp_path):
    """libtiff prints its errors to standard error, from C, and Pillow logs others."""
    six_colors().save(tmp_path / "a.tif", compression="tiff_lzw")
    data = (tmp_path / "a.tif").read_bytes()
    samples = struct.pack("<HHI", 277, 3, 1)                           # the number of samples per pixel, 3
    place = data.index(samples) + len(samples)
    (tmp_path / "a.tif").write_bytes(data[:8] + bytes(9) + data[17:])
    (tmp_path / "b.tif").write_bytes(data[:place] + b"c" + data[place + 1:])
    came = subprocess.run([sys.executable, "-c", OPEN, tmp_path / "a.tif", tmp_path / "b.tif"], capture_output=True,
                          text=True, check=True)
    assert came.stdout.count(" damaged or unsupported") == len(came.stdout.splitlines()) == 2
    assert came.stderr == "still open"


def test_too_many_pixels(tmp_path, monkeypatch):
    six_colors().save(tmp_path / "a.png")
    for limit in (1000, 500):                            # Pillow warns above the limit and raises above twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        refused(tmp_path / "a.png", f"more than {limit:,} pixels")


def test_too_elongated(tmp_path):
    Image.new("L", (1, 101)).save(tmp_path / "a.png")
    refused(tmp_path / "a.png", "1×101 pixels, one side is more than 100 times")
    Image.new("L", (100, 1)).save(tmp_path / "a.png")
    assert center_crop(open_photo(tmp_path / "a.png")).shape == (224, 224, 3)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_images_open_or_raise_user_error(tmp_path, data):
    path = tmp_path / "a"
    kinds = ["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "PPM", "TGA"]
    six_colors().save(path, format=data.draw(st.sampled_from(kinds)))
    octets = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(octets[:data.draw(st.integers(1, len(octets)))])
    try:
        assert open_photo(path).mode == "RGB"
    except UserError:
        pass


# -- the single crop ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size, resized", [((500, 332), (386, 256)), ((332, 500), (256, 386)), ((256, 256), (256, 256)),
                                           ((10, 7), (366, 256)), ((1000, 1000), (256, 256))])
def test_resize_shorter(size, resized):
    assert resize_shorter(Image.new("RGB", size), 256).size == resized


def test_center_crop_takes_the_center():
    x = np.zeros((256, 301, 3), np.uint8)
    x[..., 0], x[..., 1] = np.arange(256)[:, None], np.arange(301) % 256
    crop = center_crop(Image.fromarray(x))
    assert crop.shape == (224, 224, 3) and crop.dtype == np.uint8
    np.testing.assert_array_equal(crop, x[16:240, 38:262])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64))
def test_the_center_square_is_the_center_crop_but_for_rounding(width, height, size):
    """Waves of a period of at least 30 pixels of either image: a shift by one pixel changes them by 10 or more."""
    width, height = max(width, height // limits.LONGEST + 1), max(height, width // limits.LONGEST + 1)
    period = 30 * max(1, min(width, height) / size)
    v, u = np.mgrid[:height, :width] * (2 * np.pi / period)
    x = np.rint(np.stack([127 + 100 * np.sin(u), 127 + 100 * np.sin(v), 127 + 100 * np.cos(u + v)], -1))
    image = Image.fromarray(x.astype(np.uint8))
    found = center_square(image, size)
    assert found.shape == (size, size, 3) and found.dtype == np.uint8
    assert np.abs(found.astype(int) - center_crop(image, size, size)).max() <= 2


def test_caffe_input_is_bgr_minus_the_mean():
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), np.uint8)
    x.flags.writeable = False
    y = caffe_input(x)
    assert y.dtype == np.float32 and y.shape == x.shape
    for ours, theirs, mean in ((0, 2, 104), (1, 1, 117), (2, 0, 123)):
        np.testing.assert_array_equal(y[..., ours], x[..., theirs].astype(int) - mean)


@pytest.mark.skipif(not (CAFFE and PHOTOS), reason="MINIGOOGLENET_CAFFE and MINIGOOGLENET_PHOTOS are not folders")
def test_the_golden_crops_bit_for_bit():
    golden = np.load(Path(CAFFE) / "golden_crops.npz")["crops"]
    names = [entry["photo"] for entry in json.loads((Path(PHOTOS) / "expected.json").read_text())]
    found = set()
    for name in names:
        crop = center_crop(open_photo(Path(PHOTOS) / name))
        assert crop.shape == (224, 224, 3)
        found |= {i for i, other in enumerate(golden) if np.array_equal(crop, other)}
    assert found == {0, 1}
