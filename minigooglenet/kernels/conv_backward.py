"""Backward pass of whole convolutions: the gradients with respect to the input and to the filters.

The compiled forms process blocks of pixels or of images that fit in the cache: each block's dz is computed once and
used for both gradients. All functions share these arguments:

    units       what dz is computed from (``fused.relu_mix``)
    F           number of filters, over all units
    x           (N, H, W, C) input of the convolution
    transposed  the filters' matrix, or Winograd's 36 matrices, transposed and packed (``gemm.pack``)
    dx          (N, H, W, C) gradient with respect to x, added to; None: not computed
    fresh       overwrite dx instead of adding to it
    images      (first, last): compute only what these images contribute; None: all of them do

They return the gradient with respect to the filters' matrix or matrices.
"""

import numpy as np
from numpy.typing import NDArray

from .conv_forward import Range, pixel_rows, tiles_per_block
from .fused import Units, mix, records, relu_mix_numpy
from .gemm import ADD, PANEL, ROWS, SPARE, WRITE, multiply, multiply_runs, prefetch_rows, unpack
from .geometry import Pair
from .im2col import BLOCK, add_columns, col2im_numpy, im2col_numpy, lines_per_block, pad_lines
from .jit import JIT, frozen, njit
from .memory import empty, scratch
from .winograd import winograd_input, winograd_input_adjoint, winograd_output_adjoint
from .winograd_outputs import output_lines_adjoint
from .winograd_tiles import input_lines, input_lines_adjoint, matrix_step

# -- NumPy ------------------------------------------------------------------------------------------------------------


def accumulate(gradient: NDArray, dx: NDArray | None, fresh: bool) -> None:
    """Add ``gradient`` to dx, or overwrite dx if ``fresh``; do nothing if dx is None."""
    if dx is not None:
        dx[...] = gradient if fresh else dx + gradient


def selected(x: NDArray, dx: NDArray | None, shape: tuple[int, ...], images: Range | None
             ) -> tuple[NDArray, NDArray | None, Range]:
    """x and dx of some images, and the range of their pixels in an output of ``shape`` (N, OH, OW)."""
    N, OH, OW = shape
    first, last = images or (0, N)
    return x[first:last], None if dx is None else dx[first:last], (first * OH * OW, last * OH * OW)


def convolve_pointwise_backward_numpy(units: Units, F: int, x: NDArray, transposed: NDArray, dx: NDArray | None,
                                      fresh: bool = False, images: Range | None = None) -> NDArray:
    """1×1 convolution: dx = dz wᵀ. Returns dw = xᵀ dz (C, F)."""
    x, dx, pixels = selected(x, dx, x.shape[:3], images)
    dz = relu_mix_numpy(units, F, *pixels)
    accumulate((dz @ unpack(transposed, x.shape[-1])).reshape(x.shape), dx, fresh)
    return pixel_rows(x).T @ dz


def convolve_columns_backward_numpy(units: Units, F: int, shape: tuple[int, ...], x: NDArray, transposed: NDArray,
                                    dx: NDArray | None, kernel: Pair, stride: Pair, pad: Pair, fresh: bool = False,
                                    images: Range | None = None) -> NDArray:
    """Any window: dx = col2im(dz wᵀ). Returns dw = im2col(x)ᵀ dz (KH·KW·C, F).

    kernel, stride, pad  the window
    units, F, shape, x, transposed, dx, fresh, images  as in ``convolve_winograd_backward_numpy``
    """
    x, dx, pixels = selected(x, dx, shape, images)
    dz, window = relu_mix_numpy(units, F, *pixels), (kernel, stride, pad)
    columns = dz @ unpack(transposed, kernel[0] * kernel[1] * x.shape[3])
    accumulate(col2im_numpy(columns, x.shape, *window), dx, fresh)
    return im2col_numpy(x, *window).T @ dz


def convolve_winograd_backward_numpy(units: Units, F: int, shape: tuple[int, ...], x: NDArray, transposed: NDArray,
                                     dx: NDArray | None, pad: int, m: int, fresh: bool = False,
                                     images: Range | None = None) -> NDArray:
    """The adjoint of each of Winograd's steps (``winograd.py``). Returns du (36, C, F).

    units       what dz is computed from (``fused.relu_mix``)
    F           number of filters, over all units
    shape       (N, OH, OW), the shape of dz without its channels
    x           (N, H, W, C) input of the convolution
    transposed  (36, F·padded(C)): the 36 packed matrices (F, C)
    dx          (N, H, W, C) gradient with respect to x, added to; None: not computed
    pad, m      padding; height and width of a tile's output
    fresh       overwrite dx instead of adding to it
    images      (first, last): compute only what these images contribute; None: all of them do
    """
    x, dx, pixels = selected(x, dx, shape, images)
    products = winograd_output_adjoint(relu_mix_numpy(units, F, *pixels).reshape(len(x), *shape[1:], F), m)
    accumulate(winograd_input_adjoint(products @ unpack(transposed, x.shape[-1]), x.shape, pad, m), dx, fresh)
    return winograd_input(x, pad, m).transpose(0, 2, 1) @ products


