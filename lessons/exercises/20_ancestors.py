"""Exercises of lesson 20. Replace each `raise NotImplementedError`, then: make check N=20   (a hint: HINT=1)

Shapes are (H, W, C) for one image. Biases are parameters, but only weights count as multiply-adds (MACs).
"""

import numpy as np  # noqa: F401


def grouped_conv(shape, F, K, S, P, groups):
    """(parameters, MACs) of a convolution in ``groups`` parts, for one image of ``shape`` = (H, W, C).

    Each part reads C/groups channels and has F/groups filters. F filters of K×K in all, stride S, padding P, F biases.
    AlexNet's second: grouped_conv((27, 27, 96), 256, 5, 1, 2, 2) is (307456, 223948800).
    """
    raise NotImplementedError


def vgg(depths, shape, classes):
    """(parameters, MACs) of a VGG network, for one image of ``shape`` = (H, W, C).

    Five blocks; block i has depths[i] convolutions of 3×3, stride 1, padding 1, with 64, 128, 256, 512 and 512 filters,
    then a 2×2 max pool with stride 2 that rounds down. Then three dense layers: 4096, 4096, ``classes``.
    vgg((2, 2, 3, 3, 3), (224, 224, 3), 1000) is (138357544, 15470264320).
    """
    raise NotImplementedError


def dense_shares(layers):
    """(fraction of all parameters, fraction of all MACs) in the dense layers of a network, from 0 to 1.

    layers: a list of (kind, parameters, MACs); the kind of a dense layer is "dense".
    """
    raise NotImplementedError
