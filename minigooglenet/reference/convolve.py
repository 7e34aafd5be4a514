"""Whole convolutions, in plain NumPy.

u are the filters as a matrix, or as 36 of them, packed (``product.py``). F filters' outputs z go into the channels of y
from ``offset`` on: as they are, or with ``shift`` (F,) as max(z + shift, 0). ``lines`` (first, last) asks only for some
lines of the output: those lines themselves, out of N·OH, or with Winograd's lines of tiles, out of N·TH. ``filters``
(first, last) asks only for those, each a multiple of 32, or F. The rest of y stays as it is. To ``sums`` (2, F), in
float64, is added what batch norm wants to know of all F channels of those lines: the sum of what was written to each,
and of its squares.
"""

import numpy as np

from .columns import im2col
from .product import unpack
from .winograd import winograd_input, winograd_output


def rows(a):
    """(N, H, W, C) -> (pixels, C)."""
    return a.reshape(-1, a.shape[-1])


def write(z, y, lines, offset, shift, sums, filters=None):
    """The end of each of them."""
    first, last = filters or (0, z.shape[-1])
    z = z if shift is None else np.maximum(z + shift, 0)
    some = slice(*(lines or (None, None)))
    goal = y.reshape(-1, *y.shape[2:])
    z = z.reshape(-1, *z.shape[2:])[some, :, first:last]
    goal[some, :, offset + first:offset + last] = z
    if sums is not None:
        z = z.astype(np.float64)
        sums += z.sum(axis=(0, 1)), (z * z).sum(axis=(0, 1))


def convolve_pointwise(x, u, F, y, lines=None, offset=0, shift=None, sums=None):
    """1×1: the picture is a matrix of its pixels."""
    write(x @ unpack(u, F), y, lines, offset, shift, sums)


def convolve_columns(x, u, F, y, kernel, stride, pad, lines=None, offset=0, shift=None, sums=None):
    """Any window, by im2col."""
    write((im2col(x, kernel, stride, pad) @ unpack(u, F)).reshape(*y.shape[:3], F), y, lines, offset, shift, sums)


def convolve_winograd(x, u, F, y, pad, m, lines=None, offset=0, shift=None, filters=None, sums=None):
    """r×r at stride 1, with m + r = 7, by Winograd's algorithm (``winograd.py``)."""
    z = winograd_output(winograd_input(x, pad, m) @ unpack(u, F), (*y.shape[:3], F), m)
    if lines:  # of tiles -> of pixels, that end with the picture
        OH = y.shape[1]
        TH = -(-OH // m)
        lines = [line // TH * OH + line % TH * m for line in lines]
    write(z, y, lines, offset, shift, sums, filters)
