"""Average pooling."""

import numpy as np
from numpy.typing import NDArray

from .geometry import Pair, output_hw, windows
from .jit import JIT, frozen, njit
from .threads import over_chunks

# -- NumPy: one window at a time --------------------------------------------------------------------------------------


def avg_pool_numpy(x: NDArray, kernel: Pair, stride: Pair, pad: Pair, ceil_mode: bool) -> NDArray:
    """y[n, i, j, c] = sum of x over the window / divisor; padding counts as 0. x (N, H, W, C) -> (N, OH, OW, C)."""
    N, H, W, C = x.shape
    y = np.empty((N, *output_hw(H, W, kernel, stride, pad, ceil_mode), C), x.dtype)
    for (i, j), (rows, columns), divisor in windows(x.shape, kernel, stride, pad, ceil_mode):
        y[:, i, j] = x[:, rows, columns].sum(axis=(1, 2)) / x.dtype.type(divisor)
    return y


def avg_pool_backward_numpy(dy: NDArray, shape: tuple[int, ...], kernel: Pair, stride: Pair, pad: Pair,
                            ceil_mode: bool) -> NDArray:
    """Add dy / divisor to every pixel of each window. dy (N, OH, OW, C) -> dx (N, H, W, C) = ``shape``."""
    dx = np.zeros(shape, dy.dtype)
    for (i, j), (rows, columns), divisor in windows(shape, kernel, stride, pad, ceil_mode):
        dx[:, rows, columns] += (dy[:, i, j] / dy.dtype.type(divisor))[:, None, None]
    return dx


# -- numba ------------------------------------------------------------------------------------------------------------


def avg_pool_numba(x: NDArray, kernel: Pair, stride: Pair, pad: Pair, ceil_mode: bool) -> NDArray:
    """As ``avg_pool_numpy``, compiled."""
    N, H, W, C = x.shape
    x, y = frozen(x), np.empty((N, *output_hw(H, W, kernel, stride, pad, ceil_mode), C), x.dtype)
    over_chunks(lambda s: _avg_pool(x[s], y[s], *kernel, *stride, *pad), N)
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


def avg_pool_backward_numba(dy: NDArray, shape: tuple[int, ...], kernel: Pair, stride: Pair, pad: Pair,
                            ceil_mode: bool) -> NDArray:
    """As ``avg_pool_backward_numpy``, compiled."""
    dy, dx = frozen(dy), np.zeros(shape, dy.dtype)
    over_chunks(lambda s: _avg_pool_backward(dy[s], dx[s], *kernel, *stride, *pad), len(dy))
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


avg_pool = avg_pool_numba if JIT else avg_pool_numpy
avg_pool_backward = avg_pool_backward_numba if JIT else avg_pool_backward_numpy
