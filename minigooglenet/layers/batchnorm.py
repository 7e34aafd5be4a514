"""Batch normalization."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import ShapeError
from ..kernels.geometry import whole
from ..kernels.per_channel import channel_affine, channel_mix, channel_sums
from .base import Array, Layer, Shape


def itself(a: Array) -> Array:
    """The sum over processes when there is one: the array itself."""
    return a


class BatchNorm(Layer):
    """y = γ x̂ + β        x̂ = (x - μ) / σ        σ² = variance + ε, over batch and pixels, one per channel

    With M values in each channel, and because μ and σ depend on x:

        dβ = Σ dy        dγ = Σ dy x̂        dx = (γ / σ) · (dy - dβ / M - x̂ dγ / M)

    x (N, H, W, C), same shape out. Training uses the batch's own statistics and moves the running ones by ``momentum``
    towards them (the variance with M - 1); inference uses the running ones. The cache is (x, μ, 1/σ, train).
    ``all_reduce`` sums an array over all processes that share the batch; one process needs none.
    Raises ShapeError in training where a channel has fewer than two values.
    Source: Ioffe & Szegedy 2015, section 3.
    """

    kind = "batch norm"

    def __init__(self, C: int, eps: float = 1e-5, momentum: float = 0.1, dtype: DTypeLike = np.float32,
                 all_reduce: Callable[[Array], Array] = itself) -> None:
        super().__init__()
        self.C, self.eps, self.momentum, self.expects = whole(C, "C"), eps, momentum, ("H", "W", C)
        if not (0 <= eps < math.inf and 0 <= momentum <= 1):
            raise ValueError(f"eps: got {eps}, needs 0 or more; momentum: got {momentum}, needs 0 to 1")
        self.all_reduce = all_reduce
        self.add_param("gamma", np.ones(C, dtype))
        self.add_param("beta", np.zeros(C, dtype))
        self.buffers = {"mean": np.zeros(C, dtype), "variance": np.ones(C, dtype)}

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        self.check(x)
        if train:
            M = self.count(x.size // self.C)
            total, squares = self.all_reduce(np.stack(channel_sums(x, x)))  # float64: the difference keeps its digits
            mean = total / M
            variance = np.maximum(squares / M - mean**2, 0)
            self.update_running(mean, variance * M / (M - 1))
        else:
            mean, variance = (self.buffers[name].astype(np.float64) for name in ("mean", "variance"))
        inverse = 1 / np.sqrt(variance + self.eps)
        scale = self.params["gamma"] * inverse
        return channel_affine(x, scale, self.params["beta"] - mean * scale), (x, mean, inverse, train)

    def backward(self, dy: Array, cache: Any) -> Array:
        x, mean, inverse, train = cache
        self.check_gradient(dy, x.shape)
        dbeta, along = channel_sums(dy, x)
        dgamma = (along - mean * dbeta) * inverse  # Σ dy x̂
        self.grads["beta"] += dbeta.astype(x.dtype)
        self.grads["gamma"] += dgamma.astype(x.dtype)
        scale = self.params["gamma"] * inverse
        if not train:  # the statistics are constants
            return channel_affine(dy, scale, np.zeros(self.C))
        M = self.count(x.size // self.C)
        dbeta, dgamma = self.all_reduce(np.stack([dbeta, dgamma]))  # of the whole batch, over all processes
        slope = scale * inverse * dgamma / M  # dx = scale · dy - slope · (x - μ) - scale · dβ / M
        return channel_mix(dy, scale, x, -slope, slope * mean - scale * dbeta / M)

    def count(self, here: int) -> int:
        """M: how many values each channel has in the batch, over all processes; ``here``: in this one.

        Raises ShapeError for fewer than two: they have no variance.
        """
        M = int(self.all_reduce(np.array(here)))
        if M < 2:
            raise ShapeError(f"batch norm got {M} value{'s' * (M != 1)} per channel; training needs at least 2: use a "
                             "larger batch or larger images")
        return M

    def update_running(self, mean: Array, variance: Array) -> None:
        for name, value in (("mean", mean), ("variance", variance)):
            running = self.buffers[name]
            running += self.momentum * (value - running)

    def other_ops(self, shape: Shape) -> int:
        return 2 * math.prod(shape)  # a product and a sum each, at inference
