"""What the values of an image file mean: white and black for each bit depth, scale and kind of transparency."""

import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..errors import UserError

STRIP = 2 ** 20                         # pixels composited or converted at once; copies of a whole image are large
PHOTOMETRIC, COLORS, SAMPLE_FORMAT = 262, 320, 339     # TIFF's tags


@dataclass(frozen=True)
class Samples:
    """How a file stores its values, which Pillow's mode alone does not say.

    bits      of one value: 12 for a TIFF file of 12 bits, whose mode is "I;16"
    signed    whether the values can be negative
    inverted  whether 0 is white, and Pillow has left it so
    alpha     whether the fourth channel, if there is one, is the opacity
    colors    the palette, red, green and blue of each color, if Pillow has not read it as 8 bits; else b""
    """

    bits: int = 8
    signed: bool = False
    inverted: bool = False
    alpha: bool = True
    colors: bytes = b""


def samples(image: Image.Image, data: bytes) -> Samples:
    """The Samples of an image that is open but not decoded; ``data`` is its file."""
    tiles = getattr(image, "tile", None)
    raw = tiles[0][3] if tiles else ""                                  # for the decoder: "L;4", ("I;12", 0, 1), …
    raw = str(raw[0]) if isinstance(raw, tuple) and raw else str(raw)
    depth = re.search(r";(\d+)", raw)
    in_mode = {"1": 1, "I": 32, "F": 32}.get(image.mode, 16 if image.mode.startswith("I;16") else 8)
    bits = int(depth[1]) if depth else in_mode
    if image.format in ("PNG", "PPM"):
        return Samples(16 if image.mode == "I" else bits)               # scaled to 16 bits by Pillow
    if image.format == "TIFF":
        tags = image.tag_v2                                             # type: ignore[attr-defined]
        signed = image.mode != "F" and 2 in np.atleast_1d(tags.get(SAMPLE_FORMAT, 1))
        colors = np.array(tags.get(COLORS, ()) if image.mode[0] == "P" else ())
        narrow = colors.size and colors.max() < 256                     # 8 bits, where the format requires 16
        return Samples(bits, signed, tags.get(PHOTOMETRIC) == 0 and image.mode[0] in "IF",
                       colors=colors.reshape(3, -1).T.astype(np.uint8).tobytes() if narrow else b"")
    if image.format == "TGA":
        return Samples(bits, alpha=data[17] & 15 > 0)                   # the number of bits of alpha
    return Samples(bits, image.mode == "I")


def to_rgb(path: object, image: Image.Image, layout: Samples) -> Image.Image:
    """A decoded image as 8-bit RGB: white is (255, 255, 255), black is (0, 0, 0), transparent parts are white.

    Raises UserError that names ``path`` if the file does not say which value is white, or if nothing is visible.
    """
    if image.format == "XBM":
        raise UserError(f"{path}: an X bitmap has a foreground and a background but no colors; save it as PNG")
    if layout.signed and layout.bits < 32:
        raise UserError(f"{path}: signed values of {layout.bits} bits; which of them is white is not known; "
                        "save it with unsigned values")
    if layout.colors:
        image.putpalette(layout.colors)
    if image.mode[0] in "IF":
        return _gray(path, image, layout).convert("RGB")
    if image.mode == "RGBA" and not layout.alpha:
        return image.convert("RGB")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        return _on_white(path, image, channel=True)
    if "transparency" in image.info or image.mode == "P" and image.palette and image.palette.mode.endswith("A"):
        image.info.update(_key(image, layout))
        return _on_white(path, image, channel=False)
    return image.convert("RGB")


def _on_white(path, image, channel):
    """Composite an image with transparency on white, strip by strip: alpha · pixel + (1 - alpha) · 255."""
    white, opacity = Image.new("RGB", image.size, "white"), 0
    rows = max(1, STRIP // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        strip = strip.convert("LA").convert("RGBA") if image.mode == "La" else strip.convert("RGBA")
        alpha = strip.getchannel("A")
        opacity = max(opacity, alpha.getextrema()[1])
        white.paste(strip, (0, top), mask=alpha)
    if channel and not opacity:
        raise UserError(f"{path}: every pixel is transparent; remove the alpha channel if there is an image under it")
    return white


def _key(image, layout):
    """{"transparency": the color that is transparent}, on the scale of the pixels: PNG states it in the file's."""
    key = image.info.get("transparency")
    if image.mode == "L" and layout.bits in (2, 4) and isinstance(key, int):
        return {"transparency": key * 255 // (2 ** layout.bits - 1)}
    if image.mode == "RGB" and layout.bits == 16 and isinstance(key, tuple):
        return {"transparency": tuple(value >> 8 for value in key)}
    return {}


def _gray(path, image, layout):
    """One channel of 12, 16 or 32 bits as 8-bit gray.

    White is the largest value of 12 or 16 bits. For 32 bits it is 65535 or the largest value, for floats 1 or 255: the
    first that no pixel exceeds. An image that would be black, or nearly so for floats up to 255, is on another scale.
    """
    x = np.asarray(image)
    key = image.info.get("transparency")
    if layout.bits == 32 and x.dtype.kind == "i" and not layout.signed:
        x = x.view(np.uint32)                                   # Pillow wraps values from 2³¹ on
    low, high = x.min().item(), x.max().item()                  # NaN if there is one
    if x.dtype.kind == "f":
        darkest = {1: 1 / 256, 255: 255 / 2}
    elif layout.bits == 32:
        darkest = {white: white >> 8 for white in (65535, np.iinfo(x.dtype).max)}
    else:
        darkest = {2 ** layout.bits - 1: (2 ** layout.bits - 1) >> 8}
    white = next((white for white in darkest if high <= white), None)
    if not low >= 0 or white is None or 0 < high <= darkest[white]:
        raise UserError(f"{path}: gray values from {low:.6g} to {high:.6g} in {layout.bits} bits; which value is white "
                        "is not known; save it with 8 bits")
    y = np.empty(x.shape, np.uint8)
    for top in range(0, len(x), 64):                            # float64 of the whole image would be large
        y[top:top + 64] = np.round(x[top:top + 64].astype(np.float64) * (255 / white))
    if layout.inverted:
        np.subtract(255, y, out=y)
    if key is not None:
        y[x == key] = 255                                       # on white
    return Image.fromarray(y)
