"""Exercises of lesson 07. Replace each `raise NotImplementedError`, then: make check N=7   (for a hint: HINT=1)

Shapes are (H, W, C) for one image, and counts are for one image, too. Biases are not counted.
"""

import numpy as np  # noqa: F401


def conv_macs(shape, F, K, S, P):
    """The multiply-adds of a convolution with F filters of K×K, stride S and padding P, on an image of ``shape``."""
    raise NotImplementedError


def branch_cost(shape, R, F, K):
    """(MACs, FLOPs) of two layers: a 1×1 convolution to R channels, then F filters of K×K that keep height and width.

    Count only the two convolutions.
    """
    raise NotImplementedError


def one_by_one(x, w, b, S=1):
    """y[n, i, j, f] = b[f] + Σ_c x[n, i·S, j·S, c] · w[c, f]

    x (N, H, W, C), w (C, F), b (F,) -> y (N, OH, OW, F), without a loop over pixels. x is read-only.
    """
    raise NotImplementedError
