"""What the values of an image mean: white is white and black is black, or the file is refused in one line."""

import struct

import numpy as np
import pytest
from image_files import png, tiff
from PIL import Image, TiffImagePlugin

from minigooglenet.data.photos import open_photo
from minigooglenet.errors import UserError

W = H = 8
WHITE, BLACK = [255] * 3, [0] * 3
LAYOUTS = sorted(TiffImagePlugin.OPEN_INFO)     # (byte order, photometric, format, fill order, bits, extra samples)


def open_bytes(tmp_path, data):
    (tmp_path / "a").write_bytes(data)
    return open_photo(tmp_path / "a")


def first_row(tmp_path, data):
    return np.asarray(open_bytes(tmp_path, data))[0].tolist()


def refused(tmp_path, data, says):
    with pytest.raises(UserError, match=says) as error:
        open_bytes(tmp_path, data)
    assert str(error.value).startswith(str(tmp_path / "a")) and "\n" not in str(error.value)


# -- TIFF: every layout that Pillow reads ------------------------------------------------------------------------------

def pixel(white, photometric, form, bits, extra):
    """The values of a white or a black pixel, opaque."""
    full = [2 ** bit - 1 for bit in bits]
    if photometric in (0, 1):                                           # 0: white is zero
        light = white == (photometric == 1)
        colors = [float(light)] if form == 3 else [light * (full[0] >> (form == 2))]
    else:
        colors = {2: full[:3] if white else [0] * 3, 3: [int(white)], 5: [0, 0, 0, 0 if white else full[0]],
                  6: [full[0] * white, 128, 128], 8: [255 * white, 0, 0]}[photometric]
    colors = colors[:len(bits) - len(extra)]
    return [*colors, *full[len(colors):]]


