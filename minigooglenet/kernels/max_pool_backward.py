"""Max pooling, backward.

The argmax is not stored: it is found again by comparing x with y. Each pixel's gradient is updated by every window that
contains the pixel. The compiler would write it to memory each time; with ``simd.py`` it stays in a register, and the
channels whose maximum has not been found yet are a mask: a shorter chain than a remaining gradient to subtract from.

The first NaN of a window gets its gradient. The vectorized loops pass it by, since NaN equals nothing. So y is scanned
for NaN, and such windows are computed one by one.
"""

import numpy as np
from numpy.typing import NDArray

from .geometry import Pair, windows
from .jit import JIT, frozen, inlined, njit, size
from .max_pool import zero_unless_nan
from .simd import LANES, both, equal, full_like, load, store, where, without
from .threads import over_parts

# -- NumPy: one window at a time --------------------------------------------------------------------------------------


def max_pool_backward_numpy(dy: NDArray, x: NDArray, y: NDArray, kernel: Pair, stride: Pair, pad: Pair,
                            ceil_mode: bool, dx: NDArray | None = None, fresh: bool = False) -> NDArray:
    """Add each window's gradient to the first pixel, in row-major order, that equals its maximum (a NaN, if there is
    one). Returns dx.

    dy, y                            (N, OH, OW, C) gradient with respect to y, and y itself
    x                                (N, H, W, C)
    kernel, stride, pad, ceil_mode   the windows, as in the forward pass
    dx                               (N, H, W, C) array to add to; None: a new one
    fresh                            overwrite dx instead of adding to it
    """
    dx, fresh = (np.empty(x.shape, x.dtype), True) if dx is None else (dx, fresh)
    if fresh:
        dx[...] = 0
    for (i, j), (rows, columns), _ in windows(x.shape, kernel, stride, pad, ceil_mode):
        remaining = dy[:, i, j].copy()  # zero once the maximum has been found
        for h in range(rows.start, rows.stop):
            for w in range(columns.start, columns.stop):
                pixel = x[:, h, w]
                share = np.where((pixel == y[:, i, j]) | np.isnan(pixel), remaining, 0)
                dx[:, h, w] += share
                remaining -= share
    return dx

# -- numba ------------------------------------------------------------------------------------------------------------

def max_pool_backward_numba(dy: NDArray, x: NDArray, y: NDArray, kernel: Pair, stride: Pair, pad: Pair,
                            ceil_mode: bool, dx: NDArray | None = None, fresh: bool = False) -> NDArray:
    """As ``max_pool_backward_numpy``, compiled."""
    dx, fresh = (np.empty(x.shape, x.dtype), True) if dx is None else (dx, fresh)
    x, y, dy = frozen(x), frozen(y), frozen(np.asarray(dy, x.dtype))

    def some(s):
        flat = (array[s].reshape(-1) for array in (dy, x, y, dx))
        _max_pool_backward(*flat, *x.shape[1:3], *y.shape[1:], *kernel, *stride, *pad, fresh)

    over_parts(some, len(x))
    return dx

