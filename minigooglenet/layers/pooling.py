"""Pooling: the maximum or the average over windows."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..kernels.avg_pool import avg_pool, avg_pool_backward
from ..kernels.geometry import Pair, output_hw, pair
from ..kernels.max_pool import max_pool
from ..kernels.max_pool_backward import max_pool_backward
from .base import Array, Layer, Shape


class Pool(Layer):
    """What max and average pooling share: windows (K, S, P), and whether their number is rounded up (``ceil_mode``).

    Caffe rounds up: 112 -> 56 -> 28 -> 14 -> 7 with K = 3, S = 2, where rounding down gives 55, 27, 13, 6. The last
    window is then cut at the border. (Caffe's pooling_layer.cpp.) Raises ValueError where padding is as wide as the
    window.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]

    def __init__(self, kernel: int | Pair, stride: int | Pair | None = None, pad: int | Pair = 0,
                 ceil_mode: bool = False) -> None:
        super().__init__()
        self.kernel, self.pad, self.ceil_mode = pair(kernel, "kernel", 1), pair(pad, "pad"), bool(ceil_mode)
        self.stride = self.kernel if stride is None else pair(stride, "stride", 1)
        if any(P >= K for P, K in zip(self.pad, self.kernel, strict=True)):
            raise ValueError(f"pad {self.pad}: must be smaller than the window {self.kernel}, or a window is empty")

    @property
    def window(self) -> tuple[Pair, Pair, Pair, bool]:
        return self.kernel, self.stride, self.pad, self.ceil_mode

    def output_shape(self, shape: Shape) -> Shape:
        H, W, C = shape
        return *output_hw(H, W, *self.window), C

    def other_ops(self, shape: Shape) -> int:
        return math.prod(self.output_shape(shape)) * math.prod(self.kernel)


class MaxPool(Pool):
    """y = the largest x in each window; outside the image x counts as -inf

    The gradient of a window goes to its winner, the first one in reading order where several are equal; a pixel that
    wins in overlapping windows gets the sum. x (N, H, W, C) -> (N, OH, OW, C). The cache is (x, y).
    """

    kind = "max pool"

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        self.check(x)
        y = max_pool(x, *self.window)
        return y, (x, y)

    def backward(self, dy: Array, cache: Any) -> Array:
        x, y = cache
        self.check_gradient(dy, x.shape)
        return max_pool_backward(dy, x, y, *self.window)


class AvgPool(Pool):
    """y = the sum of x in each window / divisor        dx = for each window: dy / divisor to all its pixels

    The divisor is the window's size within the padded image: padding counts, what lies beyond it does not (Caffe's
    AVE, torch's ``count_include_pad=True``). x (N, H, W, C) -> (N, OH, OW, C). The cache is x's shape.
    """

    kind = "average pool"

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        self.check(x)
        return avg_pool(x, *self.window), x.shape

    def backward(self, dy: Array, shape: Any) -> Array:
        self.check_gradient(dy, shape)
        return avg_pool_backward(dy, shape, *self.window)


class AdaptiveAvgPool(Layer):
    """A fixed number of windows, whatever the size of the image: torchvision's pooling in front of the auxiliary heads.

    Window i of O along an axis of H pixels is [floor(i H / O), ceil((i + 1) H / O)): on 14 pixels with O = 4 they are 4
    wide and overlap, where the paper's 5×5/3 windows are 5 wide. x (N, H, W, C) -> (N, O, O, C). The cache is x's
    shape.
    """

    kind = "adaptive average pool"

    def __init__(self, size: int | Pair) -> None:
        super().__init__()
        self.size = pair(size, "size", 1)

    def windows(self, H: int, W: int) -> Iterator[tuple[int, int, slice, slice, int]]:
        """(i, j, rows, columns, number of pixels) of every window."""
        def cut(n: int, O: int) -> list[slice]:
            return [slice(i * n // O, -(-(i + 1) * n // O)) for i in range(O)]
        for i, rows in enumerate(cut(H, self.size[0])):
            for j, columns in enumerate(cut(W, self.size[1])):
                yield i, j, rows, columns, (rows.stop - rows.start) * (columns.stop - columns.start)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        self.check(x)
        N, H, W, C = x.shape
        y = np.empty((N, *self.size, C), x.dtype)
        for i, j, rows, columns, _ in self.windows(H, W):
            y[:, i, j] = x[:, rows, columns].mean(axis=(1, 2))
        return y, x.shape

    def backward(self, dy: Array, shape: Any) -> Array:
        self.check_gradient(dy, shape)
        dx = np.zeros(shape, dy.dtype)
        for i, j, rows, columns, pixels in self.windows(*shape[1:3]):
            dx[:, rows, columns] += (dy[:, i, j] / dy.dtype.type(pixels))[:, None, None]
        return dx

    def output_shape(self, shape: Shape) -> Shape:
        return *self.size, shape[-1]

    def other_ops(self, shape: Shape) -> int:
        return shape[-1] * sum(pixels for *_, pixels in self.windows(*shape[:2]))

    def describe(self) -> str:
        return f"adaptive average pool to {self.size[0]}x{self.size[1]}"


class GlobalAvgPool(Layer):
    """y[n, c] = the mean of x[n, :, :, c]        dx[n, h, w, c] = dy[n, c] / (H·W)

    x (N, H, W, C) -> (N, C), whatever H and W. The cache is x's shape. Instead of a fully connected layer on all
    positions: no weights, and a top-1 accuracy 0.6 % higher (Szegedy et al. 2014, section 5; idea: Lin et al. 2013).
    """

    kind = "global average pool"

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        self.check(x)
        return x.mean(axis=(1, 2)), x.shape

    def backward(self, dy: Array, shape: Any) -> Array:
        self.check_gradient(dy, shape)
        N, H, W, C = shape
        dx = dy[:, None, None, :] / dy.dtype.type(H * W)
        return dx.repeat(H, axis=1).repeat(W, axis=2)

    def output_shape(self, shape: Shape) -> Shape:
        return (shape[-1],)

    def other_ops(self, shape: Shape) -> int:
        return math.prod(shape)
