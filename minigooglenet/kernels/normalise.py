"""Sums and scalings per channel and across channels, compiled. Sums are kept in float64 whatever comes in."""

import numpy as np

from ..threads import over_slices
from .jit import frozen, njit


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
    x, out = frozen(x.reshape(len(x), -1, C)), y.reshape(len(x), -1, C)
    constants = [x.dtype.type(v) for v in (alpha / size, beta, k)]
    over_slices(lambda s: _lrn(x[s], out[s], size, *constants), len(x))
    return y


@njit
def _scale(x, scale, size, rate, k):
    """scale_i = k + rate · (the sum of x² over the window around i)."""
    C, half = len(x), size // 2
    for i in range(C):
        total = x.dtype.type(0)
        for j in range(max(0, i - half), min(C, i - half + size)):
            total += x[j] * x[j]
        scale[i] = k + rate * total


@njit
def _lrn(x, y, size, rate, beta, k):
    N, P, C = x.shape
    scale = np.empty(C, x.dtype)
    for n in range(N):
        for p in range(P):
            _scale(x[n, p], scale, size, rate, k)
            for i in range(C):
                y[n, p, i] = x[n, p, i] * scale[i] ** -beta


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
    half = size // 2
    scale = np.empty(C, x.dtype)
    pulled = np.empty(C, x.dtype)  # dy_j x_j s_j^(-beta - 1)
    for n in range(N):
        for p in range(P):
            _scale(x[n, p], scale, size, rate, k)
            for i in range(C):
                power = scale[i] ** -beta
                dx[n, p, i] = dy[n, p, i] * power
                pulled[i] = dy[n, p, i] * x[n, p, i] * power / scale[i]
            for i in range(C):
                total = x.dtype.type(0)
                for j in range(max(0, i - half), min(C, i - half + size)):
                    total += pulled[j]
                dx[n, p, i] -= 2 * rate * beta * x[n, p, i] * total
