"""Many small pictures on one sheet, each with its number."""

import math

import numpy as np

from .style import GREY, SMALL, figure


def tiles(pictures, labels, columns=None, *, width=6.6, cmap=None, limits=(None, None), smooth=False, shown=None):
    """(figure, axes) with all ``pictures``, (h, w) or (h, w, 3), line by line, and their ``labels`` below them.

    ``limits`` are the values of the darkest and the brightest colour; ``smooth`` blurs between pixels. ``shown`` is an
    extra picture in front, as high as two lines, such as the photo that the others come from.
    """
    columns = columns or max(1, math.ceil(math.sqrt(1.3 * len(pictures))))
    rows = math.ceil(len(pictures) / columns)
    first = 2.2 if shown is not None else 0       # in tiles
    line = 1.0 + 0.17 * columns / width * (6.6 / 8)    # a tile and its label
    unit = width / (columns + first)
    fig, ax = figure(width=width, height=max(rows, 2.2 if first else 0) * line * unit + 0.85)
    ax.axis("off")
    ax.set(xlim=(-first, columns), ylim=(max(rows * line, first), 0), aspect="equal")
    options = {"interpolation": "bilinear" if smooth else "nearest", "aspect": "equal"}
    for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        left, top = number % columns, number // columns * line
        ax.imshow(picture, cmap=cmap, vmin=limits[0], vmax=limits[1], extent=_within(picture, left, top, 0.94),
                  **options)
        ax.text(left + 0.47, top + 0.96, label, fontsize=SMALL, color=GREY, ha="center", va="top")
    if shown is not None:
        ax.imshow(shown, extent=_within(shown, -first, 0, 2), interpolation="bilinear", aspect="equal")
    ax.set(xlim=(-first, columns), ylim=(max(rows * line, first), 0))
    return fig, ax


def _within(picture, left, top, size):
    """The extent of a picture in the middle of a square of ``size``, its aspect kept."""
    h, w = np.asarray(picture).shape[:2]
    h, w = size * h / max(h, w), size * w / max(h, w)
    left, top = left + (size - w) / 2, top + (size - h) / 2
    return left, left + w, top + h, top
