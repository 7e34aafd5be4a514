"""Three algorithms for the same convolution.

``matrix(w)`` turns filters (KH, KW, C, F) into the matrix, or matrices, that the algorithm multiplies by; ``packed(w)``
brings them into the order it needs, ``u``. ``forward(x, u, F, y)`` writes F filters' outputs into y, from channel
``offset`` on; with ``shift`` they become max(z + shift, 0).

``backward(units, F, shape, x, transposed(w), dx, fresh, images)`` computes both gradients from dz, which is mixed from
``units`` (``kernels/fused.py``) and has ``shape`` and F channels, for a range of images. It adds into dx, or writes it
where it is ``fresh`` memory (None leaves it out), and returns du; ``weight_gradient(dus)`` turns all of those into dw.
"""

import math
from typing import Any

import numpy as np

from ..kernels.conv_backward import convolve_columns_backward, convolve_pointwise_backward, convolve_winograd_backward
from ..kernels.conv_forward import convolve_columns, convolve_pointwise, convolve_winograd
from ..kernels.fused import relu_mix
from ..kernels.gemm import pack
from ..kernels.geometry import Pair
from ..kernels.im2col import col2im
from ..kernels.winograd import winograd_filter
from ..kernels.winograd_filters import filter_gradient, packed_filters
from ..layers import Array, Conv, Shape


def choose(conv: Conv) -> "Algorithm":
    """The fastest algorithm for this convolution."""
    if conv.stride == (1, 1):
        if conv.kernel == (1, 1) and conv.pad == (0, 0):
            return Pointwise()
        # With an image's three channels, Winograd's transforms cost more than they save.
        if conv.kernel in ((3, 3), (5, 5)) and conv.pad[0] == conv.pad[1] and conv.C > 4:
            return Winograd(conv.kernel[0], conv.pad[0])
    return Columns(conv.kernel, conv.stride, conv.pad)


def rows(a: Array) -> Array:
    """(N, H, W, C) -> (pixels, C), a view."""
    return a.reshape(-1, a.shape[-1])


class Algorithm:
    """What the three share."""

    def matrix(self, w: Array) -> Array:
        raise NotImplementedError

    def forward(self, x: Array, u: Array, F: int, y: Array, **how: Any) -> None:
        raise NotImplementedError

    def packed(self, w: Array) -> Array:
        return pack(self.matrix(w))

    def transposed(self, w: Array) -> Array:
        """What dz is multiplied by: the filters' matrix, or matrices, transposed and packed."""
        return pack(self.matrix(np.ascontiguousarray(w.swapaxes(2, 3))))

    def backward(self, units: tuple, F: int, shape: Shape, x: Array, transposed: Array, dx: Array | None, fresh: bool,
                 images: Pair) -> Array:
        raise NotImplementedError

    def weight_gradient(self, dus: list[Array]) -> Array:
        """The sum of ``dus``, in their order, in the shape of the filters. The arrays may be overwritten."""
        total = dus[0]
        for du in dus[1:]:
            total += du
        return total


class Pointwise(Algorithm):
    """1×1: the image itself is the matrix."""

    def matrix(self, w: Array) -> Array:
        return w.reshape(w.shape[2:])

    def forward(self, x: Array, u: Array, F: int, y: Array, **how: Any) -> None:
        convolve_pointwise(x, u, F, y, **how)

    def backward(self, units: tuple, F: int, shape: Shape, x: Array, transposed: Array, dx: Array | None, fresh: bool,
                 images: Pair) -> Array:
        return convolve_pointwise_backward(units, F, x, transposed, dx, fresh, images)

    def weight_gradient(self, dus: list[Array]) -> Array:
        return super().weight_gradient(dus)[None, None]


class Winograd(Algorithm):
    """r×r at stride 1: 36 products of small matrices (``kernels/winograd.py``)."""

    def __init__(self, r: int, pad: int) -> None:
        self.r, self.m, self.pad = r, 7 - r, pad

    def matrix(self, w: Array) -> Array:
        return winograd_filter(w)

    def packed(self, w: Array) -> Array:
        return packed_filters(w)

    def transposed(self, w: Array) -> Array:
        return packed_filters(w, transposed=True)

    def forward(self, x: Array, u: Array, F: int, y: Array, **how: Any) -> None:
        convolve_winograd(x, u, F, y, self.pad, self.m, **how)

    def backward(self, units: tuple, F: int, shape: Shape, x: Array, transposed: Array, dx: Array | None, fresh: bool,
                 images: Pair) -> Array:
        return convolve_winograd_backward(units, F, shape, x, transposed, dx, self.pad, self.m, fresh, images)

    def weight_gradient(self, dus: list[Array]) -> Array:
        return filter_gradient(dus, self.r)


class Columns(Algorithm):
    """Anything else: im2col and a product, as in ``layers/conv.py``, but reading the windows from padded lines."""

    def __init__(self, kernel: Pair, stride: Pair, pad: Pair) -> None:
        self.window = kernel, stride, pad

    def matrix(self, w: Array) -> Array:
        self.shape = w.shape
        return w.reshape(-1, w.shape[-1])

    def forward(self, x: Array, u: Array, F: int, y: Array, **how: Any) -> None:
        convolve_columns(x, u, F, y, *self.window, **how)

    def transposed(self, w: Array) -> Array:
        return self.matrix(w).T  # not packed: NumPy multiplies by it

    def backward(self, units: tuple, F: int, shape: Shape, x: Array, transposed: Array, dx: Array | None, fresh: bool,
                 images: Pair) -> Array:
        (first, last), pixels = images, math.prod(shape[1:])
        dz = relu_mix(units, F, first * pixels, last * pixels)
        if dx is not None:
            dx = dx[first:last]
            spread = col2im(dz @ transposed, dx.shape, *self.window)
            dx[...] = spread if fresh else dx + spread
        return convolve_columns_backward(dz.reshape(last - first, *shape[1:], F), x[first:last], *self.window)

    def weight_gradient(self, dus: list[Array]) -> Array:
        return super().weight_gradient(dus).reshape(self.shape)
