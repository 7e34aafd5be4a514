"""Convolution as a matrix product (im2col)."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..kernels.geometry import Pair, output_hw, pair, whole
from ..kernels.im2col import col2im, im2col
from ..kernels.matmul import matmul
from .base import Array, Layer, Shape
from .init import Init, Random, he, weights


class Conv(Layer):
    """y[n, i, j, f] = b[f] + sum over u, v, c of x[n, i S + u - P, j S + v - P, c] · w[u, v, c, f]

    x (N, H, W, C), w (KH, KW, C, F), b (F,) -> y (N, OH, OW, F). Outside the image x counts as 0.

    With the windows of x as the rows of a matrix X (im2col), and dY as a matrix of one row per output pixel:

        Y = X w + b        dw = Xᵀ dY        db = the sum of dY's rows        dx = col2im(dY wᵀ)

    The cache is x itself: X is cheaper to build again than to keep, and a 1×1 convolution needs none, since there
    X is x. Raises ValueError for sizes below 1 and negative padding. Source: Chellapilla et al. 2006 for im2col;
    Szegedy et al. 2014, section 4, for where it is used here.
    """

    kind = "conv"
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]

    def __init__(self, C: int, F: int, kernel: int | Pair, stride: int | Pair = 1, pad: int | Pair = 0, *,
                 bias: bool = True, init: Init = he, bias_value: float = 0.0, rng: Random = None,
                 dtype: DTypeLike = np.float32) -> None:
        super().__init__()
        self.C, self.F, self.expects = whole(C, "C"), whole(F, "F"), ("H", "W", C)
        self.kernel, self.stride, self.pad = pair(kernel, "kernel", 1), pair(stride, "stride", 1), pair(pad, "pad")
        KH, KW = self.kernel
        self.add_param("w", weights(init, rng, (KH, KW, C, F), KH * KW * C, dtype))
        if bias:
            self.add_param("b", np.full(F, bias_value, dtype))

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Array]:
        self.check(x)
        w = self.params["w"].reshape(-1, self.F)  # (KH·KW·C, F)
        y = matmul(self.columns(x), w)  # (N·OH·OW, F)
        if "b" in self.params:
            y += self.params["b"]
        return y.reshape(len(x), *self.output_shape(x.shape[1:])), x

    def backward(self, dy: Array, x: Any) -> Array:
        self.check_gradient(dy, x.shape)
        w, dy = self.params["w"].reshape(-1, self.F), dy.reshape(-1, self.F)  # dy (N·OH·OW, F)
        self.grads["w"] += matmul(self.columns(x).T, dy).reshape(self.params["w"].shape)
        if "b" in self.params:
            self.grads["b"] += dy.sum(axis=0)
        return self.uncolumns(matmul(dy, w.T), x.shape)

    def columns(self, x: Array) -> Array:
        """X: one row for each window, (N·OH·OW, KH·KW·C)."""
        if self.kernel == (1, 1) == self.stride and self.pad == (0, 0):
            return x.reshape(-1, self.C)
        return im2col(x, self.kernel, self.stride, self.pad)

    def uncolumns(self, columns: Array, shape: Shape) -> Array:
        """The adjoint: add each row back to where it came from, (N, H, W, C) = ``shape``."""
        if self.kernel == (1, 1) == self.stride and self.pad == (0, 0):
            return columns.reshape(shape)
        return col2im(columns, shape, self.kernel, self.stride, self.pad)

    def output_shape(self, shape: Shape) -> Shape:
        return *output_hw(shape[0], shape[1], self.kernel, self.stride, self.pad), self.F

    def macs(self, shape: Shape) -> int:
        OH, OW, F = self.output_shape(shape)
        return OH * OW * self.params["w"].size
