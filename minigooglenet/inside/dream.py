"""DeepDream: change a picture until a layer sees more of what it sees in it already.

Source: Mordvintsev, Olah & Tyka 2015, "Inceptionism: going deeper into neural networks", and the code they published
for Caffe's GoogLeNet, the network that dreamt first.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image

from ..errors import ShapeError, UserError
from .gradients import value_and_gradient
from .structure import shape_at, until

LEAST = 1e-12


@dataclass(frozen=True)
class Dream:
    """What to look for, and how.

    layer    a path such as "4c"
    channel  one of its channels: climb its mean. None: climb Σ y²/2, which makes strong what is strong already
    octaves  sizes of the picture, each ``scale`` times the one before; large shapes are dreamt first, then details
    steps    of gradient ascent in each octave
    step     how far one goes, on average over the pixels, as a part of the range from black to white
    jitter   pixels: before each step the picture is shifted by up to so many, around its edges, so that the strides of
             the network leave no pattern
    tile     pixels: larger pictures are taken through the network in pieces of at most this size, which bounds the
             memory; their seams fall elsewhere in each step
    smooth   blur the gradient, less and less from step to step: from noise, shapes come before speckles
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


def dream(net, x, how, bounds, rng, on_step=None):
    """Gradient ascent on the pixels, from a small picture to the whole one:

        x <- x + step · g / mean |g|        g = ∂/∂x of Σ y²/2, or of the mean of one channel of y

    What an octave added is enlarged and laid over the next larger picture, so that the photo's own detail stays.

    net     any network; its parameters and gradients stay as they are
    x       (H, W, 3) float32, as the network reads it: where to begin
    how     a Dream
    bounds  (black, white): two arrays (3,), as the network reads them; pixels stay between
    rng     decides the shifts; the same one gives the same picture
    Calls ``on_step(value)`` after each step with what was climbed. Returns (H, W, 3) float32. Raises UserError where
    the layer is unknown, or the picture or a tile too small for it.
    """
    low, high = (np.asarray(bound, x.dtype) for bound in bounds)
    shape_at(net, how.layer, x.shape)
    piece = until(net, how.layer)
    x = np.clip(x, low, high)
    sizes = octave_sizes(*x.shape[:2], how.octaves, how.scale, lambda h, w: _fits(net, how.layer, h, w))
    for size in sizes:
        _check_tiles(net, how, size)
    added = np.zeros((*sizes[0], 3), x.dtype)
    for height, width in sizes:
        base = resize(x, height, width)
        picture = base + resize(added, height, width)
        for number in range(how.steps):
            reach = min(how.jitter, max(height, width))
            shift = rng.integers(-reach, reach + 1, 2)
            if max(height, width) > how.tile:
                shift = rng.integers(0, how.tile, 2)
            value, g = tiled_gradient(piece, np.roll(picture, shift, (0, 1)), how.channel, how.tile)
            g = np.roll(g, -shift, (0, 1))
            if how.smooth:
                g = smoothed(g, 0.5 + 1.5 * (1 - number / how.steps))
            picture = picture + how.step * (high - low) * g / max(np.abs(g).mean(), LEAST)
            picture = np.clip(picture, low, high).astype(x.dtype)
            if on_step:
                on_step(value)
        added = picture - base
    return picture


def octave_sizes(H, W, octaves, scale, fits=lambda h, w: True):
    """[(h, w), …, (H, W)]: each ``scale`` times the one before; those that are too small for the layer are left out."""
    if octaves < 1 or not scale > 1:
        raise UserError(f"octaves: got {octaves}, each {scale} times the last; choose at least 1, and more than 1")
    sizes = [(H, W)]
    for n in range(1, octaves):
        size = round(H / scale**n), round(W / scale**n)
        if min(size) < 1 or not fits(*size):
            break
        sizes.insert(0, size)
    return sizes


def _fits(net, layer, h, w):
    """Whether a picture of h × w leaves maps of more than 2 × 2 at the layer: below that it sees only padding."""
    try:
        return min(shape_at(net, layer, (h, w, 3))[:2]) > 2
    except (UserError, ShapeError):
        return False


def _check_tiles(net, how, size):
    """Raise UserError unless the smallest piece of a picture of ``size`` can reach the layer."""
    piece = tuple(min(b - a for a, b in pairwise(cuts(length, how.tile))) for length in size)
    try:
        shape_at(net, how.layer, (*piece, 3))
    except UserError as error:
        raise UserError(f"tile: pieces of {'x'.join(map(str, piece))} pixels are too small for {how.layer}; choose "
                        f"more than {how.tile}") from error


def tiled_gradient(piece, x, channel, tile):
    """(what is climbed, its gradient g (H, W, 3)), the picture x (H, W, 3) taken in pieces of at most ``tile``."""
    g, total = np.empty_like(x), 0.0
    rows, columns = cuts(len(x), tile), cuts(x.shape[1], tile)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            part = np.ascontiguousarray(x[None, top:bottom, left:right])
            y, dx = value_and_gradient(piece, part, None if channel is not None else lambda y: y, channel)
            g[top:bottom, left:right] = dx[0]
            total += float(y[..., channel].mean() if channel is not None else np.square(y).mean() / 2)
    return total / ((len(rows) - 1) * (len(columns) - 1)), g


def cuts(length, tile):
    """[0, …, length]: as few pieces as possible, none longer than ``tile``, all about equally long."""
    pieces = -(-length // tile)
    return [round(n * length / pieces) for n in range(pieces + 1)]


def resize(x, height, width):
    """x (H, W, C) float in another size, bicubic."""
    if x.shape[:2] == (height, width):
        return x
    size = (width, height)
    return np.stack([np.asarray(Image.fromarray(x[..., c]).resize(size, Image.Resampling.BICUBIC))
                     for c in range(x.shape[-1])], axis=-1).astype(x.dtype)


def smoothed(g, sigma):
    """The sum of g blurred by half of sigma, by sigma and by twice of it, each brought to the same strength."""
    blurred = [gauss(g, factor * sigma) for factor in (0.5, 1, 2)]
    return sum(b / max(np.abs(b).mean(), LEAST) for b in blurred)


def gauss(x, sigma):
    """x (H, W, C) blurred along H and W: weights exp(-d²/2σ²), brought to sum 1, up to 3 σ away; edges repeat."""
    reach = max(1, round(3 * sigma))
    weights = np.exp(-np.arange(-reach, reach + 1) ** 2 / (2 * sigma**2))
    weights = (weights / weights.sum()).astype(x.dtype)
    for axis in (0, 1):
        padded = np.pad(x, [(reach, reach) if a == axis else (0, 0) for a in range(x.ndim)], mode="edge")
        x = sum(w * np.take(padded, range(k, k + x.shape[axis]), axis) for k, w in enumerate(weights))
    return x
