"""Pooling, compiled. Inner loops run along the channels, which lie next to each other, so they vectorise.

The maximum over a window is separable: first the largest of each column of the window, then of those. The
maximum does not remember where it was; the backward pass finds the winner again by comparing. It takes three rows, then
three columns at a time, because a maximum that is updated in place does not vectorise. A NaN can be lost here, where
the reference keeps it.
"""

import numpy as np

from ..geometry import output_hw
from ..threads import over_slices
from .jit import frozen, njit


def _output(x, kernel, stride, pad, ceil_mode):
    N, H, W, C = x.shape
    return np.empty((N, *output_hw(H, W, kernel, stride, pad, ceil_mode), C), x.dtype)


def max_pool(x, kernel, stride, pad, ceil_mode, y=None):
    """As ``reference.pooling.max_pool``."""
    x, y = frozen(x), _output(x, kernel, stride, pad, ceil_mode) if y is None else y
    over_slices(lambda s: _max_pool(x[s], y[s], *kernel, *stride, *pad), len(x))
    return y


@njit
def _max_pool(x, y, KH, KW, SH, SW, PH, PW):
    N, H, W, C = x.shape
    _, OH, OW, _ = y.shape
    tallest = np.empty((W, C), x.dtype)  # over the window's rows, for each column of the picture
    for n in range(N):
        for i in range(OH):
            top = i * SH - PH
            first, last = max(top, 0), min(top + KH, H) - 1
            second, third = min(first + 1, last), min(first + 2, last)  # may repeat a row: a maximum does not mind
            for w in range(W):
                for c in range(C):
                    tallest[w, c] = _max3(x[n, first, w, c], x[n, second, w, c], x[n, third, w, c])
            for h in range(first + 3, last + 1):
                for w in range(W):
                    for c in range(C):
                        tallest[w, c] = _max2(tallest[w, c], x[n, h, w, c])
            for j in range(OW):
                left = j * SW - PW
                first, last = max(left, 0), min(left + KW, W) - 1
                second, third = min(first + 1, last), min(first + 2, last)
                for c in range(C):
                    y[n, i, j, c] = _max3(tallest[first, c], tallest[second, c], tallest[third, c])
                for w in range(first + 3, last + 1):
                    for c in range(C):
                        y[n, i, j, c] = _max2(y[n, i, j, c], tallest[w, c])


@njit
def _max2(a, b):
    return a if a > b else b


@njit
def _max3(a, b, c):
    return _max2(_max2(a, b), c)


def max_pool_backward(dy, x, y, kernel, stride, pad, ceil_mode, dx=None):
    """As ``reference.pooling.max_pool_backward``."""
    dx = np.zeros(x.shape, x.dtype) if dx is None else dx
    dy, x, y = frozen(dy), frozen(x), frozen(y)
    over_slices(lambda s: _max_pool_backward(dy[s], x[s], y[s], dx[s], *kernel, *stride, *pad), len(x))
    return dx


@njit
def _max_pool_backward(dy, x, y, dx, KH, KW, SH, SW, PH, PW):
    N, H, W, C = x.shape
    _, OH, OW, _ = y.shape
    remaining, zero = np.empty(C, x.dtype), x.dtype.type(0)
    for n in range(N):
        for i in range(OH):
            top = i * SH - PH
            for j in range(OW):
                left = j * SW - PW
                peak = y[n, i, j]
                for c in range(C):
                    remaining[c] = dy[n, i, j, c]
                for h in range(max(top, 0), min(top + KH, H)):
                    for w in range(max(left, 0), min(left + KW, W)):
                        pixel, gradient = x[n, h, w], dx[n, h, w]
                        for c in range(C):
                            given = remaining[c] if pixel[c] == peak[c] else zero
                            gradient[c] += given
                            remaining[c] -= given


def avg_pool(x, kernel, stride, pad, ceil_mode):
    """As ``reference.pooling.avg_pool``."""
    x, y = frozen(x), _output(x, kernel, stride, pad, ceil_mode)
    over_slices(lambda s: _avg_pool(x[s], y[s], *kernel, *stride, *pad), len(x))
    return y


@njit
def _avg_pool(x, y, KH, KW, SH, SW, PH, PW):
    N, H, W, C = x.shape
    _, OH, OW, _ = y.shape
    for n in range(N):
        for i in range(OH):
            top = i * SH - PH
            for j in range(OW):
                left = j * SW - PW
                out = y[n, i, j]
                out[:] = 0
                for h in range(max(top, 0), min(top + KH, H)):
                    for w in range(max(left, 0), min(left + KW, W)):
                        for c in range(C):
                            out[c] += x[n, h, w, c]
                divisor = (min(top + KH, H + PH) - top) * (min(left + KW, W + PW) - left)
                for c in range(C):
                    out[c] /= divisor


def avg_pool_backward(dy, shape, kernel, stride, pad, ceil_mode):
    """As ``reference.pooling.avg_pool_backward``."""
    dy, dx = frozen(dy), np.zeros(shape, dy.dtype)
    over_slices(lambda s: _avg_pool_backward(dy[s], dx[s], *kernel, *stride, *pad), len(dy))
    return dx


@njit
def _avg_pool_backward(dy, dx, KH, KW, SH, SW, PH, PW):
    N, H, W, C = dx.shape
    _, OH, OW, _ = dy.shape
    share = np.empty(C, dx.dtype)
    for n in range(N):
        for i in range(OH):
            top = i * SH - PH
            for j in range(OW):
                left = j * SW - PW
                divisor = (min(top + KH, H + PH) - top) * (min(left + KW, W + PW) - left)
                for c in range(C):
                    share[c] = dy[n, i, j, c] / divisor
                for h in range(max(top, 0), min(top + KH, H)):
                    for w in range(max(left, 0), min(left + KW, W)):
                        for c in range(C):
                            dx[n, h, w, c] += share[c]
