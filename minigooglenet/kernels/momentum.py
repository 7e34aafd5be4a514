"""Gradient descent with momentum."""

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


# -- numba ------------------------------------------------------------------------------------------------------------


def momentum_step_numba(w: NDArray, g: NDArray, v: NDArray, lr: float, momentum: float, decay: float,
                        nesterov: bool) -> None:
    """As ``momentum_step_numpy``, compiled."""
    lr, momentum, decay = (w.dtype.type(value) for value in (lr, momentum, decay))
    flat_w, flat_v = w.reshape(-1), v.reshape(-1)  # copies where not contiguous
    _momentum_step(flat_w, frozen(g).reshape(-1), flat_v, lr, momentum, decay, nesterov)
    for array, flat in ((w, flat_w), (v, flat_v)):
        if not array.flags.c_contiguous:
            array[...] = flat.reshape(array.shape)


@njit
def _momentum_step(w, g, v, lr, momentum, decay, nesterov):
    for k in range(w.size):
        gradient = g[k] + decay * w[k]
        velocity = momentum * v[k] + gradient
        v[k] = velocity
        w[k] -= lr * (gradient + momentum * velocity if nesterov else velocity)


momentum_step = momentum_step_numba if JIT else momentum_step_numpy
