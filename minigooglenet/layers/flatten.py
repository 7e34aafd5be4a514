"""From maps to a vector."""

import math

from .base import Layer


class Flatten(Layer):
    """(N, H, W, C) -> (N, H·W·C), channels fastest. No copy; backward reshapes back. The cache is the shape of x."""

    def forward(self, x, train=False):
        self.check(x)
        return x.reshape(len(x), -1), x.shape

    def backward(self, dy, shape):
        self.check_gradient(dy, shape)
        return dy.reshape(shape)

    def output_shape(self, shape):
        return (math.prod(shape),)
