"""Sums and scalings per channel (batch normalisation) and across channels (LRN), in plain NumPy."""

import numpy as np


def channel_sums(a, b):
    """(sum of a, sum of a·b) over all but the last axis, in float64. a, b (..., C) -> two arrays (C,)."""
    C = a.shape[-1]
    a, b = a.reshape(-1, C).astype(np.float64), b.reshape(-1, C).astype(np.float64)
    return a.sum(axis=0), (a * b).sum(axis=0)


def channel_affine(x, scale, shift):
    """y = x · scale + shift, one scale and shift per channel."""
    return x * scale.astype(x.dtype) + shift.astype(x.dtype)


def channel_mix(dy, a, x, b, c):
    """a · dy + b · x + c, one a, b and c per channel."""
    return dy * a.astype(x.dtype) + x * b.astype(x.dtype) + c.astype(x.dtype)


def _neighbours(a, size):
    """The sum over ``size`` neighbouring channels, centred, cut at the ends."""
    C, half = a.shape[-1], size // 2
    return np.stack([a[..., max(0, c - half):c - half + size].sum(axis=-1) for c in range(C)], axis=-1)


def lrn(x, size, alpha, beta, k):
    """y_i = x_i · s_i^-beta with s_i = k + (alpha / size) · sum of x_j² over ``size`` channels around i."""
    scale = k + alpha / size * _neighbours(x * x, size)
    return (x * scale**-beta).astype(x.dtype)


def lrn_backward(dy, x, size, alpha, beta, k):
    """dx_i = dy_i · s_i^-beta - (2 alpha beta / size) · x_i · sum over j around i of dy_j x_j s_j^(-beta - 1)."""
    scale = k + alpha / size * _neighbours(x * x, size)
    pulled = _neighbours(dy * x * scale ** (-beta - 1), size)
    return (dy * scale**-beta - 2 * alpha * beta / size * x * pulled).astype(x.dtype)
