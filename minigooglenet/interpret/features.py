"""What a layer detects: its filters if it reads the image, and images that maximize a channel elsewhere."""

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import UserError
from ..layers.base import Array, Layer
from .dream import Dream, dream
from .structure import before_relu, check_channel, trunk_of

GRAY = 0.06     # standard deviation of the initial noise, relative to the range from black to white


def first_filters(net: Layer) -> tuple[str, Array]:
    """(path, w) of the first convolution: w (KH, KW, 3, F). Raises UserError unless it reads RGB."""
    path, w = next(((path, layer.params["w"]) for path, layer in trunk_of(net).walk() if layer.kind == "conv"),
                   ("", None))
    if w is None or w.shape[2] != 3:
        raise UserError("filters: this network has no convolution that reads red, green and blue")
    return path, w


def visualize(net: Layer, layer: str, channels: Sequence[int], size: int, bounds: tuple[Array, Array],
              rng: np.random.Generator, *, steps: int = 24, octaves: int = 4,
              on_step: Callable[[float], object] | None = None) -> Array:
    """Images that maximize channels of a layer, found by gradient ascent from gray noise (``dream.dream``).

    layer, channels  a path, and M channel numbers
    size             of the images, in pixels
    bounds           (black, white), as in ``dream``; so are rng, steps, octaves and on_step

    Returns network inputs, (M, size, size, 3) float32. Raises UserError for an unknown layer or channel.
    Source: Erhan et al. 2009; Olah, Mordvintsev & Schubert 2017, "Feature visualization".
    """
    for channel in channels:
        check_channel(net, layer, channel, (size, size, 3))
    low, high = bounds
    images = []
    for channel in channels:
        start = (low + high) / 2 + (high - low) * GRAY * rng.standard_normal((size, size, 3))
        path, number = before_relu(net, layer, channel, (size, size, 3))
        how = Dream(path, number, octaves=octaves, steps=steps, step=0.01, smooth=True)
        images.append(dream(net, start.astype(np.float32), how, bounds, rng, on_step=on_step))
    return np.stack(images)
