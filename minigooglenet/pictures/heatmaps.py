"""A map laid over the photo it was made from: class activation maps, Grad-CAM, occlusion."""

import math

import numpy as np
from matplotlib import colormaps
from matplotlib.patheffects import withStroke

from .style import BLACK, caption, drawn, figure, wrapped


def overlay(ax, picture, heat, title=""):
    """Draw ``picture`` (H, W, 3) uint8 in grey and over it ``heat`` (H, W), from 0 up; the line runs at half of its
    greatest value, so that the place is seen without colours, too."""
    H, W = heat.shape
    ax.imshow(blended(picture, heat), interpolation="bilinear", extent=(0, W, H, 0))
    if heat.max() > 0:
        rows, columns = np.arange(-1, H + 1) + 0.5, np.arange(-1, W + 1) + 0.5  # a row more around: up to the edges
        line = ax.contour(columns, rows, np.pad(heat, 1, "edge"), levels=[heat.max() / 2], colors="white",
                          linewidths=0.9)
        line.set_path_effects([withStroke(linewidth=2.1, foreground=BLACK)])  # seen on white, too
    ax.set(xlim=(0, W), ylim=(H, 0))
    ax.axis("off")
    ax.set_title(wrapped(title, 2.1, 8), fontsize=8)


def blended(picture, heat):
    """The colours of ``overlay``: (H, W, 3) from 0 to 1. The photo in grey, and what is hot in the colours of fire."""
    grey = (picture @ np.array([0.299, 0.587, 0.114]) / 255)[..., None]
    part = np.clip(heat / heat.max(), 0, 1) if heat.max() > 0 else np.zeros(heat.shape)
    fire = colormaps["inferno"](0.25 + 0.7 * part)[..., :3]
    strength = 0.75 * part[..., None] ** 0.8
    return (1 - strength) * (0.15 + 0.7 * grey) + strength * fire


@drawn
def heatmaps(picture, maps, title, source=""):
    """The picture (H, W, 3) uint8, and beside it every map of ``maps``: [(its title, (H, W) array)].

    Only what speaks for the class is drawn: values below zero count as zero.
    """
    columns = min(3, len(maps) + 1)
    rows = math.ceil((len(maps) + 1) / columns)
    fig, axes = figure(rows, columns, width=2.2 * columns, height=2.35 * rows + 0.8, squeeze=False)
    first, *others = axes.flat
    first.imshow(picture, interpolation="bilinear")
    first.set_title("what the network sees", fontsize=8)
    for ax in axes.flat:
        ax.axis("off")
    for ax, (name, heat) in zip(others, maps, strict=False):
        overlay(ax, picture, np.maximum(heat, 0), name)
    caption(fig, title, source)
    return fig
