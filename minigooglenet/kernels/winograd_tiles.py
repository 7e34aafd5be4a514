"""Winograd's transforms of whole images, compiled: the input's. Those of the output are in ``winograd_outputs.py``, the
mathematics and the NumPy form in ``winograd.py``.

A transform multiplies each 6×6 tile by a small matrix from both sides. One side combines lines of pixels: six lines of
the image, value by value, whatever pixel and channel they belong to (``…_lines``). The other combines the pixels of a
line, for LANES channels of one tile after the other (``…_tiles``). In between, six lines are kept in a buffer ``e``
that fits in the cache. Values are in SIMD registers (``simd.py``).

All arrays are flat. ``wide`` is the length of a line of the buffer. V and M are 36 matrices (tiles, channels), whose
first values are ``step`` apart (``matrix_step``).
"""

import numpy as np
from numpy.typing import NDArray

from .jit import inlined
from .memory import scratch
from .simd import LANES, full_like, load, store
from .winograd import Six, input_gradients, input_values


@inlined
def matrix_step(T: int, C: int) -> int:
    """The distance between two of the 36 matrices (T, C): a power of two would put all of them into the same few places
    of the cache."""
    return T * C + 16


@inlined
def load_six(a: NDArray, at: int, step: int, n: int) -> Six:
    """n values each from a[at], a[at + step], …"""
    return (load(a, at, n), load(a, at + step, n), load(a, at + 2 * step, n), load(a, at + 3 * step, n),
            load(a, at + 4 * step, n), load(a, at + 5 * step, n))


@inlined
def store_six(a: NDArray, at: int, step: int, n: int, values: Six) -> None:
    """Write n values each to a[at], a[at + step], …"""
    store(a, at, n, values[0])
    store(a, at + step, n, values[1])
    store(a, at + 2 * step, n, values[2])
    store(a, at + 3 * step, n, values[3])
    store(a, at + 4 * step, n, values[4])
    store(a, at + 5 * step, n, values[5])


@inlined
def inside(h: int, H: int, n: int) -> int:
    """n if line h is inside the image, else 0."""
    return n if 0 <= h < H else 0


