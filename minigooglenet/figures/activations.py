"""The output of a layer for an image: a tile for each map."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from ..layers.base import Array
from .style import BLUE, VERMILION, caption, drawn
from .tiles import tiles

#: Negative to positive: blue, white, vermilion. In grayscale both ends are darker than the middle.
SIGNED = LinearSegmentedColormap.from_list("signed", [BLUE, "white", VERMILION])


@drawn
def activations(image: Array, y: Array, channels: Sequence[int], layer: str, source: str = "") -> Figure:
    """Some ``channels`` of a layer's output y (H, W, C) for an ``image`` (h, w, 3) uint8.

    Each map has its own scale. After a ReLU it goes from black (zero) to bright, before it from blue (negative) to
    vermilion (positive). The label is the channel number.
    """
    maps = [y[..., c].astype(float) for c in channels]
    signed = float(y.min()) < 0
    maps = [m / (np.abs(m).max() or 1) for m in maps]
    fig, _ = tiles(maps, list(map(str, channels)), cmap=SIGNED if signed else "magma",
                   limits=(-1, 1) if signed else (0, 1), shown=image)
    H, W, C = y.shape
    how = "White is zero, blue negative, orange positive" if signed else "Black is zero"
    which = "All channels" if len(channels) == C else f"The {len(channels)} strongest channels"
    caption(fig, f"{layer}: {C} maps of {H}×{W}", f"{which}. {how}; each map has its own scale. {source}")
    return fig


def strongest(y: Array, number: int) -> list[int]:
    """The ``number`` channels of y (H, W, C) with the largest mean magnitude, in ascending order."""
    strength = np.abs(y).mean(axis=(0, 1))
    return sorted(np.argsort(-strength, kind="stable")[:number].tolist())
