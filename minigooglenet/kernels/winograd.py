"""Winograd's transforms, compiled. The mathematics is in ``reference/winograd.py``.

All tiles of one line are transformed at once, first along the columns of the picture, then along its lines, in buffers
that stay in the cache. So that both are long plain loops, whatever the number of channels, a line of pixels is *dealt*
to m runs like cards: pixel p = q m + r is the q-th of run r. What the tiles of a line have at one place is then
contiguous: at place b it is run b mod m, from its (b // m)-th pixel on.
"""

import numpy as np

from ..reference.winograd import winograd_filter, winograd_filter_adjoint
from .jit import inlined, size

__all__ = ["winograd_filter", "winograd_filter_adjoint", "of_input", "of_input_adjoint", "of_output",
           "of_output_adjoint"]


# -- walks over the lines of tiles ------------------------------------------------------------------------------------
#
# Buffers are flat; `_six(start, step)` are the places in one where six lines, or six values of a tile, begin.


@inlined
def of_input(x, v, C, TH, TW, pad, m, first, last):
    """V of the lines of tiles from ``first`` to ``last``, and of no others, into v."""
    run, n, step = (TW + 5 // m) * C, TW * C, len(v) // 36
    line_size, places = m * run, _places(run, m, C)
    d, e = np.zeros(6 * line_size, x.dtype), np.empty(6 * line_size, x.dtype)
    for line in range(first, last):
        picture, i, known = line // TH, line % TH * m - pad, 0
        if line > first and i > -pad:  # the line of tiles before ended with these lines of pixels
            known = 6 - m
            _move(d, m * line_size, known * line_size)
        for a in range(known, 6):
            _deal(x, picture, i + a, d, a * line_size, pad, m, run, C)
        _values(d, _six(0, line_size), e, _six(0, line_size), line_size)
        for a in range(6):
            _values(e, _shifted(places, a * line_size), v, _six(a * 6 * step + (line - first) * n, step), n)


@inlined
def of_input_adjoint(dv, dx, C, TH, TW, pad, m, first, last, fresh):
    """The way back, for the pictures from ``first`` to ``last`` and no others."""
    run, n, step = (TW + 5 // m) * C, TW * C, len(dv) // 36
    line_size, places = m * run, _places(run, m, C)
    tiles, e = np.empty(6 * n, dx.dtype), np.empty(6 * line_size, dx.dtype)
    d, total = np.empty(6 * line_size, dx.dtype), np.zeros(6 * line_size, dx.dtype)
    for line in range(first * TH, last * TH):
        picture, i = line // TH, line % TH * m - pad
        _clear(e, 0, len(e))
        for a in range(6):
            _values_adjoint(dv, _six(a * 6 * step + (line - first * TH) * n, step), tiles, _six(0, n), n)
            for b in range(6):
                _add(tiles, b * n, e, a * line_size + places[b], n)
        _values_adjoint(e, _six(0, line_size), d, _six(0, line_size), line_size)
        _add(d, 0, total, 0, len(d))
        done = m if line % TH < TH - 1 else 6  # to the others the next line of tiles will add
        for a in range(done):
            _collect(total, a * line_size, dx, picture, i + a, pad, m, run, C, fresh, C, 0)
        _move(total, done * line_size, (6 - done) * line_size)
        _clear(total, (6 - done) * line_size, done * line_size)


@inlined
def of_output(M, y, C, F, m, first, last, offset, shift, shift_at, relu):
    """y under the lines of tiles from ``first`` to ``last``, from M of these and no others."""
    _, OH, OWC = y.shape
    TH, TW, step = -(-OH // m), -(-OWC // (m * C)), len(M) // 36
    n = TW * F
    d, pixels, shifts = np.empty(m * 6 * n, y.dtype), np.empty(m * n, y.dtype), np.empty(n, y.dtype)
    if relu:  # else there is no shift
        for k in range(n):
            shifts[k] = shift[shift_at + k % F]
    for line in range(first, last):
        picture, i = line // TH, line % TH * m
        for b in range(6):
            _outputs(M, _six(b * step + (line - first) * n, 6 * step), d, b * n, 6 * n, n, m)
        for a in range(min(m, OH - i)):
            _outputs(d, _six(a * 6 * n, n), pixels, 0, n, n, m)
            if relu:
                for b in range(m):
                    _shift_relu(pixels, b * n, shifts, n)
            _collect(pixels, 0, y, picture, i + a, 0, m, n, F, True, C, offset)


@inlined
def of_output_adjoint(dy, dM, F, m, first, last):
    """The way back, for the pictures from ``first`` to ``last`` and no others."""
    N, OH, OWF = dy.shape
    TH, TW, step = -(-OH // m), -(-OWF // (m * F)), len(dM) // 36
    n = TW * F
    d, e = np.zeros(m * m * n, dy.dtype), np.empty(6 * m * n, dy.dtype)
    for line in range(first * TH, last * TH):
        picture, i = line // TH, line % TH * m
        for a in range(m):
            _deal(dy, picture, i + a, d, a * m * n, 0, m, n, F)
        _outputs_adjoint(d, 0, m * n, e, _six(0, m * n), m * n, m)
        for a in range(6):
            _outputs_adjoint(e, a * m * n, n, dM, _six(a * 6 * step + (line - first * TH) * n, step), n, m)


@inlined
def _six(start, step):
    return start, start + step, start + 2 * step, start + 3 * step, start + 4 * step, start + 5 * step


@inlined
def _shifted(places, by):
    return (places[0] + by, places[1] + by, places[2] + by, places[3] + by, places[4] + by, places[5] + by)


@inlined
def _places(run, m, C):
    """Where the six columns of a line's tiles begin in a dealt line."""
    return (0, 1 % m * run, 2 % m * run + 2 // m * C, 3 % m * run + 3 // m * C, 4 % m * run + 4 // m * C,
            5 % m * run + 5 // m * C)


@inlined
def _deal(x, picture, h, d, at, pad, m, run, C):
    """Line h of a picture, dealt to m runs from d[at] on, after ``pad`` pixels that stay as they are; 0 for a line
    outside the picture."""
    _, H, WC = x.shape
    if h < 0 or h >= H:
        _clear(d, at, m * run)
        return
    r, q = pad % m, pad // m
    for j in range(WC // C):
        to, since = size(at + r * run + q * C), size(j * C)
        for c in range(size(C)):
            d[to + c] = x[picture, h, since + c]
        r += 1
        if r == m:
            r, q = 0, q + 1


@inlined
def _collect(d, at, x, picture, h, pad, m, run, C, fresh, width, offset):
    """The way back: a dealt line, added to line h of a picture or written where that is ``fresh`` memory; into the C
    channels from ``offset`` on, of ``width``."""
    _, H, WC = x.shape
    if h < 0 or h >= H:
        return
    r, q = pad % m, pad // m
    for j in range(WC // width):
        to, since = size(j * width + offset), size(at + r * run + q * C)
        if fresh:
            for c in range(size(C)):
                x[picture, h, to + c] = d[since + c]
        else:
            for c in range(size(C)):
                x[picture, h, to + c] += d[since + c]
        r += 1
        if r == m:
            r, q = 0, q + 1


@inlined
def _shift_relu(d, at, shifts, n):
    at, zero = size(at), d.dtype.type(0)
    for k in range(size(n)):
        value = d[at + k] + shifts[k]
        d[at + k] = zero if value < zero else value  # a NaN stays one


@inlined
def _move(d, since, n):
    since = size(since)
    for k in range(size(n)):
        d[k] = d[since + k]


@inlined
def _clear(d, at, n):
    at, zero = size(at), d.dtype.type(0)
    for k in range(size(n)):
        d[at + k] = zero


@inlined
def _add(a, since, d, at, n):
    since, at = size(since), size(at)
    for k in range(size(n)):
        d[at + k] += a[since + k]


# -- the matrices of reference/winograd.py, each written out ----------------------------------------------------------


@inlined
def _sizes(six):
    return size(six[0]), size(six[1]), size(six[2]), size(six[3]), size(six[4]), size(six[5])


@inlined
def _values(d, source, v, target, n):
    """v = Bᵀ d, for n values at once."""
    s0, s1, s2, s3, s4, s5 = _sizes(source)
    t0, t1, t2, t3, t4, t5 = _sizes(target)
    two, four, five = d.dtype.type(2), d.dtype.type(4), d.dtype.type(5)
    for k in range(size(n)):
        d0, d1, d2, d3, d4, d5 = d[s0 + k], d[s1 + k], d[s2 + k], d[s3 + k], d[s4 + k], d[s5 + k]
        v[t0 + k] = four * d0 - five * d2 + d4
        v[t1 + k] = d3 + d4 - four * (d1 + d2)
        v[t2 + k] = four * (d1 - d2) - d3 + d4
        v[t3 + k] = two * (d3 - d1) - d2 + d4
        v[t4 + k] = two * (d1 - d3) - d2 + d4
        v[t5 + k] = four * d1 - five * d3 + d5


@inlined
def _values_adjoint(v, source, d, target, n):
    """d = B v."""
    s0, s1, s2, s3, s4, s5 = _sizes(source)
    t0, t1, t2, t3, t4, t5 = _sizes(target)
    two, four, five = d.dtype.type(2), d.dtype.type(4), d.dtype.type(5)
    for k in range(size(n)):
        v0, v1, v2, v3, v4, v5 = v[s0 + k], v[s1 + k], v[s2 + k], v[s3 + k], v[s4 + k], v[s5 + k]
        d[t0 + k] = four * v0
        d[t1 + k] = four * (v2 - v1 + v5) + two * (v4 - v3)
        d[t2 + k] = -five * v0 - four * (v1 + v2) - v3 - v4
        d[t3 + k] = v1 - v2 + two * (v3 - v4) - five * v5
        d[t4 + k] = v0 + v1 + v2 + v3 + v4
        d[t5 + k] = v5


@inlined
def _outputs(M, source, y, at, step, n, m):
    """y = Aᵀ M: m values from six. The first of them begin at y[at], the others ``step`` further each."""
    s0, s1, s2, s3, s4, s5 = _sizes(source)
    t0, t1 = size(at), size(at + step)
    two, four, eight = y.dtype.type(2), y.dtype.type(4), y.dtype.type(8)
    if m == 2:
        for k in range(size(n)):
            m1, m2, m3, m4 = M[s1 + k], M[s2 + k], M[s3 + k], M[s4 + k]
            y[t0 + k] = M[s0 + k] + m1 + m2 + m3 + m4
            y[t1 + k] = m1 - m2 + two * (m3 - m4) + M[s5 + k]
        return
    t2, t3 = size(at + 2 * step), size(at + 3 * step)
    for k in range(size(n)):
        m1, m2, m3, m4 = M[s1 + k], M[s2 + k], M[s3 + k], M[s4 + k]
        y[t0 + k] = M[s0 + k] + m1 + m2 + m3 + m4
        y[t1 + k] = m1 - m2 + two * (m3 - m4)
        y[t2 + k] = m1 + m2 + four * (m3 + m4)
        y[t3 + k] = m1 - m2 + eight * (m3 - m4) + M[s5 + k]


@inlined
def _outputs_adjoint(y, at, step, M, target, n, m):
    """M = A y: six values from m."""
    s0, s1 = size(at), size(at + step)
    t0, t1, t2, t3, t4, t5 = _sizes(target)
    two, four, eight = y.dtype.type(2), y.dtype.type(4), y.dtype.type(8)
    if m == 2:
        for k in range(size(n)):
            y0, y1 = y[s0 + k], y[s1 + k]
            M[t0 + k] = y0
            M[t1 + k] = y0 + y1
            M[t2 + k] = y0 - y1
            M[t3 + k] = y0 + two * y1
            M[t4 + k] = y0 - two * y1
            M[t5 + k] = y1
        return
    s2, s3 = size(at + 2 * step), size(at + 3 * step)
    for k in range(size(n)):
        y0, y1, y2, y3 = y[s0 + k], y[s1 + k], y[s2 + k], y[s3 + k]
        M[t0 + k] = y0
        M[t1 + k] = y0 + y2 + (y1 + y3)
        M[t2 + k] = y0 + y2 - (y1 + y3)
        M[t3 + k] = y0 + four * y2 + (two * y1 + eight * y3)
        M[t4 + k] = y0 + four * y2 - (two * y1 + eight * y3)
        M[t5 + k] = y3