@inlined
def input_lines(x: NDArray, v: NDArray, step: int, H: int, W: int, C: int, TH: int, TW: int, pad: int, m: int,
                first: int, last: int) -> None:
    """V = Bᵀ d B for the lines of tiles from ``first`` to ``last``, out of N·TH.

    x            (N·H·W·C,) images
    v, step      36 matrices ((last - first)·TW, C), written
    H, W, C      height and width of an image; channels
    TH, TW       tiles in a column and in a line of an image
    pad, m       padding; height and width of a tile's output
    first, last  range of lines of tiles
    """
    WC, wide = W * C, (TW * m + 6 - m) * C
    e = scratch(6 * wide, x)
    e[:] = 0  # stays 0 in the padding
    for line in range(first, last):
        top, e_at, full = line % TH * m - pad, pad * C, WC // LANES * LANES
        x_at = (line // TH * H + top) * WC
        for k in range(0, full, LANES):
            _input_lines(x, x_at + k, top, H, WC, e, e_at + k, wide, LANES)
        if full < WC:
            _input_lines(x, x_at + full, top, H, WC, e, e_at + full, wide, WC - full)
        for a in range(6):
            e_at, v_at, full = a * wide, a * 6 * step + (line - first) * TW * C, C // LANES * LANES
            for c in range(0, full, LANES):
                _input_tiles(e, e_at + c, m, v, v_at + c, step, C, TW, LANES)
            if full < C:
                _input_tiles(e, e_at + full, m, v, v_at + full, step, C, TW, C - full)


@inlined
def _input_lines(x, at, top, H, WC, e, e_at, wide, n):
    """e = Bᵀ d for n values of the six lines of pixels from ``top`` on.

    x, at          flat array, and the index of the first value in the first line
    top, H, WC     the first line in its image; height of the image; values in a line
    e, e_at, wide  the buffer, the index of the first value, the distance between its six lines
    """
    d0, d1 = load(x, at, inside(top, H, n)), load(x, at + WC, inside(top + 1, H, n))
    d2, d3 = load(x, at + 2 * WC, inside(top + 2, H, n)), load(x, at + 3 * WC, inside(top + 3, H, n))
    d4, d5 = load(x, at + 4 * WC, inside(top + 4, H, n)), load(x, at + 5 * WC, inside(top + 5, H, n))
    store_six(e, e_at, wide, n, input_values(d0, d1, d2, d3, d4, d5))


@inlined
def _input_tiles(e, e_at, m, v, v_at, step, C, TW, n):
    """V = e B for n channels of a line of tiles.

    e, e_at        one of the six lines of the buffer: the index of the first value
    m              size of a tile's output
    v, v_at, step  36 matrices: the index of the first value, the distance between matrices
    C, TW          channels; number of tiles
    """
    for j in range(TW):
        d0, d1, d2, d3, d4, d5 = load_six(e, e_at + j * m * C, C, n)
        store_six(v, v_at + j * C, step, n, input_values(d0, d1, d2, d3, d4, d5))


@inlined
def input_lines_adjoint(dv: NDArray, step: int, dx: NDArray, H: int, W: int, C: int, TH: int, TW: int, pad: int,
                        m: int, first: int, last: int, fresh: bool) -> None:
    """The adjoint of ``input_lines``: dd = B dV Bᵀ for the images from ``first`` to ``last``.

    dv, step     36 matrices ((last - first)·TH·TW, C)
    dx           (N·H·W·C,) gradient with respect to the images: added to, or overwritten if ``fresh``
    H, W, C      height and width of an image; channels
    TH, TW       tiles in a column and in a line of an image
    pad, m       padding; height and width of a tile's output
    first, last  range of images
    fresh        overwrite dx instead of adding to it
    """
    WC, wide = W * C, (TW * m + 6 - m) * C
    e, sums = scratch(6 * wide, dx), np.zeros(4 * WC, dx.dtype)
    for line in range(first * TH, last * TH):
        for a in range(6):
            e_at, v_at, full = a * wide, a * 6 * step + (line - first * TH) * TW * C, C // LANES * LANES
            for c in range(0, full, LANES):
                _input_tiles_adjoint(dv, v_at + c, step, e, e_at + c, m, C, TW, LANES)
            if full < C:
                _input_tiles_adjoint(dv, v_at + full, step, e, e_at + full, m, C, TW, C - full)
        top, ends, e_at, full = line % TH * m - pad, line % TH == TH - 1, pad * C, WC // LANES * LANES
        x_at = (line // TH * H + top) * WC
        for k in range(0, full, LANES):
            _input_lines_adjoint(e, e_at + k, wide, sums, k, dx, x_at + k, top, H, WC, m, ends, fresh, LANES)
        if full < WC:
            _input_lines_adjoint(e, e_at + full, wide, sums, full, dx, x_at + full, top, H, WC, m, ends, fresh,
                                 WC - full)


@inlined
def _input_tiles_adjoint(dv, v_at, step, e, e_at, m, C, TW, n):
    """e = dV Bᵀ for n channels of a line of tiles. Pixels that the next tile shares stay in registers: s0 to s3.

    dv, v_at, step  36 matrices: the index of the first value, the distance between matrices
    e, e_at         one of the six lines of the buffer: the index of the first value
    m, C, TW        size of a tile's output; channels; number of tiles
    """
    zero = full_like(load(dv, v_at, n), 0)
    s0 = s1 = s2 = s3 = zero
    for j in range(TW):
        v0, v1, v2, v3, v4, v5 = load_six(dv, v_at + j * C, step, n)
        d0, d1, d2, d3, d4, d5 = input_gradients(v0, v1, v2, v3, v4, v5)
        at = e_at + j * m * C
        store(e, at, n, d0 + s0)
        store(e, at + C, n, d1 + s1)
        if m == 4:
            store(e, at + 2 * C, n, d2)
            store(e, at + 3 * C, n, d3)
            s0, s1 = d4, d5
        else:
            s0, s1, s2, s3 = d2 + s2, d3 + s3, d4, d5
    at = e_at + TW * m * C
    store(e, at, n, s0)
    store(e, at + C, n, s1)
    if m == 2:
        store(e, at + 2 * C, n, s2)
        store(e, at + 3 * C, n, s3)


@inlined
def _input_lines_adjoint(e, e_at, wide, sums, at, dx, x_at, top, H, WC, m, ends, fresh, n):
    """dd = B e for n values of the six lines of pixels from ``top`` on.

    e, e_at, wide  the buffer, the index of the first value, the distance between its six lines
    sums, at       the lines that the next line of tiles shares, and the index of the first value; zero before the first
                   line of tiles of an image and after the last
    dx, x_at       the gradient, and the index of the first value in the first line
    top, H, WC     the first line in its image; height of the image; values in a line
    m, ends        size of a tile's output; whether this line of tiles is the last of its image
    fresh          overwrite dx instead of adding to it
    """
    e0, e1, e2, e3, e4, e5 = load_six(e, e_at, wide, n)
    d0, d1, d2, d3, d4, d5 = input_gradients(e0, e1, e2, e3, e4, e5)
    d0, d1 = d0 + load(sums, at, n), d1 + load(sums, at + WC, n)
    zero = full_like(d0, 0)
    if m == 2:
        d2, d3 = d2 + load(sums, at + 2 * WC, n), d3 + load(sums, at + 3 * WC, n)
    _add_line(dx, x_at, top, H, fresh, n, d0)
    _add_line(dx, x_at + WC, top + 1, H, fresh, n, d1)
    if m == 4 or ends:
        _add_line(dx, x_at + 2 * WC, top + 2, H, fresh, n, d2)
        _add_line(dx, x_at + 3 * WC, top + 3, H, fresh, n, d3)
    if ends:
        _add_line(dx, x_at + 4 * WC, top + 4, H, fresh, n, d4)
        _add_line(dx, x_at + 5 * WC, top + 5, H, fresh, n, d5)
        d2 = d3 = d4 = d5 = zero
    if m == 4:
        store(sums, at, n, d4)
        store(sums, at + WC, n, d5)
    else:
        store(sums, at, n, d2)
        store(sums, at + WC, n, d3)
        store(sums, at + 2 * WC, n, d4)
        store(sums, at + 3 * WC, n, d5)


@inlined
def _add_line(dx, at, h, H, fresh, n, value):
    """Add n values to line h of an image, or overwrite them if ``fresh``; ignore a line outside the image.

    dx, at  flat array, and the index of the first value
    h, H    the line; height of the image
    value   what is added
    """
    if 0 <= h < H:
        store(dx, at, n, value if fresh else value + load(dx, at, n))
