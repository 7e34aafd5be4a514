"""Gradient descent with momentum, and averaging of weights: each in one pass over memory."""

from numpy.typing import NDArray

from .jit import JIT, frozen, njit

# -- NumPy ------------------------------------------------------------------------------------------------------------


def momentum_step_numpy(w: NDArray, g: NDArray, v: NDArray, lr: float, momentum: float, decay: float,
                        nesterov: bool) -> None:
    """g ← g + decay · w        v ← momentum · v + g        w ← w - lr · v, Nesterov: w - lr · (g + momentum · v)

    Updates the weights w and the velocity v in place and leaves the gradient g unchanged. Any shape.
    """
    lr, momentum, decay = (w.dtype.type(value) for value in (lr, momentum, decay))
    g = g + decay * w
    v *= momentum
    v += g
    w -= lr * (g + momentum * v if nesterov else v)


def average_step_numpy(average: NDArray, w: NDArray, rate: float) -> None:
    """average ← average + rate · (w - average), in place. Any shape."""
    average += average.dtype.type(rate) * (w - average)


# -- numba ------------------------------------------------------------------------------------------------------------


def momentum_step_numba(w: NDArray, g: NDArray, v: NDArray, lr: float, momentum: float, decay: float,
                        nesterov: bool) -> None:
    """As ``momentum_step_numpy``, compiled."""
    flat_w, flat_v = w.reshape(-1), v.reshape(-1)  # copies where not contiguous
    _momentum_step(flat_w, frozen(g).reshape(-1), flat_v, float(lr), float(momentum), float(decay), nesterov)
    for array, flat in ((w, flat_w), (v, flat_v)):
        if not array.flags.c_contiguous:
            array[...] = flat.reshape(array.shape)


@njit
def _momentum_step(w, g, v, lr, momentum, decay, nesterov):
    rate, friction, shrink = w.dtype.type(lr), w.dtype.type(momentum), w.dtype.type(decay)
    for k in range(w.size):
        gradient = g[k] + shrink * w[k]
        velocity = friction * v[k] + gradient
        v[k] = velocity
        w[k] -= rate * (gradient + friction * velocity if nesterov else velocity)


def average_step_numba(average: NDArray, w: NDArray, rate: float) -> None:
    """As ``average_step_numpy``, compiled."""
    flat = average.reshape(-1)  # a copy where not contiguous
    _average_step(flat, frozen(w).reshape(-1), float(rate))
    if not average.flags.c_contiguous:
        average[...] = flat.reshape(average.shape)


@njit
def _average_step(average, w, rate):
    part = average.dtype.type(rate)
    for k in range(average.size):
        average[k] += part * (w[k] - average[k])


average_step = average_step_numba if JIT else average_step_numpy
momentum_step = momentum_step_numba if JIT else momentum_step_numpy
