"""Exercises of lesson 04. Replace each `raise NotImplementedError`, then: make check N=4   (for a hint: HINT=1)

All input arrays are read-only. Do not average over the batch: the loss has already taken the mean.
"""

import numpy as np  # noqa: F401


def dense_relu_backward(dy, x, w, b):
    """Gradients of y = max(z, 0) with z = x w + b. ReLU's gradient at z = 0 is 0.

    dy (N, F), x (N, D), w (D, F), b (F,) -> dx (N, D), dw (D, F), db (F,).
    """
    raise NotImplementedError


def conv_backward(dy, x, w, S, P):
    """Gradients of y[n, i, j, f] = Σ_u Σ_v Σ_c x[n, i·S + u - P, j·S + v - P, c] · w[u, v, c, f], with x = 0 outside.

    dy (N, OH, OW, F), x (N, H, W, C), w (K, K, C, F) -> dx (N, H, W, C), dw (K, K, C, F). Loops are fine.
    """
    raise NotImplementedError


def check_gradient(L, gradient, x, eps):
    """Compare ``gradient`` with the central differences of L at x: (L(x + ε) - L(x - ε)) / 2ε, one element at a time.

    L takes an array of x's shape and returns a number. Returns (error, where): the largest |difference| of all entries
    divided by the largest |gradient|, and the index of that difference as a tuple, such as (1, 2).
    """
    raise NotImplementedError
