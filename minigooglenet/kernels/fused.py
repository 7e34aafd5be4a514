"""Batch norm and ReLU after a convolution, forward and backward, each in one pass over memory.

Arrays are (pixels, channels). A *unit* is one conv–norm–ReLU block. The convolutions of several units may be computed
as one; their outputs z are then concatenated along the channels of one array. ``units`` is a tuple with one tuple for
each unit, of these, or of the first seven:

    y, y_offset    the array that the unit's output is written to, such as a concatenation, and its first channel there;
                   in the backward pass dy, the gradient with respect to it
    z, z_offset    the array that contains the unit's z, and the first of its channels there
    width          number of the unit's channels
    scale, shift   (width,) of the affine map before the ReLU: batch norm's, or 1 and the biases
    b, c           (width,) of dz = scale · g + b · z + c (see ``layers/batchnorm.py``)

g is dy where scale · z + shift > 0, else 0. The sign is computed again, so y is not needed. ``first`` and ``last`` are
the range of pixels to compute.

The compiled kernels take a unit as a record with the addresses of its arrays (``UNIT``). Sums are accumulated in the
array's own dtype over 64 pixels, in SIMD registers (``simd.py``) at a negligible loss of precision, and in float64 from
there on.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .jit import JIT, inlined, njit
from .simd import LANES, full_like, greater, load, store, where

if JIT:
    from .plan_llvm import array_at

Units: TypeAlias = tuple[tuple[Any, ...], ...]

# -- NumPy ------------------------------------------------------------------------------------------------------------


def affine_relu_numpy(units: Units, first: int, last: int) -> None:
    """y = max(scale · z + shift, 0), written into y.

    ``units``: (y, y_offset, z, z_offset, width, scale, shift) each.
    """
    for y, y_offset, z, z_offset, width, scale, shift in units:
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


# -- numba ------------------------------------------------------------------------------------------------------------

BLOCK = 64

#: A unit: addresses of arrays, the numbers of their channels (Y, Z) and the numbers above.
UNIT = np.dtype([(name, np.int64) for name in (
    "y", "Y", "y_offset", "z", "Z", "z_offset", "width", "scale", "shift", "b", "c")])


def records(units: Units) -> tuple[NDArray, NDArray]:
    """Units as records, which are valid as long as their arrays; and an empty array of their dtype."""
    table = np.zeros(len(units), UNIT)
    for row, (y, y_offset, z, z_offset, width, *constants) in zip(table, units, strict=True):
        row["y"], row["Y"], row["y_offset"] = y.ctypes.data, y.shape[1], y_offset
        row["z"], row["Z"], row["z_offset"], row["width"] = z.ctypes.data, z.shape[1], z_offset, width
        for name, constant in zip(("scale", "shift", "b", "c"), constants, strict=False):
            row[name] = constant.ctypes.data
    return table, np.empty(0, units[0][0].dtype)


def affine_relu_numba(units: Units, first: int, last: int) -> None:
    """As ``affine_relu_numpy``, compiled."""
    table, like = records(units)
    _affine_relu(table, first, last, like)


@njit
def _affine_relu(units, first, last, like):
    for unit in units:
        Z, Y, width, z, y = unit["Z"], unit["Y"], unit["width"], unit["z"], unit["y"]
        flat_z, flat_y = array_at(z, (last * Z,), like), array_at(y, (last * Y,), like)
        scale, shift = array_at(unit["scale"], (width,), like), array_at(unit["shift"], (width,), like)
        full = width // LANES * LANES
        for p in range(first, last):
            z_at, y_at = p * Z + unit["z_offset"], p * Y + unit["y_offset"]
            for f in range(0, full, LANES):
                _map(flat_z, z_at + f, scale, shift, f, flat_y, y_at + f, LANES)
            if full < width:
                _map(flat_z, z_at + full, scale, shift, full, flat_y, y_at + full, width - full)


@inlined
def _map(z, z_at, scale, shift, f, y, y_at, n):
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


def relu_sums_numba(units: Units, F: int, first: int, last: int) -> NDArray:
    """As ``relu_sums_numpy``, compiled."""
    (table, like), sums = records(units), np.empty((2, F))
    _relu_sums(table, sums, first, last, like)
    return sums


@njit
def _relu_sums(units, sums, first, last, like):
    """As ``relu_sums_numpy``, into ``sums`` (2, F)."""
    sums[:] = 0
    block, at = np.empty(2 * LANES, like.dtype), 0
    for unit in units:
        Z, D, width, z, dy = unit["Z"], unit["Y"], unit["width"], unit["z"], unit["y"]
        flat_z, flat_dy = array_at(z, (last * Z,), like), array_at(dy, (last * D,), like)
        scale, shift = array_at(unit["scale"], (width,), like), array_at(unit["shift"], (width,), like)
        full = width // LANES * LANES
        for start in range(first, last, BLOCK):
            pixels, z_at, dy_at = min(last - start, BLOCK), start * Z + unit["z_offset"], start * D + unit["y_offset"]
            for f in range(0, full, LANES):
                _sum(flat_dy, dy_at + f, D, flat_z, z_at + f, Z, pixels, scale, shift, f, block, sums, at, LANES)
            if full < width:
                _sum(flat_dy, dy_at + full, D, flat_z, z_at + full, Z, pixels, scale, shift, full, block, sums, at,
                     width - full)
        at += width


@inlined
def _sum(dy, dy_at, D, z, z_at, Z, pixels, scale, shift, f, block, sums, at, n):
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


def relu_mix_numba(units: Units, F: int, first: int, last: int) -> NDArray:
    """As ``relu_mix_numpy``, compiled."""
    (table, _), dz = records(units), np.empty((last - first, F), units[0][0].dtype)
    _relu_mix(table, first, last, dz.reshape(-1), F)
    return dz


@njit
def _relu_mix(units, first, last, dz, F):
    mix(units, first, last, dz, F)


@inlined
def mix(units: NDArray, first: int, last: int, dz: NDArray, F: int) -> None:
    """As ``relu_mix_numpy``, from records (UNIT) into the flat array dz."""
    start = 0
    for unit in units:
        Z, D, width, z, dy = unit["Z"], unit["Y"], unit["width"], unit["z"], unit["y"]
        flat_z, flat_dy = array_at(z, (last * Z,), dz), array_at(dy, (last * D,), dz)
        scale, shift = array_at(unit["scale"], (width,), dz), array_at(unit["shift"], (width,), dz)
        b, c, full = array_at(unit["b"], (width,), dz), array_at(unit["c"], (width,), dz), width // LANES * LANES
        for p in range(first, last):
            dy_at, z_at, at = p * D + unit["y_offset"], p * Z + unit["z_offset"], (p - first) * F + start
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


affine_relu = affine_relu_numba if JIT else affine_relu_numpy
relu_sums = relu_sums_numba if JIT else relu_sums_numpy
relu_mix = relu_mix_numba if JIT else relu_mix_numpy
