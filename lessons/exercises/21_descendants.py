"""Exercises of lesson 21. Replace each `raise NotImplementedError`, then: make check N=21   (for a hint: HINT=1)

Arrays that are passed in are read-only: return new ones.
"""

import numpy as np  # noqa: F401


def chain(shape, widths, kernels):
    """The cost and the receptive field of convolutions in a row: (weights, multiply-adds, view).

    shape (H, W, C) of the input; widths: the number of filters of each; kernels: (KH, KW) of each, all odd. All have
    stride 1 and half a window of padding, so that H and W stay, and no biases. view = (rows, columns): how many pixels
    of the input one value of the last one depends on. Two 3×3 have the view (5, 5).
    """
    raise NotImplementedError


def separable(x, depth, point):
    """A depthwise separable convolution: each channel with its own filter, then a 1×1 convolution, without biases.

        d[n, i, j, c] = Σ_u Σ_v  x[n, i + u - K//2, j + v - K//2, c] · depth[u, v, c]        zeros outside the image
        y[n, i, j, f] = Σ_c  d[n, i, j, c] · point[c, f]

    x (N, H, W, C), depth (K, K, C) with K odd, point (C, F) -> y (N, H, W, F), in the dtype of x.
    """
    raise NotImplementedError


def residual_backward(dy, x, w1, w2):
    """The backward pass of a residual block of two dense layers: y = x + ReLU(x w1) w2

    dy, x (N, D); w1 (D, M); w2 (M, D). Returns (dx, dw1, dw2).
    """
    raise NotImplementedError
