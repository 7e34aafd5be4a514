"""im2col and its adjoint, compiled: each row is filled by contiguous runs. And padded lines, whose windows a product
reads where they lie."""

import numpy as np

from ..geometry import output_hw
from .jit import frozen, inlined, njit, size

BLOCK = 32768  # so many numbers of a matrix at a time, so that they stay in the cache


def im2col(x, kernel, stride, pad):
    """As ``reference.columns.im2col``."""
    (N, H, W, C), (KH, KW) = x.shape, kernel
    OH, OW = output_hw(H, W, kernel, stride, pad)
    columns = np.empty((N * OH, OW, KH, KW * C), x.dtype)
    _im2col(frozen(x).reshape(N, H, W * C), columns, C, KW, *stride, *pad, OH)
    return columns.reshape(N * OH * OW, KH * KW * C)


@njit
def _im2col(x, columns, C, KW, SH, SW, PH, PW, OH):
    N, H, WC = x.shape
    lines, OW, KH, run = columns.shape
    for ni in range(lines):
        n, top = ni // OH, ni % OH * SH - PH
        for j in range(OW):
            left = (j * SW - PW) * C
            first = min(run, max(0, -left))  # the part of each window row that lies inside the picture
            last = max(first, min(run, WC - left))
            for u in range(KH):
                h = top + u
                if h < 0 or h >= H:
                    for k in range(run):
                        columns[ni, j, u, k] = 0
                    continue
                for k in range(first):
                    columns[ni, j, u, k] = 0
                for k in range(first, last):
                    columns[ni, j, u, k] = x[n, h, left + k]
                for k in range(last, run):
                    columns[ni, j, u, k] = 0


@inlined
def lines_at_once(x, wide, OH, KH, SH):
    """Memory for padded lines of a picture, and how many lines of an output see no more than those."""
    block = max(1, min(OH, (BLOCK // wide - KH) // SH + 1))
    return np.zeros(((block - 1) * SH + KH) * wide, x.dtype), block


@inlined
def pad_lines(x, padded, at, wide, block, line, last, OH, KH, SH, PH):
    """What the output's lines from ``line`` on see, with zeros around, into ``padded``: im2col without a copy for every
    window. Returns where those lines end: after ``block`` of them, with their picture, or at ``last``.

    A padded line has ``wide`` numbers, those of the picture from ``at`` on. The windows of an output's line begin some
    pixels apart and overlap; each lies in as many runs as it is high.
    """
    _, H, WC = x.shape
    until = min(last, line + block, (line // OH + 1) * OH)
    for i in range((until - line - 1) * SH + KH):
        h, to = line % OH * SH - PH + i, size(i * wide + at)
        if 0 <= h < H:
            for k in range(size(WC)):
                padded[to + k] = x[line // OH, h, k]
        else:
            for k in range(size(WC)):
                padded[to + k] = 0
    return until


def col2im(columns, shape, kernel, stride, pad):
    """As ``reference.columns.col2im``."""
    (N, H, W, C), (KH, KW) = shape, kernel
    OH, OW = output_hw(H, W, kernel, stride, pad)
    x = np.zeros(shape, columns.dtype)
    _col2im(frozen(columns).reshape(N * OH, OW, KH, KW * C), x.reshape(N, H, W * C), C, KW, *stride, *pad)
    return x


@njit
def _col2im(columns, x, C, KW, SH, SW, PH, PW):
    N, H, WC = x.shape
    _, OW, KH, run = columns.shape
    OH = columns.shape[0] // N
    for ni in range(N * OH):
        n, top = ni // OH, ni % OH * SH - PH
        for j in range(OW):
            left = (j * SW - PW) * C
            first = min(run, max(0, -left))
            last = max(first, min(run, WC - left))
            for u in range(max(0, -top), min(KH, H - top)):
                for k in range(first, last):
                    x[n, top + u, left + k] += columns[ni, j, u, k]
