"""The filters of the first convolution, and images that maximize channels of other layers."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ..layers.base import Array
from .style import caption, drawn
from .tiles import tiles


@drawn
def first_filters(w: Array, source: str = "") -> Figure:
    """Every filter of the first convolution as a small RGB image. w (KH, KW, 3, F).

    Gray is zero. All filters share one scale: pale ones have small weights.
    """
    scale = np.percentile(np.abs(w), 99.7) or 1.0
    images = np.clip(0.5 + 0.5 * w / scale, 0, 1).transpose(3, 0, 1, 2)
    KH, KW, _, F = w.shape
    fig, _ = tiles(images, list(map(str, range(F))), columns=16 if F >= 64 else 8)
    caption(fig, f"The {F} filters of the first convolution, {KH}×{KW} pixels",
            f"Gray is zero; all filters share one scale. {source}")
    return fig


@drawn
def features(images: Array, channels: Sequence[int], layer: str, source: str = "") -> Figure:
    """Images that maximize ``channels`` of a layer: (M, H, W, 3), uint8."""
    fig, _ = tiles(list(images), [f"channel {c}" for c in channels], columns=min(4, len(channels)), smooth=True)
    caption(fig, f"Images that maximize channels of {layer}",
            f"From gray noise, by gradient ascent on the mean of one channel. {source}")
    return fig
