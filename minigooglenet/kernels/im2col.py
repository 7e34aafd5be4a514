"""im2col and its adjoint, and padded image rows, in which a matrix product reads windows without copying them."""

import numpy as np
from numpy.typing import NDArray

from .geometry import Pair, output_hw
from .jit import JIT, frozen, inlined, njit, size
from .threads import over_parts

# -- NumPy: one iteration per kernel position --------------------------------------------------------------------------


def im2col_numpy(x: NDArray, kernel: Pair, stride: Pair, pad: Pair) -> NDArray:
    """Copy every window of ``x`` into one row of a matrix.

        columns[(n, i, j), (u, v, c)] = x[n, i S + u - P, j S + v - P, c]        (0 outside the image)

    x (N, H, W, C) -> columns (N·OH·OW, KH·KW·C). A convolution is then ``columns @ w.reshape(KH·KW·C, F)``.
    """
    (N, H, W, C), (KH, KW), (SH, SW), (PH, PW) = x.shape, kernel, stride, pad
    OH, OW = output_hw(H, W, kernel, stride, pad)
    padded = np.pad(x, ((0, 0), (PH, PH), (PW, PW), (0, 0)))
    columns = np.empty((N, OH, OW, KH, KW, C), x.dtype)
    for u in range(KH):
        for v in range(KW):
            columns[:, :, :, u, v] = padded[:, u:u + SH * (OH - 1) + 1:SH, v:v + SW * (OW - 1) + 1:SW]
    return columns.reshape(N * OH * OW, KH * KW * C)


def col2im_numpy(columns: NDArray, shape: tuple[int, ...], kernel: Pair, stride: Pair, pad: Pair) -> NDArray:
    """The adjoint of im2col: **add** every row to the window it was copied from; overlapping windows sum.

    columns (N·OH·OW, KH·KW·C) -> x (N, H, W, C) = ``shape``.
    """
    (N, H, W, C), (KH, KW), (SH, SW), (PH, PW) = shape, kernel, stride, pad
    OH, OW = output_hw(H, W, kernel, stride, pad)
    columns = columns.reshape(N, OH, OW, KH, KW, C)
    padded = np.zeros((N, max(H + 2 * PH, KH + SH * (OH - 1)), max(W + 2 * PW, KW + SW * (OW - 1)), C), columns.dtype)
    for u in range(KH):
        for v in range(KW):
            padded[:, u:u + SH * (OH - 1) + 1:SH, v:v + SW * (OW - 1) + 1:SW] += columns[:, :, :, u, v]
    return padded[:, PH:PH + H, PW:PW + W].copy()


# -- numba: each matrix row is filled by contiguous runs ---------------------------------------------------------------


def im2col_numba(x: NDArray, kernel: Pair, stride: Pair, pad: Pair) -> NDArray:
    """As ``im2col_numpy``, compiled."""
    (N, H, W, C), (KH, KW) = x.shape, kernel
    OH, OW = output_hw(H, W, kernel, stride, pad)
    columns = np.empty((N, OH, OW, KH, KW * C), x.dtype)
    x = frozen(x).reshape(N, H, W * C)
    over_parts(lambda s: _im2col(x[s], columns[s].reshape(-1, OW, KH, KW * C), C, KW, *stride, *pad, OH), N)
    return columns.reshape(N * OH * OW, KH * KW * C)


@njit
def _im2col(x, columns, C, KW, SH, SW, PH, PW, OH):
    """im2col of contiguous images.

    x               (N, H, W·C)
    columns         (N·OH, OW, KH, KW·C), written
    C, KW           channels; kernel width
    SH, SW, PH, PW  stride and padding
    OH              output height
    """
    N, H, WC = x.shape
    lines, OW, KH, run = columns.shape
    for ni in range(lines):
        n, top = ni // OH, ni % OH * SH - PH
        for j in range(OW):
            left = (j * SW - PW) * C
            first = min(run, max(0, -left))  # the part of each window row inside the image
            last = max(first, min(run, WC - left))
            for u in range(KH):
                h = top + u
                if h < 0 or h >= H:
                    for k in range(run):
                        columns[ni, j, u, k] = 0
                    continue
                for k in range(first):
                    columns[ni, j, u, k] = 0
                for k in range(first, last):
                    columns[ni, j, u, k] = x[n, h, left + k]
                for k in range(last, run):
                    columns[ni, j, u, k] = 0


