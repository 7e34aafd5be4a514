"""Many small labeled images in one figure."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..layers.base import Array
from .style import GRAY, SMALL, figure


def tiles(images: Sequence[Array] | Array, labels: Sequence[str], columns: int | None = None, *, width: float = 6.6,
          cmap: object = None, limits: tuple[float | None, float | None] = (None, None), smooth: bool = False,
          shown: Array | None = None) -> tuple[Figure, Axes]:
    """(figure, axes) with all ``images``, (h, w) or (h, w, 3), row by row, and their ``labels`` below them.

    limits  the values of the darkest and the brightest color, for images (h, w)
    smooth  interpolate between pixels
    shown   an additional image at the left, two rows high, such as the photo that the others were computed from
    """
    columns = columns or max(1, math.ceil(math.sqrt(1.3 * len(images))))
    rows = math.ceil(len(images) / columns)
    first = 2.2 if shown is not None else 0       # in tiles
    line = 1.0 + 0.17 * columns / width * (6.6 / 8)    # a tile and its label
    unit = width / (columns + first)
    fig, ax = figure(width=width, height=max(rows, 2.2 if first else 0) * line * unit + 0.85)
    ax.axis("off")
    ax.set(xlim=(-first, columns), ylim=(max(rows * line, first), 0), aspect="equal")
    options = {"interpolation": "bilinear" if smooth else "nearest", "aspect": "equal"}
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        left, top = number % columns, number // columns * line
        ax.imshow(image, cmap=cmap, vmin=limits[0], vmax=limits[1], extent=_within(image, left, top, 0.94),
                  **options)
        ax.text(left + 0.47, top + 0.96, label, fontsize=SMALL, color=GRAY, ha="center", va="top")
    if shown is not None:
        ax.imshow(shown, extent=_within(shown, -first, 0, 2), interpolation="bilinear", aspect="equal")
    ax.set(xlim=(-first, columns), ylim=(max(rows * line, first), 0))
    return fig, ax


def _within(image, left, top, size):
    """The extent of an image centered in a square of ``size``, with its aspect ratio."""
    h, w = np.asarray(image).shape[:2]
    h, w = size * h / max(h, w), size * w / max(h, w)
    left, top = left + (size - w) / 2, top + (size - h) / 2
    return left, left + w, top + h, top
