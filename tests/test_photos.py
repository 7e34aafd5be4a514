import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from minigooglenet.errors import UserError
from minigooglenet.inference.photos import caffe_input, centre_crop, open_photo, resize_shorter

CAFFE, PHOTOS = os.environ.get("MINIGOOGLENET_CAFFE"), os.environ.get("MINIGOOGLENET_PHOTOS")
# red green blue, black white brown, all of them in the web palette
COLOURS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[0, 0, 0], [255, 255, 255], [153, 102, 51]]], np.uint8)


def picture():
    """48 × 32, six flat fields of 16 × 16: red green blue above, black white brown below."""
    return Image.fromarray(COLOURS.repeat(16, 0).repeat(16, 1))


def fields(image):
    assert image.mode == "RGB" and image.size == (48, 32)
    return np.asarray(image)[8::16, 8::16].astype(int)


@pytest.mark.parametrize("name, mode, options", [
    ("a.png", "RGB", {}), ("a.png", "RGBA", {}), ("a.png", "P", {}), ("a.bmp", "RGB", {}), ("a.tif", "RGB", {}),
    ("a.tif", "CMYK", {}), ("a.tif", "YCbCr", {}), ("a.jpg", "RGB", {"quality": 95}),
    ("a.jpg", "CMYK", {"quality": 95}), ("a.gif", "P", {}), ("a.webp", "RGB", {"lossless": True}), ("a.ppm", "RGB", {}),
    ("a.tga", "RGBA", {}), ("no ending", "RGB", {"format": "PNG"}), ("wrong.gif", "RGB", {"format": "JPEG"}),
])
def test_colours_survive(tmp_path, name, mode, options):
    picture().convert(mode).save(tmp_path / name, **options)
    assert abs(fields(open_photo(tmp_path / name)) - COLOURS).max() <= 12      # JPEG and YCbCr round


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey(tmp_path, mode):
    picture().convert("L").convert(mode).save(tmp_path / "a.png")
    came = fields(open_photo(tmp_path / "a.png"))
    assert (came[..., 0] == came[..., 1]).all() and (came[1, 0] == 0).all() and (came[1, 1] == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation):
    """Stored the way a camera held so would store it, the picture comes out upright."""
    undo = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270}
    stored = picture().transpose(undo[orientation]) if orientation > 1 else picture()
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(fields(open_photo(tmp_path / "a.png")), COLOURS)


def test_damaged_exif_leaves_the_pixels(tmp_path):
    picture().save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    np.testing.assert_array_equal(fields(open_photo(tmp_path / "a.png")), COLOURS)


def test_transparency_lies_over_white(tmp_path):
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
                    ("f1.tif", (deep / 65535).astype(np.float32)), ("f255.tif", (deep / 257).astype(np.float32)),
                    ("bright.tif", deep.astype(np.int32) * 100)):
        Image.fromarray(x).save(tmp_path / name)
        np.testing.assert_array_equal(np.asarray(open_photo(tmp_path / name))[0, :, 1], [0, 7, 100, 255])
    odd = np.array([[np.nan, -1, 0.5, 1, np.inf]], np.float32)
    Image.fromarray(odd).save(tmp_path / "odd.tif")
    np.testing.assert_array_equal(np.asarray(open_photo(tmp_path / "odd.tif"))[0, :, 0], [0, 0, 128, 255, 255])
    Image.fromarray(np.zeros((1, 1), np.float32)).save(tmp_path / "black.tif")
    assert not np.asarray(open_photo(tmp_path / "black.tif")).any()


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif"])
def test_first_frame(tmp_path, name):
    black = Image.new("RGB", (48, 32))
    picture().save(tmp_path / name, save_all=True, append_images=[black, black],
                   **({"lossless": True} if name == "a.webp" else {}))
    assert abs(fields(open_photo(tmp_path / name)) - COLOURS).max() <= 2


def refused(path, says):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserError, match=says) as error:
            open_photo(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_what_is_no_picture(tmp_path):
    refused(tmp_path / "missing.jpg", "no such file")
    refused(tmp_path, "a folder")
    for octets, says in ((b"", "empty"), (b"hello", "no picture that Pillow knows"), (b"<html>404", "a web page"),
                         (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"), (b"%PDF-1.7", "a PDF"),
                         (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "no picture"),
                         (b"\xff\xd8\xff\xe0" * 9, "this is a JPEG|damaged")):
        (tmp_path / "a.jpg").write_bytes(octets)
        refused(tmp_path / "a.jpg", says)
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "pipe")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP"])
def test_cut_short(tmp_path, kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole", format=kind)
    octets = (tmp_path / "whole").read_bytes()
    (tmp_path / "half").write_bytes(octets[:len(octets) // 2])
    refused(tmp_path / "half", "damaged|expected a picture")


def test_too_many_pixels(tmp_path, monkeypatch):
    picture().save(tmp_path / "a.png")
    for limit in (1000, 500):                            # Pillow warns above the limit and raises above twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        refused(tmp_path / "a.png", f"more than {limit:,} pixels")


def test_too_long(tmp_path):
    Image.new("L", (1, 101)).save(tmp_path / "a.png")
    refused(tmp_path / "a.png", "1×101 pixels, more than 100 times")
    Image.new("L", (100, 1)).save(tmp_path / "a.png")
    assert centre_crop(open_photo(tmp_path / "a.png")).shape == (224, 224, 3)


@settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_pictures_open_or_raise_user_error(tmp_path, data):
    path = tmp_path / "a"
    picture().save(path, format=data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "PPM", "TGA"])))
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


def test_centre_crop_takes_the_middle():
    x = np.zeros((256, 301, 3), np.uint8)
    x[..., 0], x[..., 1] = np.arange(256)[:, None], np.arange(301) % 256
    crop = centre_crop(Image.fromarray(x))
    assert crop.shape == (224, 224, 3) and crop.dtype == np.uint8
    np.testing.assert_array_equal(crop, x[16:240, 38:262])


def test_caffe_input_is_bgr_minus_the_mean():
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), np.uint8)
    x.flags.writeable = False
    y = caffe_input(x)
    assert y.dtype == np.float32 and y.shape == x.shape
    for ours, theirs, mean in ((0, 2, 104), (1, 1, 117), (2, 0, 123)):
        np.testing.assert_array_equal(y[..., ours], x[..., theirs].astype(int) - mean)


@pytest.mark.skipif(not (CAFFE and PHOTOS), reason="MINIGOOGLENET_CAFFE and MINIGOOGLENET_PHOTOS name no folders")
def test_the_golden_crops_bit_for_bit():
    golden = np.load(Path(CAFFE) / "golden_crops.npz")["crops"]
    names = [entry["photo"] for entry in json.loads((Path(PHOTOS) / "expected.json").read_text())]
    found = set()
    for name in names:
        crop = centre_crop(open_photo(Path(PHOTOS) / name))
        assert crop.shape == (224, 224, 3)
        found |= {i for i, other in enumerate(golden) if np.array_equal(crop, other)}
    assert found == {0, 1}
