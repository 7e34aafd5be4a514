"""How weights begin. Each function: (rng, shape, fan_in) -> array, where fan_in is how many inputs one output sums."""

import numpy as np


def he(rng, shape, fan_in):
    """Gaussian with variance 2 / fan_in: keeps the size of activations through ReLUs (He et al. 2015, section 2.2)."""
    return rng.standard_normal(shape) * np.sqrt(2 / fan_in)


def xavier(rng, shape, fan_in):
    """Uniform in ±sqrt(3 / fan_in): variance 1 / fan_in, Caffe's ``xavier`` filler with its default FAN_IN."""
    bound = np.sqrt(3 / fan_in)
    return rng.uniform(-bound, bound, shape)


def truncated_normal(rng, shape, fan_in, std=0.01):
    """Gaussian with the given deviation, cut at two deviations, as torchvision's GoogLeNet starts."""
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return values * std


def weights(init, rng, shape, fan_in, dtype):
    """A weight array. Without a generator: zeros that cost no memory yet, to be counted or loaded into."""
    if rng is None:
        return np.zeros(shape, dtype)
    return init(rng, shape, fan_in).astype(dtype)
