"""Some channels of an array: copied, or added up from the parts of a gradient."""

import numpy as np
from numpy.typing import NDArray

from .jit import JIT, njit, size
from .simd import LANES, load, store

# -- NumPy ------------------------------------------------------------------------------------------------------------


def copy_channels_numpy(x: NDArray, y: NDArray, x_offset: int, y_offset: int, n: int) -> None:
    """y[:, y_offset + k] = x[:, x_offset + k] for n channels. x, y (pixels, channels)."""
    y[:, y_offset:y_offset + n] = x[:, x_offset:x_offset + n]


def add_parts_numpy(parts: NDArray, across: bool, start: int, dw: NDArray) -> None:
    """Add the sum of ``parts``, in their order, to the gradient dw (C, n) of some filters of a fused convolution.

    parts   (parts, C, F), or (parts, F, C) if ``across``
    start   the first of the n filters
    """
    total = parts.sum(axis=0)
    dw += (total.T if across else total)[:, start:start + dw.shape[1]]


# -- numba ------------------------------------------------------------------------------------------------------------


def copy_channels_numba(x: NDArray, y: NDArray, x_offset: int, y_offset: int, n: int) -> None:
    """As ``copy_channels_numpy``, compiled."""
    _copy_channels(x.reshape(-1), x.shape[1], x_offset, y.reshape(-1), y.shape[1], y_offset, n, 0, len(x))


@njit
def _copy_channels(x, X, x_offset, y, Y, y_offset, n, first, last):
    """n channels of the pixels from ``first`` to ``last``, of flat arrays.

    x, X, x_offset  the source, its channels, the first to copy
    y, Y, y_offset  the same of the target
    """
    for p in range(first, last):
        for k in range(size(n)):
            y[size(p * Y + y_offset) + k] = x[size(p * X + x_offset) + k]


def add_parts_numba(parts: NDArray, across: bool, start: int, dw: NDArray) -> None:
    """As ``add_parts_numpy``, compiled."""
    C, n = dw.shape
    _add_parts(parts.reshape(-1), len(parts), parts.size // max(1, len(parts) * C), across, start, dw.reshape(-1), C, n,
               0, n if across else C)


@njit
def _add_parts(parts, count, F, across, start, dw, C, n, first, last):
    """As ``add_parts_numpy``, with flat arrays. Sums in registers, in the order of the parts.

    parts, count, F, across  the parts, how many, the filters in them, whether they are (F, C) and not (C, F)
    start, dw, C, n          the first of the n filters; (C, n), added to
    first, last              range of rows of dw; of filters if ``across``
    """
    block, size_of_part = np.empty(LANES, dw.dtype), C * F
    length = C if across else n
    for row in range(first, last):
        for k in range(0, length, LANES):
            m = min(LANES, length - k)
            at = (start + row) * C + k if across else row * F + start + k
            total = load(parts, at, m)
            for part in range(1, count):
                total = total + load(parts, part * size_of_part + at, m)
            if across:
                store(block, 0, LANES, total)
                for c in range(m):
                    dw[(k + c) * n + row] += block[c]
            else:
                store(dw, row * n + k, m, load(dw, row * n + k, m) + total)


copy_channels = copy_channels_numba if JIT else copy_channels_numpy
add_parts = add_parts_numba if JIT else add_parts_numpy
