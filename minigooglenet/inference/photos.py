"""From a photo in a file to the numbers a network reads."""

import warnings

import numpy as np
from PIL import Image, ImageOps

from ..errors import UserError
from ..inputs import recognise, regular_file

MEAN_BGR = np.array([104, 117, 123], np.float32)    # mean of the training photos, as Caffe's GoogLeNet rounds it
LONGEST = 100                                       # sides 1:100 at most: resized, the long one is 100 times 352


def open_photo(path):
    """Whatever Pillow opens, as a PIL image of mode RGB, upright.

    The EXIF orientation is applied; grey, palette, YCbCr and CMYK are converted; what is transparent is laid over
    white; 16 bits become 8; of an animation comes the first frame.

    Raises UserError naming the file if it is missing, no file, empty, no picture, cut short or damaged, has more pixels
    than Pillow's limit of 89 million, or is more than 100 times as long as wide.
    """
    regular_file(path, "a picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")                                    # odd metadata is no reason to talk
            warnings.simplefilter("error", Image.DecompressionBombWarning)     # a few kB can unpack to gigabytes
            with Image.open(path, formats=_formats()) as image:
                _check_sides(path, image)
                image.load()
                return _rgb(_upright(image))
    except UserError:
        raise
    except Image.UnidentifiedImageError as error:
        with open(path, "rb") as file:
            what = recognise(file.read(512)) or "no picture that Pillow knows"
        raise UserError(f"{path}: expected a picture, but this is {what}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(f"{path}: more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller first") from error
    except PermissionError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:         # each of Pillow's decoders has its own ways to fail on a damaged file
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise UserError(f"{path}: a damaged or unusual picture ({reason}); save it again, as PNG say") from error


def centre_crop(image, shorter=256, size=224):
    """The usual single crop: shorter side to ``shorter``, then the middle. uint8 (size, size, 3), RGB."""
    image = resize_shorter(image, shorter)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return np.asarray(image.crop((left, top, left + size, top + size)))


def resize_shorter(image, shorter):
    """The image scaled, aspect kept, so that its shorter side has ``shorter`` pixels (bicubic, antialiased).

        (h, w)  ->  (round(h · s / min(h, w)), round(w · s / min(h, w)))
    """
    size = size_with_shorter(*image.size, shorter)
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


def size_with_shorter(width, height, shorter):
    """(width, height) of ``resize_shorter``'s picture."""
    scale = shorter / min(width, height)
    return round(width * scale), round(height * scale)


def caffe_input(crops):
    """uint8 RGB (N, H, W, 3)  ->  float32 BGR (N, H, W, 3) minus (104, 117, 123): what Caffe's weights were trained on.

    Caffe read its photos with OpenCV, blue first, subtracted the mean of each channel and did not divide.
    """
    return crops[..., ::-1].astype(np.float32) - MEAN_BGR


def caffe_pixels(x):
    """The inverse of ``caffe_input``: back to RGB from 0 to 255, as floats."""
    return (x + MEAN_BGR)[..., ::-1]


def _formats():
    Image.init()
    return [name for name in Image.ID if name != "EPS"]        # EPS is a program, which Pillow hands to Ghostscript


def _check_sides(path, image):
    short, long = sorted(image.size)
    if not 0 < long <= LONGEST * short:
        raise UserError(f"{path}: {image.width}×{image.height} pixels, more than {LONGEST} times as long as wide; cut "
                        "a piece out first")


def _upright(image):
    try:
        return ImageOps.exif_transpose(image)
    except Exception:                  # a damaged EXIF block does not make the pixels worse
        return image


def _rgb(image):
    if image.mode.startswith(("I", "F")):                      # one channel of 16 or 32 bits
        image = Image.fromarray(_eight_bits(image))
    if image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))         # alpha · pixel + (1 - alpha) · 255
        return white
    return image.convert("RGB")


def _eight_bits(image):
    """Deep grey to uint8: integers from 0 … 65535; floats from 0 … 1 or 0 … 255, whichever they stay within.

    Values beyond 65535 (or 255 for floats) have no agreed white: there, the brightest pixel becomes white.
    """
    x = np.asarray(image)
    limits = (1, 255) if x.dtype.kind == "f" else (65535,)
    brightest = np.max(x, where=np.isfinite(x), initial=0)
    white = next((limit for limit in limits if brightest <= limit), brightest)
    y = np.empty(x.shape, np.uint8)
    for top in range(0, len(x), 64):                           # in slabs: float64 of a whole picture would be large
        slab = np.nan_to_num(x[top:top + 64].astype(np.float64), posinf=white)
        y[top:top + 64] = np.round(np.clip(slab, 0, white) * (255 / white))
    return y
