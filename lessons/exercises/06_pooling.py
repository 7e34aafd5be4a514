"""Exercises of lesson 06. Replace each `raise NotImplementedError`, then: make check N=6   (for a hint: HINT=1)

Here K, S and P are single integers, the same for height and width. Images need not be square. Arrays are read-only.
"""

import numpy as np  # noqa: F401


def pooled_size(size, K, S, P, ceil_mode):
    """The number of pooling windows of K pixels along ``size`` pixels, with stride S and padding P.

    As for a convolution, but with ``ceil_mode`` the division rounds up. Then the last window may extend past the
    border. If it would *start* beyond the image and its leading padding (size + P pixels), it does not count.
    """
    raise NotImplementedError


def max_pool_backward(dy, x, K, S, P):
    """dx of max pooling: each dy[n, i, j, c] goes to the largest x of its window, in channel c.

    dy (N, OH, OW, C), x (N, H, W, C) -> dx (N, H, W, C). Window (i, j) starts at row i·S - P and column j·S - P. It may
    extend past the border on every side; only pixels of the image can be the maximum. In a tie, the first pixel in
    reading order (row by row, from left to right) is the maximum.
    """
    raise NotImplementedError


def avg_pool_backward(dy, shape, K, S, P):
    """dx of average pooling: each dy[n, i, j, c] is split equally among all pixels of its window.

    dy (N, OH, OW, C) -> dx of ``shape`` = (N, H, W, C). Each pixel gets dy / divisor. The divisor counts the window's
    pixels in the image and in the padding of P on each side, but not what lies beyond.
    """
    raise NotImplementedError
