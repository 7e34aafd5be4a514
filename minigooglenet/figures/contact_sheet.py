"""A contact sheet: a few images of every class, to look at a data set before training on it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ..errors import shown
from ..layers.base import Array
from .style import GRAY, INK, SMALL, TEXT, caption, drawn, figure

ROWS, COLUMNS = 24, 10      # at most: classes, images of a class
NAME = 18                   # characters of a class name


@drawn
def contact_sheet(name: str, x: Array, y: Array, classes: Sequence[str]) -> Figure:
    """A row for each class with its first training images. x uint8 (N, H, W, 3), y (N,), from 0 to len(classes) - 1.

    Of more than 24 classes, 24 are shown, evenly spaced.
    """
    chosen = np.unique(np.linspace(0, len(classes) - 1, min(ROWS, len(classes))).round().astype(int))
    counts = np.bincount(y, minlength=len(classes))
    rows, left = len(chosen), 2.0                           # in tiles
    width = 6.8
    fig, ax = figure(width=width, height=rows * width / (COLUMNS + left) + 0.75)
    ax.axis("off")
    for row, label in enumerate(chosen):
        ax.text(-0.12, row + 0.38, shown(classes[label], NAME), fontsize=TEXT, color=INK, ha="right", va="center",
                parse_math=False)
        ax.text(-0.12, row + 0.68, f"{counts[label]:,}", fontsize=SMALL, color=GRAY, ha="right", va="center")
        for column, i in enumerate(np.flatnonzero(y == label)[:COLUMNS]):
            ax.imshow(x[i], extent=(column + 0.02, column + 0.98, row + 0.98, row + 0.02), aspect="equal",
                      interpolation="nearest" if x.shape[1] < 48 else "antialiased")
    ax.set(xlim=(-left, COLUMNS), ylim=(rows, 0), aspect="equal")
    which = f"{rows} of {len(classes)} classes" if rows < len(classes) else f"{rows} classes"
    caption(fig, f"{shown(name)}: {which}", f"The first training images of each class, and the number of all; "
            f"{x.shape[2]}×{x.shape[1]} pixels.")
    return fig
