"""Local response normalization across neighboring channels."""

import numpy as np
from numpy.typing import NDArray

from . import jit
from .geometry import pixels
from .jit import JIT, frozen, inlined, njit
from .threads import over_chunks

# -- NumPy ------------------------------------------------------------------------------------------------------------


def _neighbors(a, size):
    """Sum over a centered window of ``size`` channels, clipped at the ends."""
    C, half = a.shape[-1], size // 2
    return np.stack([a[..., max(0, c - half):c - half + size].sum(axis=-1) for c in range(C)], axis=-1)


def lrn_numpy(x: NDArray, size: int, alpha: float, beta: float, k: float) -> NDArray:
    """y_i = x_i · s_i^-beta, s_i = k + (alpha / size) · sum of x_j² over ``size`` channels around i. x (N, H, W, C)."""
    scale = k + alpha / size * _neighbors(x * x, size)
    return (x * scale**-beta).astype(x.dtype)


def lrn_backward_numpy(dy: NDArray, x: NDArray, size: int, alpha: float, beta: float, k: float) -> NDArray:
    """dx_i = dy_i · s_i^-beta - (2 alpha beta / size) · x_i · sum over j around i of dy_j x_j s_j^(-beta - 1)."""
    scale = k + alpha / size * _neighbors(x * x, size)
    terms = _neighbors(dy * x * scale ** (-beta - 1), size)
    return (dy * scale**-beta - 2 * alpha * beta / size * x * terms).astype(x.dtype)


# -- numba ------------------------------------------------------------------------------------------------------------


@inlined
def _window_sums(a, padded, sums, size):
    """sums_i = sum of a over ``size`` channels around i. ``padded`` (C + size,) is scratch, zero at both ends."""
    C, half = jit.size(len(a)), jit.size(size // 2)
    for c in range(C):
        padded[half + c] = a[c]
    for c in range(C):
        sums[c] = padded[c]
    if size == 5:  # the common case, in one pass
        one, two, three, four = jit.size(1), jit.size(2), jit.size(3), jit.size(4)
        for c in range(C):
            sums[c] = padded[c] + padded[c + one] + padded[c + two] + padded[c + three] + padded[c + four]
        return
    for offset in range(jit.size(1), jit.size(size)):
        for c in range(C):
            sums[c] += padded[offset + c]


@inlined
def _powers(squares, powers, alpha_n, beta, k):
    """powers = (k + alpha_n · squares)^-beta; with square roots for beta = 3/4, because those vectorize."""
    one = squares.dtype.type(1)
    if beta == 0.75:
        for c in range(len(squares)):
            root = np.sqrt(k + alpha_n * squares[c])
            powers[c] = one / (root * np.sqrt(root))
    else:
        for c in range(len(squares)):
            powers[c] = (k + alpha_n * squares[c]) ** -beta


def lrn_numba(x: NDArray, size: int, alpha: float, beta: float, k: float) -> NDArray:
    """As ``lrn_numpy``, compiled."""
    C, y = x.shape[-1], np.empty(x.shape, x.dtype)
    x, out = frozen(x.reshape(-1, x.shape[-2], C)), y.reshape(-1, x.shape[-2], C)  # (N·H, W, C)
    constants = [x.dtype.type(v) for v in (alpha / size, beta, k)]
    over_chunks(lambda s: _lrn(x[s], out[s], size, *constants), len(x), -(-len(x) // 16))
    return y


@njit
def _lrn(x, y, size, alpha_n, beta, k):
    N, P, C = x.shape
    padded, squares = np.zeros(C + size, x.dtype), np.empty(C, x.dtype)
    sums, powers = np.empty(C, x.dtype), np.empty(C, x.dtype)
    for n in range(N):
        for p in range(P):
            for c in range(C):
                squares[c] = x[n, p, c] * x[n, p, c]
            _window_sums(squares, padded, sums, size)
            _powers(sums, powers, alpha_n, beta, k)
            for c in range(C):
                y[n, p, c] = x[n, p, c] * powers[c]


def lrn_backward_numba(dy: NDArray, x: NDArray, size: int, alpha: float, beta: float, k: float) -> NDArray:
    """As ``lrn_backward_numpy``, compiled."""
    dx = np.empty(x.shape, x.dtype)
    dy, x, out = frozen(pixels(dy)), frozen(pixels(x)), pixels(dx)
    constants = [x.dtype.type(v) for v in (alpha / size, beta, k)]
    over_chunks(lambda s: _lrn_backward(dy[s], x[s], out[s], size, *constants), len(x))
    return dx


@njit
def _lrn_backward(dy, x, dx, size, alpha_n, beta, k):
    N, P, C = x.shape
    padded, squares = np.zeros(C + size, x.dtype), np.empty(C, x.dtype)
    sums, powers = np.empty(C, x.dtype), np.empty(C, x.dtype)
    terms = np.empty(C, x.dtype)  # dy_j x_j s_j^(-beta - 1)
    factor = 2 * alpha_n * beta
    for n in range(N):
        for p in range(P):
            for c in range(C):
                squares[c] = x[n, p, c] * x[n, p, c]
            _window_sums(squares, padded, sums, size)
            _powers(sums, powers, alpha_n, beta, k)
            for c in range(C):
                terms[c] = dy[n, p, c] * x[n, p, c] * powers[c] / (k + alpha_n * sums[c])
            _window_sums(terms, padded, sums, size)
            for c in range(C):
                dx[n, p, c] = dy[n, p, c] * powers[c] - factor * x[n, p, c] * sums[c]


lrn = lrn_numba if JIT else lrn_numpy
lrn_backward = lrn_backward_numba if JIT else lrn_backward_numpy
