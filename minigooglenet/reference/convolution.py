"""Convolution as its definition says it: seven loops. Far too slow to use, and too plain to be wrong; the im2col and
matrix-product form in ``layers/conv.py`` is tested against it.

Each function is the same line of arithmetic, y += x · w over everything that meets, solved for another of the three.
"""

import numpy as np

from ..geometry import output_hw


def meetings(x_shape, kernel, stride, pad):
    """((i, j), (u, v), (h, w)): output pixel (i, j) sees input pixel (h, w) through kernel position (u, v)."""
    (_, H, W, _), (KH, KW), (SH, SW), (PH, PW) = x_shape, kernel, stride, pad
    OH, OW = output_hw(H, W, kernel, stride, pad)
    for i in range(OH):
        for j in range(OW):
            for u in range(KH):
                for v in range(KW):
                    h, w = i * SH + u - PH, j * SW + v - PW
                    if 0 <= h < H and 0 <= w < W:  # outside, x counts as 0
                        yield (i, j), (u, v), (h, w)


def convolve(x, w, b, stride, pad):
    """y[n, i, j, f] = b[f] + Σ_uvc x[n, iS + u - P, jS + v - P, c] · w[u, v, c, f]

    x (N, H, W, C), w (KH, KW, C, F), b (F,), stride and pad pairs -> y (N, OH, OW, F).
    """
    (N, H, W, C), (KH, KW, _, F) = x.shape, w.shape
    y = np.zeros((N, *output_hw(H, W, (KH, KW), stride, pad), F), x.dtype)
    for n in range(N):
        for (i, j), (u, v), (h, k) in meetings(x.shape, (KH, KW), stride, pad):
            for c in range(C):
                for f in range(F):
                    y[n, i, j, f] += x[n, h, k, c] * w[u, v, c, f]
    return y + b


def convolve_dx(dy, w, x_shape, stride, pad):
    """dx (N, H, W, C): through every meeting, dy · w flows back to the pixel that was seen. dy (N, OH, OW, F)."""
    dx = np.zeros(x_shape, dy.dtype)
    KH, KW, C, F = w.shape
    for n in range(len(dy)):
        for (i, j), (u, v), (h, k) in meetings(x_shape, (KH, KW), stride, pad):
            for c in range(C):
                for f in range(F):
                    dx[n, h, k, c] += dy[n, i, j, f] * w[u, v, c, f]
    return dx


def convolve_dw(dy, x, kernel, stride, pad):
    """(dw, db): every weight collects dy · x over all its meetings, every bias dy over all pixels."""
    C, F = x.shape[-1], dy.shape[-1]
    dw = np.zeros((*kernel, C, F), dy.dtype)
    for n in range(len(dy)):
        for (i, j), (u, v), (h, k) in meetings(x.shape, kernel, stride, pad):
            for c in range(C):
                for f in range(F):
                    dw[u, v, c, f] += dy[n, i, j, f] * x[n, h, k, c]
    return dw, dy.sum(axis=(0, 1, 2))
