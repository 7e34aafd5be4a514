"""Pooling, compiled. Inner loops run along the channels, which lie next to each other, so they vectorise.

The maximum over a window is separable: first the largest of each column of the window, then of those. The
maximum does not remember where it was; the backward pass finds the winner again by comparing. The forward pass takes
three rows, then three columns at a time, because a maximum that is updated in place does not vectorise. A NaN can be
lost here, where the reference keeps it.
"""

import numpy as np

from ..geometry import output_hw
from ..threads import over_slices
from .jit import frozen, inlined, njit, size


def _output(x, kernel, stride, pad, ceil_mode):
    N, H, W, C = x.shape
    return np.empty((N, *output_hw(H, W, kernel, stride, pad, ceil_mode), C), x.dtype)


def max_pool(x, kernel, stride, pad, ceil_mode, y=None, lines=None):
    """As ``reference.pooling.max_pool``."""
    x, y = frozen(x), _output(x, kernel, stride, pad, ceil_mode) if y is None else y
    source, into, of_all = _lines(x), _lines(y), y.shape[0] * y.shape[1]

    def some(s):
        _max_pool(source, into, x.shape[-1], *kernel, *stride, *pad, s.start, s.stop)

    if lines is None:
        over_slices(some, of_all, -(-of_all // 8) or 1)
    else:
        some(slice(*lines))
    return y


def _lines(a):
    """(N, H, W, C) -> (N, H, W C), a view: a line of pixels, its channels included, is one run of numbers."""
    return a.reshape(*a.shape[:2], -1)


@njit
def _max_pool(x, y, C, KH, KW, SH, SW, PH, PW, first_line, last_line):
    _, H, WC = x.shape
    _, OH, OWC = y.shape
    OW, start = OWC // C, size(PW * C)
    # The largest of the window's rows, for each column of the picture, and of its padding, which has nothing large.
    tallest = np.full(max(start + WC, ((OW - 1) * SW + KW) * C), -np.inf, x.dtype)
    runs, length, step = (1, OWC, 0) if SW == 1 else (OW, C, SW * C)
    for line in range(first_line, last_line):
        n, i = line // OH, line % OH
        top = i * SH - PH
        first, last = max(top, 0), min(top + KH, H) - 1
        second, third = min(first + 1, last), min(first + 2, last)  # may repeat a row: a maximum does not mind
        for k in range(size(WC)):
            tallest[start + k] = _max3(x[n, first, k], x[n, second, k], x[n, third, k])
        for h in range(first + 3, last + 1):
            for k in range(size(WC)):
                tallest[start + k] = _max2(tallest[start + k], x[n, h, k])
        second, third = size(min(1, KW - 1) * C), size(min(2, KW - 1) * C)
        for q in range(runs):  # with stride 1, all windows of the line at once
            here, there = size(q * C), size(q * step)
            for k in range(size(length)):
                y[n, i, here + k] = _max3(tallest[there + k], tallest[there + second + k], tallest[there + third + k])
            for u in range(3, KW):
                there = size(q * step + u * C)
                for k in range(size(length)):
                    y[n, i, here + k] = _max2(y[n, i, here + k], tallest[there + k])


@inlined
def _max2(a, b):
    return a if a > b else b


@inlined
def _max3(a, b, c):
    return _max2(_max2(a, b), c)


def max_pool_backward(dy, x, y, kernel, stride, pad, ceil_mode, dx=None):
    """As ``reference.pooling.max_pool_backward``."""
    dx = np.zeros(x.shape, x.dtype) if dx is None else dx
    x, y, dy, into = _lines(frozen(x)), _lines(frozen(y)), _lines(frozen(dy)), _lines(dx)
    over_slices(lambda s: _max_pool_backward(dy[s], x[s], y[s], into[s], dx.shape[-1], *kernel, *stride, *pad), len(x))
    return dx


@njit
def _max_pool_backward(dy, x, y, dx, C, KH, KW, SH, SW, PH, PW):
    N, H, WC = x.shape
    _, OH, OWC = y.shape
    remaining, zero = np.empty(OWC, x.dtype), x.dtype.type(0)  # what no pixel of the windows has been given yet
    for n in range(N):
        for i in range(OH):
            top = i * SH - PH
            for k in range(size(OWC)):
                remaining[k] = dy[n, i, k]
            for h in range(max(top, 0), min(top + KH, H)):
                for u in range(KW):  # in all windows of the line at once: those whose column u is inside the picture
                    first, last = max(0, -((u - PW) // SW)), min(OWC // C, (WC // C - 1 + PW - u) // SW + 1)
                    runs, length = (1, (last - first) * C) if SW == 1 else (last - first, C)
                    for q in range(runs):
                        here, there = size((first + q) * C), size(((first + q) * SW - PW + u) * C)
                        for k in range(size(length)):
                            rest = remaining[here + k]
                            given = rest if x[n, h, there + k] == y[n, i, here + k] else zero
                            dx[n, h, there + k] += given
                            remaining[here + k] = rest - given


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
