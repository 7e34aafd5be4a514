"""Three algorithms for the same convolution.

``matrix(w)`` turns filters (KH, KW, C, F) into the matrix, or matrices, that the algorithm multiplies by; ``packed(w)``
brings them into the order it needs. ``forward`` and ``backward`` are the kinds of its operations (``kernels/
plan_ops.py``), ``preparing`` of that which packs, and ``per_image`` the number of pixels, lines, or lines of tiles that
they count an image as.
"""

import math

from ..kernels import plan_ops as kinds
from ..kernels.conv_backward import reads_across
from ..kernels.gemm import pack, padded
from ..kernels.winograd import winograd_filter
from ..kernels.winograd_filters import packed_filters
from ..layers import Array, Conv, Shape


def choose(conv: Conv) -> "Algorithm":
    """The fastest algorithm for this convolution."""
    if conv.stride == (1, 1):
        if conv.kernel == (1, 1) and conv.pad == (0, 0):
            return Pointwise()
        # With an image's three channels, Winograd's transforms cost more than they save.
        if conv.kernel in ((3, 3), (5, 5)) and conv.pad[0] == conv.pad[1] and conv.C > 4:
            return Winograd(conv.kernel[0])
    return Columns()


class Algorithm:
    """What the three share."""

    forward: int
    backward: int
    input: int | None = None  # where another operation computes the gradient of the input
    preparing = kinds.PACK

    def matrix(self, w: Array) -> Array:
        raise NotImplementedError

    def packed(self, w: Array) -> Array:
        return pack(self.matrix(w))

    def packed_size(self, w: Shape, transposed: bool = False) -> int:
        """The number of values in packed filters of the shape (KH, KW, C, F)."""
        KH, KW, C, F = w
        return F * padded(KH * KW * C) if transposed else KH * KW * C * padded(F)

    def gradient_size(self, w: Shape) -> int:
        """The number of values in a chunk's part of the gradient of these filters."""
        return math.prod(w)

    def per_image(self, OH: int, OW: int) -> int:
        raise NotImplementedError

    def across(self, C: int, F: int) -> bool:
        """Whether a chunk's gradient of the filters is (F, C)."""
        return False


class Pointwise(Algorithm):
    """1×1: the image itself is the matrix."""

    forward, backward = kinds.POINTWISE, kinds.POINTWISE_BACKWARD

    def matrix(self, w: Array) -> Array:
        return w.reshape(w.shape[2:])

    def per_image(self, OH: int, OW: int) -> int:
        return OH * OW

    def across(self, C: int, F: int) -> bool:
        return reads_across(C, F)


class Winograd(Algorithm):
    """r×r at stride 1: 36 products of small matrices (``kernels/winograd.py``)."""

    forward, backward, preparing = kinds.WINOGRAD, kinds.WINOGRAD_BACKWARD, kinds.FILTERS

    def __init__(self, r: int) -> None:
        self.m = 7 - r

    def matrix(self, w: Array) -> Array:
        return winograd_filter(w)

    def packed(self, w: Array) -> Array:
        return packed_filters(w)

    def packed_size(self, w: Shape, transposed: bool = False) -> int:
        *_, C, F = w
        return 36 * (F * padded(C) if transposed else C * padded(F))

    def gradient_size(self, w: Shape) -> int:
        return 36 * w[2] * w[3]

    def per_image(self, OH: int, OW: int) -> int:
        return -(-OH // self.m)


class Columns(Algorithm):
    """Anything else: im2col and a product, as in ``layers/conv.py``, but reading the windows from padded lines."""

    forward, backward, input = kinds.COLUMNS, kinds.COLUMNS_BACKWARD, kinds.COLUMNS_INPUT

    def matrix(self, w: Array) -> Array:
        return w.reshape(-1, w.shape[-1])

    def per_image(self, OH: int, OW: int) -> int:
        return OH
