"""Exercises of lesson 01. Replace each `raise NotImplementedError`, then: make check N=1   (for a hint: HINT=1)

Arrays that are passed in are read-only: return new ones.
"""

import numpy as np  # noqa: F401


def edge_strength(x):
    """√(a² + b²) at every position: a is x under the filter w, b is x under w turned on its side, wᵀ.

            -1  0  1
        w = -2  0  2
            -1  0  1

    An image x (H, W) -> (H - 2, W - 2), float.
    """
    raise NotImplementedError


def weights(H, W, C, K, F):
    """The number of weights, biases included, of two layers that read an image (H, W, C) and return (H, W, F).

    The convolution has F filters of K × K, and one bias for each filter; the dense layer has a weight for each pair of
    an input and an output, and one bias for each output. Returns (convolution, dense).
    """
    raise NotImplementedError


def receptive_field(layers):
    """How many pixels wide the part of the image is that one value depends on, after all ``layers``.

    layers: a list of pairs (K, S), window and stride, the first layer first; [] is the image itself, 1.
    """
    raise NotImplementedError
