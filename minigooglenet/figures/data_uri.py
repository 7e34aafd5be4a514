"""Arrays as images inside an HTML page: data URIs."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from PIL import Image

from ..layers.base import Array

LEVELS = 32     # shades of a map: visually sufficient, and small files
TILE = 56       # maximum size of a map, pixels
GAP = 2

_PALETTE = (colormaps["magma"](np.linspace(0, 1, LEVELS))[:, :3] * 255).round().astype(np.uint8)


def strip(maps: Sequence[Array]) -> str:
    """Maps (h, w) in a row as a PNG data URI. Each goes from black (its minimum or 0) to bright (its maximum or 0)."""
    tiles = []
    for m in maps:
        m = shrink(m.astype(float), TILE)
        low, high = min(m.min(), 0), max(m.max(), 0)
        level = np.zeros(m.shape) if high == low else (m - low) / (high - low)
        tile = np.round(level * (LEVELS - 1)).astype(np.uint8) + 1
        tiles += [tile, np.zeros((len(tile), GAP), np.uint8)]       # color 0 is transparent: the gap
    image = Image.fromarray(np.concatenate(tiles[:-1], axis=1), "P")
    image.putpalette(bytes(3) + _PALETTE.tobytes())
    return uri(image, "PNG", optimize=True, transparency=0)


def shrink(m: Array, size: int) -> Array:
    """A map reduced to at most ``size`` × ``size`` by averaging blocks; incomplete blocks at the edges are dropped."""
    block = -(-max(m.shape) // size)
    h, w = (side // block for side in m.shape)
    return m if block == 1 else m[:h * block, :w * block].reshape(h, block, w, block).mean(axis=(1, 3))


def photo(pixels: Array, largest: int = 224) -> str:
    """A uint8 image (H, W, 3) as a data URI: up to 64 pixels as PNG, larger ones as JPEG of at most ``largest``."""
    image = Image.fromarray(pixels)
    if max(image.size) <= 64:
        return uri(image, "PNG", optimize=True)
    image.thumbnail((largest, largest))
    return uri(image, "JPEG", quality=82)


def uri(image: Image.Image, kind: str, **options: Any) -> str:
    """A Pillow image as ``data:image/…;base64,…``; ``kind`` and ``options`` are those of ``Image.save``."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
