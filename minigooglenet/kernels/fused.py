"""Batch norm and ReLU after a convolution, forward and backward, each in one pass over memory.

Arrays are (pixels, channels). A *unit* is one conv–norm–ReLU block. The convolutions of several units may be computed
as one; their outputs z are then concatenated along the channels of one array. ``units`` is a tuple with one tuple for
each unit, of some of these:

    z, z_offset    the array that contains the unit's z, and the first of its channels there
    width          number of the unit's channels
    scale, shift   (width,) of the affine map before the ReLU: batch norm's, or 1 and the biases
    y, y_offset    the array that the unit's output is written to, such as a concatenation, and its first channel there
    dy, dy_offset  the same for the gradient with respect to y
    b, c           (width,) of dz = scale · g + b · z + c (see ``layers/batchnorm.py``)

g is dy where scale · z + shift > 0, else 0. The sign is computed again, so y is not needed.

The numba forms are called often, on little data, so they are jitted functions without a Python wrapper. Sums are
accumulated in the array's own dtype over 64 pixels, where they vectorize at a negligible loss of precision, and in
float64 from there on.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .gemm import SPARE
from .jit import JIT, inlined, njit, size

Units: TypeAlias = tuple[tuple[Any, ...], ...]

# -- NumPy ------------------------------------------------------------------------------------------------------------


def affine_relu_numpy(units: Units) -> None:
    """y = max(scale · z + shift, 0), written into y.

    ``units``: (z, z_offset, width, scale, shift, y, y_offset) each.
    """
    for z, z_offset, width, scale, shift, y, y_offset in units:
        y[:, y_offset:y_offset + width] = np.maximum(z[:, z_offset:z_offset + width] * scale + shift, 0)


def relu_sums_numpy(units: Units, F: int) -> NDArray:
    """(2, F) float64: Σ g and Σ g · z over the pixels, for the F channels of all units.

    ``units``: (dy, dy_offset, z, z_offset, width, scale, shift) each.
    """
    def sums(dy, dy_offset, z, z_offset, width, scale, shift):
        z = z[:, z_offset:z_offset + width]
        g = np.where(z * scale + shift > 0, dy[:, dy_offset:dy_offset + width], 0).astype(np.float64)
        return g.sum(axis=0), (g * z).sum(axis=0)

    return np.concatenate([sums(*unit) for unit in units], axis=1)


def relu_mix_numpy(units: Units, F: int) -> NDArray:
    """dz (pixels, F) = scale · g + b · z + c, for the F channels of all units.

    ``units``: (dy, dy_offset, z, z_offset, width, scale, shift, b, c) each.
    """
    def mixed(dy, dy_offset, z, z_offset, width, scale, shift, b, c):
        """dz (pixels, width) of one unit; the module's docstring describes its members:
        dy, dy_offset, z, z_offset, width, scale, shift, b, c."""
        z = z[:, z_offset:z_offset + width]
        g = np.where(z * scale + shift > 0, dy[:, dy_offset:dy_offset + width], 0)
        return scale * g + b * z + c

    return np.concatenate([mixed(*unit) for unit in units], axis=1)


def batch_constants_numpy(total: NDArray, squares: NDArray, M: float, eps: float, gamma: NDArray, beta: NDArray,
                          momentum: float, running_mean: NDArray, running_variance: NDArray
                          ) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Batch norm as an affine map per channel; updates the running statistics.

        mean = total / M        variance = squares / M - mean²        inverse = 1 / sqrt(variance + eps)
        scale = gamma · inverse        shift = beta - mean · scale

    total, squares                  (F,) float64: Σ z and Σ z² over the batch
    M                               number of values in each channel
    eps, gamma, beta                batch norm's ε, and its parameters (F,)
    momentum                        how far the running statistics move towards the batch's
    running_mean, running_variance  (F,) updated in place; the variance with M - 1

    Returns (mean, inverse, scale, shift), each (F,): the first two in float64, the others in gamma's dtype.
    """
    mean = total / M
    variance = np.maximum(squares / M - mean**2, 0)
    inverse = 1 / np.sqrt(variance + eps)
    scale = gamma * inverse
    for running, value in ((running_mean, mean), (running_variance, variance * M / max(M - 1, 1))):
        running += momentum * (value - running)
    return mean, inverse, scale.astype(gamma.dtype), (beta - mean * scale).astype(gamma.dtype)