def packed(values, form, fill, bits, order):
    if form == 3:
        return struct.pack(order + "f", *values) * (W * H)
    if bits[0] in (8, 16, 32):
        data = b"".join(value.to_bytes(bit // 8, "little" if order == "<" else "big")
                        for value, bit in zip(values, bits, strict=True)) * (W * H)
    else:                                                               # a row is filled to whole bytes
        row = "".join(f"{value:0{bit}b}" for value, bit in zip(values, bits, strict=True)) * W
        data = int(row, 2).to_bytes(len(row) // 8, "big") * H
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in data) if fill == 2 else data


def plain_tiff(white, layout):
    prefix, photometric, (form, *_), fill, bits, extra = layout
    order = "<" if prefix == b"II" else ">"
    tags = {256: (3, [W]), 257: (3, [H]), 258: (3, bits), 259: (3, [1]), 262: (3, [photometric]), 266: (3, [fill]),
            277: (3, [len(bits)]), 278: (3, [H]), 339: (3, [form] * len(bits))}
    if extra:
        tags[338] = (3, extra)
    if photometric == 3:                                                # black and white, then black
        tags[320] = (3, ([0, 65535] + [0] * (2 ** bits[0] - 2)) * 3)
    return tiff(tags, packed(pixel(white, photometric, form, bits, extra), form, fill, bits, order), order)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_tiff(tmp_path, layout):
    """White and black of each layout in Pillow's table, by the definition of TIFF 6.0."""
    _, photometric, form, fill, bits, _ = layout
    for white in (True, False):
        data = plain_tiff(white, layout)
        if form == (2,) and bits[0] < 32:
            refused(tmp_path, data, f"signed values of {bits[0]} bits")
            continue
        try:
            came = np.asarray(open_bytes(tmp_path, data), int)
        except UserError as error:              # in the table, but not in every version of the decoder
            assert fill == 2 and "unknown raw mode" in str(error) or photometric == 6 and "truncated" in str(error)
            continue
        tolerance = 1 if photometric == 8 else 0                        # the conversion of Lab rounds
        assert came.shape == (H, W, 3) and abs(came - 255 * white).max() <= tolerance


def test_most_layouts_are_read(tmp_path):
    read = 0
    for layout in LAYOUTS:
        try:
            open_bytes(tmp_path, plain_tiff(True, layout))
            read += 1
        except UserError:
            pass
    assert read >= 0.85 * len(LAYOUTS)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("x, white", [(np.uint16([[0, 30000, 65535]]), 65535),
                                      (np.float32([[0, 0.25, 1]]), 1)], ids=["16 bits", "float"])
def test_white_is_zero(tmp_path, x, white, compression):
    Image.fromarray(x).save(tmp_path / "a.tif", tiffinfo={262: 0}, compression=compression)
    with Image.open(tmp_path / "a.tif") as image:
        assert image.tag_v2[262] == 0
    came = np.asarray(open_photo(tmp_path / "a.tif"))[0, :, 1].tolist()
    assert came == [255, 255 - round(255 * float(x[0, 1]) / white), 0]


def test_a_palette_of_8_bits(tmp_path):
    """Old programs write 0 … 255 where the format requires 0 … 65535."""
    palette = [*range(256), *range(255, -1, -1), *[7] * 256]
    tags = {256: (3, [3]), 257: (3, [1]), 258: (3, [8]), 259: (3, [1]), 262: (3, [3]), 277: (3, [1])}
    assert first_row(tmp_path, tiff(tags | {320: (3, palette)}, bytes([0, 100, 255]))) == [
        [0, 255, 7], [100, 155, 7], [255, 0, 7]]
    wide = [257 * value for value in palette]
    assert first_row(tmp_path, tiff(tags | {320: (3, wide)}, bytes([0, 100, 255]))) == [
        [0, 255, 7], [100, 155, 7], [255, 0, 7]]


# -- high bit depths and floats ----------------------------------------------------------------------------------------

def save(x):
    def write(path):
        Image.fromarray(x).save(path, "TIFF")
        return path.read_bytes()
    return write


@pytest.mark.parametrize("x, says", [
    (np.int32([[0, 65536 * 100]]), r"gray values from 0 to 6.5536e\+06 in 32 bits"),
    (np.int32([[0, 200]]), "from 0 to 200 in 32 bits"),
    (np.int32([[-1, 60000]]), "from -1 to 60000 in 32 bits"),
    (np.uint16([[0, 255]]), "from 0 to 255 in 16 bits"),
    (np.float32([[0, 3.5]]), "from 0 to 3.5 in 32 bits"),
    (np.float32([[0, 0.001]]), "from 0 to 0.001 in 32 bits"),
    (np.float32([[-0.5, 0.5]]), "from -0.5 to 0.5"),
    (np.float32([[0, 256]]), "from 0 to 256"),
    (np.float32([[np.nan, 0.5]]), "from nan to nan"),
    (np.float32([[0.5, np.inf]]), "from 0.5 to inf"),
])
def test_a_scale_that_is_not_known(tmp_path, x, says):
    refused(tmp_path, save(x)(tmp_path / "b"), f"{says}.*which value is white is not known; save it with 8 bits")


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32"])
def test_black_alone(tmp_path, dtype):
    x = np.zeros((1, 2), dtype)
    assert first_row(tmp_path, save(x)(tmp_path / "b")) == [BLACK, BLACK]


def test_32_bits_with_the_largest_value(tmp_path):
    assert first_row(tmp_path, save(np.int32([[0, 2 ** 30, 2 ** 31 - 1]]))(tmp_path / "b")) == [BLACK, [128] * 3, WHITE]


@pytest.mark.parametrize("data", [
    b"P1 2 1 1 0", b"P4 2 1\n\x80", b"P5 2 1 255\n\0\xff", b"P5 2 1 1\n\0\1", b"P2 2 1 1023 0 1023",
    b"P5 2 1 1023\n\0\0\3\xff", b"P5 2 1 65535\n\0\0\xff\xff", b"P6 2 1 1023\n" + bytes(6) + b"\3\xff" * 3,
    b"Pf 2 1 -1.0\n" + struct.pack("<ff", 0, 1), b"Pf 2 1 1.0\n" + struct.pack(">ff", 0, 1),
], ids=lambda data: data[:7].decode())
def test_netpbm(tmp_path, data):
    assert first_row(tmp_path, data) == [BLACK, WHITE]


def test_a_bitmap_without_colors(tmp_path):
    refused(tmp_path, b"#define a_width 8\n#define a_height 1\nstatic char a_bits[] = {\n0x0f\n};\n", "X bitmap")


# -- transparency ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_transparent_gray_in_png(tmp_path, depth):
    """The transparent value is stated on the scale of the file. It becomes white, and no other value does."""
    largest = 2 ** depth - 1
    values = [0, largest // 3, largest // 2, largest]
    for key in {*values}:
        row = "".join(f"{value:0{depth}b}" for value in values).ljust(8, "0")
        data = png(4, 1, depth, 0, [int(row, 2).to_bytes(len(row) // 8, "big")], (b"tRNS", struct.pack(">H", key)))
        expected = [255 if value == key else round(255 * value / largest) for value in values]
        assert first_row(tmp_path, data) == [[value] * 3 for value in expected]


@pytest.mark.parametrize("depth", [8, 16])
def test_transparent_color_in_png(tmp_path, depth):
    colors = [(0, 0, 0), (7, 7, 7), (200, 100, 50)]
    for key in colors:
        values = [value * (257 if depth == 16 else 1) for color in (*colors, key) for value in color]
        row, tail = struct.pack(">" + ("H" if depth == 16 else "B") * 9, *values[:9]), struct.pack(">3H", *values[9:])
        assert first_row(tmp_path, png(3, 1, depth, 2, [row], (b"tRNS", tail))) == [
            WHITE if color == key else list(color) for color in colors]


def test_premultiplied_gray(tmp_path):
    tags = {256: (3, [3]), 257: (3, [1]), 258: (3, [8, 8]), 259: (3, [1]), 262: (3, [1]), 277: (3, [2]), 338: (3, [1])}
    try:
        row = first_row(tmp_path, tiff(tags, bytes([0, 0, 0, 255, 64, 128])))
    except UserError as error:
        assert "a TIFF image that is damaged or unsupported" in str(error)
        pytest.skip("this Pillow has no such mode")
    assert row == [WHITE, BLACK, [191] * 3]


def tga(alpha_bits, pixels):
    return struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, len(pixels) // 4, 1, 32, 0x20 | alpha_bits) + pixels


def test_the_fourth_channel_of_tga_is_alpha_only_if_the_header_says_so(tmp_path):
    pixels = bytes([0, 0, 0, 0, 255, 255, 255, 0, 3, 2, 1, 255])
    assert first_row(tmp_path, tga(0, pixels)) == [BLACK, WHITE, [1, 2, 3]]
    assert first_row(tmp_path, tga(8, pixels)) == [WHITE, WHITE, [1, 2, 3]]


@pytest.mark.parametrize("mode, kind", [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "TIFF"), ("RGBA", "WEBP"),
                                        ("RGBA", "ICO")])
def test_an_image_of_which_nothing_is_visible(tmp_path, mode, kind):
    Image.new(mode, (16, 16)).save(tmp_path / "b", kind)
    refused(tmp_path, (tmp_path / "b").read_bytes(), "every pixel is transparent")


def test_strips_do_not_show(tmp_path, monkeypatch):
    """Images with transparency are composited strip by strip."""
    x = np.random.default_rng(0).integers(0, 256, (7, 5, 4), np.uint8)
    Image.fromarray(x).save(tmp_path / "a.png")
    whole = np.asarray(open_photo(tmp_path / "a.png"))
    monkeypatch.setattr("minigooglenet.data.pixels.STRIP", 12)
    np.testing.assert_array_equal(np.asarray(open_photo(tmp_path / "a.png")), whole)
    exact = x[..., :3] * (x[..., 3:] / 255) + 255 - x[..., 3:].astype(float)
    assert abs(whole - exact).max() <= 1
