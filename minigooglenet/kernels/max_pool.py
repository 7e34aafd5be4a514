"""Max pooling, forward.

The compiled loops run along the channels, which are contiguous, so they vectorize. The maximum over a window is
separable: first the maximum of each column of the window, then the maximum of those. Three rows, then three columns are
read at a time, because a maximum that is updated in place does not vectorize.

The maximum of a window with a NaN is NaN. The vectorized loops would lose it, since it compares as not larger. So each
row is scanned for NaN while it is in the cache, and an image with one is computed value by value.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .geometry import Pair, output_hw, windows
from .jit import JIT, frozen, inlined, njit, size
from .threads import over_parts

# -- NumPy: one window at a time --------------------------------------------------------------------------------------


def max_pool_numpy(x: NDArray, kernel: Pair, stride: Pair, pad: Pair, ceil_mode: bool, y: NDArray | None = None,
                   lines: tuple[int, int] | None = None) -> NDArray:
    """y[n, i, j, c] = the maximum of x over the window; padding counts as -inf. x (N, H, W, C) -> y (N, OH, OW, C).

    Writes into ``y`` if it is given. With ``lines`` (first, last) writes only those lines of y, out of N·OH.
    """
    N, H, W, C = x.shape
    y = np.empty((N, *output_hw(H, W, kernel, stride, pad, ceil_mode), C), x.dtype) if y is None else y
    wanted = np.zeros(N * y.shape[1], bool)
    wanted[slice(*lines) if lines else slice(None)] = True
    for (i, j), (rows, columns), _ in windows(x.shape, kernel, stride, pad, ceil_mode):
        these = wanted[i::y.shape[1]]  # the images in which line i is wanted
        y[these, i, j] = x[these, rows, columns].max(axis=(1, 2))
    return y


# -- numba ------------------------------------------------------------------------------------------------------------


def max_pool_numba(x: NDArray, kernel: Pair, stride: Pair, pad: Pair, ceil_mode: bool, y: NDArray | None = None,
                   lines: tuple[int, int] | None = None) -> NDArray:
    """As ``max_pool_numpy``, compiled."""
    N, H, W, C = x.shape
    if y is None:
        y = np.empty((N, *output_hw(H, W, kernel, stride, pad, ceil_mode), C), x.dtype)
    source, target = _lines(frozen(x)), _lines(y)

    def some(s):
        _max_pool(source, target, C, C, 0, *kernel, *stride, *pad, s.start, s.stop)

    if lines is None:
        over_parts(some, N * y.shape[1])
    else:
        some(slice(*lines))
    return y


def _lines(a):
    """(N, H, W, C) -> (N, H, W·C), a view."""
    N, H, W, C = a.shape
    return a.reshape(N, H, W * C)


@njit
def _max_pool(x, y, C, Y, offset, KH, KW, SH, SW, PH, PW, first_line, last_line):
    """Max pooling of contiguous images.

    x                       (N, H, W·C)
    y                       (N, OH, OW·Y): channels ``offset`` to ``offset`` + C are written
    C, Y                    channels of x, of y
    KH, KW, SH, SW, PH, PW  kernel, stride and padding
    first_line, last_line   range of lines of y, out of N·OH
    """
    _, H, WC = x.shape
    _, OH, OWY = y.shape
    OW, start = OWY // Y, size(PW * C)
    # The maximum over the window's rows, for each column of the padded image; padding stays -inf.
    column_max = np.full(max(start + WC, ((OW - 1) * SW + KW) * C), -np.inf, x.dtype)
    runs, length, step = (1, OW * C, 0) if SW == 1 and C == Y else (OW, C, SW * C)
    first_of_image, scanned, zero = first_line, 0, x.dtype.type(0)
    for line in range(first_line, last_line):
        n, i = line // OH, line % OH
        if i == 0:
            first_of_image, scanned, zero = line, 0, x.dtype.type(0)
        top = i * SH - PH
        first, last = max(top, 0), min(top + KH, H) - 1
        for h in range(max(first, scanned), last + 1):
            zero += zero_unless_nan(x[n, h])
        scanned = last + 1
        second, third = min(first + 1, last), min(first + 2, last)  # rows may repeat: the maximum stays
        for k in range(size(WC)):
            column_max[start + k] = _max3(x[n, first, k], x[n, second, k], x[n, third, k])
        for h in range(first + 3, last + 1):
            for k in range(size(WC)):
                column_max[start + k] = _max2(column_max[start + k], x[n, h, k])
        second, third = size(min(1, KW - 1) * C), size(min(2, KW - 1) * C)
        for q in range(runs):  # one iteration for all windows of the line if the stride is 1
            y_at, m_at = size(q * Y + offset), size(q * step)
            for k in range(size(length)):
                y[n, i, y_at + k] = _max3(column_max[m_at + k], column_max[m_at + second + k],
                                          column_max[m_at + third + k])
            for u in range(3, KW):
                m_at = size(q * step + u * C)
                for k in range(size(length)):
                    y[n, i, y_at + k] = _max2(y[n, i, y_at + k], column_max[m_at + k])
        if zero != zero and (i == OH - 1 or line == last_line - 1):  # somewhere in this image there is a NaN
            _max_pool_nan(x[n], y[n], C, Y, offset, KH, KW, SH, SW, PH, PW, first_of_image % OH, i + 1)


@inlined
def zero_unless_nan(a: NDArray) -> Any:
    """0, or NaN if there is a NaN or an infinity in a flat array."""
    zero, total = a.dtype.type(0), a.dtype.type(0)
    for k in range(size(a.size)):
        total += a[k] * zero
    return total


@njit
def _max_pool_nan(x, y, C, Y, offset, KH, KW, SH, SW, PH, PW, first, last):
    """Max pooling of one image that has a NaN, value by value.

    x, y                    (H, W·C), (OH, OW·Y), the latter written
    C, Y, offset            channels of x, of y; the first to write
    KH, KW, SH, SW, PH, PW  kernel, stride and padding
    first, last             range of lines of y
    """
    H, WC = x.shape
    for i in range(first, last):
        for k in range(y.shape[1] // Y * C):
            left, c, best = k // C * SW - PW, k % C, -np.inf
            for h in range(max(i * SH - PH, 0), min(i * SH - PH + KH, H)):
                for w in range(max(left, 0), min(left + KW, WC // C)):
                    value = x[h, w * C + c]
                    if value > best or value != value:
                        best = value
            y[i, k // C * Y + c + offset] = best


@inlined
def _max2(a, b):
    return a if a > b else b


@inlined
def _max3(a, b, c):
    return _max2(_max2(a, b), c)


max_pool = max_pool_numba if JIT else max_pool_numpy
