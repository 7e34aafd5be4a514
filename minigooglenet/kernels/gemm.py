"""Matrix products (GEMM) of small matrices, to which every convolution is reduced.

    Y = A B        or        Y = max(A B + shift, 0)        or        Y += A B

BLAS is optimized for large matrices. Each call first copies A and B into a layout of its own, and Y is written to
memory before the next operation can be applied. Here the matrices are small and many, B is the same for a whole batch,
and a ReLU follows. So B is packed once per batch (``pack``), and shift and ReLU are applied in registers.

The registers hold a block of Y, 8×32 values with AVX-512. For each k the loop loads 32 values of B and, one after the
other, 8 values of A: 256 multiply-adds for 40 values read. Compiled from a Python loop, the block would stay in memory;
so ``llvm.py`` emits it as LLVM IR, with vectors. The order of summation is then fixed, and so are the bits.

Source for the loop order and the panels: Goto & van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication";
for omitting what pays off for large matrices only: Heinecke et al. 2016, "LIBXSMM".
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from .jit import JIT, inlined, njit, size
from .memory import empty
from .simd import prefetch

WRITE, ADD, RELU = 0, 1, 2  # modes: Y = A B, Y += A B, Y = max(A B + shift, 0)
SPARE = 7  # values that may be read past the end of B where it is not packed

# -- NumPy ------------------------------------------------------------------------------------------------------------


def panels(F: int) -> Iterator[tuple[int, int]]:
    """Yield (first column, width) of each panel of F columns: 32 columns each, 16 or 8 at the end."""
    f = 0
    while f < F:
        width = 32 if F - f > 24 else 16 if F - f > 8 else 8
        yield f, width
        f += width


def padded(F: int) -> int:
    """Number of columns of a packed matrix: F, rounded up to a multiple of 8."""
    return -(-F // 8) * 8


def pack_numpy(b: NDArray) -> NDArray:
    """Pack b (..., K, F) into panels -> (..., K · padded(F)).

    A panel is a block of columns, stored row by row; the last one is padded with zeros.
    """
    *before, K, F = b.shape
    wide = np.zeros((*before, K, padded(F)), b.dtype)
    wide[..., :F] = b
    return np.concatenate([wide[..., f:f + width].reshape(*before, -1) for f, width in panels(F)], axis=-1)


def unpack(u: NDArray, F: int) -> NDArray:
    """The inverse of ``pack_numpy``: u (..., K · padded(F)) -> (..., K, F)."""
    *before, size = u.shape
    K = size // padded(F)
    return np.concatenate([u[..., K * f:K * (f + width)].reshape(*before, K, width) for f, width in panels(F)],
                          axis=-1)[..., :F]


def numpy_block(width: int, height: int = 8) -> Callable[..., None]:
    """Return a function that multiplies up to ``height`` rows of A by one panel of B, ``width`` columns wide."""
    def block(a, a_at, a_row, a_run, a_k, b, b_at, b_k, runs, K, y, y_at, y_row, rows, columns, shift, shift_at, mode,
              ahead, ahead_step):
        """Compute a block of Y (rows, columns) from A (rows, runs·K) and B (runs·K, columns), all in flat arrays.

        a, a_at, a_row, a_run, a_k   A: its array, the index of its first value, and the distances between rows, between
                                     runs of K values in a row, and between the values of a run
        b, b_at, b_k                 B: its array, the index of its first value, the distance between rows
        runs, K                      a row of A is ``runs`` runs of K values
        y, y_at, y_row               Y: its array, the index of its first value, the distance between rows
        rows, columns                size of Y; only the first ``height`` rows and ``width`` columns are computed
        shift, shift_at              array and index of the shift of the first column; read with RELU only
        mode                         WRITE, ADD or RELU
        ahead, ahead_step            for each k, fetch the value of b at this index into the cache; the step to the next
        """
        rows, columns = min(rows, height), min(columns, width)
        indices = (a_at + np.arange(rows)[:, None, None] * a_row + np.arange(runs)[:, None] * a_run
                  + np.arange(K) * a_k)
        panel = b[b_at + np.arange(runs * K)[:, None] * b_k + np.arange(columns)]
        product = a[indices].reshape(rows, runs * K) @ panel
        target = y_at + np.arange(rows)[:, None] * y_row + np.arange(columns)
        if mode == RELU:
            product = np.maximum(product + shift[shift_at:shift_at + columns], 0)
        y[target] = product + y[target] if mode == ADD else product
    return block


# -- numba ------------------------------------------------------------------------------------------------------------

if JIT:
    from .llvm import PANEL, ROWS, llvm_block
else:
    PANEL, ROWS = 32, 8

_block_8, _block_16, _block_32 = (llvm_block(width) if JIT else numpy_block(width) for width in (8, 16, 32))
_block_7x32 = llvm_block(32, 7) if JIT else numpy_block(32, 7)


def pack_numba(b: NDArray) -> NDArray:
    """As ``pack_numpy``, compiled, with panels of at most PANEL columns."""
    *before, K, F = b.shape
    packed = empty((*before, K * padded(F)), b.dtype)
    _pack(b.reshape(-1), packed.reshape(-1), packed.size // max(1, K * padded(F)), K, F, F, 1)
    return packed


@njit
def _width(F):
    """Width of the next panel if F columns are left."""
    if PANEL == 32 and F > 24:
        return 32
    return 16 if F > 8 else 8


@njit
def _pack(b, packed, n, K, F, row, column):
    """As ``pack_numpy``, for n matrices (K, F), one after the other in a flat array; ``row`` and ``column`` are the
    distances between their rows and between their columns."""
    at = size(0)
    for i in range(n):
        f = 0
        while f < F:
            width = _width(F - f)
            inside = min(width, F - f)
            for k in range(K):
                first = i * K * F + k * row + f * column
                if column == 1:
                    for j in range(size(inside)):
                        packed[at + j] = b[size(first) + j]
                else:
                    for j in range(inside):
                        packed[at + size(j)] = b[first + j * column]
                for j in range(size(inside), size(width)):
                    packed[at + j] = 0
                at += size(width)
            f += width


@inlined
def prefetch_rows(a: NDArray, at: int, row: int, n: int) -> None:
    """Prefetch the first n columns of ROWS rows of a flat array; ``at``: the first value, ``row``: between rows."""
    for r in range(ROWS):
        prefetch(a, at + r * row, n)


pack = pack_numba if JIT else pack_numpy


@inlined
def block_rows(P: int) -> int:
    """The height of the blocks of a product with P rows: 7, in the widest registers, where that leaves no gap at the
    end: the lines of images of 7, 14 or 28 pixels, of which GoogLeNet's are."""
    return 7 if PANEL == 32 and P <= 49 and P % 7 == 0 else ROWS


