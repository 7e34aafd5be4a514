"""Winograd's transforms, compiled. The mathematics is in ``reference/winograd.py``.

Each transform works on one tile at a time, all its channels in the inner loop, in two passes over a buffer that stays
in the first-level cache: along the columns, then along the rows.
"""

import numpy as np

from ..reference.winograd import tiles, winograd_filter, winograd_filter_adjoint
from .jit import frozen, njit

__all__ = ["winograd_filter", "winograd_filter_adjoint", "winograd_input", "winograd_input_adjoint", "winograd_output",
           "winograd_output_adjoint"]


def winograd_input(x, pad, m, lines=None):
    """As ``reference.winograd.winograd_input``."""
    N, H, W, C = x.shape
    TH, TW = tiles(H, W, pad, m)
    first, last = lines or (0, N * TH)
    v = np.empty((36, (last - first) * TW, C), x.dtype)
    _input(frozen(x).reshape(N, H, W * C), v, TH, TW, pad, m, first * TW)
    return v


@njit
def _input(x, v, TH, TW, pad, m, first):
    N, H, WC = x.shape
    _, T, C = v.shape
    run = 6 * C  # a line of a tile lies in one piece, and so do all its columns in the first pass
    d = np.empty((6, run), x.dtype)
    two, four, five, zero = x.dtype.type(2), x.dtype.type(4), x.dtype.type(5), x.dtype.type(0)
    for t in range(T):
        n, i, j = (first + t) // (TH * TW), (first + t) // TW % TH * m - pad, (first + t) % TW * m - pad
        left = j * C
        begin = min(max(0, -left), run)
        end = max(begin, min(run, WC - left))
        for a in range(6):
            if i + a < 0 or i + a >= H:
                for k in range(run):
                    d[a, k] = zero
                continue
            for k in range(begin):
                d[a, k] = zero
            for k in range(begin, end):
                d[a, k] = x[n, i + a, left + k]
            for k in range(end, run):
                d[a, k] = zero
        for k in range(run):
            d0, d1, d2, d3, d4, d5 = d[0, k], d[1, k], d[2, k], d[3, k], d[4, k], d[5, k]
            d[0, k] = four * d0 - five * d2 + d4
            d[1, k] = d3 + d4 - four * (d1 + d2)
            d[2, k] = four * (d1 - d2) - d3 + d4
            d[3, k] = two * (d3 - d1) - d2 + d4
            d[4, k] = two * (d1 - d3) - d2 + d4
            d[5, k] = four * d1 - five * d3 + d5
        for a in range(6):
            for c in range(C):
                d0, d1, d2 = d[a, c], d[a, C + c], d[a, 2 * C + c]
                d3, d4, d5 = d[a, 3 * C + c], d[a, 4 * C + c], d[a, 5 * C + c]
                v[a * 6, t, c] = four * d0 - five * d2 + d4
                v[a * 6 + 1, t, c] = d3 + d4 - four * (d1 + d2)
                v[a * 6 + 2, t, c] = four * (d1 - d2) - d3 + d4
                v[a * 6 + 3, t, c] = two * (d3 - d1) - d2 + d4
                v[a * 6 + 4, t, c] = two * (d1 - d3) - d2 + d4
                v[a * 6 + 5, t, c] = four * d1 - five * d3 + d5


def winograd_input_adjoint(dv, dx, pad, m):
    """As ``reference.winograd.winograd_input_adjoint``."""
    N, H, W, C = dx.shape
    _input_adjoint(frozen(dv), dx.reshape(N, H, W * C), *tiles(H, W, pad, m), pad, m)


