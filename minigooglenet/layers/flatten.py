"""Flattening: from maps to a vector."""

import math
from typing import Any

from .base import Array, Layer, Shape


class Flatten(Layer):
    """(N, H, W, C) -> (N, H·W·C), channels fastest. No copy; backward reshapes back. The cache is the shape of x."""

    kind = "flatten"

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Shape]:
        self.check(x)
        return x.reshape(len(x), math.prod(x.shape[1:])), x.shape

    def backward(self, dy: Array, shape: Any) -> Array:
        self.check_gradient(dy, shape)
        return dy.reshape(shape)

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)
