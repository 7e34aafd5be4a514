"""Exercises of lesson 02. Replace each `raise NotImplementedError`, then: make check N=2   (for a hint: HINT=1)

Here K, S and P are single integers, the same for height and width. Images need not be square.
"""

import numpy as np  # noqa: F401


def output_size(size, K, S, P):
    """The number of windows of K pixels that fit along ``size`` pixels, with stride S and padding P at both ends."""
    raise NotImplementedError


def convolve(x, w, b, S, P):
    """y[n, i, j, f] = b[f] + Σ_u Σ_v Σ_c x[n, i·S + u - P, j·S + v - P, c] · w[u, v, c, f], with x = 0 outside.

    x (N, H, W, C), w (K, K, C, F), b (F,) -> y (N, OH, OW, F). Loops are fine. x is read-only.
    """
    raise NotImplementedError


def col2im(columns, shape, K, S, P):
    """Put every row back where im2col took it from, adding where windows overlap.

    columns (N·OH·OW, K·K·C), in the order of ``minigooglenet.kernels.im2col``: rows run over n, i, j, and values
    within a row over u, v, c. Returns images of ``shape`` = (N, H, W, C), without the padding.
    """
    raise NotImplementedError
