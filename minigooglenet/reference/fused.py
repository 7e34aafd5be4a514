"""What follows a convolution, several steps in one pass: plain NumPy.

Arrays end in channels, whatever comes before. An array with an offset means the F channels from there on, so that a
branch can read and write its part of a concatenation in place.
"""

import numpy as np


def affine_relu(z, z_offset, F, scale, shift, y, y_offset):
    """y = max(scale · z + shift, 0), written in place."""
    value = z[..., z_offset:z_offset + F] * scale.astype(z.dtype) + shift.astype(z.dtype)
    y[..., y_offset:y_offset + F] = np.maximum(value, 0)


def sums(z):
    """(2, C) in float64: for each channel the sum of z and of z²."""
    z = z.reshape(-1, z.shape[-1]).astype(np.float64)
    return np.stack([z.sum(axis=0), (z * z).sum(axis=0)])


def relu_sums(dy, dy_offset, y, y_offset, z, z_offset, F):
    """(2, F) in float64, with g = dy where y > 0, else 0: for each channel the sum of g and of g · z."""
    g = np.where(y[..., y_offset:y_offset + F] > 0, dy[..., dy_offset:dy_offset + F], 0).astype(np.float64)
    z = z[..., z_offset:z_offset + F].astype(np.float64)
    return np.stack([g.reshape(-1, F).sum(axis=0), (g * z).reshape(-1, F).sum(axis=0)])


def relu_mix(dy, dy_offset, y, y_offset, z, z_offset, F, a, b, c, dz, dz_offset):
    """dz = a · g + b · z + c, with g as above; written in place."""
    g = np.where(y[..., y_offset:y_offset + F] > 0, dy[..., dy_offset:dy_offset + F], 0)
    a, b, c = (v.astype(z.dtype) for v in (a, b, c))
    dz[..., dz_offset:dz_offset + F] = a * g + b * z[..., z_offset:z_offset + F] + c
