"""What goes number by number: the rectifier, and a step of descent."""

import numpy as np


def relu(x):
    """y = max(x, 0), any shape."""
    return np.where(x < 0, x.dtype.type(0), x)


def relu_backward(dy, y):
    """dx = dy where y > 0, else 0 (at the kink itself: 0)."""
    return np.where(y > 0, dy, dy.dtype.type(0))


def descend(w, g, v, lr, momentum, decay, nesterov):
    """g ← g + decay · w        v ← momentum · v + g        w ← w - lr · v, Nesterov: w - lr · (g + momentum · v)

    In place, but for g; any shape.
    """
    lr, momentum, decay = (w.dtype.type(value) for value in (lr, momentum, decay))
    g = g + decay * w
    v *= momentum
    v += g
    w -= lr * (g + momentum * v if nesterov else v)
