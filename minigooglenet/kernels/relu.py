"""The rectified linear unit (ReLU)."""

import numpy as np
from numpy.typing import NDArray

from .jit import JIT, frozen, njit
from .threads import over_chunks

# -- NumPy ------------------------------------------------------------------------------------------------------------


def relu_numpy(x: NDArray) -> NDArray:
    """y = max(x, 0). Any shape; NaN stays NaN."""
    return np.where(x < 0, x.dtype.type(0), x)


def relu_backward_numpy(dy: NDArray, y: NDArray) -> NDArray:
    """dx = dy where y > 0, else 0 (also at x = 0)."""
    return np.where(y > 0, dy, dy.dtype.type(0))


# -- numba ------------------------------------------------------------------------------------------------------------


def relu_numba(x: NDArray) -> NDArray:
    """As ``relu_numpy``, compiled."""
    x, y = frozen(x), np.empty(x.shape, x.dtype)  # not empty_like: y must be contiguous where x is not
    over_chunks(lambda s: _relu(x[s].reshape(-1), y[s].reshape(-1)), len(x))
    return y


@njit
def _relu(x, y):
    zero = x.dtype.type(0)
    for k in range(x.size):
        y[k] = zero if x[k] < zero else x[k]


def relu_backward_numba(dy: NDArray, y: NDArray) -> NDArray:
    """As ``relu_backward_numpy``, compiled."""
    dy, y, dx = frozen(dy), frozen(y), np.empty(dy.shape, dy.dtype)
    over_chunks(lambda s: _relu_backward(dy[s].reshape(-1), y[s].reshape(-1), dx[s].reshape(-1)), len(y))
    return dx


@njit
def _relu_backward(dy, y, dx):
    zero = y.dtype.type(0)
    for k in range(y.size):
        dx[k] = dy[k] if y[k] > zero else zero


relu = relu_numba if JIT else relu_numpy
relu_backward = relu_backward_numba if JIT else relu_backward_numpy
