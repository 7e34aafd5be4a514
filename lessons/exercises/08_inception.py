"""Exercises of lesson 08. Replace each `raise NotImplementedError`, then: make check N=8   (for a hint: HINT=1)"""

import numpy as np  # noqa: F401


def naive_chain(C, rows):
    """The number of channels after each of several stacked naive modules: a list as long as ``rows``.

    The first module reads C channels, each later one the output of the previous one. A row is (n1x1, n3x3, n5x5), the
    filters of a module; its max pool passes on all channels that it reads.
    """
    raise NotImplementedError


def concat_backward(dy, widths):
    """The part of dy for each branch, as a tuple of arrays.

    dy (N, H, W, F) is the gradient of a concatenation along the channels. Branch b wrote widths[b] of the channels, in
    this order; F = Σ widths.
    """
    raise NotImplementedError


def module_backward(dy, x, weights):
    """(dx, dws) of a module whose branches are 1×1 convolutions with ReLU, without biases:

        y = [relu(x w_1), relu(x w_2), …]        relu(z) = max(z, 0), with gradient 0 at z = 0

    x (N, H, W, C), weights a list of w (C, F_b), dy (N, H, W, Σ F_b) -> dx shaped like x, and a list dws with one array
    shaped like each w. x, dy and the weights are read-only.
    """
    raise NotImplementedError
