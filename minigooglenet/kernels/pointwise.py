"""The rectifier and a step of descent, compiled."""

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


def descend(w, g, v, lr, momentum, decay, nesterov):
    """As ``reference.pointwise.descend``."""
    constants = [w.dtype.type(value) for value in (lr, momentum, decay)]
    flat_w, flat_v = w.reshape(-1), v.reshape(-1)  # copies, if not contiguous
    _descend(flat_w, frozen(g).reshape(-1), flat_v, *constants, nesterov)
    for array, flat in ((w, flat_w), (v, flat_v)):
        if not array.flags.c_contiguous:
            array[...] = flat.reshape(array.shape)


@njit
def _descend(w, g, v, lr, momentum, decay, nesterov):
    for k in range(w.size):
        gradient = g[k] + decay * w[k]
        velocity = momentum * v[k] + gradient
        v[k] = velocity
        w[k] -= lr * (gradient + momentum * velocity if nesterov else velocity)
