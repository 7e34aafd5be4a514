"""im2col and its adjoint, compiled: each row is filled by contiguous runs, C numbers at a time."""

import numpy as np

from ..geometry import output_hw
from .jit import frozen, njit


def im2col(x, kernel, stride, pad):
    """As ``reference.columns.im2col``."""
    (N, H, W, C), (KH, KW) = x.shape, kernel
    OH, OW = output_hw(H, W, kernel, stride, pad)
    columns = np.empty((N, OH, OW, KH, KW * C), x.dtype)
    _im2col(frozen(x), columns, KW, *stride, *pad)
    return columns.reshape(N * OH * OW, KH * KW * C)


@njit
def _im2col(x, columns, KW, SH, SW, PH, PW):
    N, H, W, C = x.shape
    _, OH, OW, KH, _ = columns.shape
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                left = j * SW - PW
                first = min(KW, max(0, -left)) * C  # the run of this window's row that lies inside the picture
                last = max(first, min(KW, W - left) * C)
                for u in range(KH):
                    h = i * SH - PH + u
                    row = columns[n, i, j, u]
                    if h < 0 or h >= H:
                        row[:] = 0
                        continue
                    picture = x[n, h].reshape(W * C)
                    for k in range(first):
                        row[k] = 0
                    for k in range(first, last):
                        row[k] = picture[left * C + k]
                    for k in range(last, KW * C):
                        row[k] = 0


def col2im(columns, shape, kernel, stride, pad):
    """As ``reference.columns.col2im``."""
    (N, H, W, C), (KH, KW) = shape, kernel
    OH, OW = output_hw(H, W, kernel, stride, pad)
    x = np.zeros(shape, columns.dtype)
    _col2im(frozen(columns.reshape(N, OH, OW, KH, KW * C)), x, KW, *stride, *pad)
    return x


@njit
def _col2im(columns, x, KW, SH, SW, PH, PW):
    N, H, W, C = x.shape
    _, OH, OW, KH, _ = columns.shape
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                left = j * SW - PW
                first = min(KW, max(0, -left)) * C
                last = max(first, min(KW, W - left) * C)
                for u in range(KH):
                    h = i * SH - PH + u
                    if 0 <= h < H:
                        row = columns[n, i, j, u]
                        picture = x[n, h].reshape(W * C)
                        for k in range(first, last):
                            picture[left * C + k] += row[k]
