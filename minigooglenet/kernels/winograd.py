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
images (``winograd_tiles.py``).
"""

import functools
from typing import TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .jit import inlined, size

Six: TypeAlias = tuple[int, int, int, int, int, int]

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


# -- numba: the products with B, A and their transposes, written out, for n values at a time ---------------------------


@inlined
def _unsigned(six):
    return size(six[0]), size(six[1]), size(six[2]), size(six[3]), size(six[4]), size(six[5])


# d, v, M and y are flat arrays. ``source`` and ``target`` are the indices at which the six vectors of n values begin.


@inlined
def transform_input(d: NDArray, source: Six, v: NDArray, target: Six, n: int) -> None:
    """v = Bᵀ d for n values at a time."""
    s0, s1, s2, s3, s4, s5 = _unsigned(source)
    t0, t1, t2, t3, t4, t5 = _unsigned(target)
    two, four, five = d.dtype.type(2), d.dtype.type(4), d.dtype.type(5)
    for k in range(size(n)):
        d0, d1, d2, d3, d4, d5 = d[s0 + k], d[s1 + k], d[s2 + k], d[s3 + k], d[s4 + k], d[s5 + k]
        v[t0 + k] = four * d0 - five * d2 + d4
        v[t1 + k] = d3 + d4 - four * (d1 + d2)
        v[t2 + k] = four * (d1 - d2) - d3 + d4
        v[t3 + k] = two * (d3 - d1) - d2 + d4
        v[t4 + k] = two * (d1 - d3) - d2 + d4
        v[t5 + k] = four * d1 - five * d3 + d5


@inlined
def transform_input_adjoint(v: NDArray, source: Six, d: NDArray, target: Six, n: int) -> None:
    """d = B v for n values at a time."""
    s0, s1, s2, s3, s4, s5 = _unsigned(source)
    t0, t1, t2, t3, t4, t5 = _unsigned(target)
    two, four, five = d.dtype.type(2), d.dtype.type(4), d.dtype.type(5)
    for k in range(size(n)):
        v0, v1, v2, v3, v4, v5 = v[s0 + k], v[s1 + k], v[s2 + k], v[s3 + k], v[s4 + k], v[s5 + k]
        d[t0 + k] = four * v0
        d[t1 + k] = four * (v2 - v1 + v5) + two * (v4 - v3)
        d[t2 + k] = -five * v0 - four * (v1 + v2) - v3 - v4
        d[t3 + k] = v1 - v2 + two * (v3 - v4) - five * v5
        d[t4 + k] = v0 + v1 + v2 + v3 + v4
        d[t5 + k] = v5


@inlined
def transform_output(M: NDArray, source: Six, y: NDArray, at: int, step: int, n: int, m: int) -> None:
    """y = Aᵀ M, from six vectors of n values to m. The first begins at y[at], the next ones ``step`` apart."""
    s0, s1, s2, s3, s4, s5 = _unsigned(source)
    t0, t1 = size(at), size(at + step)
    two, four, eight = y.dtype.type(2), y.dtype.type(4), y.dtype.type(8)
    if m == 2:
        for k in range(size(n)):
            m1, m2, m3, m4 = M[s1 + k], M[s2 + k], M[s3 + k], M[s4 + k]
            y[t0 + k] = M[s0 + k] + m1 + m2 + m3 + m4
            y[t1 + k] = m1 - m2 + two * (m3 - m4) + M[s5 + k]
        return
    t2, t3 = size(at + 2 * step), size(at + 3 * step)
    for k in range(size(n)):
        m1, m2, m3, m4 = M[s1 + k], M[s2 + k], M[s3 + k], M[s4 + k]
        y[t0 + k] = M[s0 + k] + m1 + m2 + m3 + m4
        y[t1 + k] = m1 - m2 + two * (m3 - m4)
        y[t2 + k] = m1 + m2 + four * (m3 + m4)
        y[t3 + k] = m1 - m2 + eight * (m3 - m4) + M[s5 + k]


@inlined
def transform_output_adjoint(y: NDArray, at: int, step: int, M: NDArray, target: Six, n: int, m: int) -> None:
    """M = A y, from m vectors of n values to six. The first begins at y[at], the next ones ``step`` apart."""
    s0, s1 = size(at), size(at + step)
    t0, t1, t2, t3, t4, t5 = _unsigned(target)
    two, four, eight = y.dtype.type(2), y.dtype.type(4), y.dtype.type(8)
    if m == 2:
        for k in range(size(n)):
            y0, y1 = y[s0 + k], y[s1 + k]
            M[t0 + k] = y0
            M[t1 + k] = y0 + y1
            M[t2 + k] = y0 - y1
            M[t3 + k] = y0 + two * y1
            M[t4 + k] = y0 - two * y1
            M[t5 + k] = y1
        return
    s2, s3 = size(at + 2 * step), size(at + 3 * step)
    for k in range(size(n)):
        y0, y1, y2, y3 = y[s0 + k], y[s1 + k], y[s2 + k], y[s3 + k]
        M[t0 + k] = y0
        M[t1 + k] = y0 + y2 + (y1 + y3)
        M[t2 + k] = y0 + y2 - (y1 + y3)
        M[t3 + k] = y0 + four * y2 + (two * y1 + eight * y3)
        M[t4 + k] = y0 + four * y2 - (two * y1 + eight * y3)
        M[t5 + k] = y3
