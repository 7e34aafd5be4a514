"""Convolution as a matrix product (im2col)."""

import numpy as np

from .. import kernels
from ..geometry import output_hw, pair
from ..threads import over_slices
from .base import Layer
from .init import he, weights


class Conv(Layer):
    """y[n, i, j, f] = b[f] + sum over u, v, c of x[n, i S + u - P, j S + v - P, c] · w[u, v, c, f]

    x (N, H, W, C), w (KH, KW, C, F), b (F,) -> y (N, OH, OW, F). Outside the picture x counts as 0.

    With the windows of x as the rows of a matrix X (im2col), and dY as a matrix of one row per output pixel:

        Y = X w + b        dw = Xᵀ dY        db = the sum of dY's rows        dX = dY wᵀ, put back by col2im

    The cache is x itself: X is cheaper to build again than to keep, and a 1×1 convolution needs none, since there
    X is x. Source: Chellapilla et al. 2006 for im2col; Szegedy et al. 2014, section 4, for where it is used here.
    """

    def __init__(self, C, F, kernel, stride=1, pad=0, *, bias=True, init=he, bias_value=0.0, rng=None,
                 dtype=np.float32):
        super().__init__()
        self.C, self.F, self.expects = C, F, ("H", "W", C)
        self.kernel, self.stride, self.pad = pair(kernel), pair(stride), pair(pad)
        KH, KW = self.kernel
        self.add_param("w", weights(init, rng, (KH, KW, C, F), KH * KW * C, dtype))
        if bias:
            self.add_param("b", np.full(F, bias_value, dtype))

    def columns(self, x):
        """X: one row for each window, (N·OH·OW, KH·KW·C)."""
        if self.kernel == (1, 1) == self.stride and self.pad == (0, 0):
            return x.reshape(-1, self.C)
        return kernels.im2col(x, self.kernel, self.stride, self.pad)

    def uncolumns(self, columns, shape):
        """The adjoint: add each row back to where it came from, (N, H, W, C) = shape."""
        if self.kernel == (1, 1) == self.stride and self.pad == (0, 0):
            return columns.reshape(shape)
        return kernels.col2im(columns, shape, self.kernel, self.stride, self.pad)

    def forward(self, x, train=False):
        self.check(x)
        w, b = self.params["w"].reshape(-1, self.F), self.params.get("b")
        y = np.empty((len(x), *self.output_shape(x.shape[1:])), x.dtype)

        def task(s):  # a slice of the batch
            out = y[s].reshape(-1, self.F)
            np.matmul(self.columns(x[s]), w, out=out)
            if b is not None:
                out += b

        over_slices(task, len(x))
        return y, x

    def backward(self, dy, x):
        self.check_gradient(dy, x.shape)
        w = self.params["w"].reshape(-1, self.F)
        dx = np.empty_like(x)

        def task(s):
            d = dy[s].reshape(-1, self.F)
            dx[s] = self.uncolumns(d @ w.T, x[s].shape)
            dw = self.columns(x[s]).T @ d
            return dw.reshape(self.params["w"].shape), d.sum(axis=0) if "b" in self.params else None

        for dw, db in over_slices(task, len(x)):
            self.grads["w"] += dw
            if db is not None:
                self.grads["b"] += db
        return dx

    def output_shape(self, shape):
        return *output_hw(*shape[:2], self.kernel, self.stride, self.pad), self.F

    def macs(self, shape):
        OH, OW, F = self.output_shape(shape)
        return OH * OW * self.params["w"].size

    def describe(self):
        (KH, KW), (SH, SW) = self.kernel, self.stride
        return f"conv {KH}x{KW}/{SH if SH == SW else (SH, SW)}"
