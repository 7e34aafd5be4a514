"""Image files that cost much more than their size suggests: refused before they are decoded, within 1 GB and 5 s."""

import io
import struct
import subprocess
import sys
import time

import pytest
from image_files import png, tiff
from PIL import Image

from minigooglenet.data import limits
from minigooglenet.data.photos import open_photo
from minigooglenet.errors import UserError


def refused(tmp_path, data, says):
    (tmp_path / "a").write_bytes(data)
    start = time.monotonic()
    with pytest.raises(UserError, match=says) as error:
        open_photo(tmp_path / "a")
    assert time.monotonic() - start < 2
    assert str(error.value).startswith(str(tmp_path / "a")) and "\n" not in str(error.value)


def saved(kind, size=(16, 16), mode="L", **options):
    Image.new(mode, size, 99 if mode == "L" else None).save(file := io.BytesIO(), kind, **options)
    return file.getvalue()


def patched(data, size, place, form):
    """A file whose header announces other sizes: the number ``size``, packed as ``form``, written at ``place``."""
    return data[:place] + struct.pack(form, size, size) + data[place + struct.calcsize(form):]


SOF, IHDR = saved("JPEG").index(b"\xff\xc0") + 5, saved("JPEG2000", no_jp2=True).index(b"\xff\x51") + 6
ANNOUNCED = {
    "PNG": png(9000, 9000, 8, 6, [b""]), "GIF": patched(saved("GIF"), 9000, 6, "<HH"),
    "BMP": patched(saved("BMP"), 9000, 18, "<II"), "JPEG": patched(saved("JPEG"), 9000, SOF, ">HH"),
    "PPM": b"P6 9000 9000 255\n", "JPEG2000": patched(saved("JPEG2000", no_jp2=True), 9000, IHDR, ">II"),
    "TIFF": tiff({256: (4, [9000]), 257: (4, [9000]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1]), 277: (3, [1])}),
}


@pytest.mark.parametrize("kind", ANNOUNCED)
def test_the_size_in_the_header(tmp_path, kind):
    limit = 25_000_000 if kind == "JPEG2000" else 8192 * 6144
    refused(tmp_path, ANNOUNCED[kind], f"9000×9000 pixels, more than {limit:,} pixels; make it smaller first")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "JPEG2000", "JPEG"])
def test_the_limit_of_each_decoder(tmp_path, monkeypatch, kind):
    if kind not in limits.formats() or kind == "AVIF" and Image.init() and "AVIF" not in Image.SAVE:
        pytest.skip(f"this Pillow has no {kind}")
    data = saved(kind, (40, 30), "RGB")
    (tmp_path / "a").write_bytes(data)
    heavy = kind in ("WEBP", "AVIF", "JPEG2000")
    monkeypatch.setattr(limits, "HEAVY", dict.fromkeys(limits.HEAVY, 1200))
    monkeypatch.setattr(limits, "PIXELS", 1201 if heavy else 1200)
    assert open_photo(tmp_path / "a").size == (40, 30)
    monkeypatch.setattr(limits, "HEAVY", dict.fromkeys(limits.HEAVY, 1199))
    monkeypatch.setattr(limits, "PIXELS", 1201 if heavy else 1199)
    refused(tmp_path, data, "40×30 pixels, more than 1,199 pixels")


def test_the_size_in_an_icon_is_that_of_the_image_in_it(tmp_path, monkeypatch):
    inner = saved("PNG", (60, 60), "RGBA")
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inner), 22) + inner
    (tmp_path / "a").write_bytes(icon)
    monkeypatch.setattr(limits, "PIXELS", 3599)
    refused(tmp_path, icon, "60×60 pixels, more than 3,599")


@pytest.mark.parametrize("data", [
    b"qoif" + struct.pack(">IIBB", 1921, 1080, 3, 0) + b"\xfd" * 9999, b"P3 1921 1080 255 " + b"0 " * 9999,
    b"P6 1921 1080 1023\n" + bytes(9999),
], ids=["QOI", "PPM as text", "PPM of 10 bits"])
def test_decoders_in_python(tmp_path, data):
    refused(tmp_path, data, "1921×1080 pixels, more than 2,073,600 pixels")


