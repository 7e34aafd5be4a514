"""Figures of a test: the confusion matrix and the reliability diagram. On a page they have a light and a dark form."""

import functools
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from ..errors import shown
from ..layers.base import Array
from .style import BLUE, GRAY, ORANGE, SKY, SMALL, TEXT, VERMILION, drawn, figure

NUMBERS = 20                # classes up to which cells have their numbers
NAMED = 110                 # classes up to which every row has its name
NAME = 18                   # characters of a name
LIGHT = "#ffffff", "#1a1a1a", "#5f5f5f"     # background, text, lines: those of the pages
DARK = "#14171b", "#eceef0", "#8f98a3"


@drawn
def confusion_matrix(counts: Array, classes: Sequence[str], dark: bool = False) -> Figure:
    """counts (K, K), int: a row for each label, a column for each predicted class. The shade of a cell is the square
    root of its share of the row, so that rare confusions are visible.

    Up to NUMBERS classes, cells have their numbers; of more than NAMED classes, some have their names.
    """
    K = len(classes)
    cell = 0.5 if K <= 10 else 0.38 if K <= NUMBERS else 0.105      # inches
    side = max(cell * K, 1.6) if K <= NAMED else cell * NAMED
    size = TEXT if K <= NUMBERS else SMALL
    names = [_name(name, k) for k, name in enumerate(classes)]
    margin = 0.45 + 0.0078 * size * max(map(len, names))
    background = DARK[0] if dark else LIGHT[0]
    with matplotlib.rc_context(_colors(dark)):
        fig, ax = figure(width=side + margin, height=side + margin)
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        low, high = (np.array(to_rgb(color)) for color in (background, SKY if dark else BLUE))
        colors = low + np.sqrt(share)[..., None] * (high - low)
        ax.imshow(colors, interpolation="nearest", aspect="equal")
        ticks = np.arange(K) if K <= NAMED else np.linspace(0, K - 1, NAMED // 2).round().astype(int)
        ax.set_xticks(ticks, [names[k] for k in ticks], rotation=90, fontsize=size, parse_math=False)
        ax.set_yticks(ticks, [names[k] for k in ticks], fontsize=size, parse_math=False)
        ax.tick_params(length=0, pad=2)
        ax.set(xlabel="predicted class", ylabel="label")
        ax.spines[:].set_color(GRAY)
        if K <= NAMED:
            edges = np.arange(K + 1) - 0.5
            ax.vlines(edges, -0.5, K - 0.5, color=GRAY, linewidth=0.3)
            ax.hlines(edges, -0.5, K - 0.5, color=GRAY, linewidth=0.3)
        if K <= NUMBERS:
            _write_numbers(ax, counts, colors)
    return fig


def _write_numbers(ax: Axes, counts: Array, colors: Array) -> None:
    for (i, j), n in np.ndenumerate(counts):
        if n:
            bright = colors[i, j] @ (0.299, 0.587, 0.114) > 0.5
            ax.text(j, i, f"{n:,}", ha="center", va="center", fontsize=TEXT if n < 10_000 else SMALL,
                    color="black" if bright else "white")


@drawn
def reliability_diagram(count: Array, confidence: Array, accuracy: Array, dark: bool = False) -> Figure:
    """Accuracy against confidence in bins of equal width, each array (bins,), and below how many images each bin has.

    Empty bins have NaN. The vertical line in a bar ends where the confidence is: the gap that the ECE averages.
    """
    M = len(count)
    centers = (np.arange(M) + 0.5) / M
    bar, gap = (SKY, ORANGE) if dark else (BLUE, VERMILION)
    with matplotlib.rc_context(_colors(dark)):
        fig, (top, bottom) = figure(2, 1, width=4.4, height=4.6, height_ratios=(3, 1), sharex=True)
        top.plot([0, 1], [0, 1], "--", color="gray", linewidth=1, label="perfectly calibrated")
        top.bar(centers, np.nan_to_num(accuracy), width=0.9 / M, color=bar, label="accuracy")
        known = count > 0
        top.vlines(confidence[known], accuracy[known], confidence[known], color=gap, linewidth=2.5,
                   label="gap to the mean confidence")
        top.plot(confidence[known], confidence[known], "o", color=gap, markersize=3)
        top.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy")
        top.set_yticks(np.arange(0, 1.1, 0.2))
        top.legend(frameon=False, fontsize=SMALL, loc="upper left")
        bottom.bar(centers, count / max(count.sum(), 1), width=0.9 / M, color=bar)
        bottom.set(xlabel="confidence", ylabel="fraction of\nthe images")
        bottom.set_xticks(np.arange(0, 1.1, 0.2))
    return fig


def _colors(dark):
    background, text, lines = DARK if dark else LIGHT
    return {"text.color": text, "axes.labelcolor": text, "axes.edgecolor": lines, "axes.facecolor": background,
            "figure.facecolor": background, "xtick.color": lines, "ytick.color": lines, "xtick.labelcolor": text,
            "ytick.labelcolor": text}


def _name(name: str, k: int) -> str:
    """A class name that fits, or the number of the class if the font lacks one of its characters."""
    return shown(name, NAME) if all(map(_has_glyph, shown(name, NAME))) else f"class {k}"


@functools.cache
def _has_glyph(character: str) -> bool:
    return bool(get_font(findfont(FontProperties(family="DejaVu Sans"))).get_char_index(ord(character)))
