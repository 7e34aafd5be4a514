"""The cache of decoded images: the right pixels, decoded once, valid as long as the files are the same, never mixed."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from image_folders import everything, get, photos, pixels, write
from PIL import Image
from small import ROOT

from minigooglenet.data import image_decode
from minigooglenet.data import photos as photos_module
from minigooglenet.data.photos import center_crop, center_square, open_photo
from minigooglenet.errors import UserError


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files that are decoded from now on."""
    names, decode = [], image_decode.decode

    def counting(path, least=None):
        names.append(path.name)
        return decode(path, least)

    monkeypatch.setattr(image_decode, "decode", counting)
    return names


def test_pixels_are_those_of_the_files(tmp_path):
    root = photos(tmp_path / "p", cat=6, dog=5)
    image = Image.fromarray(pixels(0, 50, 70))
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, mode, options in (
            ("a.webp", "RGB", {"lossless": True}), ("b.tiff", "RGB", {}), ("c.gif", "P", {}), ("d.jpg", "CMYK", {}),
            ("e.png", "L", {}), ("f.png", "RGBA", {}), ("g.png", "LA", {}), ("h.jpg", "RGB", {"exif": exif}),
            ("i.tif", "CMYK", {"compression": "tiff_lzw"}), ("j.bmp", "RGB", {}), ("k.png", "I;16", {}),
            ("l.jpg", "L", {"progressive": True})):
        converted = image.convert(mode) if mode != "I;16" else Image.fromarray(
            np.asarray(image.convert("L")).astype(np.uint16) * 257)
        converted.save(root / "cat" / name, **options)
    data = get(root)
    assert isinstance(data.x_train, np.memmap) and isinstance(data.x_test, np.memmap)
    assert data.x_train.dtype == np.uint8 and data.y_train.dtype == np.int64 and not data.x_train.flags.writeable
    found = everything(data)
    assert len(found) == 11 + 12
    for path, x in found.items():
        np.testing.assert_array_equal(x, center_square(open_photo(root / path), 16), err_msg=path)
    assert [data.classes[label] for label in data.y_train] == [path.split("/")[0] for path in data.files_train]
    assert [data.classes[label] for label in data.y_test] == [path.split("/")[0] for path in data.files_test]


def test_a_large_jpeg_is_decoded_smaller_with_the_same_result_but_for_rounding(tmp_path):
    v, u = np.mgrid[:400, :600] / 40
    x = np.stack([127 + 120 * np.sin(u + v / 3), 127 + 120 * np.cos(v), 127 + 100 * np.sin(u * v / 20)], axis=-1)
    root = photos(tmp_path / "p", cat=3, dog=3)
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(x.astype(np.uint8)).save(root / "cat" / "x.jpg", quality=95, exif=exif)
    small = image_decode.decode(root / "cat" / "x.jpg", least=32)
    assert small.image.size == (50, 75) and small.size == (600, 400) and small.format == "JPEG"
    exact = center_crop(open_photo(root / "cat" / "x.jpg"), 16, 16).astype(float)
    error = np.abs(everything(get(root))["cat/x.jpg"] - exact)
    assert error.mean() < 2 and error.max() < 16
    assert image_decode.decode(root / "cat" / "x.jpg", least=300).image.size == (400, 600)


def test_images_are_decoded_once_and_only_new_bytes_again(tmp_path, decoded):
    root = photos(tmp_path / "p", cat=4, dog=4)
    first = everything(get(root))
    assert len(decoded) == 8
    assert everything(get(root)).keys() == first.keys() and len(decoded) == 8
    os.utime(root / "cat" / "0.png", ns=(1, 1))                 # the same bytes
    write(root / "dog" / "new.png", 5)
    os.rename(root / "dog" / "1.png", root / "dog" / "renamed.png")
    second = everything(get(root))
    assert decoded[8:] == ["new.png"]
    np.testing.assert_array_equal(second["dog/renamed.png"], first["dog/1.png"])
    for path in second.keys() & first.keys():
        np.testing.assert_array_equal(second[path], first[path])
    write(root / "cat" / "0.png", 6)
    (root / "cat" / "1.png").unlink()
    third = everything(get(root))
    assert decoded[9:] == ["0.png"] and "cat/1.png" not in third
    np.testing.assert_array_equal(third["cat/0.png"], center_square(open_photo(root / "cat" / "0.png"), 16))
    place, = (tmp_path / ".cache").iterdir()
    assert sorted(path.suffix for path in place.iterdir()) == [".json", ".uint8"]


def test_each_size_and_seed_has_its_own_cache(tmp_path):
    root = photos(tmp_path / "a photo [1]", cat=4, dog=4)
    sizes = [get(root, size=size, seed=seed).x_train.shape[1] for size, seed in ((16, 0), (9, 0), (16, 1))]
    assert sizes == [16, 9, 16]
    names = sorted(path.name for path in (tmp_path / ".cache").iterdir())
    assert len(names) == 3 and all(name.startswith("a-photo--1--") for name in names)
    assert get(root, size=9, cache=tmp_path / "other").x_train.shape[1] == 9
    assert len(list((tmp_path / "other").iterdir())) == 1


