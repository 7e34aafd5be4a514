"""Whole convolutions, compiled: from pictures to what follows the ReLU, a piece that fits into the cache at a time."""

import numpy as np

from .columns import BLOCK, lines_at_once, pad_lines
from .fused import add_sums
from .jit import frozen, inlined, njit
from .product import RELU, WRITE, multiply, multiply_runs
from .winograd import of_input, of_output


def convolve_pointwise(x, u, F, y, lines=None, offset=0, shift=None, sums=None):
    """As ``reference.convolve.convolve_pointwise``."""
    N, H, W, C = x.shape
    first, last = lines or (0, N * H)
    _pointwise(frozen(x).reshape(-1), u, C, F, y.reshape(-1), y.shape[-1], first * W, last * W, offset,
               *_ending(shift, sums, u))


def convolve_columns(x, u, F, y, kernel, stride, pad, lines=None, offset=0, shift=None, sums=None):
    """As ``reference.convolve.convolve_columns``."""
    N, H, W, C = x.shape
    OH, OW = y.shape[1:3]
    _columns(frozen(x).reshape(N, H, W * C), u, C, F, y.reshape(-1), y.shape[-1], OH, OW, *kernel, *stride, *pad,
             *(lines or (0, N * OH)), offset, *_ending(shift, sums, u))


def convolve_winograd(x, u, F, y, pad, m, lines=None, offset=0, shift=None, filters=None, sums=None):
    """As ``reference.convolve.convolve_winograd``."""
    (N, H, W, C), (_, OH, OW, Y) = x.shape, y.shape
    TH, TW = -(-OH // m), -(-OW // m)
    _winograd(frozen(x).reshape(N, H, W * C), u.reshape(-1), C, y.reshape(N, OH, OW * Y), Y, TH, TW, pad, m,
              *(lines or (0, N * TH)), *(filters or (0, F)), offset, *_ending(shift, sums, u))


@inlined
def tiles_at_once(C, F):
    """Of Winograd's tiles so many that their 36 (C + F) numbers each stay in the cache, but no more than it takes; if
    the 36 matrices are large, so many that one reads no more of those than of tiles."""
    return max(min(8192 // (C + F), 128), C * F // (C + F))


def _ending(shift, sums, u):
    how = (np.empty(0, u.dtype), WRITE) if shift is None else (shift, RELU)
    return *how, np.empty((2, 0)) if sums is None else sums


@njit
def _pointwise(x, u, C, F, y, Y, first, last, offset, shift, how, sums):
    block = max(8, BLOCK // C // 8 * 8)
    for p in range(first, last, block):
        multiply(x, p * C, C, 1, min(block, last - p), C, u, 0, C, 0, y, p * Y + offset, Y, F, shift, 0, how)
        add_sums(y, Y, offset, p, min(p + block, last), sums)


@njit
def _columns(x, u, C, F, y, Y, OH, OW, KH, KW, SH, SW, PH, PW, first, last, offset, shift, how, sums):
    run, wide = KW * C, x.shape[2] + 2 * PW * C
    padded, block = lines_at_once(x, wide, OH, KH, SH)
    line = first
    while line < last:
        until = pad_lines(x, padded, PW * C, wide, block, line, last, OH, KH, SH, PH)
        for i in range(until - line):
            multiply_runs(padded, i * SH * wide, SW * C, wide, 1, OW, KH, run, u, 0, KH * run, 0, y,
                          (line + i) * OW * Y + offset, Y, F, shift, 0, how)
        add_sums(y, Y, offset, line * OW, until * OW, sums)
        line = until


@njit
def _winograd(x, u, C, y, Y, TH, TW, pad, m, first, last, from_filter, to_filter, offset, shift, how, sums):
    F, OH, OW = to_filter - from_filter, y.shape[1], y.shape[2] // Y
    block = max(1, tiles_at_once(C, F) // TW)
    most, one = min(block, last - first) * TW, len(u) // 36
    v, products = np.empty(36 * most * C, x.dtype), np.empty(36 * most * F, x.dtype)
    for line in range(first, last, block):
        until = min(last, line + block)
        T = (until - line) * TW
        tile_values, tile_products = v[:36 * T * C], products[:36 * T * F]
        of_input(x, tile_values, C, TH, TW, pad, m, line, until)
        for i in range(36):
            multiply(tile_values, i * T * C, C, 1, T, C, u, i * one + from_filter * C, C, 0, tile_products, i * T * F,
                     F, F, shift, 0, WRITE)
        of_output(tile_products, y, Y, F, m, line, until, offset + from_filter, shift, from_filter, how == RELU)
        above, below = line // TH * OH + line % TH * m, until // TH * OH + until % TH * m  # the lines of pixels
        add_sums(y.reshape(-1), Y, offset, above * OW, below * OW, sums)
