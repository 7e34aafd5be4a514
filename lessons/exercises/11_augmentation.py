"""Exercises of lesson 11. Replace each `raise NotImplementedError`, then: make check N=11   (a hint: HINT=1)

Pictures are read-only: return new arrays.
"""

import numpy as np  # noqa: F401


def sample_boxes(seed, N, H, W):
    """N random boxes inside a picture of H × W pixels: (N, 4), each row top, left, height, width; fractions are fine.

    The share of the area is uniform in 0.08 … 1. The aspect (width / height) lies in 3/4 … 4/3, and within what fits at
    that share it is uniform in its logarithm. The place is uniform among those where the box is inside. All randomness
    comes from ``np.random.default_rng(seed)``. H and W are such that 3/4 <= W / H <= 4/3.
    """
    raise NotImplementedError


def mirror(x, flips):
    """Swap left and right in the pictures n for which flips[n] is true.

    x (N, H, W, C), flips (N,) of bool -> (N, H, W, C), of x's dtype.
    """
    raise NotImplementedError


def distort(x, brightness, contrast, colour):
    """Brightness, then contrast, then colour; cut to 0 … 255 after each of the three.

        brightness   f x          contrast   m + f (x - m)          colour   g + f (x - g)

    x (N, H, W, 3) from 0 to 255, floating point; brightness, contrast, colour (N,): one factor f for each picture.
    The lightness of a pixel is 0.299 red + 0.587 green + 0.114 blue: g is that of each pixel, m its mean over the
    picture, both of the picture as it is when the step begins.
    """
    raise NotImplementedError
