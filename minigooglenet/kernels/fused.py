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

g is dy where scale · z + shift > 0, else 0. The sign is computed again, so y is not needed. ``first`` and ``last`` are
the range of pixels to compute, so that all threads share one tuple of units.

The numba forms are called often, on little data, so they are jitted functions without a Python wrapper. Sums are
accumulated in the array's own dtype over 64 pixels, in SIMD registers (``simd.py``) at a negligible loss of precision,
and in float64 from there on.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .gemm import SPARE
from .jit import JIT, inlined, njit
from .simd import LANES, full_like, greater, load, store, where

Units: TypeAlias = tuple[tuple[Any, ...], ...]

# -- NumPy ------------------------------------------------------------------------------------------------------------


def affine_relu_numpy(units: Units, first: int, last: int) -> None:
    """y = max(scale · z + shift, 0), written into y.

    ``units``: (z, z_offset, width, scale, shift, y, y_offset) each.
    """
    for z, z_offset, width, scale, shift, y, y_offset in units:
        z = z[first:last, z_offset:z_offset + width]
        y[first:last, y_offset:y_offset + width] = np.maximum(z * scale + shift, 0)


def relu_sums_numpy(units: Units, F: int, first: int, last: int) -> NDArray:
    """(2, F) float64: Σ g and Σ g · z over the pixels, for the F channels of all units.

    ``units``: (dy, dy_offset, z, z_offset, width, scale, shift) each.
    """
    def sums(dy, dy_offset, z, z_offset, width, scale, shift):
        z = z[first:last, z_offset:z_offset + width]
        g = np.where(z * scale + shift > 0, dy[first:last, dy_offset:dy_offset + width], 0).astype(np.float64)
        return g.sum(axis=0), (g * z).sum(axis=0)

    return np.concatenate([sums(*unit) for unit in units], axis=1)


def relu_mix_numpy(units: Units, F: int, first: int, last: int) -> NDArray:
    """dz (last - first, F) = scale · g + b · z + c, for the F channels of all units.

    ``units``: (dy, dy_offset, z, z_offset, width, scale, shift, b, c) each.
    """
    def mixed(dy, dy_offset, z, z_offset, width, scale, shift, b, c):
        """dz (last - first, width) of one unit; the module's docstring describes its members:
        dy, dy_offset, z, z_offset, width, scale, shift, b, c."""
        z = z[first:last, z_offset:z_offset + width]
        g = np.where(z * scale + shift > 0, dy[first:last, dy_offset:dy_offset + width], 0)
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
def affine_relu_numba(units: Units, first: int, last: int) -> None:
    """As ``affine_relu_numpy``, compiled."""
    for z, z_offset, width, scale, shift, y, y_offset in units:
        Z, Y, full, flat_z, flat_y = z.shape[1], y.shape[1], width // LANES * LANES, z.reshape(-1), y.reshape(-1)
        for p in range(first, last):
            z_at, y_at = p * Z + z_offset, p * Y + y_offset
            for f in range(0, full, LANES):
                _affine_relu(flat_z, z_at + f, scale, shift, f, flat_y, y_at + f, LANES)
            if full < width:
                _affine_relu(flat_z, z_at + full, scale, shift, full, flat_y, y_at + full, width - full)


@inlined
def _affine_relu(z, z_at, scale, shift, f, y, y_at, n):
    """n channels of one pixel, from z[z_at] to y[y_at], with the map from scale[f] and shift[f] on; flat arrays."""
    value = load(z, z_at, n) * load(scale, f, n) + load(shift, f, n)
    zero = full_like(value, 0)
    store(y, y_at, n, where(greater(zero, value), zero, value))  # NaN stays NaN


@inlined
def add_sums(y: NDArray, Y: int, offset: int, first: int, last: int, sums: NDArray) -> None:
    """Add Σ y and Σ y² over the pixels from ``first`` to ``last`` to ``sums`` (2, F), while they are in the cache.

    y is flat, with Y channels; the F channels to sum begin at ``offset``.
    """
    F = sums.shape[1]
    full, block = F // LANES * LANES, np.empty(2 * LANES, y.dtype)
    if F == 0:
        return
    for start in range(first, last, BLOCK):
        pixels, at = min(last - start, BLOCK), start * Y + offset
        for f in range(0, full, LANES):
            _add_sums(y, at + f, Y, pixels, block, sums, f, LANES)
        if full < F:
            _add_sums(y, at + full, Y, pixels, block, sums, full, F - full)


