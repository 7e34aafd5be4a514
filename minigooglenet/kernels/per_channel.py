"""Sums and affine maps per channel, the operations of batch normalization. Sums are float64 for any input dtype."""

import numpy as np
from numpy.typing import NDArray

from .geometry import pixels
from .jit import JIT, frozen, njit
from .threads import over_chunks

# -- NumPy ------------------------------------------------------------------------------------------------------------


def channel_sums_numpy(a: NDArray, b: NDArray) -> tuple[NDArray, NDArray]:
    """(Σ a, Σ a·b) over all axes but the last, in float64. a, b (..., C) -> two arrays (C,)."""
    C = a.shape[-1]
    a, b = a.reshape(-1, C).astype(np.float64), b.reshape(-1, C).astype(np.float64)
    return a.sum(axis=0), (a * b).sum(axis=0)


def channel_affine_numpy(x: NDArray, scale: NDArray, shift: NDArray) -> NDArray:
    """y = x · scale + shift. x (..., C), scale and shift (C,)."""
    return x * scale.astype(x.dtype) + shift.astype(x.dtype)


def channel_mix_numpy(dy: NDArray, a: NDArray, x: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """dx = a · dy + b · x + c. dy, x (..., C), a, b and c (C,)."""
    return dy * a.astype(x.dtype) + x * b.astype(x.dtype) + c.astype(x.dtype)


# -- numba ------------------------------------------------------------------------------------------------------------


def channel_sums_numba(a: NDArray, b: NDArray) -> tuple[NDArray, NDArray]:
    """As ``channel_sums_numpy``, compiled."""
    C = a.shape[-1]
    a, b = frozen(pixels(a)), frozen(pixels(b))

    def partial(s):
        sums = np.zeros((2, C))
        _channel_sums(a[s], b[s], sums)
        return sums

    first, second = sum(over_chunks(partial, len(a)), np.zeros((2, C)))
    return first, second


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


def channel_affine_numba(x: NDArray, scale: NDArray, shift: NDArray) -> NDArray:
    """As ``channel_affine_numpy``, compiled."""
    y = np.empty(x.shape, x.dtype)
    x, out = frozen(pixels(x)), pixels(y)
    scale, shift = frozen(scale.astype(x.dtype)), frozen(shift.astype(x.dtype))
    over_chunks(lambda s: _channel_affine(x[s], scale, shift, out[s]), len(x))
    return y


@njit
def _channel_affine(x, scale, shift, y):
    N, P, C = x.shape
    for n in range(N):
        for p in range(P):
            for c in range(C):
                y[n, p, c] = x[n, p, c] * scale[c] + shift[c]


def channel_mix_numba(dy: NDArray, a: NDArray, x: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """As ``channel_mix_numpy``, compiled."""
    dx = np.empty(x.shape, x.dtype)
    dy, x, out = frozen(pixels(dy)), frozen(pixels(x)), pixels(dx)
    a, b, c = (frozen(v.astype(x.dtype)) for v in (a, b, c))
    over_chunks(lambda s: _channel_mix(dy[s], a, x[s], b, c, out[s]), len(x))
    return dx


@njit
def _channel_mix(dy, a, x, b, c, dx):
    N, P, C = x.shape
    for n in range(N):
        for p in range(P):
            for k in range(C):
                dx[n, p, k] = dy[n, p, k] * a[k] + x[n, p, k] * b[k] + c[k]


channel_sums = channel_sums_numba if JIT else channel_sums_numpy
channel_affine = channel_affine_numba if JIT else channel_affine_numpy
channel_mix = channel_mix_numba if JIT else channel_mix_numpy
