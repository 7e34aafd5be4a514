"""Forward pass of whole convolutions, with bias and ReLU.

The filters are a matrix, or Winograd's 36 matrices, packed by ``gemm.pack``. A *line* is one row of pixels of one
image. ``lines`` and ``filters`` select a part of the output, so that threads can compute several parts in parallel. The
compiled forms process blocks that fit in the cache.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .fused import add_sums
from .gemm import PANEL, RELU, ROWS, WRITE, multiply, multiply_runs, prefetch_rows, unpack
from .geometry import Pair
from .im2col import BLOCK, im2col_numpy, lines_per_block, pad_lines
from .jit import JIT, frozen, inlined, njit
from .memory import scratch
from .simd import prefetch
from .winograd import winograd_input, winograd_output
from .winograd_outputs import output_lines
from .winograd_tiles import input_lines, matrix_step

NEAR = 2 ** 18  # values of a pointwise convolution's input and output that are in the cache, most likely

Range: TypeAlias = tuple[int, int]  # (first, last)

# -- NumPy ------------------------------------------------------------------------------------------------------------


def pixel_rows(a: NDArray) -> NDArray:
    """(N, H, W, C) -> (N·H·W, C): one row for each pixel."""
    return a.reshape(-1, a.shape[-1])


def write(z: NDArray, y: NDArray, lines: Range | None, offset: int, shift: NDArray | None, sums: NDArray | None,
          filters: Range | None = None) -> None:
    """Write z (N, OH, OW, F) into y and add its sums; the other arguments are those of ``convolve_winograd_numpy``."""
    first, last = filters or (0, z.shape[-1])
    z = z if shift is None else np.maximum(z + shift, 0)
    selected = slice(*(lines or (None, None)))
    target = y.reshape(-1, *y.shape[2:])
    z = z.reshape(-1, *z.shape[2:])[selected, :, first:last]
    target[selected, :, offset + first:offset + last] = z
    if sums is not None:
        z = z.astype(np.float64)
        sums += z.sum(axis=(0, 1)), (z * z).sum(axis=(0, 1))


def convolve_pointwise_numpy(x: NDArray, u: NDArray, F: int, y: NDArray, lines: Range | None = None, offset: int = 0,
                             shift: NDArray | None = None, sums: NDArray | None = None) -> None:
    """1×1 convolution: the pixels (N·H·W, C) times u (C, F). Arguments as in ``convolve_columns_numpy``."""
    write(x @ unpack(u, F), y, lines, offset, shift, sums)


def convolve_columns_numpy(x: NDArray, u: NDArray, F: int, y: NDArray, kernel: Pair, stride: Pair, pad: Pair,
                           lines: Range | None = None, offset: int = 0, shift: NDArray | None = None,
                           sums: NDArray | None = None) -> None:
    """Convolution with any window, by im2col.

    x                    (N, H, W, C) input
    u                    the filters (KH·KW·C, F), packed
    F                    number of filters
    y                    (N, OH, OW, Y) output: channels ``offset`` to ``offset`` + F are written
    kernel, stride, pad  the window
    lines                (first, last): compute only these lines of the output, out of N·OH; None: all
    offset               the first filter's channel in y
    shift                (F,): write max(z + shift, 0), where z is the convolution; None: write z
    sums                 (2, F) float64, for batch norm: each filter's sum of the values written, and of their squares,
                         are added to it; None: not computed
    """
    write((im2col_numpy(x, kernel, stride, pad) @ unpack(u, F)).reshape(*y.shape[:3], F), y, lines, offset, shift, sums)


def convolve_winograd_numpy(x: NDArray, u: NDArray, F: int, y: NDArray, pad: int, m: int,
                            lines: Range | None = None, offset: int = 0, shift: NDArray | None = None,
                            filters: Range | None = None, sums: NDArray | None = None) -> None:
    """r×r convolution with stride 1 by Winograd's algorithm (``winograd.py``), m + r = 7.

    x        (N, H, W, C) input
    u        36 matrices (C, F), packed
    F        number of filters
    y        (N, OH, OW, Y) output: channels ``offset`` to ``offset`` + F are written
    pad, m   padding; height and width of a tile's output
    lines    (first, last): compute only these lines of tiles, out of N·TH; None: all
    offset   the first filter's channel in y
    shift    (F,): write max(z + shift, 0), where z is the convolution; None: write z
    filters  (first, last): compute only these filters; both are multiples of 32, or F; None: all
    sums     (2, F) float64, for batch norm: each filter's sum of the values written, and of their squares, are added to
             it; None: not computed
    """
    z = winograd_output(winograd_input(x, pad, m) @ unpack(u, F), (*y.shape[:3], F), m)
    if lines:  # from lines of tiles to lines of pixels
        OH = y.shape[1]
        TH = -(-OH // m)
        first, last = (line // TH * OH + line % TH * m for line in lines)
        lines = first, last
    write(z, y, lines, offset, shift, sums, filters)


# -- numba ------------------------------------------------------------------------------------------------------------


def convolve_pointwise_numba(x: NDArray, u: NDArray, F: int, y: NDArray, lines: Range | None = None, offset: int = 0,
                             shift: NDArray | None = None, sums: NDArray | None = None) -> None:
    """As ``convolve_pointwise_numpy``, compiled."""
    N, H, W, C = x.shape
    first, last = lines or (0, N * H)
    _pointwise(frozen(x).reshape(-1), u, C, F, y.reshape(-1), y.shape[-1], first * W, last * W, offset,
               *_epilogue(shift, sums, u))


def convolve_columns_numba(x: NDArray, u: NDArray, F: int, y: NDArray, kernel: Pair, stride: Pair, pad: Pair,
                           lines: Range | None = None, offset: int = 0, shift: NDArray | None = None,
                           sums: NDArray | None = None) -> None:
    """As ``convolve_columns_numpy``, compiled."""
    N, H, W, C = x.shape
    OH, OW = y.shape[1:3]
    first, last = lines or (0, N * OH)
    _columns(frozen(x).reshape(N, H, W * C), u, C, F, y.reshape(-1), y.shape[-1], OH, OW, *kernel, *stride, *pad,
             first, last, offset, *_epilogue(shift, sums, u))


def convolve_winograd_numba(x: NDArray, u: NDArray, F: int, y: NDArray, pad: int, m: int,
                            lines: Range | None = None, offset: int = 0, shift: NDArray | None = None,
                            filters: Range | None = None, sums: NDArray | None = None) -> None:
    """As ``convolve_winograd_numpy``, compiled."""
    (N, H, W, C), (_, OH, OW, Y) = x.shape, y.shape
    TH, TW = -(-OH // m), -(-OW // m)
    first, last = lines or (0, N * TH)
    from_filter, to_filter = filters or (0, F)
    _winograd(frozen(x).reshape(N, H, W * C), u.reshape(-1), C, y.reshape(N, OH, OW * Y), Y, TH, TW, pad, m,
              first, last, from_filter, to_filter, offset, *_epilogue(shift, sums, u))


@inlined
def tiles_per_block(C: int, F: int) -> int:
    """Number of Winograd tiles in a block: their 36 (C + F) values each fit in the cache, and at most 128 tiles.

    If the 36 matrices are large, a block is so large that reading them costs no more than reading its tiles.
    """
    return max(min(8192 // (C + F), 128), C * F // (C + F))


def _epilogue(shift: NDArray | None, sums: NDArray | None, u: NDArray) -> tuple[NDArray, int, NDArray]:
    """(shift, mode, sums) for the kernels: None becomes an empty array."""
    mode = (np.empty(0, u.dtype), WRITE) if shift is None else (shift, RELU)
    return *mode, np.empty((2, 0)) if sums is None else sums


@njit
def _pointwise(x, u, C, F, y, Y, first, last, offset, shift, mode, sums):
    """x (pixels·C,) times u, packed (C, F), into y (pixels·Y,), for the pixels from ``first`` to ``last``.

    C, F, Y                    channels of x, filters, channels of y
    offset, shift, mode, sums  the first channel to write; (F,) for RELU; WRITE or RELU; (2, F), or (2, 0): no sums
    """
    if (last - first) * (C + F) <= NEAR:
        multiply(x, first * C, C, 1, last - first, C, u, 0, C, 0, y, first * Y + offset, Y, F, shift, 0, mode)
        add_sums(y, Y, offset, first, last, sums)
        return
    block = max(8, BLOCK // C // 8 * 8)
    for p in range(first, last, block):
        end = min(p + block, last)
        for f in range(0, F, PANEL):
            columns = min(F - f, PANEL)
            for q in range(p, end, ROWS):
                y_at = q * Y + offset + f
                if f == 0:
                    prefetch(x, (q + ROWS) * C, ROWS * C)
                prefetch_rows(y, y_at + ROWS * Y, Y, columns)
                multiply(x, q * C, C, 1, min(end - q, ROWS), C, u, f * C, C, 0, y, y_at, Y, columns, shift, f, mode)
        add_sums(y, Y, offset, p, end, sums)


@njit
def _columns(x, u, C, F, y, Y, OH, OW, KH, KW, SH, SW, PH, PW, first, last, offset, shift, mode, sums):
    """Convolve the lines from ``first`` to ``last``, out of N·OH.

    x, u, y                    (N, H, W·C) images; packed (KH·KW·C, F); (N·OH·OW·Y,), written
    C, F, Y                    channels of x, filters, channels of y
    OH, OW                     height and width of the output
    KH, KW, SH, SW, PH, PW     kernel, stride and padding
    offset, shift, mode, sums  the first channel to write; (F,) for RELU; WRITE or RELU; (2, F), or (2, 0): no sums
    """
    run, wide = KW * C, x.shape[2] + 2 * PW * C
    padded, block = lines_per_block(x, wide, OH, KH, SH)
    line = first
    while line < last:
        end = pad_lines(x, padded, PW * C, wide, block, line, last, OH, KH, SH, PH)
        for f in range(0, F, PANEL):  # each panel of the filters is read once for all lines
            for i in range(end - line):
                multiply_runs(padded, i * SH * wide, SW * C, wide, 1, OW, KH, run, u, f * KH * run, KH * run, 0, y,
                              (line + i) * OW * Y + offset + f, Y, min(F - f, PANEL), shift, f, mode)
        add_sums(y, Y, offset, line * OW, end * OW, sums)
        line = end


@njit
def _winograd(x, u, C, y, Y, TH, TW, pad, m, first, last, from_filter, to_filter, offset, shift, mode, sums):
    """Convolve the lines of tiles from ``first`` to ``last``, out of N·TH, with some of the filters.

    x, u, y                    (N, H, W·C) images; 36 packed (C, filters) after each other; (N, OH, OW·Y), written
    C, Y                       channels of x and of y
    TH, TW, pad, m             tiles in a column and in a line of an image; padding; size of a tile's output
    from_filter, to_filter     range of filters
    offset, shift, mode, sums  the first channel to write; (F,) for RELU; WRITE or RELU; (2, F), or (2, 0): no sums
    """
    F, (_, H, WC), (_, OH, OWY) = to_filter - from_filter, x.shape, y.shape
    W, OW, x, y = WC // C, OWY // Y, x.reshape(-1), y.reshape(-1)
    block = max(1, tiles_per_block(C, F) // TW)
    max_tiles, matrix_size = min(block, last - first) * TW, len(u) // 36
    v, products = scratch(36 * matrix_step(max_tiles, C), x), scratch(36 * matrix_step(max_tiles, F), x)
    for line in range(first, last, block):
        end = min(last, line + block)
        T = (end - line) * TW
        v_step, step = matrix_step(T, C), matrix_step(T, F)
        input_lines(x, v, v_step, H, W, C, TH, TW, pad, m, line, end)
        for i in range(36):
            multiply(v, i * v_step, C, 1, T, C, u, i * matrix_size + from_filter * C, C, 0, products, i * step, F, F,
                     shift, 0, WRITE)
        output_lines(products, step, y, OH, OW, Y, F, m, line, end, offset + from_filter, shift, from_filter,
                     mode == RELU)
        first_row, last_row = line // TH * OH + line % TH * m, end // TH * OH + end % TH * m  # in lines of pixels
        add_sums(y, Y, offset, first_row * OW, last_row * OW, sums)


convolve_pointwise = convolve_pointwise_numba if JIT else convolve_pointwise_numpy
convolve_columns = convolve_columns_numba if JIT else convolve_columns_numpy
convolve_winograd = convolve_winograd_numba if JIT else convolve_winograd_numpy