@pytest.mark.parametrize("damage", ["{}", "", "[1]", '{"recipe": 1}', "cut", "missing", "rows"])
def test_a_damaged_cache_is_made_again(tmp_path, decoded, damage):
    root = photos(tmp_path / "p", cat=4, dog=4)
    first = everything(get(root))
    index, = (tmp_path / ".cache").rglob("index.json")
    stored, = (tmp_path / ".cache").rglob("*.uint8")
    if damage == "missing":
        stored.unlink()
    elif damage == "cut":
        stored.write_bytes(stored.read_bytes()[:-1])
    elif damage == "rows":
        index.write_text(json.dumps(json.loads(index.read_text()) | {"rows": [99] * 8}))
    else:
        index.write_text(damage)
    second = everything(get(root))
    assert len(decoded) == 16 and all(np.array_equal(second[path], first[path]) for path in first)


def test_damaged_files_are_remembered_and_found_when_repaired(tmp_path, decoded):
    root = photos(tmp_path / "p", cat=4, dog=4)
    good = (root / "dog" / "3.png").read_bytes()
    (root / "dog" / "3.png").write_bytes(good[:50])
    for _ in range(2):
        with pytest.raises(UserError, match="1 image cannot be decoded: dog/3.png"):
            get(root)
    assert len(get(root, skip_bad=True).files_train + get(root, skip_bad=True).files_test) == 7
    assert decoded.count("0.png") == 2 and len(decoded) == 8    # those that are good are not decoded again
    (root / "dog" / "3.png").write_bytes(good)
    assert len(everything(get(root))) == 8 and len(decoded) == 9


@pytest.mark.parametrize("module, name, error, reason", [
    (image_decode, "regular_file", OSError(errno.EACCES, "Permission denied"), "Permission denied"),
    (photos_module, "to_rgb", MemoryError(), "not enough memory to decode it"),
    (Path, "read_bytes", OSError(errno.EIO, "Input/output error"), "cannot be read .Input/output error")])
def test_what_could_not_be_read_once_is_tried_again(tmp_path, decoded, monkeypatch, module, name, error, reason):
    root, function = photos(tmp_path / "p", cat=4, dog=4), getattr(module, name)

    def failing(path, *arguments):
        if path.name == "3.png" and path.parent.name == "dog":
            raise error
        return function(path, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, failing)
        for _ in range(2):
            with pytest.raises(UserError, match=rf"1 image cannot be decoded: dog/3.png \(.*{reason}"):
                get(root)
    decoded.clear()
    assert len(everything(get(root))) == 8 and decoded == ["3.png"]


def test_damaged_files_are_decoded_again_by_another_pillow(tmp_path, decoded, monkeypatch):
    root = photos(tmp_path / "p", cat=4, dog=4)
    (root / "dog" / "bad.png").write_bytes((root / "dog" / "3.png").read_bytes()[:50])
    (root / "dog" / "empty.png").touch()
    for _ in range(2):
        assert len(everything(get(root, skip_bad=True))) == 8 and len(decoded) == 9
    stored, = (tmp_path / ".cache").rglob("*.uint8")
    before = stored.stat()
    monkeypatch.setattr("PIL.__version__", "99.0")
    for _ in range(2):
        assert len(everything(get(root, skip_bad=True))) == 8 and decoded[9:] == ["bad.png"]
    now = stored.stat()
    assert len(everything(get(root, skip_bad=True))) == 8 and stored.stat().st_ino == now.st_ino != before.st_ino


MEMORY = """
import resource, sys
import numpy as np
from pathlib import Path
from minigooglenet.data import Dataset, Normalizer, batches
from minigooglenet.data.mapped import mapped
from minigooglenet.training.checkpoint import fingerprint
for N in map(int, sys.argv[2:]):
    with open(sys.argv[1], "wb") as file:
        file.truncate(N * 12288)
    x, y = mapped(Path(sys.argv[1]), (N, 64, 64, 3)), np.arange(N) % 3
    normalizer = Normalizer.of(x)
    fingerprint(Dataset("x", x[:-9], y[:-9], x[-9:], y[-9:], list("abc")))
    for _ in batches(x, y, 32, 0, 0, normalizer=normalizer): pass
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss")
def test_memory_does_not_grow_with_the_images(tmp_path):
    """20 MB and 120 MB of images: statistics, fingerprint and an epoch of batches."""
    ran = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path / "x"), str(20 * 2 ** 20 // 12288),
                          str(120 * 2 ** 20 // 12288)], text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
                         capture_output=True, check=True)
    small, large = map(int, ran.stdout.split())
    assert large - small < 40, (small, large)                   # MB
