"""Layers in plain NumPy as courses write them: NCHW, im2col by fancy indexing, one large matrix product per layer.

They follow Stanford's CS231n (assignment 2, ``im2col.py`` and ``layers.py``): arrays (N, C, H, W), indices (k, i, j)
that select all windows, weights as (F, C·KH·KW), columns kept for the backward pass. One exception: its ``col2im`` uses
``np.add.at``, which is slow; this one adds KH·KW shifted slices, as other textbooks do. float32 throughout, NumPy's
BLAS on as many threads as every other side. Nothing is slow on purpose.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigooglenet import layers
from minigooglenet.kernels.geometry import output_hw
from minigooglenet.layers import Array, Shape
from minigooglenet.weights.layout import dense_to_io, dense_to_oi, filters_to_hwio, filters_to_oihw


def im2col(x: Array, window: Any, OH: int, OW: int) -> Array:
    """(N, C, H, W), already padded -> (C·KH·KW, OH·OW·N)"""
    (KH, KW), (SH, SW), C = window.kernel, window.stride, x.shape[1]
    i = np.tile(np.repeat(np.arange(KH), KW), C)[:, None] + SH * np.repeat(np.arange(OH), OW)
    j = np.tile(np.arange(KW), KH * C)[:, None] + SW * np.tile(np.arange(OW), OH)
    k = np.repeat(np.arange(C), KH * KW)[:, None]
    return x[:, k, i, j].transpose(1, 2, 0).reshape(C * KH * KW, -1)


def col2im(columns: Array, shape: Shape, window: Any, OH: int, OW: int) -> Array:
    """The adjoint of im2col: add every window to the pixels it was read from. ``shape`` is that of the padded x."""
    (KH, KW), (SH, SW), (N, C, *_) = window.kernel, window.stride, shape
    windows = columns.reshape(C, KH, KW, OH, OW, N).transpose(5, 0, 1, 2, 3, 4)
    x = np.zeros(shape, columns.dtype)
    for u in range(KH):
        for v in range(KW):
            x[:, :, u:u + SH * OH:SH, v:v + SW * OW:SW] += windows[:, :, u, v]
    return x


class Plain:
    """A layer that stores what its backward needs, as in a textbook. ``to_ours`` converts a parameter to our layout."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.to_ours: dict[str, Callable[[Array], Array]] = {}

    def add_param(self, name: str, value: Array, to_ours: Callable[[Array], Array] = np.asarray) -> None:
        """Register a parameter."""
        self.params[name], self.to_ours[name] = np.array(value), to_ours

    def forward(self, x: Array, train: bool) -> Array:
        raise NotImplementedError

    def backward(self, dy: Array) -> Array:
        raise NotImplementedError


class Window(Plain):
    """What convolution and pooling share: adding and removing the padding."""

    def pad(self, x: Array, value: float = 0.0) -> Array:
        """x with its padding; sets OH and OW."""
        H, W = x.shape[2:]
        (KH, KW), (SH, SW), (PH, PW) = self.layer.kernel, self.layer.stride, self.layer.pad
        ceil = getattr(self.layer, "ceil_mode", False)
        self.OH, self.OW = output_hw(H, W, self.layer.kernel, self.layer.stride, self.layer.pad, ceil)
        below = max(PH, (self.OH - 1) * SH + KH - H - PH)  # the last window may extend beyond the padding
        right = max(PW, (self.OW - 1) * SW + KW - W - PW)
        self.inside = slice(PH, PH + H), slice(PW, PW + W)
        return np.pad(x, ((0, 0), (0, 0), (PH, below), (PW, right)), constant_values=value)

    def unpad(self, dx: Array) -> Array:
        """dx without its padding."""
        return dx[:, :, self.inside[0], self.inside[1]]


class Convolution(Window):
    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        self.add_param("w", filters_to_oihw(layer.params["w"]), filters_to_hwio)
        if "b" in layer.params:
            self.add_param("b", layer.params["b"])

    def forward(self, x: Array, train: bool) -> Array:
        padded, w = self.pad(x), self.params["w"]
        columns = im2col(padded, self.layer, self.OH, self.OW)
        y = w.reshape(len(w), -1) @ columns
        if "b" in self.params:
            y += self.params["b"][:, None]
        self.cache: Any = (columns, padded.shape) if train else None
        return y.reshape(len(w), self.OH, self.OW, len(x)).transpose(3, 0, 1, 2)

    def backward(self, dy: Array) -> Array:
        (columns, shape), w = self.cache, self.params["w"]
        dy = dy.transpose(1, 2, 3, 0).reshape(len(w), -1)
        self.grads["w"] = (dy @ columns.T).reshape(w.shape)
        if "b" in self.params:
            self.grads["b"] = dy.sum(axis=1)
        return self.unpad(col2im(w.reshape(len(w), -1).T @ dy, shape, self.layer, self.OH, self.OW))


