"""Exercises of lesson 04. Replace each `raise NotImplementedError`, then: make check N=4   (a hint: HINT=1)

K, S and P are single numbers here: the same for height and width. Pictures need not be square. Arrays are read-only.
"""

import numpy as np  # noqa: F401


def pooled_size(size, K, S, P, ceil_mode):
    """How many windows of K pixels pooling has along a side of ``size`` pixels, with stride S and padding P.

    As for a convolution, but with ``ceil_mode`` the division rounds up. Then the last window may stick out. If it
    would even *begin* beyond the picture and the padding in front of it (size + P pixels), it does not count.
    """
    raise NotImplementedError


def max_pool_backward(dy, x, K, S, P):
    """dx of max pooling: each dy[n, i, j, c] goes to the largest x of its window, in its channel c.

    dy (N, OH, OW, C), x (N, H, W, C) -> dx (N, H, W, C). Window (i, j) begins at row i·S - P and column j·S - P; it may
    stick out on every side, and only what lies in the picture can win. Of several largest, the first in reading order
    wins (row by row, from left to right).
    """
    raise NotImplementedError


def avg_pool_backward(dy, shape, K, S, P):
    """dx of average pooling: each dy[n, i, j, c] is shared by all pixels of its window, in equal parts.

    dy (N, OH, OW, C) -> dx of ``shape`` = (N, H, W, C). Each pixel gets dy / divisor. The divisor counts the window's
    pixels in the picture and in the padding of P all round, but not what lies beyond that.
    """
    raise NotImplementedError
