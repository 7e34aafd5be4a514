"""Batch normalisation."""

import math

import numpy as np

from .. import kernels
from ..processes import sum_over_processes
from .base import Layer


class BatchNorm(Layer):
    """y = γ x̂ + β        x̂ = (x - μ) / σ        σ² = variance + ε, over batch and pixels, one per channel

    With M values in each channel, and because μ and σ depend on x:

        dβ = Σ dy        dγ = Σ dy x̂        dx = (γ / σ) · (dy - dβ / M - x̂ dγ / M)

    x (N, H, W, C), same shape out. Training uses the batch's own statistics and moves the running ones by ``momentum``
    towards them (the variance with M - 1); inference uses the running ones. The cache is (x, μ, 1/σ, train).
    Source: Ioffe & Szegedy 2015, section 3.
    """

    def __init__(self, C, eps=1e-5, momentum=0.1, dtype=np.float32):
        super().__init__()
        self.C, self.eps, self.momentum, self.expects = C, eps, momentum, ("H", "W", C)
        self.add_param("gamma", np.ones(C, dtype))
        self.add_param("beta", np.zeros(C, dtype))
        self.buffers = {"mean": np.zeros(C, dtype), "variance": np.ones(C, dtype)}

    def forward(self, x, train=False):
        self.check(x)
        if train:
            M = self.values(x)
            total, squares = sum_over_processes(kernels.channel_sums(x, x))  # float64: the difference keeps its digits
            mean = total / M
            variance = np.maximum(squares / M - mean**2, 0)
            self.remember(mean, variance * M / max(M - 1, 1))
        else:
            mean, variance = (self.buffers[name].astype(np.float64) for name in ("mean", "variance"))
        inverse = 1 / np.sqrt(variance + self.eps)
        scale = self.params["gamma"] * inverse
        return kernels.channel_affine(x, scale, self.params["beta"] - mean * scale), (x, mean, inverse, train)

    def values(self, x):
        """M: how many values each channel has in the batch, in all processes."""
        return int(sum_over_processes(np.array(x.size // self.C)))

    def remember(self, mean, variance):
        for name, value in (("mean", mean), ("variance", variance)):
            running = self.buffers[name]
            running += self.momentum * (value - running)

    def backward(self, dy, cache):
        x, mean, inverse, train = cache
        self.check_gradient(dy, x.shape)
        dbeta, along = kernels.channel_sums(dy, x)
        dgamma = (along - mean * dbeta) * inverse  # Σ dy x̂
        self.grads["beta"] += dbeta.astype(x.dtype)
        self.grads["gamma"] += dgamma.astype(x.dtype)
        scale = self.params["gamma"] * inverse
        if not train:  # the statistics are constants
            return kernels.channel_affine(dy, scale, np.zeros(self.C))
        M = self.values(x)
        dbeta, dgamma = sum_over_processes(np.stack([dbeta, dgamma]))  # of the whole batch, wherever it is
        pull = scale * inverse * dgamma / M  # what multiplies x - μ
        return kernels.channel_mix(dy, scale, x, -pull, pull * mean - scale * dbeta / M)

    def other_ops(self, shape):
        return 2 * math.prod(shape)  # a product and a sum each, at inference

    def describe(self):
        return "batch norm"
