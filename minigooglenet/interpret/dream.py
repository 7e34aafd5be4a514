"""DeepDream: gradient ascent on the image, to amplify what a layer detects in it.

Source: Mordvintsev, Olah & Tyka 2015, "Inceptionism: going deeper into neural networks", and the code they published
for Caffe's GoogLeNet.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image

from ..errors import ShapeError, UserError
from ..layers.base import Array, Layer
from .gradients import value_and_gradient
from .structure import shape_at, until

TINY = 1e-12     # keeps a mean of zero from being divided by


@dataclass(frozen=True)
class Dream:
    """The objective and the settings of gradient ascent.

    layer    a path such as "4c"
    channel  maximize the mean of this channel; None: maximize Σ y²/2 over all channels, which amplifies strong ones
    octaves  the number of image sizes, each ``scale`` times the one before: large shapes appear first, then details
    steps    gradient steps per octave
    step     the mean change of a pixel per step, relative to the range from black to white
    jitter   pixels: before each step the image is shifted cyclically by up to this much, so that the strides of the
             network leave no pattern
    tile     pixels: larger images are processed in tiles of at most this size, which bounds the memory; the seams are
             in other places in each step
    smooth   blur the gradient, less from step to step: from noise, shapes appear before fine texture
    """

    layer: str = "4c"
    channel: int | None = None
    octaves: int = 4
    scale: float = 1.4
    steps: int = 10
    step: float = 0.006
    jitter: int = 32
    tile: int = 512
    smooth: bool = False


def dream(net: Layer, x: Array, how: Dream, bounds: tuple[Array, Array], rng: np.random.Generator,
          on_step: Callable[[float], object] | None = None) -> Array:
    """Gradient ascent on the pixels, from a small size to the full size:

        x <- x + step · g / mean |g|        g = ∂/∂x of Σ y²/2, or of the mean of one channel of y

    The change made in one octave is enlarged and added to the image of the next size, so that the details of the image
    stay.

    net      any network; its parameters and gradients do not change
    x        the initial image as the network's input, (H, W, 3) float32
    how      a Dream
    bounds   (black, white) as the network's input: two arrays (3,); pixels are clipped to them
    rng      draws the shifts; the same seed gives the same image
    on_step  called after each step with the value of the objective

    Returns (H, W, 3) float32. Raises UserError where the layer is unknown, or the image or a tile is too small for it.
    """
    low, high = (np.asarray(bound, x.dtype) for bound in bounds)
    shape_at(net, how.layer, x.shape)  # raises UserError for an image that is too small
    part = until(net, how.layer)
    x = np.clip(x, low, high)
    H, W, _ = x.shape
    sizes = octave_sizes(H, W, how.octaves, how.scale, lambda h, w: _fits(net, how.layer, h, w))
    for size in sizes:
        _check_tiles(net, how, size)
    added = np.zeros((*sizes[0], 3), x.dtype)
    for height, width in sizes:
        base = resize(x, height, width)
        image = base + resize(added, height, width)
        for number in range(how.steps):
            reach = min(how.jitter, max(height, width))
            shift = rng.integers(-reach, reach + 1, 2)
            if max(height, width) > how.tile:
                shift = rng.integers(0, how.tile, 2)
            value, g = tiled_gradient(part, np.roll(image, shift, (0, 1)), how.channel, how.tile)
            g = np.roll(g, -shift, (0, 1))
            if how.smooth:
                g = smoothed(g, 0.5 + 1.5 * (1 - number / how.steps))
            image = image + how.step * (high - low) * g / max(np.abs(g).mean(), TINY)
            image = np.clip(image, low, high).astype(x.dtype)
            if on_step:
                on_step(value)
        added = image - base
    return image


def octave_sizes(H: int, W: int, octaves: int, scale: float,
                 fits: Callable[[int, int], bool] = lambda h, w: True) -> list[tuple[int, int]]:
    """[(h, w), …, (H, W)]: each ``scale`` times the one before, without those for which ``fits(h, w)`` is false.

    Raises UserError unless ``octaves`` is at least 1 and ``scale`` greater than 1.
    """
    if octaves < 1 or not scale > 1:
        raise UserError(f"octaves: got {octaves} with a scale of {scale}; choose at least 1, with a scale above 1")
    sizes = [(H, W)]
    for n in range(1, octaves):
        size = round(H / scale**n), round(W / scale**n)
        if min(size) < 1 or not fits(*size):
            break
        sizes.insert(0, size)
    return sizes


def _fits(net, layer, h, w):
    """Whether an image of h × w gives maps of more than 2 × 2 at the layer: smaller maps depend mostly on padding."""
    try:
        return min(shape_at(net, layer, (h, w, 3))[:2]) > 2
    except (UserError, ShapeError):
        return False


def _check_tiles(net, how, size):
    """Raise UserError unless the smallest tile of an image of ``size`` is large enough for the layer."""
    smallest = tuple(min(b - a for a, b in pairwise(cuts(length, how.tile))) for length in size)
    try:
        shape_at(net, how.layer, (*smallest, 3))
    except UserError as error:
        raise UserError(f"tile: tiles of {'x'.join(map(str, smallest))} pixels are too small for {how.layer}; choose "
                        f"more than {how.tile}") from error


def tiled_gradient(part: Layer, x: Array, channel: int | None, tile: int) -> tuple[float, Array]:
    """(the objective, its gradient g (H, W, 3)) for the image x (H, W, 3), processed in tiles of at most ``tile``.

    ``part`` is a part of a network as ``until`` cuts it; for ``channel`` see ``Dream``.
    """
    g, total = np.empty_like(x), 0.0
    rows, columns = cuts(len(x), tile), cuts(x.shape[1], tile)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            window = np.ascontiguousarray(x[None, top:bottom, left:right])
            y, dx = value_and_gradient(part, window, None if channel is not None else lambda y: y, channel)
            g[top:bottom, left:right] = dx[0]
            total += float(y[..., channel].mean() if channel is not None else np.square(y).mean() / 2)
    return total / ((len(rows) - 1) * (len(columns) - 1)), g


def cuts(length: int, tile: int) -> list[int]:
    """[0, …, length]: the bounds of the fewest tiles that are no longer than ``tile``, all about equally long."""
    tiles = -(-length // tile)
    return [round(n * length / tiles) for n in range(tiles + 1)]


def resize(x: Array, height: int, width: int) -> Array:
    """x (H, W, C) float resized by bicubic interpolation."""
    if x.shape[:2] == (height, width):
        return x
    size = (width, height)
    return np.stack([np.asarray(Image.fromarray(x[..., c]).resize(size, Image.Resampling.BICUBIC))
                     for c in range(x.shape[-1])], axis=-1).astype(x.dtype)


def smoothed(g: Array, sigma: float) -> Array:
    """The sum of g blurred with σ/2, σ and 2σ, each divided by its mean magnitude."""
    blurred = [gauss(g, factor * sigma) for factor in (0.5, 1, 2)]
    return sum((b / max(np.abs(b).mean(), TINY) for b in blurred), np.zeros_like(g))


def gauss(x: Array, sigma: float) -> Array:
    """x (H, W, C) blurred along H and W: weights exp(-d²/2σ²), normalized to sum 1, up to 3 σ away; edges repeat."""
    reach = max(1, round(3 * sigma))
    weights = np.exp(-np.arange(-reach, reach + 1) ** 2 / (2 * sigma**2))
    weights = (weights / weights.sum()).astype(x.dtype)
    for axis in (0, 1):
        padded = np.pad(x, [(reach, reach) if a == axis else (0, 0) for a in range(x.ndim)], mode="edge")
        x = sum(w * np.take(padded, range(k, k + x.shape[axis]), axis) for k, w in enumerate(weights))
    return x
