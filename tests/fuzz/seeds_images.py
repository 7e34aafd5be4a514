"""Small valid images, folders of them, and their caches."""

import functools
import io
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import image_files
import numpy as np
from PIL import Image

from minigooglenet.data import image_cache, image_folder
from minigooglenet.training.feature_cache import KEY

from .seeds import Seed, one, rng

SIDE = 16           # pixels of the images in a folder
FEATURES = 7        # values per image

FORMATS = {"PNG": {}, "JPEG": {"quality": 60}, "WEBP": {}, "GIF": {}, "BMP": {}, "TIFF": {"compression": "tiff_lzw"},
           "PPM": {}, "ICO": {}, "TGA": {}, "JPEG2000": {}, "AVIF": {}, "PCX": {}, "SGI": {}, "DDS": {}, "MPO": {},
           "IM": {}, "MSP": {}, "XBM": {}, "SPIDER": {}}
MODES = {"MSP": "1", "XBM": "1", "SPIDER": "F"}


@functools.cache
def photos() -> list[Seed]:
    image = Image.fromarray(rng().integers(0, 256, (9, 13, 3), np.uint8)).resize((39, 27))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    found = []
    for name, options in FORMATS.items():
        file = io.BytesIO()
        try:
            image.convert(MODES.get(name, "RGB")).save(file, name, **options,
                                                       **({"exif": exif} if name in ("PNG", "JPEG", "WEBP") else {}))
        except (OSError, KeyError, ValueError):                 # not in this Pillow
            continue
        found.append(one("photo", file.getvalue(), "png" if name == "PNG" else "bytes"))
    for mode in ("RGBA", "P", "LA", "I;16", "1", "CMYK", "L", "F"):
        for kind, options in (("PNG", {}), ("TIFF", {"compression": "tiff_adobe_deflate"}), ("GIF", {"save_all": True}),
                              ("JPEG", {"progressive": True})):
            file = io.BytesIO()
            try:
                image.convert("L" if mode == "I;16" else mode).convert(mode).save(file, kind, **options)
            except (OSError, ValueError):                       # a mode that the format does not have
                continue
            found.append(one("photo", file.getvalue(), "png" if kind == "PNG" else "bytes"))
    gray = {256: (4, [8]), 257: (4, [8]), 258: (3, [16]), 259: (3, [1]), 262: (3, [0]), 277: (3, [1]), 278: (4, [8])}
    found += [one("photo", image_files.tiff(gray, bytes(range(128)), order)) for order in "<>"]
    return [*found, one("photo", image_files.png(5, 3, 16, 6, [bytes(40)] * 3, (b"eXIf", image_files.exif(
        (0x0112, 3, 1, b"\6\0\0\0"))[6:])), "png")]


def _folder():
    """{path: bytes} of a folder with two classes, of several formats."""
    files = {}
    for i in range(8):
        file = io.BytesIO()
        kind = ("PNG", "JPEG", "GIF", "BMP")[i % 4]
        Image.fromarray(rng().integers(0, 256, (9 + i, 13, 3), np.uint8)).save(file, kind)
        files[f"photos/{'cat' if i < 4 else 'dog'}/{i}.{kind.lower()}"] = file.getvalue()
    return files


@functools.cache
def folders() -> list[Seed]:
    files = _folder()
    parted = {name.replace("photos", f"photos/{'test' if i % 4 == 3 else 'train'}"): data
              for i, (name, data) in enumerate(files.items())}
    return [Seed(some, name, "bytes") for some in (files, parted) for name in list(some)[:4]]


@functools.cache
def names() -> list[Seed]:
    return [seed._replace(target="") for seed in folders()[::4]]


@functools.cache
def indexes() -> list[Seed]:
    """The cache of a folder's decoded images: photos/, whose files are of 1970, index.json and the pixels."""
    with TemporaryDirectory() as folder:
        root, cache = Path(folder, "photos"), Path(folder, "cache")
        files = _folder()
        for name, data in files.items():
            (root.parent / name).parent.mkdir(parents=True, exist_ok=True)
            (root.parent / name).write_bytes(data)
            os.utime(root.parent / name, (0, 0))
        image_cache.prepare(image_folder.scan(root), SIDE, 0, cache, progress=False)
        cached = {path.name: path.read_bytes() for path in image_cache.location(root, SIDE, 0, cache).iterdir()}
    return [Seed(files | cached, name, "json" if name.endswith("json") else "bytes") for name in cached]


@functools.cache
def features() -> list[Seed]:
    """The cache of what the frozen part of a network computes: ``FEATURES`` values for each of five images."""
    files = {"keys": rng().bytes(5 * KEY), "rows": rng().standard_normal((5, FEATURES), np.float32).tobytes()}
    return [Seed(files, name, "bytes") for name in files]
