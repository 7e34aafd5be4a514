"""Exercises of lesson 18. Replace each `raise NotImplementedError`, then: make check N=18   (a hint: HINT=1)"""

import numpy as np  # noqa: F401


def boxes(width, height, size, scales):
    """All crops of an image, one per row: (shorter, left, top, side, mirrored), integers, mirrored 0 or 1.

    For each value ``shorter`` in ``scales``, the image is resized so that its shorter side has that many pixels (the
    other side by the same factor, rounded). Then, with the last one varying fastest:

        3 squares    of side ``shorter``, at the start, in the middle (rounded down) and at the end of the longer side:
                     left to right if width >= height, else top to bottom
        6 crops      ``size`` × ``size`` at top left, top right, bottom left, bottom right and middle (rounded down) of
                     the square; then the square itself, with side ``shorter``
        2 versions   as it is (0), mirrored (1)

    Returns (len(scales)·36, 5): for the paper's four scales exactly 144 rows.
    """
    raise NotImplementedError


def average(logits):
    """p̄[n, k] = 1/(M·C) · Σ_m Σ_c softmax(logits[m, c, n])[k]

    logits (M, C, N, K): M models, C crops of each of N images, K classes -> (N, K). Logits of 1000 must not overflow.
    """
    raise NotImplementedError


def top_error(p, y, top):
    """The fraction of images whose label is not among the ``top`` most probable classes.

    p (N, K), labels y (N,) -> a number from 0 to 1.
    """
    raise NotImplementedError