def scans(number, size=(4000, 4000)):
    """A progressive JPEG whose last scan is repeated, 75 bytes each time."""
    data = saved("JPEG", size, progressive=True)
    start = data.rindex(b"\xff\xda")
    end = data.rindex(b"\xff\xd9")
    return data[:end] + data[start:end] * number + data[end:]


def test_scans_of_a_jpeg(tmp_path):
    refused(tmp_path, scans(2000), "4000×4000 pixels in 2,006 scans take too long to decode")
    (tmp_path / "a").write_bytes(scans(1) + b"\xff\xda" * 2000)                 # what follows the image does not count
    assert open_photo(tmp_path / "a").size == (4000, 4000)


@pytest.mark.parametrize("order", "<>")
def test_tiles_of_a_tiff(tmp_path, order):
    tags = {256: (4, [1000]), 257: (4, [1000]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1]), 277: (3, [1])}
    tiles = tags | {322: (4, [1]), 323: (4, [1]), 324: (4, struct.pack(order + "I", 8) * 300_000), 325: (4, [1])}
    refused(tmp_path, tiff(tiles, order=order), "300,000 strips or tiles, at most 200,000 are read")


def test_tiles_of_a_bigtiff():
    entry = struct.pack("<HHQQ", 324, 16, 10 ** 9, 0)
    big = b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 1) + entry
    with pytest.raises(UserError, match="1,000,000,000 strips or tiles"):
        limits.check_file("a", big)
    for end in range(len(big)):
        limits.check_file("a", big[:end])


def test_parts_that_overlap():
    file = limits.File("a.tif", bytes(2 ** 20))
    with pytest.raises(UserError, match="a.tif: a damaged image .parts of the file overlap"):
        for _ in range(6):
            file.seek(0)
            assert len(file.read()) == 2 ** 20


@pytest.mark.parametrize("data, says", [
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "a PostScript drawing"),
    (b"SIMPLE  =                    T".ljust(80) + b"END".ljust(2800), "a FITS image"),
    (b"icns" + struct.pack(">I", 16) + b"ic07" + struct.pack(">I", 8), "macOS icon"),
    (b"\x1c\x03\x3c\0\2\1\0", "not an image that Pillow can read"),
], ids=["EPS", "FITS", "ICNS", "IPTC"])
def test_formats_that_are_not_opened(tmp_path, data, says):
    refused(tmp_path, data, says)
    assert not set(limits.EXCLUDED) & set(limits.formats()) and len(limits.formats()) > 20


def test_a_file_that_is_too_large(tmp_path):
    with open(tmp_path / "a", "wb") as file:
        file.truncate(2 ** 29 + 1)
    with pytest.raises(UserError, match="536,870,913 bytes, expected at most 536,870,912"):
        open_photo(tmp_path / "a")


PEAK = """
import re, sys, time
from minigooglenet.data.photos import open_photo
start = time.process_time()
image = open_photo(sys.argv[1])
print(image.size, time.process_time() - start, re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind, size", [("PNG", (8192, 6144)), ("WEBP", (8000, 5000))])
def test_memory_and_time_at_the_limit(tmp_path, kind, size):
    """Transparent images need the most memory: they are composited, and then rotated."""
    tag = Image.Exif()
    tag[0x0112] = 6
    Image.new("RGBA", size, (200, 100, 50, 128)).save(tmp_path / "a", kind, exif=tag,
                                                      **({"lossless": True, "method": 0} if kind == "WEBP" else {}))
    assert (tmp_path / "a").stat().st_size < 10 ** 6
    output = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path / "a")], check=True, capture_output=True,
                            text=True).stdout.split()
    assert output[:2] == [f"({size[1]},", f"{size[0]})"]
    assert float(output[2]) < 5 and int(output[3]) < 10 ** 6                    # seconds of processor time, kB
