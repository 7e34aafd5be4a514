"""Maps laid over their image: class activation maps, Grad-CAM, occlusion."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from ..layers.base import Array
from .style import BLACK, caption, drawn, figure, wrapped


def overlay(ax: Axes, image: Array, heat: Array, title: str = "") -> None:
    """Draw ``image`` (H, W, 3) uint8 in grayscale with ``heat`` (H, W), non-negative, over it. A contour at half of the
    maximum shows the region without colors."""
    H, W = heat.shape
    ax.imshow(blended(image, heat), interpolation="bilinear", extent=(0, W, H, 0))
    if heat.max() > 0:
        rows, columns = np.arange(-1, H + 1) + 0.5, np.arange(-1, W + 1) + 0.5  # one cell of padding: up to the edges
        line = ax.contour(columns, rows, np.pad(heat, 1, "edge"), levels=[heat.max() / 2], colors="white",
                          linewidths=0.9)
        line.set_path_effects([withStroke(linewidth=2.1, foreground=BLACK)])  # visible on white
    ax.set(xlim=(0, W), ylim=(H, 0))
    ax.axis("off")
    ax.set_title(wrapped(title, 2.1, 8), fontsize=8)


def blended(image: Array, heat: Array) -> Array:
    """The colors of ``overlay``: (H, W, 3) from 0 to 1. The image in grayscale, large values of ``heat`` in the inferno
    colormap."""
    gray = (image @ np.array([0.299, 0.587, 0.114]) / 255)[..., None]
    part = np.clip(heat / heat.max(), 0, 1) if heat.max() > 0 else np.zeros(heat.shape)
    fire = colormaps["inferno"](0.25 + 0.7 * part)[..., :3]
    strength = 0.75 * part[..., None] ** 0.8
    return (1 - strength) * (0.15 + 0.7 * gray) + strength * fire


@drawn
def heatmaps(image: Array, maps: Sequence[tuple[str, Array]], title: str, source: str = "") -> Figure:
    """The image (H, W, 3) uint8, then each map of ``maps``, [(title, (H, W) array)], laid over it.

    Negative values, evidence against the class, are drawn as zero.
    """
    columns = min(3, len(maps) + 1)
    rows = math.ceil((len(maps) + 1) / columns)
    fig, axes = figure(rows, columns, width=2.2 * columns, height=2.35 * rows + 0.8, squeeze=False)
    first, *others = axes.flat
    first.imshow(image, interpolation="bilinear")
    first.set_title("input image", fontsize=8)
    for ax in axes.flat:
        ax.axis("off")
    for ax, (name, heat) in zip(others, maps, strict=False):
        overlay(ax, image, np.maximum(heat, 0), name)
    caption(fig, title, source)
    return fig