@njit
def _input_adjoint(dv, dx, TH, TW, pad, m):
    N, H, WC = dx.shape
    _, T, C = dv.shape
    run = 6 * C
    d = np.empty((6, run), dx.dtype)
    two, four, five = dx.dtype.type(2), dx.dtype.type(4), dx.dtype.type(5)
    for t in range(T):
        n, i, j = t // (TH * TW), t // TW % TH * m - pad, t % TW * m - pad
        for a in range(6):
            for c in range(C):
                v0, v1, v2 = dv[a * 6, t, c], dv[a * 6 + 1, t, c], dv[a * 6 + 2, t, c]
                v3, v4, v5 = dv[a * 6 + 3, t, c], dv[a * 6 + 4, t, c], dv[a * 6 + 5, t, c]
                d[a, c] = four * v0
                d[a, C + c] = four * (v2 - v1 + v5) + two * (v4 - v3)
                d[a, 2 * C + c] = -five * v0 - four * (v1 + v2) - v3 - v4
                d[a, 3 * C + c] = v1 - v2 + two * (v3 - v4) - five * v5
                d[a, 4 * C + c] = v0 + v1 + v2 + v3 + v4
                d[a, 5 * C + c] = v5
        for k in range(run):
            v0, v1, v2, v3, v4, v5 = d[0, k], d[1, k], d[2, k], d[3, k], d[4, k], d[5, k]
            d[0, k] = four * v0
            d[1, k] = four * (v2 - v1 + v5) + two * (v4 - v3)
            d[2, k] = -five * v0 - four * (v1 + v2) - v3 - v4
            d[3, k] = v1 - v2 + two * (v3 - v4) - five * v5
            d[4, k] = v0 + v1 + v2 + v3 + v4
        left = j * C
        begin, end = max(0, -left), min(run, WC - left)
        for a in range(max(0, -i), min(6, H - i)):
            for k in range(begin, end):
                dx[n, i + a, left + k] += d[a, k]


