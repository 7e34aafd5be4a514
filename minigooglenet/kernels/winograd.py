"""Winograd's minimal filtering F(m × m, r × r) with m + r - 1 = 6: convolution with fewer multiplications.

From a tile d of 6×6 inputs it computes m×m outputs Y of a convolution with an r×r filter g:

    Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A

The bracket takes 36 multiplications instead of (m r)²: 144 for 3×3 filters (m = 4), 100 for 5×5 filters (m = 2). With C
input and F output channels they become 36 matrix products (tiles × C) (C × F). Why it works: a convolution is a product
of polynomials, and a product of degree 5 is determined by its values at six points, here 0, 1, -1, 2, -2 and ∞. B
depends on the points only, so it is the same for both filter sizes.

The backward pass is the adjoint of each step, in the opposite order:

    dM = A dY Aᵀ        dU = Vᵀ dM (for each of the 36)        dV = dM Uᵀ        dd = B dV Bᵀ        dg = Gᵀ dU G

Source: Lavin & Gray 2015, "Fast Algorithms for Convolutional Neural Networks", sections 2 and 4. Tiles overlap by r - 1
pixels, so the adjoint of extracting them adds where they overlap. Float32 results differ from the direct sum by about
1e-5 of the largest value for m = 4.

This file has the NumPy form, and the products with the small matrices written out for the compiled transforms of whole
images (``winograd_tiles.py``, ``winograd_outputs.py``).
"""

import functools
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .jit import inlined

Six: TypeAlias = tuple[Any, Any, Any, Any, Any, Any]

B = np.array([[4, 0, 0, 0, 0, 0],
              [0, -4, 4, -2, 2, 4],
              [-5, -4, -4, -1, -1, 0],
              [0, 1, -1, 2, -2, -5],
              [1, 1, 1, 1, 1, 0],
              [0, 0, 0, 0, 0, 1]], float)
POINTS = np.array([0, 1, -1, 2, -2], float)
SCALE = np.array([1 / 4, -1 / 6, -1 / 6, 1 / 24, 1 / 24])


def filter_matrix(r: int) -> NDArray:
    """G (6, r): the scaled powers of the points; the last row is the point at infinity."""
    G = np.zeros((6, r))
    G[:5] = SCALE[:, None] * POINTS[:, None] ** np.arange(r)
    G[5, r - 1] = 1
    return G


def output_matrix(m: int) -> NDArray:
    """A (6, m): the powers of the points; the last row is the point at infinity."""
    A = np.zeros((6, m))
    A[:5] = POINTS[:, None] ** np.arange(m)
    A[5, m - 1] = 1
    return A


@functools.cache
def filter_matrix_2d(r: int, dtype: DTypeLike) -> NDArray:
    """G ⊗ G (36, r²), the Kronecker product: G applied to the rows and the columns of a filter in one product."""
    return np.kron(filter_matrix(r), filter_matrix(r)).astype(dtype)


def winograd_filter(w: NDArray) -> NDArray:
    """U = G w Gᵀ. w (r, r, C, F) -> u (36, C, F)."""
    r, _, C, F = w.shape
    return (filter_matrix_2d(r, w.dtype) @ w.reshape(r * r, C * F)).reshape(36, C, F)


def winograd_filter_adjoint(du: NDArray, r: int) -> NDArray:
    """dw = Gᵀ dU G. du (36, C, F) -> dw (r, r, C, F)."""
    _, C, F = du.shape
    return (filter_matrix_2d(r, du.dtype).T @ du.reshape(36, C * F)).reshape(r, r, C, F)