def col2im_numba(columns: NDArray, shape: tuple[int, ...], kernel: Pair, stride: Pair, pad: Pair) -> NDArray:
    """As ``col2im_numpy``, compiled."""
    (N, H, W, C), (KH, KW) = shape, kernel
    OH, OW = output_hw(H, W, kernel, stride, pad)
    x = np.zeros((N, H, W * C), columns.dtype)
    columns = frozen(columns).reshape(N, OH, OW, KH, KW * C)
    over_parts(lambda s: _col2im(columns[s].reshape(-1, OW, KH, KW * C), x[s], C, *stride, *pad), N)
    return x.reshape(shape)


@njit
def _col2im(columns, x, C, SH, SW, PH, PW):
    N, OH = len(x), columns.shape[0] // len(x)
    for ni in range(N * OH):
        add_columns(columns[ni], x[ni // OH], C, ni % OH * SH - PH, x.shape[1], SW, PW)


@inlined
def add_columns(columns: NDArray, x: NDArray, C: int, top: int, H: int, SW: int, PW: int) -> None:
    """Add a line of windows (OW, KH, KW·C), the first row of which is ``top``, to the image x (H, W·C)."""
    OW, KH, run = columns.shape
    for j in range(OW):
        left = (j * SW - PW) * C
        first = min(run, max(0, -left))
        last = max(first, min(run, x.shape[1] - left))
        for u in range(max(0, -top), min(KH, H - top)):
            for k in range(first, last):
                x[top + u, left + k] += columns[j, u, k]


im2col = im2col_numba if JIT else im2col_numpy
col2im = col2im_numba if JIT else col2im_numpy

# -- padded lines: for compiled convolutions, which read windows in place ----------------------------------------------

BLOCK = 32768  # values of a matrix processed at a time: they fit in the cache


@inlined
def lines_per_block(x: NDArray, wide: int, OH: int, KH: int, SH: int) -> tuple[NDArray, int]:
    """(buffer, lines): a buffer for padded image lines, and the number of output lines whose windows fit in it.

    x (N, H, W·C); ``wide``: values in a padded line; OH, KH, SH: output height, kernel height, vertical stride.
    """
    block = max(1, min(OH, (BLOCK // wide - KH) // SH + 1))
    return np.zeros(((block - 1) * SH + KH) * wide, x.dtype), block


@inlined
def pad_lines(x: NDArray, padded: NDArray, at: int, wide: int, block: int, line: int, last: int, OH: int, KH: int,
              SH: int, PH: int) -> int:
    """Copy the image lines that the output lines from ``line`` on depend on into ``padded``, with zero padding.

    Every window is then KH contiguous runs of ``padded``, one in each line; windows overlap instead of being copied.

    x               (N, H, W·C) images
    padded, wide    flat buffer of lines of ``wide`` values each (``lines_per_block``)
    at              index in a padded line at which the image starts: the left padding, in values
    block           maximum number of output lines
    line, last      the first output line, and the end of the range, out of N·OH
    OH, KH, SH, PH  output height, kernel height, vertical stride and padding

    Returns the end of the output lines covered: ``line + block``, the end of the image, or ``last``.
    """
    _, H, WC = x.shape
    until = min(last, line + block, (line // OH + 1) * OH)
    for i in range((until - line - 1) * SH + KH):
        h, to = line % OH * SH - PH + i, size(i * wide + at)
        if 0 <= h < H:
            for k in range(size(WC)):
                padded[to + k] = x[line // OH, h, k]
        else:
            for k in range(size(WC)):
                padded[to + k] = 0
    return until