def winograd_output(products, y, m, lines=None):
    """As ``reference.winograd.winograd_output``."""
    N, OH, OW, F = y.shape
    first = lines[0] if lines else 0
    (_output_4 if m == 4 else _output_2)(frozen(products), y, first * -(-OW // m))


@njit
def _output_4(M, y, first):
    N, OH, OW, F = y.shape
    TH, TW = (OH + 3) // 4, (OW + 3) // 4
    d = np.empty((4, 6, F), y.dtype)
    two, four, eight = y.dtype.type(2), y.dtype.type(4), y.dtype.type(8)
    for t in range(M.shape[1]):
        n, i, j = (first + t) // (TH * TW), (first + t) // TW % TH * 4, (first + t) % TW * 4
        for b in range(6):
            for f in range(F):
                plus, minus = M[6 + b, t, f] + M[12 + b, t, f], M[6 + b, t, f] - M[12 + b, t, f]
                plus2, minus2 = M[18 + b, t, f] + M[24 + b, t, f], M[18 + b, t, f] - M[24 + b, t, f]
                d[0, b, f] = M[b, t, f] + plus + plus2
                d[1, b, f] = minus + two * minus2
                d[2, b, f] = plus + four * plus2
                d[3, b, f] = minus + eight * minus2 + M[30 + b, t, f]
        for a in range(min(4, OH - i)):
            columns = min(4, OW - j)
            for f in range(F):
                plus, minus = d[a, 1, f] + d[a, 2, f], d[a, 1, f] - d[a, 2, f]
                plus2, minus2 = d[a, 3, f] + d[a, 4, f], d[a, 3, f] - d[a, 4, f]
                d[a, 0, f] += plus + plus2
                d[a, 1, f] = minus + two * minus2
                d[a, 2, f] = plus + four * plus2
                d[a, 3, f] = minus + eight * minus2 + d[a, 5, f]
            for b in range(columns):
                for f in range(F):
                    y[n, i + a, j + b, f] = d[a, b, f]


@njit
def _output_2(M, y, first):
    N, OH, OW, F = y.shape
    TH, TW = (OH + 1) // 2, (OW + 1) // 2
    d = np.empty((2, 6, F), y.dtype)
    two = y.dtype.type(2)
    for t in range(M.shape[1]):
        n, i, j = (first + t) // (TH * TW), (first + t) // TW % TH * 2, (first + t) % TW * 2
        for b in range(6):
            for f in range(F):
                m1, m2, m3, m4 = M[6 + b, t, f], M[12 + b, t, f], M[18 + b, t, f], M[24 + b, t, f]
                d[0, b, f] = M[b, t, f] + m1 + m2 + m3 + m4
                d[1, b, f] = m1 - m2 + two * (m3 - m4) + M[30 + b, t, f]
        for a in range(min(2, OH - i)):
            for f in range(F):
                y[n, i + a, j, f] = d[a, 0, f] + d[a, 1, f] + d[a, 2, f] + d[a, 3, f] + d[a, 4, f]
            if j + 1 < OW:
                for f in range(F):
                    y[n, i + a, j + 1, f] = d[a, 1, f] - d[a, 2, f] + two * (d[a, 3, f] - d[a, 4, f]) + d[a, 5, f]


def winograd_output_adjoint(dy, m):
    """As ``reference.winograd.winograd_output_adjoint``."""
    N, OH, OW, F = dy.shape
    dM = np.empty((36, N * -(-OH // m) * -(-OW // m), F), dy.dtype)
    (_output_adjoint_4 if m == 4 else _output_adjoint_2)(frozen(dy), dM)
    return dM


@njit
def _output_adjoint_4(dy, dM):
    N, OH, OW, F = dy.shape
    TH, TW = (OH + 3) // 4, (OW + 3) // 4
    d = np.empty((6, 4 * F), dy.dtype)
    two, four, eight = dy.dtype.type(2), dy.dtype.type(4), dy.dtype.type(8)
    for t in range(N * TH * TW):
        n, i, j = t // (TH * TW), t // TW % TH * 4, t % TW * 4
        _load_outputs(dy, n, i, j, d, 4)
        for k in range(4 * F):
            d0, d1, d2, d3 = d[0, k], d[1, k], d[2, k], d[3, k]
            even, odd = d0 + d2, d1 + d3
            even2, odd2 = d0 + four * d2, two * d1 + eight * d3
            d[1, k] = even + odd
            d[2, k] = even - odd
            d[3, k] = even2 + odd2
            d[4, k] = even2 - odd2
            d[5, k] = d3
        for a in range(6):
            for f in range(F):
                d0, d1, d2, d3 = d[a, f], d[a, F + f], d[a, 2 * F + f], d[a, 3 * F + f]
                even, odd = d0 + d2, d1 + d3
                even2, odd2 = d0 + four * d2, two * d1 + eight * d3
                dM[a * 6, t, f] = d0
                dM[a * 6 + 1, t, f] = even + odd
                dM[a * 6 + 2, t, f] = even - odd
                dM[a * 6 + 3, t, f] = even2 + odd2
                dM[a * 6 + 4, t, f] = even2 - odd2
                dM[a * 6 + 5, t, f] = d3


@njit
def _load_outputs(dy, n, i, j, d, m):
    """The m×m pixels of dy from (i, j) on, a line in each row of d; 0 beyond the picture."""
    N, OH, OW, F = dy.shape
    zero = dy.dtype.type(0)
    for a in range(m):
        for b in range(m):
            if i + a < OH and j + b < OW:
                for f in range(F):
                    d[a, b * F + f] = dy[n, i + a, j + b, f]
            else:
                for f in range(F):
                    d[a, b * F + f] = zero


@njit
def _output_adjoint_2(dy, dM):
    N, OH, OW, F = dy.shape
    TH, TW = (OH + 1) // 2, (OW + 1) // 2
    d = np.empty((6, 2 * F), dy.dtype)
    two = dy.dtype.type(2)
    for t in range(N * TH * TW):
        n, i, j = t // (TH * TW), t // TW % TH * 2, t % TW * 2
        _load_outputs(dy, n, i, j, d, 2)
        for k in range(2 * F):
            d0, d1 = d[0, k], d[1, k]
            d[1, k] = d0 + d1
            d[2, k] = d0 - d1
            d[3, k] = d0 + two * d1
            d[4, k] = d0 - two * d1
            d[5, k] = d1
        for a in range(6):
            for f in range(F):
                d0, d1 = d[a, f], d[a, F + f]
                dM[a * 6, t, f] = d0
                dM[a * 6 + 1, t, f] = d0 + d1
                dM[a * 6 + 2, t, f] = d0 - d1
                dM[a * 6 + 3, t, f] = d0 + two * d1
                dM[a * 6 + 4, t, f] = d0 - two * d1
                dM[a * 6 + 5, t, f] = d1