@inlined
def _add_sums(y, at, Y, pixels, block, sums, f, n):
    """n channels of a block of pixels.

    y, at, Y        flat array, the index of the first channel of the first pixel, the distance between pixels
    pixels          their number
    block, sums, f  see ``_add_block``
    """
    total = squares = full_like(load(y, at, 0), 0)
    for p in range(pixels):
        value = load(y, at + p * Y, n)
        total, squares = total + value, squares + value * value
    _add_block(total, squares, block, sums, f, n)


@inlined
def _add_block(first, second, block, sums, f, n):
    """Add n sums over a block of pixels, ``first`` and ``second``, to ``sums`` (2, F) in float64, from channel f on.
    ``block`` is memory for both registers."""
    store(block, 0, LANES, first)
    store(block, LANES, LANES, second)
    for k in range(n):
        sums[0, f + k] += block[k]
        sums[1, f + k] += block[LANES + k]


@njit
def relu_sums_numba(units: Units, F: int, first: int, last: int) -> NDArray:
    """As ``relu_sums_numpy``, compiled."""
    sums, at = np.zeros((2, F)), 0
    for dy, dy_offset, z, z_offset, width, scale, shift in units:
        Z, D, full, flat_z, flat_dy = z.shape[1], dy.shape[1], width // LANES * LANES, z.reshape(-1), dy.reshape(-1)
        block = np.empty(2 * LANES, z.dtype)
        for start in range(first, last, BLOCK):
            pixels, z_at, dy_at = min(last - start, BLOCK), start * Z + z_offset, start * D + dy_offset
            for f in range(0, full, LANES):
                _relu_sums(flat_dy, dy_at + f, D, flat_z, z_at + f, Z, pixels, scale, shift, f, block, sums, at, LANES)
            if full < width:
                _relu_sums(flat_dy, dy_at + full, D, flat_z, z_at + full, Z, pixels, scale, shift, full, block, sums,
                           at, width - full)
        at += width
    return sums


@inlined
def _relu_sums(dy, dy_at, D, z, z_at, Z, pixels, scale, shift, f, block, sums, at, n):
    """n channels of a block of pixels.

    dy, dy_at, D     flat array, the index of the first channel of the first pixel, the distance between pixels
    z, z_at, Z       the same for z
    pixels           their number
    scale, shift, f  the affine map, and the first channel's index in it
    block, sums, at  see ``_add_block``; the unit's first channel in ``sums``
    """
    slope, offset = load(scale, f, n), load(shift, f, n)
    first = second = zero = full_like(slope, 0)
    for p in range(pixels):
        value = load(z, z_at + p * Z, n)
        g = where(greater(value * slope + offset, zero), load(dy, dy_at + p * D, n), zero)
        first, second = first + g, second + g * value
    _add_block(first, second, block, sums, at + f, n)


@njit
def relu_mix_numba(units: Units, F: int, first: int, last: int) -> NDArray:
    """As ``relu_mix_numpy``, compiled; its memory has SPARE more values past the end."""
    P = last - first
    dz = np.empty(P * F + SPARE, units[0][0].dtype)
    mix(units, first, last, dz, F)
    return dz[:P * F].reshape(P, F)


@inlined
def mix(units: Units, first: int, last: int, dz: NDArray, F: int) -> None:
    """As ``relu_mix_numpy``, for the pixels from ``first`` to ``last`` only, into the flat array dz."""
    start = 0
    for dy, dy_offset, z, z_offset, width, scale, shift, b, c in units:
        Z, D, full, flat_z, flat_dy = z.shape[1], dy.shape[1], width // LANES * LANES, z.reshape(-1), dy.reshape(-1)
        for p in range(first, last):
            dy_at, z_at, at = p * D + dy_offset, p * Z + z_offset, (p - first) * F + start
            for f in range(0, full, LANES):
                _mix(flat_dy, dy_at + f, flat_z, z_at + f, scale, shift, b, c, f, dz, at + f, LANES)
            if full < width:
                _mix(flat_dy, dy_at + full, flat_z, z_at + full, scale, shift, b, c, full, dz, at + full, width - full)
        start += width


@inlined
def _mix(dy, dy_at, z, z_at, scale, shift, b, c, f, dz, at, n):
    """n channels of one pixel, from dy[dy_at] and z[z_at] to dz[at], with scale, shift, b and c from index f on."""
    value, slope = load(z, z_at, n), load(scale, f, n)
    zero = full_like(value, 0)
    g = where(greater(value * slope + load(shift, f, n), zero), load(dy, dy_at, n), zero)
    store(dz, at, n, slope * g + load(b, f, n) * value + load(c, f, n))


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