# -- numba ------------------------------------------------------------------------------------------------------------


def reads_across(C: int, F: int) -> bool:
    """Whether the compiled 1×1 convolution computes the gradient of C×F filters transposed, so that it reads x in long
    runs. Other numbers of channels would be read beyond the end of x, and more filters cost too much to transpose."""
    return C % 8 == 0 and C * F <= 2 ** 17


def convolve_pointwise_backward_numba(units: Units, F: int, x: NDArray, transposed: NDArray, dx: NDArray | None,
                                      fresh: bool = False, images: Range | None = None) -> NDArray:
    """As ``convolve_pointwise_backward_numpy``, compiled."""
    N, H, W, C = x.shape
    first, last = images or (0, N)
    across = reads_across(C, F)
    du = empty((F, C) if across else (C, F), x.dtype)
    (table, _), target = records(units), np.empty(0, x.dtype) if dx is None else dx.reshape(-1)
    _pointwise(table, frozen(x).reshape(-1), transposed, target, du.reshape(-1), C, F, first * H * W, last * H * W,
               dx is not None, WRITE if fresh else ADD, across)
    return du.T if across else du


def convolve_columns_backward_numba(units: Units, F: int, shape: tuple[int, ...], x: NDArray, transposed: NDArray,
                                    dx: NDArray | None, kernel: Pair, stride: Pair, pad: Pair, fresh: bool = False,
                                    images: Range | None = None) -> NDArray:
    """As ``convolve_columns_backward_numpy``, compiled."""
    (N, H, W, C), (_, OH, OW), (first, last) = x.shape, shape, images or (0, len(x))
    (table, _), du = records(units), empty((kernel[0] * kernel[1] * C, F), x.dtype)
    sizes = C, F, OH, OW, *kernel, *stride, *pad, first, last
    _columns(table, frozen(x).reshape(N, H, W * C), du.reshape(-1), *sizes)
    if dx is not None:
        _columns_input(table, transposed, dx.reshape(N, H, W * C), *sizes, fresh)
    return du


def convolve_winograd_backward_numba(units: Units, F: int, shape: tuple[int, ...], x: NDArray, transposed: NDArray,
                                     dx: NDArray | None, pad: int, m: int, fresh: bool = False,
                                     images: Range | None = None) -> NDArray:
    """As ``convolve_winograd_backward_numpy``, compiled."""
    (N, H, W, C), (_, OH, OW), (first, last) = x.shape, shape, images or (0, len(x))
    du = empty((36, C, F), x.dtype)
    (table, _), target = records(units), np.empty((0, H, W * C), x.dtype) if dx is None else dx.reshape(N, H, W * C)
    _winograd(table, frozen(x).reshape(N, H, W * C), transposed.reshape(-1), target, du.reshape(-1), C, F, OH, OW, pad,
              m, first, last, dx is not None, fresh)
    return du