@inlined
def multiply(a: NDArray, a_at: int, a_row: int, a_k: int, P: int, K: int, b: NDArray, b_at: int, b_panel: int,
             b_k: int, y: NDArray, y_at: int, y_row: int, F: int, shift: NDArray, shift_at: int, mode: int) -> None:
    """Compute Y (P, F) from A (P, K) and B (K, F), all in flat arrays.

    a, a_at, a_row, a_k    A: its array, the index of its first value, the distances between rows and between columns
    P, K                   size of A
    b, b_at, b_panel, b_k  B: its array and the index of its first value. Packed: ``b_panel`` K and ``b_k`` 0. Not
                           packed: 1 and the distance between rows, with SPARE more values past the end of B
    y, y_at, y_row         Y: its array, the index of its first value, the distance between rows
    F                      number of columns
    shift, shift_at        array and index of the shift of the first column; read with RELU only
    mode                    WRITE, ADD or RELU
    """
    multiply_runs(a, a_at, a_row, 0, a_k, P, 1, K, b, b_at, b_panel, b_k, y, y_at, y_row, F, shift, shift_at, mode)


@njit
def multiply_runs(a: NDArray, a_at: int, a_row: int, a_run: int, a_k: int, P: int, runs: int, K: int, b: NDArray,
                  b_at: int, b_panel: int, b_k: int, y: NDArray, y_at: int, y_row: int, F: int, shift: NDArray,
                  shift_at: int, mode: int) -> None:
    """As ``multiply``, for A (P, runs·K) whose rows are not contiguous: ``runs`` runs of K values.

    a, a_at, a_row, a_run, a_k  A: its array, the index of its first value, and the distances between rows, between the
                                runs of a row, and between the values of a run
    P, runs, K                  size of A
    b, b_at, b_panel, b_k       B (runs·K, F), packed or not
    y, y_at, y_row, F           Y (P, F)
    shift, shift_at, mode        see ``multiply``
    """
    f = 0
    while f < F:
        width = _width(F - f)
        B, step = b_at + f * b_panel, b_k if b_k else width
        height = block_rows(P) if width == 32 else ROWS
        ahead_part = -(-width * height // P)
        for p in range(0, P, height):
            # Meanwhile fetch the next panel, an equal part during each block.
            fetched = p // height * ahead_part
            ahead, ahead_step = B + (width + fetched) * runs * K, ahead_part if fetched < width else 0
            A, Y, rows, columns, S = a_at + p * a_row, y_at + p * y_row + f, P - p, F - f, shift_at + f
            if height == 7:
                _block_7x32(a, A, a_row, a_run, a_k, b, B, step, runs, K, y, Y, y_row, rows, columns, shift, S,
                             mode, ahead, ahead_step)
            elif width == 32:
                _block_32(a, A, a_row, a_run, a_k, b, B, step, runs, K, y, Y, y_row, rows, columns, shift, S,
                             mode, ahead, ahead_step)
            elif width == 16:
                _block_16(a, A, a_row, a_run, a_k, b, B, step, runs, K, y, Y, y_row, rows, columns, shift, S,
                             mode, ahead, ahead_step)
            else:
                _block_8(a, A, a_row, a_run, a_k, b, B, step, runs, K, y, Y, y_row, rows, columns, shift, S,
                             mode, ahead, ahead_step)
        f += width