class Pool(Window):
    """Each channel is treated as an image, so that a column is a window."""

    def forward(self, x: Array, train: bool) -> Array:
        largest = isinstance(self.layer, layers.MaxPool)
        padded = self.pad(x, -np.inf if largest else 0.0)
        N, C, H, W = padded.shape
        columns = im2col(padded.reshape(N * C, 1, H, W), self.layer, self.OH, self.OW)
        winners = columns.argmax(axis=0) if largest else None
        y = columns[winners, np.arange(columns.shape[1])] if largest else columns.mean(axis=0)
        self.cache = winners, columns.shape, padded.shape
        return y.reshape(self.OH, self.OW, N, C).transpose(2, 3, 0, 1)

    def backward(self, dy: Array) -> Array:
        winners, size, (N, C, H, W) = self.cache
        dy = dy.transpose(2, 3, 0, 1).ravel()
        if winners is None:
            columns = np.repeat(dy[None] / dy.dtype.type(size[0]), size[0], axis=0)
        else:
            columns = np.zeros(size, dy.dtype)
            columns[winners, np.arange(size[1])] = dy
        dx = col2im(columns, (N * C, 1, H, W), self.layer, self.OH, self.OW)
        return self.unpad(dx.reshape(N, C, H, W))


class Linear(Plain):
    def __init__(self, layer: Any, flattened: Shape | None) -> None:
        super().__init__(layer)
        self.add_param("w", dense_to_oi(layer.params["w"], flattened), lambda w: dense_to_io(w, flattened))
        self.add_param("b", layer.params["b"])

    def forward(self, x: Array, train: bool) -> Array:
        self.x = x
        return x @ self.params["w"].T + self.params["b"]

    def backward(self, dy: Array) -> Array:
        self.grads.update(w=dy.T @ self.x, b=dy.sum(axis=0))
        return dy @ self.params["w"]


class Normalize(Plain):
    """Spatial batch norm."""

    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        self.add_param("gamma", layer.params["gamma"])
        self.add_param("beta", layer.params["beta"])
        self.mean, self.variance = (layer.buffers[name].copy() for name in ("mean", "variance"))

    def forward(self, x: Array, train: bool) -> Array:
        mean, variance = self.mean, self.variance
        if train:
            mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
            self.mean = 0.9 * self.mean + 0.1 * mean
            self.variance = 0.9 * self.variance + 0.1 * variance
        self.sigma = np.sqrt(variance + self.layer.eps)[:, None, None]
        self.hat = (x - mean[:, None, None]) / self.sigma
        return self.params["gamma"][:, None, None] * self.hat + self.params["beta"][:, None, None]

    def backward(self, dy: Array) -> Array:
        self.grads["beta"], self.grads["gamma"] = dy.sum(axis=(0, 2, 3)), (dy * self.hat).sum(axis=(0, 2, 3))
        M = dy.size // dy.shape[1]
        dbeta, dgamma = (self.grads[name][:, None, None] for name in ("beta", "gamma"))
        return self.params["gamma"][:, None, None] / self.sigma * (dy - dbeta / M - self.hat * dgamma / M)


class ReLU(Plain):
    def forward(self, x: Array, train: bool) -> Array:
        self.x = x
        return np.maximum(x, 0)

    def backward(self, dy: Array) -> Array:
        return dy * (self.x > 0)


class LRN(Plain):
    def around(self, a: Array) -> Any:
        """Sums over the neighboring channels."""
        size, C = self.layer.constants[0], a.shape[1]
        a = np.pad(a, ((0, 0), (size // 2, size // 2), (0, 0), (0, 0)))
        return sum(a[:, i:i + C] for i in range(size))

    def forward(self, x: Array, train: bool) -> Array:
        size, alpha, beta, k = self.layer.constants
        self.x, self.s = x, k + alpha / size * self.around(x**2)
        return x * self.s**-beta

    def backward(self, dy: Array) -> Array:
        size, alpha, beta, _ = self.layer.constants
        return dy * self.s**-beta - 2 * alpha * beta / size * self.x * self.around(
            dy * self.x * self.s**(-beta - 1))


class Mean(Plain):
    def forward(self, x: Array, train: bool) -> Array:
        self.shape = x.shape
        return x.mean(axis=(2, 3))

    def backward(self, dy: Array) -> Array:
        return np.broadcast_to(dy[:, :, None, None] / dy.dtype.type(math.prod(self.shape[2:])), self.shape)


class Flat(Plain):
    def forward(self, x: Array, train: bool) -> Array:
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: Array) -> Array:
        return dy.reshape(self.shape)


class Drop(Plain):
    rng = np.random.default_rng(0)

    def forward(self, x: Array, train: bool) -> Array:
        p = self.layer.drop_prob
        self.mask = (self.rng.random(x.shape, np.float32) >= p) / np.float32(1 - p) if train and p else None
        return x if self.mask is None else x * self.mask

    def backward(self, dy: Array) -> Array:
        return dy if self.mask is None else dy * self.mask
