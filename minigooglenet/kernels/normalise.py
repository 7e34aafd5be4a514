"""Sums and scalings per channel and across channels, compiled. Sums are kept in float64 whatever comes in."""

import numpy as np

from ..threads import over_slices
from . import jit
from .jit import frozen, inlined, njit


def channel_sums(a, b):
    """As ``reference.normalise.channel_sums``."""
    C = a.shape[-1]
    a, b = frozen(a.reshape(len(a), -1, C)), frozen(b.reshape(len(b), -1, C))

    def partial(s):
        sums = np.zeros((2, C))
        _channel_sums(a[s], b[s], sums)
        return sums

    return sum(over_slices(partial, len(a)), np.zeros((2, C)))


@njit
def _channel_sums(a, b, sums):
    N, P, C = a.shape
    first, second = sums[0], sums[1]
    for n in range(N):
        for p in range(P):
            for c in range(C):
                v = np.float64(a[n, p, c])
                first[c] += v
                second[c] += v * np.float64(b[n, p, c])


def channel_affine(x, scale, shift):
    """As ``reference.normalise.channel_affine``."""
    C, y = x.shape[-1], np.empty(x.shape, x.dtype)
    x, out = frozen(x.reshape(len(x), -1, C)), y.reshape(len(x), -1, C)
    scale, shift = frozen(scale.astype(x.dtype)), frozen(shift.astype(x.dtype))
    over_slices(lambda s: _channel_affine(x[s], scale, shift, out[s]), len(x))
    return y


@njit
def _channel_affine(x, scale, shift, y):
    N, P, C = x.shape
    for n in range(N):
        for p in range(P):
            for c in range(C):
                y[n, p, c] = x[n, p, c] * scale[c] + shift[c]


def channel_mix(dy, a, x, b, c):
    """As ``reference.normalise.channel_mix``."""
    C, dx = x.shape[-1], np.empty(x.shape, x.dtype)
    dy, x, out = (frozen(dy.reshape(len(x), -1, C)), frozen(x.reshape(len(x), -1, C)), dx.reshape(len(x), -1, C))
    a, b, c = (frozen(v.astype(x.dtype)) for v in (a, b, c))
    over_slices(lambda s: _channel_mix(dy[s], a, x[s], b, c, out[s]), len(x))
    return dx


@njit
def _channel_mix(dy, a, x, b, c, dx):
    N, P, C = x.shape
    for n in range(N):
        for p in range(P):
            for k in range(C):
                dx[n, p, k] = dy[n, p, k] * a[k] + x[n, p, k] * b[k] + c[k]


def lrn(x, size, alpha, beta, k):
    """As ``reference.normalise.lrn``."""
    C, y = x.shape[-1], np.empty(x.shape, x.dtype)
    x, out = frozen(x.reshape(-1, x.shape[-2], C)), y.reshape(-1, x.shape[-2], C)  # lines of pixels, of all pictures
    constants = [x.dtype.type(v) for v in (alpha / size, beta, k)]
    over_slices(lambda s: _lrn(x[s], out[s], size, *constants), len(x), -(-len(x) // 16))
    return y


@inlined
def _window_sums(a, padded, sums, size):
    """sums_i = the sum of a over the ``size`` channels around i. ``padded`` is scratch with size zeros to spare."""
    C, half = jit.size(len(a)), jit.size(size // 2)
    for c in range(C):
        padded[half + c] = a[c]
    for c in range(C):
        sums[c] = padded[c]
    if size == 5:  # the usual one, in one pass
        one, two, three, four = jit.size(1), jit.size(2), jit.size(3), jit.size(4)
        for c in range(C):
            sums[c] = padded[c] + padded[c + one] + padded[c + two] + padded[c + three] + padded[c + four]
        return
    for offset in range(jit.size(1), jit.size(size)):
        for c in range(C):
            sums[c] += padded[offset + c]


@inlined
def _powers(squares, powers, rate, beta, k):
    """powers = (k + rate · squares)^-beta; for 3/4 by square roots, which processors do eight at a time."""
    one = squares.dtype.type(1)
    if beta == 0.75:
        for c in range(len(squares)):
            root = np.sqrt(k + rate * squares[c])
            powers[c] = one / (root * np.sqrt(root))
    else:
        for c in range(len(squares)):
            powers[c] = (k + rate * squares[c]) ** -beta


@njit
def _lrn(x, y, size, rate, beta, k):
    N, P, C = x.shape
    padded, squares = np.zeros(C + size, x.dtype), np.empty(C, x.dtype)
    sums, powers = np.empty(C, x.dtype), np.empty(C, x.dtype)
    for n in range(N):
        for p in range(P):
            for c in range(C):
                squares[c] = x[n, p, c] * x[n, p, c]
            _window_sums(squares, padded, sums, size)
            _powers(sums, powers, rate, beta, k)
            for c in range(C):
                y[n, p, c] = x[n, p, c] * powers[c]


def lrn_backward(dy, x, size, alpha, beta, k):
    """As ``reference.normalise.lrn_backward``."""
    C, dx = x.shape[-1], np.empty(x.shape, x.dtype)
    dy, x, out = frozen(dy.reshape(len(x), -1, C)), frozen(x.reshape(len(x), -1, C)), dx.reshape(len(x), -1, C)
    constants = [x.dtype.type(v) for v in (alpha / size, beta, k)]
    over_slices(lambda s: _lrn_backward(dy[s], x[s], out[s], size, *constants), len(x))
    return dx


@njit
def _lrn_backward(dy, x, dx, size, rate, beta, k):
    N, P, C = x.shape
    padded, squares = np.zeros(C + size, x.dtype), np.empty(C, x.dtype)
    sums, powers = np.empty(C, x.dtype), np.empty(C, x.dtype)
    pulled = np.empty(C, x.dtype)  # dy_j x_j s_j^(-beta - 1)
    factor = 2 * rate * beta
    for n in range(N):
        for p in range(P):
            for c in range(C):
                squares[c] = x[n, p, c] * x[n, p, c]
            _window_sums(squares, padded, sums, size)
            _powers(sums, powers, rate, beta, k)
            for c in range(C):
                pulled[c] = dy[n, p, c] * x[n, p, c] * powers[c] / (k + rate * sums[c])
            _window_sums(pulled, padded, sums, size)
            for c in range(C):
                dx[n, p, c] = dy[n, p, c] * powers[c] - factor * x[n, p, c] * sums[c]
