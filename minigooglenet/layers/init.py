"""Initialization of weights. Each function: (rng, shape, fan_in) -> array, where fan_in is how many inputs one output
sums."""

from collections.abc import Callable
from numbers import Integral
from typing import TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from .base import Array, Shape

Random: TypeAlias = np.random.Generator | int | None  # a generator, a seed, or nothing random
Init: TypeAlias = Callable[[np.random.Generator, Shape, int], Array]


def he(rng: np.random.Generator, shape: Shape, fan_in: int) -> Array:
    """Gaussian with variance 2 / fan_in: preserves the variance through ReLUs (He et al. 2015, section 2.2)."""
    return rng.standard_normal(shape) * np.sqrt(2 / fan_in)


def xavier(rng: np.random.Generator, shape: Shape, fan_in: int) -> Array:
    """Uniform in ±sqrt(3 / fan_in): variance 1 / fan_in, Caffe's ``xavier`` filler with its default FAN_IN.
    (Glorot & Bengio 2010)"""
    bound = np.sqrt(3 / fan_in)
    return rng.uniform(-bound, bound, shape)


def truncated_normal(rng: np.random.Generator, shape: Shape, fan_in: int, std: float = 0.01) -> Array:
    """Gaussian with the given standard deviation, cut at two standard deviations: torchvision's GoogLeNet."""
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return values * std


def weights(init: Init, rng: Random, shape: Shape, fan_in: int, dtype: DTypeLike) -> Array:
    """A weight array. Without a generator: zeros that cost no memory yet, to be counted or loaded into."""
    generator = as_generator(rng)
    if generator is None:
        return np.zeros(shape, dtype)
    return init(generator, shape, fan_in).astype(dtype)


def as_generator(rng: Random) -> np.random.Generator | None:
    """A seed becomes a generator; a generator, or None, stays what it is."""
    return np.random.default_rng(int(rng)) if isinstance(rng, int | Integral) else rng
