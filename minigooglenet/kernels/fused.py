"""What follows a convolution, several steps in one pass, compiled. Signatures and mathematics: ``reference/fused.py``.

Sums run in the array's own precision over 64 pixels at a time, where they vectorise and lose nothing to speak of, and
in float64 from there on.
"""

import numpy as np

from .jit import frozen, njit

BLOCK = 64
_size = np.uintp  # an index that cannot be negative: numba then leaves out the check that keeps loops from vectorising


def _flat(a):
    """(N, H, W, C) or (N, C) -> (pixels, C), a view."""
    return a.reshape(-1, a.shape[-1])


def _input(a):
    """The same, read-only (see ``jit.frozen``)."""
    view = _flat(a)
    view.flags.writeable = False
    return view


def affine_relu(z, z_offset, F, scale, shift, y, y_offset):
    """As ``reference.fused.affine_relu``."""
    scale, shift = frozen(scale.astype(z.dtype)), frozen(shift.astype(z.dtype))
    _affine_relu(_input(z), _size(z_offset), _size(F), scale, shift, _flat(y), _size(y_offset))


@njit
def _affine_relu(z, z_offset, F, scale, shift, y, y_offset):
    zero = z.dtype.type(0)
    for p in range(len(z)):
        for f in range(F):
            value = z[p, z_offset + f] * scale[f] + shift[f]
            y[p, y_offset + f] = value if value > zero else zero


def sums(z):
    """As ``reference.fused.sums``."""
    total = np.zeros((2, z.shape[-1]))
    _sums(_input(z), total)
    return total


@njit
def _sums(z, total):
    P, C = z.shape
    first, second, zero = np.empty(C, z.dtype), np.empty(C, z.dtype), z.dtype.type(0)
    for start in range(0, P, BLOCK):
        for c in range(C):
            first[c] = zero
            second[c] = zero
        for p in range(start, min(P, start + BLOCK)):
            for c in range(C):
                first[c] += z[p, c]
                second[c] += z[p, c] * z[p, c]
        for c in range(C):
            total[0, c] += first[c]
            total[1, c] += second[c]


def relu_sums(dy, dy_offset, y, y_offset, z, z_offset, F):
    """As ``reference.fused.relu_sums``."""
    total = np.zeros((2, F))
    _relu_sums(_input(dy), _size(dy_offset), _input(y), _size(y_offset), _input(z),
               _size(z_offset), _size(F), total)
    return total


@njit
def _relu_sums(dy, dy_offset, y, y_offset, z, z_offset, F, total):
    P = len(y)
    first, second, zero = np.empty(F, z.dtype), np.empty(F, z.dtype), z.dtype.type(0)
    for start in range(0, P, BLOCK):
        for f in range(F):
            first[f] = zero
            second[f] = zero
        for p in range(start, min(P, start + BLOCK)):
            for f in range(F):
                g = dy[p, dy_offset + f]  # loaded before it is chosen, or the loop does not vectorise
                g = g if y[p, y_offset + f] > zero else zero
                first[f] += g
                second[f] += g * z[p, z_offset + f]
        for f in range(F):
            total[0, f] += first[f]
            total[1, f] += second[f]


def relu_mix(dy, dy_offset, y, y_offset, z, z_offset, F, a, b, c, dz, dz_offset):
    """As ``reference.fused.relu_mix``."""
    a, b, c = (frozen(v.astype(z.dtype)) for v in (a, b, c))
    _relu_mix(_input(dy), _size(dy_offset), _input(y), _size(y_offset), _input(z), _size(z_offset),
              _size(F), a, b, c, _flat(dz), _size(dz_offset))


@njit
def _relu_mix(dy, dy_offset, y, y_offset, z, z_offset, F, a, b, c, dz, dz_offset):
    zero = z.dtype.type(0)
    for p in range(len(y)):
        for f in range(F):
            g = dy[p, dy_offset + f]
            g = g if y[p, y_offset + f] > zero else zero
            dz[p, dz_offset + f] = a[f] * g + b[f] * z[p, z_offset + f] + c[f]
