"""The way back through whole convolutions, compiled: both gradients of some pixels, or of some pictures, at a time."""

import numpy as np

from .columns import BLOCK, lines_at_once, pad_lines
from .convolve import tiles_at_once
from .fused import mix
from .jit import frozen, njit
from .product import ADD, SPARE, WRITE, multiply, multiply_runs
from .winograd import of_input, of_input_adjoint, of_output_adjoint


def convolve_pointwise_back(units, F, x, turned, dx, fresh=False):
    """As ``reference.convolve_back.convolve_pointwise_back``."""
    C = x.shape[-1]
    du = np.zeros((C, F), x.dtype)
    into = np.empty(0, x.dtype) if dx is None else dx.reshape(-1)
    _pointwise(units, frozen(x).reshape(-1), turned, into, du.reshape(-1), C, F, x.size // C, dx is not None,
               WRITE if fresh else ADD)
    return du


def convolve_columns_back(dz, x, kernel, stride, pad):
    """As ``reference.convolve_back.convolve_columns_back``."""
    (N, H, W, C), (_, OH, OW, F) = x.shape, dz.shape
    du = np.zeros((kernel[0] * kernel[1] * C, F), x.dtype)
    _columns(frozen(dz).reshape(-1), frozen(x).reshape(N, H, W * C), du.reshape(-1), C, F, OH, OW, *kernel, *stride,
             *pad)
    return du


def convolve_winograd_back(units, F, shape, x, turned, dx, pad, m, fresh=False):
    """As ``reference.convolve_back.convolve_winograd_back``."""
    (N, H, W, C), (_, OH, OW) = x.shape, shape
    du = np.zeros((36, C, F), x.dtype)
    into = np.empty((0, H, W * C), x.dtype) if dx is None else dx.reshape(N, H, W * C)
    _winograd(units, frozen(x).reshape(N, H, W * C), turned.reshape(-1), into, du.reshape(-1), C, F, OH, OW, pad, m,
              dx is not None, fresh)
    return du


@njit
def _pointwise(units, x, turned, dx, du, C, F, P, wants_dx, how):
    nothing = np.empty(0, x.dtype)
    block = max(64, BLOCK // (C + F) // 8 * 8)
    dz = np.empty(min(block, P) * F + SPARE, x.dtype)
    for p in range(0, P, block):
        rows = min(block, P - p)
        mix(units, p, p + rows, dz, F)
        if wants_dx:
            multiply(dz, 0, F, 1, rows, F, turned, 0, F, 0, dx, p * C, C, C, nothing, 0, how)
        multiply(x, p * C, 1, C, C, rows, dz, 0, 1, F, du, 0, F, F, nothing, 0, ADD)


@njit
def _columns(dz, x, du, C, F, OH, OW, KH, KW, SH, SW, PH, PW):
    run, wide, nothing, lines = KW * C, x.shape[2] + 2 * PW * C, np.empty(0, x.dtype), len(x) * OH
    padded, block = lines_at_once(x, wide, OH, KH, SH)
    line = 0
    while line < lines:
        until = pad_lines(x, padded, PW * C, wide, block, line, lines, OH, KH, SH, PH)
        for i in range(KH):
            multiply_runs(padded, i * wide, 1, SH * wide, SW * C, run, until - line, OW, dz, line * OW * F, 1, F, du,
                          i * run * F, F, F, nothing, 0, ADD)
        line = until


@njit
def _winograd(units, x, turned, dx, du, C, F, OH, OW, pad, m, wants_dx, fresh):
    N, nothing, one, TH, TW = len(x), np.empty(0, x.dtype), len(turned) // 36, -(-OH // m), -(-OW // m)
    block = min(N, max(1, tiles_at_once(C, F) // (TH * TW)))
    most, pixels = block * TH * TW, OH * OW
    dz = np.empty((block, OH, OW * F), x.dtype)
    v, products = np.empty(36 * most * C, x.dtype), np.empty(36 * most * F + SPARE, x.dtype)
    for first in range(0, N, block):
        last = min(N, first + block)
        T = (last - first) * TH * TW
        values, of_dz = v[:36 * T * C], products[:36 * T * F]
        mix(units, first * pixels, last * pixels, dz.reshape(-1), F)
        of_output_adjoint(dz, of_dz, F, m, 0, last - first)
        of_input(x, values, C, TH, TW, pad, m, first * TH, last * TH)
        for i in range(36):
            multiply(values, i * T * C, 1, C, C, T, products, i * T * F, 1, F, du, i * C * F, F, F, nothing, 0, ADD)
        if wants_dx:
            for i in range(36):
                multiply(products, i * T * F, F, 1, T, F, turned, i * one, F, 0, values, i * T * C, C, C, nothing, 0,
                         WRITE)
            of_input_adjoint(values, dx, C, TH, TW, pad, m, first, last, fresh)
