"""Window arithmetic, shared by convolution and pooling."""

import math
from collections.abc import Iterator
from numbers import Integral
from typing import TypeAlias

from numpy.typing import NDArray

from ..errors import ShapeError

Pair: TypeAlias = tuple[int, int]  # (height, width)


def whole(value: int, name: str, least: int = 1) -> int:
    """``value`` as an int. Raises ValueError, naming it, unless it is a whole number of at least ``least``."""
    if not isinstance(value, int | Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}: got {value!r}, needs a whole number of at least {least}")
    return int(value)


def pair(value: int | Pair, name: str = "size", least: int = 0) -> Pair:
    """``3 -> (3, 3)``; a pair (height, width) is returned unchanged. Raises ValueError as ``whole`` does."""
    if isinstance(value, int | Integral):
        value = value, value
    try:
        height, width = value
    except (TypeError, ValueError):
        raise ValueError(f"{name}: got {value!r}, needs a whole number or a pair (height, width)") from None
    return whole(height, name, least), whole(width, name, least)


def pixels(a: NDArray) -> NDArray:
    """(N, H, W, C) -> (N, H·W, C), a view where that is possible; also for an empty batch."""
    return a.reshape(len(a), math.prod(a.shape[1:-1]), a.shape[-1])


def output_size(size: int, K: int, S: int, P: int, ceil_mode: bool = False) -> int:
    """Number of windows along one axis.

        O = floor((size + 2P - K) / S) + 1

    With ``ceil_mode`` the division rounds up, as in Caffe's pooling (112 -> 56 with K = 3, S = 2), and the last window
    is clipped at the border. A window that would start beyond the image and its leading padding is dropped.

    Raises ShapeError if no window fits.
    """
    if size + 2 * P < K:
        raise ShapeError(f"a window of {K} does not fit {size} + 2·{P} pixels; use a larger image or more padding")
    span = size + 2 * P - K
    windows = (-(-span // S) if ceil_mode else span // S) + 1
    if ceil_mode and (windows - 1) * S >= size + P:
        windows -= 1
    return windows


def output_hw(H: int, W: int, kernel: Pair, stride: Pair, pad: Pair, ceil_mode: bool = False) -> Pair:
    """(OH, OW) for an H×W image."""
    return (output_size(H, kernel[0], stride[0], pad[0], ceil_mode),
            output_size(W, kernel[1], stride[1], pad[1], ceil_mode))


def windows(shape: tuple[int, ...], kernel: Pair, stride: Pair, pad: Pair,
            ceil_mode: bool) -> Iterator[tuple[Pair, tuple[slice, slice], int]]:
    """Yield ((i, j), (rows, columns), divisor) for every output pixel (i, j) of images of ``shape`` (N, H, W, C).

    ``rows`` and ``columns`` are slices: the part of the window inside the image. ``divisor`` is the window's size in
    Caffe's average pooling: the window is clipped to H + P, W + P, so padding counts but nothing beyond it (``AVE`` in
    Caffe's pooling_layer.cpp; the same as torch's ``count_include_pad=True``).
    """
    (_, H, W, _), (KH, KW), (SH, SW), (PH, PW) = shape, kernel, stride, pad
    OH, OW = output_hw(H, W, kernel, stride, pad, ceil_mode)
    for i in range(OH):
        top = i * SH - PH
        for j in range(OW):
            left = j * SW - PW
            rows, columns = slice(max(top, 0), min(top + KH, H)), slice(max(left, 0), min(left + KW, W))
            divisor = (min(top + KH, H + PH) - top) * (min(left + KW, W + PW) - left)
            yield (i, j), (rows, columns), divisor
