"""Filters of the first convolution, and pictures that channels further up answer to."""

import numpy as np

from .style import caption, drawn
from .tiles import tiles


@drawn
def first_filters(w, source=""):
    """Every filter of the first convolution as a small picture. w (KH, KW, 3, F), in red, green and blue.

    Grey is zero. All are on one scale: the pale ones are weak.
    """
    scale = np.percentile(np.abs(w), 99.7) or 1.0
    pictures = np.clip(0.5 + 0.5 * w / scale, 0, 1).transpose(3, 0, 1, 2)
    KH, KW, _, F = w.shape
    fig, _ = tiles(pictures, list(map(str, range(F))), columns=16 if F >= 64 else 8)
    caption(fig, f"The {F} filters of the first convolution, {KH}×{KW} pixels",
            f"Grey is zero; one scale for all. {source}")
    return fig


@drawn
def features(pictures, channels, layer, source=""):
    """What ``channels`` of a layer answer to most. pictures (M, H, W, 3), uint8."""
    fig, _ = tiles(list(pictures), [f"channel {c}" for c in channels], columns=min(4, len(channels)), smooth=True)
    caption(fig, f"What channels of {layer} look for",
            f"From grey noise, by gradient ascent on the mean of one channel. {source}")
    return fig