def batch_constants_backward_numpy(own_sum: NDArray, own_dot: NDArray, total: NDArray, dot: NDArray, M: float,
                                   mean: NDArray, inverse: NDArray, scale: NDArray, dgamma: NDArray, dbeta: NDArray
                                   ) -> tuple[NDArray, NDArray]:
    """b and c (F,) of dz = scale · g + b · z + c (see ``layers/batchnorm.py``); adds the gradients of γ and β.

    own_sum, own_dot      (F,) float64: Σ g and Σ g · z over this process's part of the batch
    total, dot            (F,) float64: the same over the whole batch, of all processes
    M                     number of values in each channel of the whole batch
    mean, inverse, scale  (F,) from ``batch_constants``
    dgamma, dbeta         (F,) gradients, added to in place
    """
    dbeta += own_sum.astype(scale.dtype)
    dgamma += ((own_dot - mean * own_sum) * inverse).astype(scale.dtype)
    b = -scale * inverse**2 * (dot - mean * total) / M
    return b.astype(scale.dtype), (-b * mean - scale * total / M).astype(scale.dtype)


# -- numba ------------------------------------------------------------------------------------------------------------

BLOCK = 64


@njit
def affine_relu_numba(units: Units) -> None:
    """As ``affine_relu_numpy``, compiled."""
    for z, z_offset, width, scale, shift, y, y_offset in units:
        z_at, y_at, zero = size(z_offset), size(y_offset), z.dtype.type(0)
        for p in range(len(z)):
            for f in range(size(width)):
                value = z[p, z_at + f] * scale[f] + shift[f]
                y[p, y_at + f] = zero if value < zero else value  # NaN stays NaN


@inlined
def add_sums(y: NDArray, Y: int, offset: int, first: int, last: int, sums: NDArray) -> None:
    """Add Σ y and Σ y² over the pixels from ``first`` to ``last`` to ``sums`` (2, F), while they are in the cache.

    y is flat, with Y channels; the F channels to sum begin at ``offset``.
    """
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
def relu_sums_numba(units: Units, F: int) -> NDArray:
    """As ``relu_sums_numpy``, compiled."""
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
def relu_mix_numba(units: Units, F: int) -> NDArray:
    """As ``relu_mix_numpy``, compiled; its memory has SPARE more values past the end."""
    P = len(units[0][0])
    dz = np.empty(P * F + SPARE, units[0][0].dtype)
    mix(units, 0, P, dz, F)
    return dz[:P * F].reshape(P, F)


@inlined
def mix(units: Units, first: int, last: int, dz: NDArray, F: int) -> None:
    """As ``relu_mix_numpy``, for the pixels from ``first`` to ``last`` only, into the flat array dz."""
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
def batch_constants_numba(total: NDArray, squares: NDArray, M: float, eps: float, gamma: NDArray, beta: NDArray,
                          momentum: float, running_mean: NDArray, running_variance: NDArray
                          ) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """As ``batch_constants_numpy``, compiled."""
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
def batch_constants_backward_numba(own_sum: NDArray, own_dot: NDArray, total: NDArray, dot: NDArray, M: float,
                                   mean: NDArray, inverse: NDArray, scale: NDArray, dgamma: NDArray, dbeta: NDArray
                                   ) -> tuple[NDArray, NDArray]:
    """As ``batch_constants_backward_numpy``, compiled."""
    F = len(scale)
    b, c = np.empty(F, scale.dtype), np.empty(F, scale.dtype)
    for f in range(F):
        dbeta[f] += own_sum[f]
        dgamma[f] += (own_dot[f] - mean[f] * own_sum[f]) * inverse[f]
        slope = -scale[f] * inverse[f] * inverse[f] * (dot[f] - mean[f] * total[f]) / M
        b[f] = slope
        c[f] = -slope * mean[f] - scale[f] * total[f] / M
    return b, c


affine_relu = affine_relu_numba if JIT else affine_relu_numpy
relu_sums = relu_sums_numba if JIT else relu_sums_numpy
relu_mix = relu_mix_numba if JIT else relu_mix_numpy
batch_constants = batch_constants_numba if JIT else batch_constants_numpy
batch_constants_backward = batch_constants_backward_numba if JIT else batch_constants_backward_numpy
