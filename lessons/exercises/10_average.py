"""Exercises of lesson 10. Replace each `raise NotImplementedError`, then: make check N=10   (for a hint: HINT=1)"""

import numpy as np  # noqa: F401


def gap_backward(dy, shape):
    """dx of global average pooling, y[n, c] = the mean of x[n, :, :, c].

    dy (N, C) is dLoss/dy, ``shape`` = (N, H, W, C) is that of x. Returns dx (N, H, W, C), with dy's dtype. No loops
    are needed.
    """
    raise NotImplementedError


def dropout(x, dy, kept, p):
    """(y, dx) of dropout in training, where each element was dropped with probability p.

    ``kept`` is True where an element was not dropped; it has the shape of x. y must have the same expectation as x.
    dy is dLoss/dy. dy and dx have the shape of x; y and dx have its dtype.
    """
    raise NotImplementedError


def activation_map(x, w, b, label):
    """(M, z): the class activation map M (N, H, W) of the class ``label``, and its logit z (N,).

        M[n, h, w] = Σ_c x[n, h, w, c] · w[c, label]        z[n] = b[label] + the mean of M[n]

    x (N, H, W, C) are the last maps, w (C, classes) and b (classes,) those of the linear layer after the average.
    """
    raise NotImplementedError
