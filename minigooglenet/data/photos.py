"""Image files: opening, resizing, cropping, and the preprocessing of Caffe's networks."""

import contextlib
import functools
import importlib
import logging
import os
import threading
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..errors import UserError
from ..files import recognize, regular_file
from ..hints import install
from . import limits
from .exif import orientation, upright
from .pixels import samples, to_rgb

_STDERR = threading.Lock()

logging.getLogger("PIL").addHandler(logging.NullHandler())      # what it logs is raised as well: not printed twice

MEAN_BGR = np.array([104, 117, 123], np.float32)    # mean of the training images, as rounded by Caffe's GoogLeNet


class Decoded(NamedTuple):
    """An upright RGB image, and the format and (width, height) that its file has."""

    image: Image.Image
    format: str
    size: tuple[int, int]


def open_photo(path: Path | str) -> Image.Image:
    """Open an image of any format that Pillow reads, except ``limits.EXCLUDED``, as an upright PIL image of mode RGB.

    The EXIF orientation is applied; gray, palette, YCbCr, CMYK and Lab are converted; 12, 16 and 32 bits are reduced to
    8, with white at 255; transparent images are composited on white; of an animation the first frame is used.

    Raises UserError that names the file if it is missing, not a regular file, empty, not an image, truncated or
    damaged, if which of its values is white is not known, or if it exceeds a limit of ``data.limits``: 50 million
    pixels, or one side more than 100 times as long as the other. HEIC needs the extra ``heic`` (pillow-heif).
    """
    return decode(path).image


def decode(path: Path | str, least: int | None = None) -> Decoded:
    """``open_photo``, and what the file has. With ``least``, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size.

    Each side then still has ``least`` pixels. The decoder leaves out the high frequencies of each block of 8x8 pixels,
    which makes large photos several times as fast to read.
    """
    regular_file(path, "an image", limits.BYTES)
    data = b""
    try:
        data = _bytes(path)
        limits.check_file(path, data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")                                    # unusual metadata is harmless
            reads_heic()
            with Image.open(limits.File(path, data), formats=limits.formats()) as image:
                limits.check_image(path, image)
                limits.check_scans(path, image, data)
                layout, size = samples(image, data), image.size
                if least is not None and image.format in ("JPEG", "MPO"):
                    image.draft(None, (least, least))
                with _quiet() if image.format == "TIFF" else contextlib.nullcontext():
                    image.load()
                limits.check_image(path, image)                          # an icon is larger than its header says
                turned = upright(to_rgb(path, image, layout), orientation(image))
                return Decoded(turned, image.format or "", size)
    except UserError:
        raise
    except Image.UnidentifiedImageError as error:
        what = recognize(data[:512]) or "not an image that Pillow can read"
        if what.startswith("a HEIC") and not reads_heic():
            raise UserError(f"{path}: {what}, or install the extra that reads it: {install('heic')}") from error
        if what.endswith(" image"):
            raise UserError(f"{path}: {what} that is damaged or unsupported; save it again, for example as "
                            "PNG") from error
        raise UserError(f"{path}: expected an image, but this is {what}") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{path}: more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller first") from error
    except MemoryError as error:
        raise UserError(f"{path}: not enough memory to decode it; close other programs, or make it smaller") from error
    except Exception as error:         # Pillow's decoders raise various exceptions
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise UserError(f"{path}: a damaged or unsupported image ({reason}); save it again, for example as "
                        "PNG") from error


def _bytes(path):
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error


@functools.cache
def reads_heic() -> bool:
    """Whether Pillow reads HEIC: the package pillow-heif is installed, and is registered here when first asked for."""
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
        return True
    except Exception:       # not installed, or a damaged installation
        return False


@contextlib.contextmanager
def _quiet():
    """Discard standard error of the process: libtiff prints its errors there, and Pillow raises them as well.

    One thread at a time: another would save the discarded one and put that back.
    """
    with _STDERR, _discarded():
        yield


@contextlib.contextmanager
def _discarded():
    try:
        saved = os.dup(2)
    except OSError:                                                            # it is closed
        yield
        return
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def center_crop(image: Image.Image, shorter: int = 256, size: int = 224) -> np.ndarray:
    """The usual single crop: resize the shorter side to ``shorter``, cut the center. uint8 (size, size, 3), RGB."""
    image = resize_shorter(image, shorter)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return np.asarray(image.crop((left, top, left + size, top + size)))


def center_square(image: Image.Image, size: int) -> np.ndarray:
    """``center_crop(image, size, size)`` up to Pillow's rounding, without resizing what the crop leaves out.

    Pillow rounds between the two directions, and which one is first depends on the part that it resizes.
    """
    width, height = size_with_shorter(*image.size, size)
    x, y = image.width / width, image.height / height           # pixels of the image per resized pixel
    left, top = (width - size) // 2, (height - size) // 2
    box = (left * x, top * y, (left + size) * x, (top + size) * y)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box))


def resize_shorter(image: Image.Image, shorter: int) -> Image.Image:
    """Resize the image to a shorter side of ``shorter`` pixels, keeping its aspect ratio (bicubic, with antialiasing).

        (h, w)  ->  (round(h · s / min(h, w)), round(w · s / min(h, w)))
    """
    size = size_with_shorter(*image.size, shorter)
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


def size_with_shorter(width: int, height: int, shorter: int) -> tuple[int, int]:
    """(width, height) of the image that ``resize_shorter`` returns."""
    scale = shorter / min(width, height)
    return round(width * scale), round(height * scale)


def caffe_input(crops: np.ndarray) -> np.ndarray:
    """uint8 RGB (N, H, W, 3)  ->  float32 BGR (N, H, W, 3) minus (104, 117, 123): the input format of Caffe's weights.

    Caffe reads images with OpenCV, blue first, and subtracts the mean of each channel without dividing.
    """
    return crops[..., ::-1].astype(np.float32) - MEAN_BGR


def caffe_pixels(x: np.ndarray) -> np.ndarray:
    """The inverse of ``caffe_input``: RGB 0 … 255, as floats."""
    return (x + MEAN_BGR)[..., ::-1]
