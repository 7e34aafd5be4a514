"""Fully connected layer."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..kernels.geometry import whole
from .base import Array, Layer, Shape
from .init import Init, Random, he, weights


class Dense(Layer):
    """y = x w + b        dx = dy wᵀ        dw = xᵀ dy        db = the sum of dy over the batch

    x (N, D), w (D, F), b (F,) -> y (N, F). The cache is x. No average over the batch here: the loss has taken it.
    """

    kind = "dense"

    def __init__(self, D: int, F: int, *, init: Init = he, bias_value: float = 0.0,
                 rng: Random = None, dtype: DTypeLike = np.float32) -> None:
        super().__init__()
        self.D, self.F, self.expects = whole(D, "D"), whole(F, "F"), (D,)
        self.add_param("w", weights(init, rng, (D, F), D, dtype))
        self.add_param("b", np.full(F, bias_value, dtype))

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Array]:
        self.check(x)
        return x @ self.params["w"] + self.params["b"], x

    def backward(self, dy: Array, x: Any) -> Array:
        self.check_gradient(dy, x.shape)
        self.grads["w"] += x.T @ dy
        self.grads["b"] += dy.sum(axis=0)
        return dy @ self.params["w"].T

    def output_shape(self, shape: Shape) -> Shape:
        return (self.F,)

    def macs(self, shape: Shape) -> int:
        return self.D * self.F

    def describe(self) -> str:
        return f"dense {self.D}->{self.F}"
