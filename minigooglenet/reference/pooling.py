"""Maximum and average over windows, and where their gradients go: plain NumPy, one window at a time."""

import numpy as np

from ..geometry import output_hw


def windows(shape, kernel, stride, pad, ceil_mode):
    """For every output pixel: (i, j), the part of its window inside the picture, and Caffe's divisor.

    The divisor counts padding but not what lies beyond it: the window is first clipped to H + P, W + P
    (``AVE`` in Caffe's pooling_layer.cpp; the same as torch's ``count_include_pad=True``).
    """
    (_, H, W, _), (KH, KW), (SH, SW), (PH, PW) = shape, kernel, stride, pad
    OH, OW = output_hw(H, W, kernel, stride, pad, ceil_mode)
    for i in range(OH):
        top = i * SH - PH
        for j in range(OW):
            left = j * SW - PW
            rows, columns = slice(max(top, 0), min(top + KH, H)), slice(max(left, 0), min(left + KW, W))
            divisor = (min(top + KH, H + PH) - top) * (min(left + KW, W + PW) - left)
            yield (i, j), (rows, columns), divisor


def max_pool(x, kernel, stride, pad, ceil_mode, y=None, lines=None):
    """y[n, i, j, c] = the largest x in the window; padding counts as -inf. x (N, H, W, C) -> (N, OH, OW, C), into ``y``
    if that is given. With ``lines`` (first, last) only those lines of y, out of N·OH, are written."""
    N, H, W, C = x.shape
    y = np.empty((N, *output_hw(H, W, kernel, stride, pad, ceil_mode), C), x.dtype) if y is None else y
    wanted = np.zeros(N * y.shape[1], bool)
    wanted[slice(*lines) if lines else slice(None)] = True
    for (i, j), (rows, columns), _ in windows(x.shape, kernel, stride, pad, ceil_mode):
        these = wanted[i::y.shape[1]]  # the pictures
        y[these, i, j] = x[these, rows, columns].max(axis=(1, 2))
    return y


def max_pool_backward(dy, x, y, kernel, stride, pad, ceil_mode, dx=None, fresh=False):
    """Hand each window's gradient to the first pixel, in reading order, that equals its maximum. Returns dx; where one
    is given, adds to that, or writes it where it is ``fresh`` memory."""
    dx, fresh = (np.empty(x.shape, x.dtype), True) if dx is None else (dx, fresh)
    if fresh:
        dx[...] = 0
    for (i, j), (rows, columns), _ in windows(x.shape, kernel, stride, pad, ceil_mode):
        remaining = dy[:, i, j].copy()  # what has not found its winner yet
        for h in range(rows.start, rows.stop):
            for w in range(columns.start, columns.stop):
                given = np.where(x[:, h, w] == y[:, i, j], remaining, 0)
                dx[:, h, w] += given
                remaining -= given
    return dx


def avg_pool(x, kernel, stride, pad, ceil_mode):
    """y[n, i, j, c] = the sum of x in the window / divisor; padding counts as 0. x (N, H, W, C) -> (N, OH, OW, C)."""
    N, H, W, C = x.shape
    y = np.empty((N, *output_hw(H, W, kernel, stride, pad, ceil_mode), C), x.dtype)
    for (i, j), (rows, columns), divisor in windows(x.shape, kernel, stride, pad, ceil_mode):
        y[:, i, j] = x[:, rows, columns].sum(axis=(1, 2)) / x.dtype.type(divisor)
    return y


def avg_pool_backward(dy, shape, kernel, stride, pad, ceil_mode):
    """Every pixel of a window gets dy / divisor. Returns dx of ``shape``."""
    dx = np.zeros(shape, dy.dtype)
    for (i, j), (rows, columns), divisor in windows(shape, kernel, stride, pad, ceil_mode):
        dx[:, rows, columns] += (dy[:, i, j] / dy.dtype.type(divisor))[:, None, None]
    return dx
