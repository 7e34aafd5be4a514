"""What a layer looks for: its filters where they meet the picture, and what a channel answers to most elsewhere."""

import numpy as np

from ..errors import UserError
from .dream import Dream, dream
from .structure import before_relu, check_channel, trunk_of

GREY = 0.06     # the noise that a visualisation begins with: its standard deviation, as a part of the whole range


def first_filters(net):
    """(path, w) of the first convolution: w (KH, KW, 3, F), a small picture for each of F filters."""
    path, layer = next(((path, layer) for path, layer in trunk_of(net).walk() if "w" in layer.params
                        and layer.params["w"].ndim == 4), (None, None))
    if layer is None or layer.params["w"].shape[2] != 3:
        raise UserError("filters: this network has no convolution that reads red, green and blue")
    return path, layer.params["w"]


def visualise(net, layer, channels, size, bounds, rng, *, steps=24, octaves=4, on_step=None):
    """Pictures that channels of a layer answer to strongly, found by climbing from grey noise (``dream.dream``).

    layer, channels  a path, and M numbers; ``size`` in pixels; ``bounds`` as in ``dream``
    Returns pictures as the network reads them, (M, size, size, 3) float32. Raises UserError for an unknown layer or
    channel. Source: Erhan et al. 2009; Olah, Mordvintsev & Schubert 2017, "Feature visualization".
    """
    for channel in channels:
        check_channel(net, layer, channel, (size, size, 3))
    low, high = bounds
    pictures = []
    for channel in channels:
        start = (low + high) / 2 + (high - low) * GREY * rng.standard_normal((size, size, 3))
        climbed = before_relu(net, layer, channel, (size, size, 3))
        how = Dream(*climbed, octaves=octaves, steps=steps, step=0.01, smooth=True)
        pictures.append(dream(net, start.astype(np.float32), how, bounds, rng, on_step=on_step))
    return np.stack(pictures)
