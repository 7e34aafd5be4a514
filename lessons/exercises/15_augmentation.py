"""Exercises of lesson 15. Replace each `raise NotImplementedError`, then: make check N=15   (a hint: HINT=1)

Images are read-only: return new arrays.
"""

import numpy as np  # noqa: F401


def sample_boxes(seed, N, H, W):
    """N random boxes inside an image of H × W pixels: (N, 4), each row top, left, height, width; fractions are fine.

    The area fraction is uniform in 0.08 … 1. The aspect ratio (width / height) lies in 3/4 … 4/3 and is log-uniform
    within what fits for that area. The position is uniform among those where the box is inside. All randomness comes
    from ``np.random.default_rng(seed)``. H and W are such that 3/4 <= W / H <= 4/3.
    """
    raise NotImplementedError


def mirror(x, flips):
    """Swap left and right in the images n for which flips[n] is true.

    x (N, H, W, C), flips (N,) of bool -> (N, H, W, C), of x's dtype.
    """
    raise NotImplementedError


def distort(x, brightness, contrast, color):
    """Brightness, then contrast, then color (saturation); clip to 0 … 255 after each of the three.

        brightness   f x          contrast   m + f (x - m)          color   g + f (x - g)

    x (N, H, W, 3) from 0 to 255, floating point; brightness, contrast, color (N,): one factor f for each image.
    The luminance of a pixel is 0.299 red + 0.587 green + 0.114 blue: g is that of each pixel, m its mean over the
    image. Each step computes both from its own input.
    """
    raise NotImplementedError
