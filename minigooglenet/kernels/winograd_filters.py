"""Winograd's transforms of filters, compiled; the mathematics is in ``winograd.py``.

Every training step transforms every filter twice, for the forward and for the backward pass, and turns back the
gradients of all chunks of a batch. The 36 matrices are four times as large as the filters (5×5: 1.4 times): where a
layer has many filters and small images, reading and writing them costs as much as the products. So filters are packed
while they are transformed, and gradients summed while they are turned back.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .gemm import PANEL, pack_numpy, padded
from .jit import JIT, frozen, inlined, njit
from .memory import empty
from .simd import LANES, full_like, load, store
from .winograd import Six, winograd_filter, winograd_filter_adjoint
from .winograd_tiles import store_six

# -- NumPy ------------------------------------------------------------------------------------------------------------


def packed_filters_numpy(w: NDArray, transposed: bool = False) -> NDArray:
    """U = G w Gᵀ, packed by ``gemm.pack``. w (r, r, C, F) -> 36 matrices (C, F), or ``transposed`` (F, C)."""
    u = winograd_filter(w)
    return pack_numpy(u.swapaxes(1, 2) if transposed else u)


def filter_gradient_numpy(parts: NDArray, dw: NDArray) -> None:
    """dw += Gᵀ dU G. dU is the sum of ``parts`` (parts, 36, C, F), in their order; dw (r, r, C, F)."""
    dw += winograd_filter_adjoint(parts.sum(axis=0), len(dw))


# -- numba ------------------------------------------------------------------------------------------------------------

BLOCK = 256  # values of each of the 36 matrices that are summed at a time


def packed_filters_numba(w: NDArray, transposed: bool = False) -> NDArray:
    """As ``packed_filters_numpy``, compiled, with panels of at most PANEL columns."""
    r, _, C, F = w.shape
    K, N = (F, C) if transposed else (C, F)
    u = empty((36, K * padded(N)), w.dtype)
    _packed_filters(frozen(w).reshape(-1), u.reshape(-1), r, C, F, transposed)
    return u


@njit
def _packed_filters(w, u, r, C, F, transposed):
    """Arguments as in ``packed_filters_numpy``; all arrays are flat.

    w, u        the filters; the packed matrices, written
    r, C, F     size of a filter; channels, filters
    transposed  whether the matrices are (F, C)
    """
    K, N, size = (F, C, len(u) // 36) if transposed else (C, F, len(u) // 36)
    row, half = np.zeros(r * r * LANES, w.dtype), np.empty(6 * r * LANES, w.dtype)
    f = 0
    while f < N:
        width = 32 if PANEL == 32 and N - f > 24 else 16 if N - f > 8 else 8
        for k in range(K):
            for j in range(0, width, LANES):
                inside, stored = max(0, min(N - f - j, LANES)), min(width - j, LANES)
                if transposed:
                    for t in range(r * r):
                        for c in range(inside):
                            row[t * LANES + c] = w[(t * C + f + j + c) * F + k]
                        for c in range(inside, LANES):
                            row[t * LANES + c] = 0
                    _transform(row, 0, LANES, LANES, r, half, u, f * K + k * width + j, size, stored)
                else:
                    _transform(w, k * F + f + j, C * F, inside, r, half, u, f * K + k * width + j, size, stored)
        f += width


@inlined
def _transform(w, at, step, inside, r, half, u, u_at, size, stored):
    """G w Gᵀ of the filters of one channel.

    w, at, step     flat array, the index of the first filter's first value, the distance between its r² values
    inside          number of filters; the others up to LANES are zero
    r, half         size of a filter; memory for G w
    u, u_at, size   36 matrices: the index of the first value, the distance between matrices
    stored          number of values to write into each
    """
    for v in range(r):
        store_six(half, v * LANES, r * LANES, LANES, _six(w, at + v * step, r * step, inside, r))
    for a in range(6):
        store_six(u, u_at + 6 * a * size, size, stored, _six(half, a * r * LANES, LANES, LANES, r))


@inlined
def _six(g, at, step, n, r):
    """G g for r registers of n values, ``step`` apart."""
    g0, g1, g2 = load(g, at, n), load(g, at + step, n), load(g, at + 2 * step, n)
    g3 = g4 = full_like(g0, 0)
    last = g2
    if r == 5:
        g3, g4 = load(g, at + 3 * step, n), load(g, at + 4 * step, n)
        last = g4
    return filter_values(g0, g1, g2, g3, g4, last)


@inlined
def filter_values(g0: Any, g1: Any, g2: Any, g3: Any, g4: Any, last: Any) -> Six:
    """u = G g of five values; of three with g3 = g4 = 0 and ``last`` g2, else g4."""
    even, odd = (g0 + g2 + g4) * (-1 / 6), (g1 + g3) * (-1 / 6)
    large_even, large_odd = (g0 + 4 * g2 + 16 * g4) * (1 / 24), (2 * g1 + 8 * g3) * (1 / 24)
    return g0 * 0.25, even + odd, even - odd, large_even + large_odd, large_even - large_odd, last


def filter_gradient_numba(parts: NDArray, dw: NDArray) -> None:
    """As ``filter_gradient_numpy``, compiled."""
    r, _, C, F = dw.shape
    _filter_gradient(parts.reshape(-1), len(parts), dw.reshape(-1), r, C * F, 0, C * F)


@njit
def _filter_gradient(parts, count, dw, r, CF, start, end):
    """As ``filter_gradient_numpy``; all arrays are flat.

    parts, count  the parts, and how many
    dw            the gradient, added to
    r, CF         size of a filter; channels times filters
    start, end    range of these to compute
    """
    total, half = np.empty(36 * BLOCK, dw.dtype), np.empty(6 * r * LANES, dw.dtype)
    for first in range(start, end, BLOCK):
        n = min(BLOCK, end - first)
        for i in range(36):
            for k in range(0, n, LANES):  # in registers, in this order: that of a loop over values may be changed, and
                at, m = i * CF + first + k, min(n - k, LANES)  # differs with the place of the arrays in memory
                value = load(parts, at, m)
                for part in range(1, count):
                    value = value + load(parts, part * 36 * CF + at, m)
                store(total, i * BLOCK + k, LANES, value)
        for k in range(0, n, LANES):
            _transform_back(total, k, r, half, dw, first + k, CF, min(n - k, LANES))


@inlined
def _transform_back(total, k, r, half, dw, at, CF, n):
    """Gᵀ dU G of n filters.

    total, k    dU: flat array, and the index of the first of 36 values BLOCK apart
    r, half     size of a filter; memory for Gᵀ dU
    dw, at, CF  the gradient, added to, the index of the first of r² values, the distance between them
    """
    for b in range(6):
        _put_row(half, b * LANES, 6 * LANES, LANES, r, filter_gradients(
            load(total, k + b * BLOCK, LANES), load(total, k + (6 + b) * BLOCK, LANES),
            load(total, k + (12 + b) * BLOCK, LANES), load(total, k + (18 + b) * BLOCK, LANES),
            load(total, k + (24 + b) * BLOCK, LANES), load(total, k + (30 + b) * BLOCK, LANES)), False)
    for u in range(r):
        a = 6 * u * LANES
        _put_row(dw, at + u * r * CF, CF, n, r, filter_gradients(
            load(half, a, LANES), load(half, a + LANES, LANES), load(half, a + 2 * LANES, LANES),
            load(half, a + 3 * LANES, LANES), load(half, a + 4 * LANES, LANES), load(half, a + 5 * LANES, LANES)), True)


@inlined
def _put_row(a, at, step, n, r, values, add):
    """r registers of n values to a[at], a[at + step], …; ``add``: added to what is there."""
    g0, g1, g2, g3, g4, last = values
    _put(a, at, n, g0, add)
    _put(a, at + step, n, g1, add)
    if r == 5:
        _put(a, at + 2 * step, n, g2, add)
        _put(a, at + 3 * step, n, g3, add)
        _put(a, at + 4 * step, n, g4 + last, add)
    else:
        _put(a, at + 2 * step, n, g2 + last, add)


@inlined
def _put(a, at, n, value, add):
    if add:
        store(a, at, n, load(a, at, n) + value)
    else:
        store(a, at, n, value)


@inlined
def filter_gradients(u0: Any, u1: Any, u2: Any, u3: Any, u4: Any, u5: Any) -> Six:
    """g = Gᵀ u without the last term, which follows: it belongs to the fifth of five values, or the third of three."""
    even, odd = (u1 + u2) * (-1 / 6), (u1 - u2) * (-1 / 6)
    large_even, large_odd = (u3 + u4) * (1 / 24), (u3 - u4) * (1 / 24)
    return (u0 * 0.25 + even + large_even, odd + 2 * large_odd, even + 4 * large_even, odd + 8 * large_odd,
            even + 16 * large_even, u5)


packed_filters = packed_filters_numba if JIT else packed_filters_numpy
filter_gradient = filter_gradient_numba if JIT else filter_gradient_numpy
