"""Pooling, compiled. Inner loops run along the channels, which lie next to each other, so they vectorise.

The maximum over a window is separable: first the largest of each column of the window, then of those. The forward pass
takes three rows, then three columns at a time, because a maximum that is updated in place does not vectorise. A NaN can
be lost here, where the reference keeps it.

The maximum does not remember where it was; the backward pass finds the winner again by comparing. There each pixel's
gradient is changed by all windows that see it. The compiler writes it to memory each time; it does not see that it
could stay in a register. Hence ``vectors.py``.
"""

import numpy as np

from ..geometry import output_hw
from ..threads import over_parts, over_slices
from .jit import frozen, inlined, njit, size
from .vectors import add, filled, load_1, load_8, load_16, store, subtract, where_equal


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
        over_parts(some, of_all)
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


def max_pool_backward(dy, x, y, kernel, stride, pad, ceil_mode, dx=None, fresh=False):
    """As ``reference.pooling.max_pool_backward``."""
    dx, fresh = (np.empty(x.shape, x.dtype), True) if dx is None else (dx, fresh)
    x, y, dy = frozen(x), frozen(y), frozen(np.asarray(dy, x.dtype))

    def some(s):
        flat = (array[s].reshape(-1) for array in (dy, x, y, dx))
        _max_pool_backward(*flat, *x.shape[1:3], *y.shape[1:], *kernel, *stride, *pad, fresh)

    over_parts(some, len(x))
    return dx


@njit
def _max_pool_backward(dy, x, y, dx, H, W, OH, OW, C, KH, KW, SH, SW, PH, PW, fresh):
    same = KH == KW == 3 and SH == SW == PH == PW == 1
    for line in range(y.size // (OW * C)):
        n, i = line // OH, line % OH
        if fresh and i == 0:
            for k in range(size(n * H * W * C), size((n + 1) * H * W * C)):
                dx[k] = 0
        top = i * SH - PH
        first, rows = max(top, 0), min(top + KH, H) - max(top, 0)
        here, there = line * OW * C, (n * H + first) * W * C
        if same:
            _same_line_back(dy, x, y, dx, here, there, rows, W, W, C)
            continue
        for j in range(OW):
            left = j * SW - PW
            first, columns = max(left, 0), min(left + KW, W) - max(left, 0)
            _window_back(dy, x, y, dx, here + j * C, there + first * C, rows, columns, W, C)


def _for_all_channels(of_some):
    """``of_some(load)`` is a function for as many channels as ``load`` loads; this one does it for all C."""
    of_16, of_8, of_1 = (of_some(load) for load in (load_16, load_8, load_1))

    @inlined
    def of_all(dy, x, y, dx, here, there, rows, columns, W, C):
        c = 0
        while c < C:
            if c + 16 <= C:
                of_16(dy, x, y, dx, here + c, there + c, rows, columns, W, C)
                c += 16
            elif c + 8 <= C:
                of_8(dy, x, y, dx, here + c, there + c, rows, columns, W, C)
                c += 8
            else:
                of_1(dy, x, y, dx, here + c, there + c, rows, columns, W, C)
                c += 1
    return of_all


@_for_all_channels
def _window_back(load):
    """Any window: its y lies at ``here``, what it sees of x is ``rows`` × ``columns`` pixels from ``there`` on."""
    @inlined
    def window_back(dy, x, y, dx, here, there, rows, columns, W, C):
        best, rest = load(y, here), load(dy, here)
        for h in range(rows):
            for w in range(columns):
                at = there + (h * W + w) * C
                given = where_equal(load(x, at), best, rest)
                store(dx, at, add(load(dx, at), given))
                rest = subtract(rest, given)
    return window_back


@inlined
def _row(x0, x1, x2, d0, d1, d2, best, rest):
    """A row of three pixels: their gradients, and what has not been given yet."""
    given = where_equal(x0, best, rest)
    d0, rest = add(d0, given), subtract(rest, given)
    given = where_equal(x1, best, rest)
    d1, rest = add(d1, given), subtract(rest, given)
    given = where_equal(x2, best, rest)
    d2, rest = add(d2, given), subtract(rest, given)
    return d0, d1, d2, rest


@_for_all_channels
def _same_line_back(load):
    """A line of 3×3 windows, one at each pixel, from ``here`` on; the first of its rows is at ``there``.

    Walks along the line; the columns that the next window sees too stay in registers, as does their gradient. x and dx
    of the window's three columns are a0, a1, a2 and d0, d1, d2 above, b and e in the middle, c and f below.
    """
    @inlined
    def same_line_back(dy, x, y, dx, here, there, rows, columns, W, C):
        WC = W * C
        above, below, end = there < here, there + rows * WC > here + WC, here + WC
        nothing, zero = filled(load(y, here), np.nan), filled(load(y, here), 0)
        a0 = a1 = b0 = b1 = c0 = c1 = nothing
        d0 = d1 = e0 = e1 = f0 = f1 = zero
        for k in range(here - C, end + C, C):
            a2 = b2 = c2 = nothing
            d2 = e2 = f2 = zero
            if k + C < end:  # the column to the right of k comes in
                b2, e2 = load(x, k + C), load(dx, k + C)
                if above:
                    a2, d2 = load(x, k + C - WC), load(dx, k + C - WC)
                if below:
                    c2, f2 = load(x, k + C + WC), load(dx, k + C + WC)
            if here <= k and k < end:
                best, rest = load(y, k), load(dy, k)
                d0, d1, d2, rest = _row(a0, a1, a2, d0, d1, d2, best, rest)
                e0, e1, e2, rest = _row(b0, b1, b2, e0, e1, e2, best, rest)
                f0, f1, f2, rest = _row(c0, c1, c2, f0, f1, f2, best, rest)
            if k > here:  # the column to its left is done
                store(dx, k - C, e0)
                if above:
                    store(dx, k - C - WC, d0)
                if below:
                    store(dx, k - C + WC, f0)
            a0, b0, c0, d0, e0, f0 = a1, b1, c1, d1, e1, f1
            a1, b1, c1, d1, e1, f1 = a2, b2, c2, d2, e2, f2
    return same_line_back


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
