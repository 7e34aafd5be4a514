"""From this package's layout to the one of PyTorch, ONNX and Caffe (channels before rows), and back."""

import numpy as np

from ..layers import Flatten


def maps(x):
    """(N, H, W, C) -> (N, C, H, W), contiguous; vectors stay."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x


def maps_back(x):
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if x.ndim == 4 else x


def filters(w):
    """(KH, KW, C, F) -> (F, C, KH, KW)"""
    return np.ascontiguousarray(w.transpose(3, 2, 0, 1))


def filters_back(w):
    return np.ascontiguousarray(w.transpose(2, 3, 1, 0))


def rows(w, flattened=None):
    """(D, F) -> (F, D). ``flattened`` (H, W, C), if the D inputs are flattened maps: theirs run over (C, H, W)."""
    if flattened:
        w = w.reshape(*flattened, -1).transpose(2, 0, 1, 3).reshape(w.shape)
    return np.ascontiguousarray(w.T)


def rows_back(w, flattened=None):
    w = w.T
    if flattened:
        H, W, C = flattened
        w = w.reshape(C, H, W, -1).transpose(1, 2, 0, 3).reshape(w.shape)
    return np.ascontiguousarray(w)


def stations(sequential, shape):
    """(name, layer, shape that enters, ``flattened`` for ``rows``) of a Sequential."""
    flattened = None
    for name, layer in sequential.children.items():
        yield name, layer, shape, flattened
        flattened = shape if isinstance(layer, Flatten) else None
        shape = layer.output_shape(shape)
