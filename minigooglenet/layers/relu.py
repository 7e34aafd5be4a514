"""Rectified linear unit."""

import math
from typing import Any

from ..kernels.relu import relu, relu_backward
from .base import Array, Layer, Shape


class ReLU(Layer):
    """y = max(x, 0)        dx = dy where y > 0, else 0

    Any shape. The cache is y, which the next layer keeps anyway. Source: Nair & Hinton 2010; Krizhevsky et al. 2012,
    section 3.1.
    """

    kind = "relu"
    expects = None  # any shape

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Array]:
        self.check(x)
        y = relu(x)
        return y, y

    def backward(self, dy: Array, y: Any) -> Array:
        self.check_gradient(dy, y.shape)
        return relu_backward(dy, y)

    def other_ops(self, shape: Shape) -> int:
        return math.prod(shape)  # one comparison each

    def describe(self) -> str:
        return "ReLU"
