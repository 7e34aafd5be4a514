"""Fully connected layer."""

import numpy as np

from .base import Layer
from .init import he, weights


class Dense(Layer):
    """y = x w + b        dx = dy wᵀ        dw = xᵀ dy        db = the sum of dy over the batch

    x (N, D), w (D, F), b (F,) -> y (N, F). The cache is x. No average over the batch here: the loss has taken it.
    """

    def __init__(self, D, F, *, init=he, bias_value=0.0, rng=None, dtype=np.float32):
        super().__init__()
        self.D, self.F, self.expects = D, F, (D,)
        self.add_param("w", weights(init, rng, (D, F), D, dtype))
        self.add_param("b", np.full(F, bias_value, dtype))

    def forward(self, x, train=False):
        self.check(x)
        return x @ self.params["w"] + self.params["b"], x

    def backward(self, dy, x):
        self.check_gradient(dy, x.shape)
        self.grads["w"] += x.T @ dy
        self.grads["b"] += dy.sum(axis=0)
        return dy @ self.params["w"].T

    def output_shape(self, shape):
        return (self.F,)

    def macs(self, shape):
        return self.D * self.F

    def describe(self):
        return f"dense {self.D}->{self.F}"