@njit
def _max_pool_backward(dy, x, y, dx, H, W, OH, OW, C, KH, KW, SH, SW, PH, PW, fresh):
    """The gradient with respect to x; all arrays are flat.

    dy, y                   (N·OH·OW·C,)
    x, dx                   (N·H·W·C,)
    H, W, OH, OW, C         height and width of x and of y; channels
    KH, KW, SH, SW, PH, PW  kernel, stride and padding
    fresh                   overwrite dx instead of adding to it
    """
    same = KH == KW == 3 and SH == SW == PH == PW == 1
    for line in range(y.size // (OW * C)):
        n, i = line // OH, line % OH
        if fresh and i == 0 and not same:
            for k in range(size(n * H * W * C), size((n + 1) * H * W * C)):
                dx[k] = 0
        top = i * SH - PH
        first, rows = max(top, 0), min(top + KH, H) - max(top, 0)
        y_at, x_at, full = line * OW * C, (n * H + first) * W * C, C // LANES * LANES
        if same:
            for c in range(0, full, LANES):
                _backward_line_3x3(dy, x, y, dx, y_at + c, x_at + c, rows, W, C, fresh, LANES)
            if full < C:
                _backward_line_3x3(dy, x, y, dx, y_at + full, x_at + full, rows, W, C, fresh, C - full)
            continue
        for j in range(OW):
            left = j * SW - PW
            from_y, from_x, columns = y_at + j * C, x_at + max(left, 0) * C, min(left + KW, W) - max(left, 0)
            for c in range(0, full, LANES):
                _backward_window(dy, x, y, dx, from_y + c, from_x + c, rows, columns, W, C, LANES)
            if full < C:
                _backward_window(dy, x, y, dx, from_y + full, from_x + full, rows, columns, W, C, C - full)
    if zero_unless_nan(y) != 0:  # NaN is not equal to 0 either
        _max_pool_backward_nan(dy, x, y, dx, H, W, OH, OW, C, KH, KW, SH, SW, PH, PW)

@njit
def _max_pool_backward_nan(dy, x, y, dx, H, W, OH, OW, C, KH, KW, SH, SW, PH, PW):
    """Add the gradient of every window whose maximum is NaN to its first NaN. Arguments as ``_max_pool_backward``:

    dy, y, x, dx, H, W, OH, OW, C, KH, KW, SH, SW, PH, PW
    """
    for k in range(y.size):
        if y[k] == y[k]:
            continue
        n, i, j, c = k // (OH * OW * C), k // (OW * C) % OH, k // C % OW, k % C
        top, left, found = i * SH - PH, j * SW - PW, False
        for h in range(max(top, 0), min(top + KH, H)):
            for w in range(max(left, 0), min(left + KW, W)):
                at = ((n * H + h) * W + w) * C + c
                if not found and x[at] != x[at]:
                    dx[at] += dy[k]
                    found = True

@inlined
def _backward_window(dy, x, y, dx, y_at, x_at, rows, columns, W, C, n):
    """Add the gradient of n channels of one window to the pixel that equals its maximum.

    dy, x, y, dx   flat arrays, as in ``_max_pool_backward``
    y_at           index of the first value in y and dy
    x_at           index of the first value in x and dx of the part of the window inside the image
    rows, columns  size of that part, in pixels
    W, C           width of x; channels
    """
    maximum, gradient = load(y, y_at, n), load(dy, y_at, n)
    free = equal(maximum, maximum)  # where no pixel has been found yet; nowhere if the maximum is NaN
    for h in range(rows):
        for w in range(columns):
            at = x_at + (h * W + w) * C
            d, free = _pixel(load(x, at, n), load(dx, at, n), maximum, gradient, free)
            store(dx, at, n, d)

@inlined
def _pixel(x, d, maximum, gradient, free):
    """One pixel of a window: its updated gradient, and the channels whose maximum is still not found.

    x, d               the pixel, and the gradient with respect to it
    maximum, gradient  the window's y and dy
    free               the channels whose maximum has not been found yet
    """
    hit = equal(x, maximum)
    return where(both(hit, free), d + gradient, d), without(free, hit)

@inlined
def _row(x0, x1, x2, d0, d1, d2, maximum, gradient, free):
    """Three pixels x0, x1, x2 of one row, with gradients d0, d1, d2; maximum, gradient and free as in ``_pixel``."""
    d0, free = _pixel(x0, d0, maximum, gradient, free)
    d1, free = _pixel(x1, d1, maximum, gradient, free)
    d2, free = _pixel(x2, d2, maximum, gradient, free)
    return d0, d1, d2, free

@inlined
def _backward_line_3x3(dy, x, y, dx, first, x_at, rows, W, C, fresh, n):
    """Add the gradients of n channels of one line of 3×3 windows with stride 1 and padding 1.

    The two columns that the next window shares stay in registers, and so do their gradients. In the upper row x and dx
    of the window's three columns are a0, a1, a2 and d0, d1, d2; in the middle row b and e; in the lower row c and f.

    dy, x, y, dx   flat arrays, as in ``_max_pool_backward``
    first          index of the line's first value in all four arrays
    x_at           index of the same channel in the uppermost row inside the image
    rows           number of rows inside the image: up to 3
    W, C           width; channels
    fresh          lines that no window has touched yet are overwritten
    """
    WC = W * C
    above, below, end = x_at < first, x_at + rows * WC > first + WC, first + WC
    zero = full_like(load(y, first, 0), 0)
    nan = full_like(zero, np.nan)
    a0 = a1 = b0 = b1 = c0 = c1 = nan
    d0 = d1 = e0 = e1 = f0 = f1 = zero
    for k in range(first - C, end + C, C):
        a2 = b2 = c2 = nan
        d2 = e2 = f2 = zero
        if k + C < end:  # load the column to the right of k
            b2 = load(x, k + C, n)
            if above:
                a2, d2 = load(x, k + C - WC, n), load(dx, k + C - WC, n)
            if above or not fresh:
                e2 = load(dx, k + C, n)
            if below:
                c2 = load(x, k + C + WC, n)
                if not fresh:
                    f2 = load(dx, k + C + WC, n)
        if first <= k and k < end:
            maximum, gradient = load(y, k, n), load(dy, k, n)
            free = equal(maximum, maximum)
            d0, d1, d2, free = _row(a0, a1, a2, d0, d1, d2, maximum, gradient, free)
            e0, e1, e2, free = _row(b0, b1, b2, e0, e1, e2, maximum, gradient, free)
            f0, f1, f2, free = _row(c0, c1, c2, f0, f1, f2, maximum, gradient, free)
        if k > first:  # the column to the left of k is complete
            store(dx, k - C, n, e0)
            if above:
                store(dx, k - C - WC, n, d0)
            if below:
                store(dx, k - C + WC, n, f0)
        a0, b0, c0, d0, e0, f0 = a1, b1, c1, d1, e1, f1
        a1, b1, c1, d1, e1, f1 = a2, b2, c2, d2, e2, f2

max_pool_backward = max_pool_backward_numba if JIT else max_pool_backward_numpy
