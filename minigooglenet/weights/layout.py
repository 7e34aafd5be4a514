"""Conversion between this package's layout (NHWC) and that of PyTorch, ONNX and Caffe (NCHW)."""

from collections.abc import Iterator

import numpy as np

from ..layers import Flatten
from ..layers.base import Array, Layer, Shape
from ..layers.containers import Sequential


def maps_to_nchw(x: Array) -> Array:
    """(N, H, W, C) -> (N, C, H, W), contiguous. Arrays with other than four axes keep their layout."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x


def maps_to_nhwc(x: Array) -> Array:
    """(N, C, H, W) -> (N, H, W, C), contiguous. Arrays with other than four axes keep their layout."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if x.ndim == 4 else x


def filters_to_oihw(w: Array) -> Array:
    """(KH, KW, C, F) -> (F, C, KH, KW)"""
    return np.ascontiguousarray(w.transpose(3, 2, 0, 1))


def filters_to_hwio(w: Array) -> Array:
    """(F, C, KH, KW) -> (KH, KW, C, F)"""
    return np.ascontiguousarray(w.transpose(2, 3, 1, 0))


def dense_to_oi(w: Array, flattened: Shape | None = None) -> Array:
    """(D, F) -> (F, D). ``flattened`` is the (H, W, C) of D flattened map values; they are reordered to (C, H, W)."""
    if flattened:
        w = w.reshape(*flattened, -1).transpose(2, 0, 1, 3).reshape(w.shape)
    return np.ascontiguousarray(w.T)


def dense_to_io(w: Array, flattened: Shape | None = None) -> Array:
    """(F, D) -> (D, F), the inverse of ``dense_to_oi``."""
    w = w.T
    if flattened:
        H, W, C = flattened
        w = w.reshape(C, H, W, -1).transpose(1, 2, 0, 3).reshape(w.shape)
    return np.ascontiguousarray(w)


def trace_children(sequential: Sequential, shape: Shape,
                   flattened: Shape | None = None) -> Iterator[tuple[str, Layer, Shape, Shape | None]]:
    """(name, layer, input shape, ``flattened``) of each child of a Sequential, for an image of ``shape``.

    ``flattened`` is the (H, W, C) of maps that were flattened directly before the layer, else None.
    """
    for name, layer in sequential.children.items():
        yield name, layer, shape, flattened
        flattened = shape if isinstance(layer, Flatten) else None
        shape = layer.output_shape(shape)