def tiles(H: int, W: int, pad: int, m: int) -> tuple[int, int]:
    """(rows, columns) of tiles that cover the output of an H×W image."""
    r = 7 - m
    return -(-(H + 2 * pad - r + 1) // m), -(-(W + 2 * pad - r + 1) // m)


def winograd_input(x: NDArray, pad: int, m: int) -> NDArray:
    """V = Bᵀ d B for every tile. x (N, H, W, C) -> v (36, N·TH·TW, C)."""
    N, H, W, C = x.shape
    TH, TW = tiles(H, W, pad, m)
    padded = np.pad(x, ((0, 0), (pad, TH * m + 6 - H - pad), (pad, TW * m + 6 - W - pad), (0, 0)))
    d = np.stack([padded[:, i * m:i * m + 6, j * m:j * m + 6] for i in range(TH) for j in range(TW)], axis=1)
    matrix = B.astype(x.dtype)
    return np.einsum("ai,bj,ntabc->ijntc", matrix, matrix, d, optimize=True).reshape(36, N * TH * TW, C)


def winograd_input_adjoint(dv: NDArray, shape: tuple[int, ...], pad: int, m: int) -> NDArray:
    """dd = B dV Bᵀ for every tile, added where tiles overlap. dv (36, N·TH·TW, C) -> dx (N, H, W, C) = ``shape``."""
    N, H, W, C = shape
    TH, TW = tiles(H, W, pad, m)
    matrix = B.astype(dv.dtype)
    d = np.einsum("ai,bj,ijntc->ntabc", matrix, matrix, dv.reshape(6, 6, N, TH * TW, C), optimize=True)
    padded = np.zeros((N, TH * m + 6, TW * m + 6, C), dv.dtype)
    for t in range(TH * TW):
        i, j = t // TW * m, t % TW * m
        padded[:, i:i + 6, j:j + 6] += d[:, t]
    return padded[:, pad:pad + H, pad:pad + W]


def winograd_output(products: NDArray, shape: tuple[int, ...], m: int) -> NDArray:
    """Y = Aᵀ M A for every tile. products (36, N·TH·TW, F) -> y (N, OH, OW, F) = ``shape``."""
    N, OH, OW, F = shape
    TH, TW = -(-OH // m), -(-OW // m)
    A = output_matrix(m).astype(products.dtype)
    covered = np.einsum("ia,jb,ijnuvf->nuavbf", A, A, products.reshape(6, 6, N, TH, TW, F), optimize=True)
    return covered.reshape(N, TH * m, TW * m, F)[:, :OH, :OW]


def winograd_output_adjoint(dy: NDArray, m: int) -> NDArray:
    """dM = A dY Aᵀ for every tile. dy (N, OH, OW, F) -> (36, N·TH·TW, F)."""
    N, OH, OW, F = dy.shape
    TH, TW = -(-OH // m), -(-OW // m)
    A = output_matrix(m).astype(dy.dtype)
    padded = np.pad(dy, ((0, 0), (0, TH * m - OH), (0, TW * m - OW), (0, 0))).reshape(N, TH, m, TW, m, F)
    return np.einsum("ia,jb,nuavbf->ijnuvf", A, A, padded, optimize=True).reshape(36, N * TH * TW, F)


# -- the products with B, A and their transposes, written out, for SIMD registers (``simd.py``), numbers or arrays -----


@inlined
def input_values(d0: Any, d1: Any, d2: Any, d3: Any, d4: Any, d5: Any) -> Six:
    """v = Bᵀ d"""
    even, odd = d4 - 4 * d2, d3 - 4 * d1
    small_even, small_odd = d4 - d2, 2 * (d3 - d1)
    return (4 * d0 - 5 * d2 + d4, even + odd, even - odd, small_even + small_odd, small_even - small_odd,
            4 * d1 - 5 * d3 + d5)


@inlined
def input_gradients(v0: Any, v1: Any, v2: Any, v3: Any, v4: Any, v5: Any) -> Six:
    """d = B v"""
    even, odd = v1 + v2, v1 - v2
    large_even, large_odd = v3 + v4, 2 * (v3 - v4)
    return (4 * v0, 4 * (v5 - odd) - large_odd, -5 * v0 - 4 * even - large_even, odd + large_odd - 5 * v5,
            v0 + even + large_even, v5)


@inlined
def output_values(m0: Any, m1: Any, m2: Any, m3: Any, m4: Any, m5: Any) -> tuple[Any, Any, Any, Any, Any]:
    """y = Aᵀ M without its last term, which follows: it belongs to the fourth if m = 4, to the second if m = 2."""
    even, odd, large_even, large_odd = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + even + large_even, odd + 2 * large_odd, even + 4 * large_even, odd + 8 * large_odd, m5


@inlined
def output_gradients(y0: Any, y1: Any, y2: Any, y3: Any, last: Any) -> Six:
    """M = A y, where ``last`` is y3; for m = 2 with y2 = y3 = 0 and ``last`` y1."""
    even, odd = y0 + y2, y1 + y3
    large_even, large_odd = y0 + 4 * y2, 2 * y1 + 8 * y3
    return y0, even + odd, even - odd, large_even + large_odd, large_even - large_odd, last
