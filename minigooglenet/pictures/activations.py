"""What a layer makes of a photo: its maps side by side."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from .style import BLUE, VERMILION, caption, drawn
from .tiles import tiles

#: Against and for: blue, white, vermilion. Both ends are darker than the middle in grey print.
SIGNED = LinearSegmentedColormap.from_list("signed", [BLUE, "white", VERMILION])


@drawn
def activations(picture, y, channels, layer, source=""):
    """Some ``channels`` of a layer's output y (H, W, C) for a ``picture`` (h, w, 3) uint8.

    After a ReLU each map goes from black, zero, to its own brightest value; before it, from blue, negative, to
    vermilion. The label is the channel's number.
    """
    maps = [y[..., c].astype(float) for c in channels]
    signed = float(y.min()) < 0
    maps = [m / (np.abs(m).max() or 1) for m in maps]
    fig, _ = tiles(maps, list(map(str, channels)), cmap=SIGNED if signed else "magma",
                   limits=(-1, 1) if signed else (0, 1), shown=picture)
    H, W, C = y.shape
    how = "White is zero, blue negative, orange positive" if signed else "Black is zero"
    which = "All channels" if len(channels) == C else f"The {len(channels)} strongest channels"
    caption(fig, f"{layer}: {C} maps of {H}×{W}", f"{which}. {how}; each map on its own scale. {source}")
    return fig


def strongest(y, number):
    """The numbers of the ``number`` channels of y (H, W, C) with the greatest mean magnitude, in order of number."""
    strength = np.abs(y).mean(axis=(0, 1))
    return sorted(np.argsort(-strength, kind="stable")[:number].tolist())
