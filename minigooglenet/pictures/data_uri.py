"""Arrays as pictures inside a page: data URIs."""

import base64
import io

import numpy as np
from matplotlib import colormaps
from PIL import Image

LEVELS = 32     # shades of a map: enough for the eye, and small files
TILE = 56       # pixels along each side of a map, at most
GAP = 2

_PALETTE = (colormaps["magma"](np.linspace(0, 1, LEVELS))[:, :3] * 255).round().astype(np.uint8)


def strip(maps):
    """Maps (h, w) side by side as a PNG data URI, each from black, its lowest value or 0, to its brightest."""
    tiles = []
    for m in maps:
        m = shrink(m.astype(float), TILE)
        low, high = min(m.min(), 0), max(m.max(), 0)
        level = np.zeros(m.shape) if high == low else (m - low) / (high - low)
        tile = np.round(level * (LEVELS - 1)).astype(np.uint8) + 1
        tiles += [tile, np.zeros((len(tile), GAP), np.uint8)]       # colour 0 is transparent: the gap
    image = Image.fromarray(np.concatenate(tiles[:-1], axis=1), "P")
    image.putpalette(bytes(3) + _PALETTE.tobytes())
    return uri(image, "PNG", optimize=True, transparency=0)


def shrink(m, size):
    """A map of at most ``size`` × ``size``: the mean of blocks, whose remainder at the edges is cut."""
    block = -(-max(m.shape) // size)
    h, w = (side // block for side in m.shape)
    return m if block == 1 else m[:h * block, :w * block].reshape(h, block, w, block).mean(axis=(1, 3))


def photo(picture, largest=224):
    """A uint8 picture (H, W, 3) as a data URI: small ones as they are, in PNG, large ones in JPEG."""
    image = Image.fromarray(picture)
    if max(image.size) <= 64:
        return uri(image, "PNG", optimize=True)
    image.thumbnail((largest, largest))
    return uri(image, "JPEG", quality=82)


def uri(image, kind, **options):
    """A Pillow image as ``data:image/…;base64,…``."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
