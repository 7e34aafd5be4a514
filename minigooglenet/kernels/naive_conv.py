"""Convolution by its definition, in seven loops: a reference implementation, far too slow to use.

The im2col form in ``layers/conv.py`` is tested against it. The three functions loop over the same triples of output
pixel, input pixel and weight, and compute y, dx, and dw and db.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .geometry import Pair, output_hw


def connections(x_shape: tuple[int, ...], kernel: Pair, stride: Pair, pad: Pair) -> Iterator[tuple[Pair, Pair, Pair]]:
    """Yield ((i, j), (u, v), (h, w)): output pixel (i, j) depends on input pixel (h, w) by kernel position (u, v)."""
    (_, H, W, _), (KH, KW), (SH, SW), (PH, PW) = x_shape, kernel, stride, pad
    OH, OW = output_hw(H, W, kernel, stride, pad)
    for i in range(OH):
        for j in range(OW):
            for u in range(KH):
                for v in range(KW):
                    h, w = i * SH + u - PH, j * SW + v - PW
                    if 0 <= h < H and 0 <= w < W:  # outside the image x counts as 0
                        yield (i, j), (u, v), (h, w)


def convolve(x: NDArray, w: NDArray, b: NDArray | float, stride: Pair, pad: Pair) -> NDArray:
    """y[n, i, j, f] = b[f] + Σ_uvc x[n, iS + u - P, jS + v - P, c] · w[u, v, c, f]

    x (N, H, W, C), w (KH, KW, C, F), b (F,), stride and pad pairs -> y (N, OH, OW, F).
    """
    (N, H, W, C), (KH, KW, _, F) = x.shape, w.shape
    y = np.zeros((N, *output_hw(H, W, (KH, KW), stride, pad), F), x.dtype)
    for n in range(N):
        for (i, j), (u, v), (h, k) in connections(x.shape, (KH, KW), stride, pad):
            for c in range(C):
                for f in range(F):
                    y[n, i, j, f] += x[n, h, k, c] * w[u, v, c, f]
    return y + b


def convolve_dx(dy: NDArray, w: NDArray, x_shape: tuple[int, ...], stride: Pair, pad: Pair) -> NDArray:
    """The gradient with respect to x: dx[n, h, w, c] = Σ dy · w over all connections. dy (N, OH, OW, F)."""
    dx = np.zeros(x_shape, dy.dtype)
    KH, KW, C, F = w.shape
    for n in range(len(dy)):
        for (i, j), (u, v), (h, k) in connections(x_shape, (KH, KW), stride, pad):
            for c in range(C):
                for f in range(F):
                    dx[n, h, k, c] += dy[n, i, j, f] * w[u, v, c, f]
    return dx


def convolve_dw(dy: NDArray, x: NDArray, kernel: Pair, stride: Pair, pad: Pair) -> tuple[NDArray, NDArray]:
    """The gradients with respect to w and b: dw = Σ dy · x over all connections, db = Σ dy over all pixels."""
    C, F = x.shape[-1], dy.shape[-1]
    dw = np.zeros((*kernel, C, F), dy.dtype)
    for n in range(len(dy)):
        for (i, j), (u, v), (h, k) in connections(x.shape, kernel, stride, pad):
            for c in range(C):
                for f in range(F):
                    dw[u, v, c, f] += dy[n, i, j, f] * x[n, h, k, c]
    return dw, dy.sum(axis=(0, 1, 2))
