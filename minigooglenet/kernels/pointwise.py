"""The rectifier, compiled."""

import numpy as np

from ..threads import over_slices
from .jit import frozen, njit


def relu(x):
    """As ``reference.pointwise.relu``."""
    x, y = frozen(x), np.empty(x.shape, x.dtype)  # not empty_like: y must be contiguous where x is not
    over_slices(lambda s: _relu(x[s].reshape(-1), y[s].reshape(-1)), len(x))
    return y


@njit
def _relu(x, y):
    zero = x.dtype.type(0)
    for k in range(x.size):
        y[k] = zero if x[k] < zero else x[k]


def relu_backward(dy, y):
    """As ``reference.pointwise.relu_backward``."""
    dy, y, dx = frozen(dy), frozen(y), np.empty(dy.shape, dy.dtype)
    over_slices(lambda s: _relu_backward(dy[s].reshape(-1), y[s].reshape(-1), dx[s].reshape(-1)), len(y))
    return dx


@njit
def _relu_backward(dy, y, dx):
    zero = y.dtype.type(0)
    for k in range(y.size):
        dx[k] = dy[k] if y[k] > zero else zero
