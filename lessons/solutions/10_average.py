"""Solutions of lesson 10."""

import numpy as np


def gap_backward(dy, shape):
    """Every pixel gets dy / (H·W); two new axes of length 1 are repeated to H and W."""
    N, H, W, C = shape
    share = dy / dy.dtype.type(H * W)
    return np.tile(share[:, None, None, :], (1, H, W, 1))


def dropout(x, dy, kept, p):
    """The same mask forward and backward: 1 / (1 - p) where kept, 0 elsewhere."""
    mask = kept.astype(x.dtype) / x.dtype.type(1 - p)
    return x * mask, dy * mask


def activation_map(x, w, b, label):
    """The column of the class is the weights of a 1×1 convolution with one filter."""
    M = x @ w[:, label]
    return M, b[label] + M.mean(axis=(1, 2))
