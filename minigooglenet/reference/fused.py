"""What follows a convolution, several steps in one pass: plain NumPy.

Pictures are (pixels, channels) here. Several units may have been one convolution: each has F of its channels, from an
offset on, and an array of its own on the other side, or its part of a concatenation, from an offset on. ``scale`` and
``shift`` (F,) are batch norm's, or 1 and the biases; whether the ReLU let a value through is seen from
scale · z + shift  again, so y is not needed.
"""

import numpy as np


def affine_relu(units):
    """y = max(scale · z + shift, 0), written in place.

    ``units``: (z, z_offset, F, scale, shift, y, y_offset) for each.
    """
    for z, z_offset, F, scale, shift, y, y_offset in units:
        y[:, y_offset:y_offset + F] = np.maximum(z[:, z_offset:z_offset + F] * scale + shift, 0)


def relu_sums(units, F):
    """(2, F) in float64, for all units' channels side by side: the sums of g and of g · z, with g = dy where
    scale · z + shift > 0, else 0.

    ``units``: (dy, dy_offset, z, z_offset, F, scale, shift) for each.
    """
    def own(dy, dy_offset, z, z_offset, width, scale, shift):
        z = z[:, z_offset:z_offset + width]
        g = np.where(z * scale + shift > 0, dy[:, dy_offset:dy_offset + width], 0).astype(np.float64)
        return g.sum(axis=0), (g * z).sum(axis=0)

    return np.concatenate([own(*unit) for unit in units], axis=1)


def relu_mix(units, F):
    """dz (pixels, F) = scale · g + b · z + c, with g as above, of all units side by side.

    ``units``: (dy, dy_offset, z, z_offset, F, scale, shift, b, c) for each.
    """
    def own(dy, dy_offset, z, z_offset, width, scale, shift, b, c):
        z = z[:, z_offset:z_offset + width]
        g = np.where(z * scale + shift > 0, dy[:, dy_offset:dy_offset + width], 0)
        return scale * g + b * z + c

    return np.concatenate([own(*unit) for unit in units], axis=1)


def batch_constants(total, squares, M, eps, gamma, beta, momentum, running_mean, running_variance):
    """From each channel's sums of z and of z² over M values, in float64: μ and 1/σ, in float64 too, and what batch norm
    comes to, scale = γ / σ and shift = β - μ γ / σ. The running statistics, in place, move towards μ and σ² (with
    M - 1)."""
    mean = total / M
    variance = np.maximum(squares / M - mean**2, 0)
    inverse = 1 / np.sqrt(variance + eps)
    scale = gamma * inverse
    for running, value in ((running_mean, mean), (running_variance, variance * M / max(M - 1, 1))):
        running += momentum * (value - running)
    return mean, inverse, scale.astype(gamma.dtype), (beta - mean * scale).astype(gamma.dtype)


def batch_constants_back(own_total, own_along, total, along, M, mean, inverse, scale, dgamma, dbeta):
    """b and c of dz = scale · g + b · z + c (see ``layers/batchnorm.py``), from each channel's sums of g and of g · z,
    ``total`` and ``along``, over the M values of the whole batch. γ and β get their gradients added, from this
    process's own share of the sums."""
    dbeta += own_total.astype(scale.dtype)
    dgamma += ((own_along - mean * own_total) * inverse).astype(scale.dtype)
    b = -scale * inverse**2 * (along - mean * total) / M
    return b.astype(scale.dtype), (-b * mean - scale * total / M).astype(scale.dtype)
