"""What follows a convolution, several steps in one pass, compiled. Signatures and mathematics: ``reference/fused.py``.

Pictures are (pixels, channels) here. The kernels are called so often, for so little at a time, that they are called
directly, without a function around them that would first make sure of anything.

Sums run in the array's own precision over 64 pixels at a time, where they vectorise and lose nothing to speak of, and
in float64 from there on.
"""

import numpy as np

from .jit import inlined, njit, size
from .product import SPARE

BLOCK = 64


@njit
def affine_relu(units):
    """As ``reference.fused.affine_relu``."""
    for z, z_offset, F, scale, shift, y, y_offset in units:
        z_at, y_at, zero = size(z_offset), size(y_offset), z.dtype.type(0)
        for p in range(len(z)):
            for f in range(size(F)):
                value = z[p, z_at + f] * scale[f] + shift[f]
                y[p, y_at + f] = zero if value < zero else value  # a NaN stays one


@inlined
def add_sums(y, Y, offset, first, last, sums):
    """Add to ``sums`` those of the pixels from ``first`` to ``last`` (``reference/convolve.py``), while they are in the
    cache. y is flat, Y numbers a pixel; the F that count begin at ``offset``."""
    F, zero = size(sums.shape[1]), y.dtype.type(0)
    if F == 0:
        return
    total, squares = np.empty(F, y.dtype), np.empty(F, y.dtype)
    for start in range(first, last, BLOCK):
        for f in range(F):
            total[f] = zero
            squares[f] = zero
        for p in range(start, min(last, start + BLOCK)):
            at = size(p * Y + offset)
            for f in range(F):
                total[f] += y[at + f]
                squares[f] += y[at + f] * y[at + f]
        for f in range(F):
            sums[0, f] += total[f]
            sums[1, f] += squares[f]


@njit
def relu_sums(units, F):
    """As ``reference.fused.relu_sums``."""
    total, at = np.zeros((2, F)), size(0)
    for dy, dy_offset, z, z_offset, width, scale, shift in units:
        dy_at, z_at, own = size(dy_offset), size(z_offset), size(width)
        first, second, zero = np.empty(own, z.dtype), np.empty(own, z.dtype), z.dtype.type(0)
        for start in range(0, len(z), BLOCK):
            for f in range(own):
                first[f] = zero
                second[f] = zero
            for p in range(start, min(len(z), start + BLOCK)):
                for f in range(own):
                    value, g = z[p, z_at + f], dy[p, dy_at + f]
                    g = g if value * scale[f] + shift[f] > zero else zero
                    first[f] += g
                    second[f] += g * value
            for f in range(own):
                total[0, at + f] += first[f]
                total[1, at + f] += second[f]
        at += own
    return total


@njit
def relu_mix(units, F):
    """As ``reference.fused.relu_mix``; with the memory that a product may read behind its end (``product.py``)."""
    P = len(units[0][0])
    dz = np.empty(P * F + SPARE, units[0][0].dtype)
    mix(units, 0, P, dz, F)
    return dz[:P * F].reshape(P, F)


@inlined
def mix(units, first, last, dz, F):
    """That for the pixels from ``first`` to ``last``, into ``dz``, flat and theirs alone."""
    start = size(0)
    for dy, dy_offset, z, z_offset, width, scale, shift, b, c in units:
        dy_at, z_at, own, zero = size(dy_offset), size(z_offset), size(width), z.dtype.type(0)
        for p in range(first, last):
            at = size((p - first) * F) + start
            for f in range(own):
                value, g = z[p, z_at + f], dy[p, dy_at + f]
                g = g if value * scale[f] + shift[f] > zero else zero
                dz[at + f] = scale[f] * g + b[f] * value + c[f]
        start += own


@njit
def batch_constants(total, squares, M, eps, gamma, beta, momentum, running_mean, running_variance):
    """As ``reference.fused.batch_constants``."""
    F = len(gamma)
    mean, inverse = np.empty(F), np.empty(F)
    scale, shift = np.empty(F, gamma.dtype), np.empty(F, gamma.dtype)
    for f in range(F):
        mean[f] = total[f] / M
        variance = max(squares[f] / M - mean[f] * mean[f], 0.0)
        inverse[f] = 1 / np.sqrt(variance + eps)
        scale[f] = gamma[f] * inverse[f]
        shift[f] = beta[f] - mean[f] * (gamma[f] * inverse[f])
        running_mean[f] += momentum * (mean[f] - running_mean[f])
        running_variance[f] += momentum * (variance * M / max(M - 1, 1.0) - running_variance[f])
    return mean, inverse, scale, shift


@njit
def batch_constants_back(own_total, own_along, total, along, M, mean, inverse, scale, dgamma, dbeta):
    """As ``reference.fused.batch_constants_back``."""
    F = len(scale)
    b, c = np.empty(F, scale.dtype), np.empty(F, scale.dtype)
    for f in range(F):
        dbeta[f] += own_total[f]
        dgamma[f] += (own_along[f] - mean[f] * own_total[f]) * inverse[f]
        slope = -scale[f] * inverse[f] * inverse[f] * (along[f] - mean[f] * total[f]) / M
        b[f] = slope
        c[f] = -slope * mean[f] - scale[f] * total[f] / M
    return b, c
