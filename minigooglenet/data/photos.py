"""Image files: opening, resizing, cropping, and the preprocessing of Caffe's networks."""

import contextlib
import logging
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UserError
from ..files import recognize, regular_file
from . import limits
from .exif import orientation, upright
from .pixels import samples, to_rgb

logging.getLogger("PIL").addHandler(logging.NullHandler())      # what it logs is raised as well: not printed twice

MEAN_BGR = np.array([104, 117, 123], np.float32)    # mean of the training images, as rounded by Caffe's GoogLeNet


def open_photo(path: Path | str) -> Image.Image:
    """Open an image of any format that Pillow reads, except ``limits.EXCLUDED``, as an upright PIL image of mode RGB.

    The EXIF orientation is applied; gray, palette, YCbCr, CMYK and Lab are converted; 12, 16 and 32 bits are reduced to
    8, with white at 255; transparent images are composited on white; of an animation the first frame is used.

    Raises UserError that names the file if it is missing, not a regular file, empty, not an image, truncated or
    damaged, if which of its values is white is not known, or if it exceeds a limit of ``data.limits``: 50 million
    pixels, or one side more than 100 times as long as the other.
    """
    regular_file(path, "an image", limits.BYTES)
    data = b""
    try:
        data = Path(path).read_bytes()
        limits.check_file(path, data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")                                    # unusual metadata is harmless
            with Image.open(limits.File(path, data), formats=limits.formats()) as image:
                limits.check_image(path, image, data)
                layout = samples(image, data)
                with _quiet() if image.format == "TIFF" else contextlib.nullcontext():
                    image.load()
                limits.check_image(path, image, data)                          # an icon is larger than its header says
                return upright(to_rgb(path, image, layout), orientation(image))
    except UserError:
        raise
    except Image.UnidentifiedImageError as error:
        what = recognize(data[:512]) or "not an image that Pillow can read"
        if what.endswith(" image"):
            raise UserError(f"{path}: {what} that is damaged or unsupported; save it again, for example as "
                            "PNG") from error
        raise UserError(f"{path}: expected an image, but this is {what}") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{path}: more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller first") from error
    except PermissionError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:         # Pillow's decoders raise various exceptions
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise UserError(f"{path}: a damaged or unsupported image ({reason}); save it again, for example as "
                        "PNG") from error


@contextlib.contextmanager
def _quiet():
    """Discard standard error of the process: libtiff prints its errors there, and Pillow raises them as well."""
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
