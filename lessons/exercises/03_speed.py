"""Exercises of lesson 03. Replace each `raise NotImplementedError`, then: make check N=3   (for a hint: HINT=1)"""

import numpy as np


def fastest(function, repeats, clock):
    """Call ``function()`` once without timing it, then ``repeats`` times; return the smallest of those times.

    ``clock()`` returns the time in seconds, as time.perf_counter does.
    """
    raise NotImplementedError


def steps(index, x_shape, w_shape, S):
    """By how many elements x, w and y move in memory when ``index`` advances by 1: {"x": ..., "w": ..., "y": ...}.

        y[n, i, j, f] = Σ_u Σ_v Σ_c x[n, i·S + u, j·S + v, c] · w[u, v, c, f]

    ``index`` is one of "n", "i", "j", "u", "v", "c", "f". x (N, H, W, C), w (KH, KW, C, F), without padding. All arrays
    are contiguous: their last index has stride 1. An array that does not depend on ``index`` moves by 0.
    """
    raise NotImplementedError


def _slow(x, w):
    """Correct, but slow: Python loops over the pixels, and NumPy computes one tiny product at each step."""
    (N, H, W, _), (K, _, _, F) = x.shape, w.shape
    OH, OW = H - K + 1, W - K + 1
    y = np.zeros((N, OH, OW, F), x.dtype)
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for u in range(K):
                    for v in range(K):
                        y[n, i, j] += x[n, i + u, j + v] @ w[u, v]
    return y


def convolve(x, w):
    """The same result as ``_slow``, at least five times faster.

    x (N, H, W, C), w (K, K, C, F) -> y (N, H - K + 1, W - K + 1, F): stride 1, no padding. x is read-only.
    """
    raise NotImplementedError