@njit
def _pointwise(units, x, transposed, dx, du, C, F, first, last, wants_dx, mode, across):
    """Both gradients of a 1×1 convolution.

    units           see ``fused.relu_mix``
    x, dx           (P·C,) input, and the gradient with respect to it
    transposed      packed (F, C)
    du              (C·F,) gradient with respect to the filters, written
    C, F            channels, filters
    first, last     range of pixels
    wants_dx, mode  whether dx is computed; WRITE or ADD
    across          du is transposed, (F·C,): x is then read in long runs. Only if C is a multiple of 8
    """
    no_shift = np.empty(0, x.dtype)
    block = max(64, BLOCK // (C + F) // 8 * 8)
    dz = scratch(min(block, last - first) * F + SPARE, x)
    for p in range(first, last, block):
        rows = min(block, last - p)
        mix(units, p, p + rows, dz, F)
        if wants_dx:
            for c in range(0, C, PANEL):
                columns = min(C - c, PANEL)
                for q in range(p, p + rows, ROWS):
                    prefetch_rows(x, q * C + c, C, columns)  # for the product below
                    prefetch_rows(dx, (q + ROWS) * C + c, C, columns)
                    multiply(dz, (q - p) * F, F, 1, min(p + rows - q, ROWS), F, transposed, c * F, F, 0, dx, q * C + c,
                             C, columns, no_shift, 0, mode)
        how = ADD if p > first else WRITE
        if across:
            multiply(dz, 0, 1, F, F, rows, x, p * C, 1, C, du, 0, C, C, no_shift, 0, how)
        else:
            multiply(x, p * C, 1, C, C, rows, dz, 0, 1, F, du, 0, F, F, no_shift, 0, how)


@njit
def _columns(units, x, du, C, F, OH, OW, KH, KW, SH, SW, PH, PW, first_image, last_image):
    """The gradient with respect to the filters, any window.

    units                    see ``fused.relu_mix``
    x, du                    (N, H, W·C); (KH·KW·C·F,), written
    C, F, OH, OW             channels, filters, height and width of the output
    KH, KW, SH, SW, PH, PW   kernel, stride and padding
    first_image, last_image  range of images
    """
    run, wide, no_shift, pixels = KW * C, x.shape[2] + 2 * PW * C, np.empty(0, x.dtype), OH * OW
    padded, block = lines_per_block(x, wide, OH, KH, SH)
    dz = scratch(pixels * F + SPARE, x)
    du[:] = 0
    for n in range(first_image, last_image):
        mix(units, n * pixels, (n + 1) * pixels, dz, F)
        line = n * OH
        while line < (n + 1) * OH:
            end = pad_lines(x, padded, PW * C, wide, block, line, (n + 1) * OH, OH, KH, SH, PH)
            for i in range(KH):
                multiply_runs(padded, i * wide, 1, SH * wide, SW * C, run, end - line, OW, dz, (line - n * OH) * OW * F,
                              1, F, du, i * run * F, F, F, no_shift, 0, ADD)
            line = end


@njit
def _columns_input(units, transposed, dx, C, F, OH, OW, KH, KW, SH, SW, PH, PW, first_image, last_image, fresh):
    """The gradient with respect to the input, any window: one that images do not need.

    units, transposed, dx    see ``fused.relu_mix``; packed (F, KH·KW·C); (N, H, W·C)
    C, F, OH, OW             channels, filters, height and width of the output
    KH, KW, SH, SW, PH, PW   kernel, stride and padding
    first_image, last_image  range of images
    fresh                    whether dx is overwritten instead of added to
    """
    size, no_shift, pixels = KH * KW * C, np.empty(0, dx.dtype), OH * OW
    dz, columns = scratch(pixels * F, dx), scratch(OW * size, dx)
    for n in range(first_image, last_image):
        mix(units, n * pixels, (n + 1) * pixels, dz, F)
        if fresh:
            dx[n] = 0
        for i in range(OH):
            multiply(dz, i * OW * F, F, 1, OW, F, transposed, 0, F, 0, columns, 0, size, size, no_shift, 0, WRITE)
            add_columns(columns.reshape(OW, KH, KW * C), dx[n], C, i * SH - PH, dx.shape[1], SW, PW)


@njit
def _winograd(units, x, transposed, dx, du, C, F, OH, OW, pad, m, first_image, last_image, wants_dx, fresh):
    """Both gradients by Winograd's algorithm.

    units                    see ``fused.relu_mix``
    x, dx                    (N, H, W·C) input, and the gradient with respect to it
    transposed               36 packed (F, C), flat
    du                       (36·C·F,), written
    C, F, OH, OW             channels, filters, height and width of the output
    pad, m                   padding; height and width of a tile's output
    first_image, last_image  range of images
    wants_dx, fresh          whether dx is computed; whether it is overwritten instead of added to
    """
    (_, H, WC), no_shift, matrix_size = x.shape, np.empty(0, x.dtype), len(transposed) // 36
    W, TH, TW, x, dx = WC // C, -(-OH // m), -(-OW // m), x.reshape(-1), dx.reshape(-1)
    block = min(last_image - first_image, max(1, tiles_per_block(C, F) // (TH * TW)))
    max_tiles, pixels = block * TH * TW, OH * OW
    dz, v = scratch(block * pixels * F, x), scratch(36 * matrix_step(max_tiles, C), x)
    products = scratch(36 * matrix_step(max_tiles, F), x)
    for first in range(first_image, last_image, block):
        last = min(last_image, first + block)
        T = (last - first) * TH * TW
        v_step, step = matrix_step(T, C), matrix_step(T, F)
        mix(units, first * pixels, last * pixels, dz, F)
        output_lines_adjoint(dz, products, step, OH, OW, F, m, last - first)
        input_lines(x, v, v_step, H, W, C, TH, TW, pad, m, first * TH, last * TH)
        for i in range(36):
            multiply(v, i * v_step, 1, C, C, T, products, i * step, 1, F, du, i * C * F, F, F, no_shift, 0,
                     ADD if first > first_image else WRITE)
        if wants_dx:
            for i in range(36):
                multiply(products, i * step, F, 1, T, F, transposed, i * matrix_size, F, 0, v, i * v_step, C, C,
                         no_shift, 0, WRITE)
            input_lines_adjoint(v, v_step, dx, H, W, C, TH, TW, pad, m, first, last, fresh)


convolve_pointwise_backward = convolve_pointwise_backward_numba if JIT else convolve_pointwise_backward_numpy
convolve_columns_backward = convolve_columns_backward_numba if JIT else convolve_columns_backward_numpy
convolve_winograd_backward = convolve_winograd_backward_numba if JIT else convolve_winograd_backward_numpy
