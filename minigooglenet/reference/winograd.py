"""Winograd's minimal filtering, F(m × m, r × r) with m + r - 1 = 6: the same convolution with fewer products.

A tile of 6×6 inputs d gives m×m outputs Y of a convolution with an r×r filter g:

    Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A

The bracket is 36 products instead of (m r)²: for 3×3 filters (m = 4) 36 for 144, for 5×5 filters (m = 2) 36 for 100.
Over C input and F output channels the products become 36 matrix products (tiles × C) (C × F). Why it works: a
convolution is a product of polynomials, and polynomials of degree 5 may be multiplied by their values at six points;
here 0, 1, -1, 2, -2 and ∞. B is the same for both sizes, since it only depends on the points.

The way back is the adjoint of each step, in the opposite order:

    dM = A dY Aᵀ        dU = Vᵀ dM (for each of the 36)        dV = dM Uᵀ        dd = B dV Bᵀ        dg = Gᵀ dU G

Source: Lavin & Gray 2015, "Fast Algorithms for Convolutional Neural Networks", sections 2 and 4. Tiles overlap by r - 1
pixels, so the adjoint of cutting them out adds where they overlap. Float32 results differ from the direct sum by about
1e-5 of the largest value for m = 4.
"""

import functools

import numpy as np

B = np.array([[4, 0, 0, 0, 0, 0],
              [0, -4, 4, -2, 2, 4],
              [-5, -4, -4, -1, -1, 0],
              [0, 1, -1, 2, -2, -5],
              [1, 1, 1, 1, 1, 0],
              [0, 0, 0, 0, 0, 1]], float)
POINTS = np.array([0, 1, -1, 2, -2], float)
SCALE = np.array([1 / 4, -1 / 6, -1 / 6, 1 / 24, 1 / 24])


def filter_matrix(r):
    """G (6, r): the scaled powers of the points; the last row is the point at infinity."""
    G = np.zeros((6, r))
    G[:5] = SCALE[:, None] * POINTS[:, None] ** np.arange(r)
    G[5, r - 1] = 1
    return G


def output_matrix(m):
    """A (6, m): the powers of the points."""
    A = np.zeros((6, m))
    A[:5] = POINTS[:, None] ** np.arange(m)
    A[5, m - 1] = 1
    return A


@functools.cache
def both_ways(r, dtype):
    """(36, r²): G along the lines and along the columns at once, the Kronecker product of G with itself."""
    return np.kron(filter_matrix(r), filter_matrix(r)).astype(dtype)


def winograd_filter(w):
    """U = G w Gᵀ. w (r, r, C, F) -> u (36, C, F)."""
    r, _, C, F = w.shape
    return (both_ways(r, w.dtype) @ w.reshape(r * r, C * F)).reshape(36, C, F)


def winograd_filter_adjoint(du, r):
    """dw = Gᵀ dU G. du (36, C, F) -> dw (r, r, C, F)."""
    _, C, F = du.shape
    return (both_ways(r, du.dtype).T @ du.reshape(36, C * F)).reshape(r, r, C, F)


def tiles(H, W, pad, m):
    """(rows, columns) of tiles that cover the output of an H × W picture."""
    r = 7 - m
    return -(-(H + 2 * pad - r + 1) // m), -(-(W + 2 * pad - r + 1) // m)


def winograd_input(x, pad, m):
    """V = Bᵀ d B for every tile. x (N, H, W, C) -> v (36, N·TH·TW, C)."""
    N, H, W, C = x.shape
    TH, TW = tiles(H, W, pad, m)
    padded = np.pad(x, ((0, 0), (pad, TH * m + 6 - H - pad), (pad, TW * m + 6 - W - pad), (0, 0)))
    d = np.stack([padded[:, i * m:i * m + 6, j * m:j * m + 6] for i in range(TH) for j in range(TW)], axis=1)
    matrix = B.astype(x.dtype)
    return np.einsum("ai,bj,ntabc->ijntc", matrix, matrix, d, optimize=True).reshape(36, N * TH * TW, C)


def winograd_input_adjoint(dv, shape, pad, m):
    """Every tile's B dV Bᵀ, added up where the tiles came from. dv (36, N·TH·TW, C) -> dx (N, H, W, C) = ``shape``."""
    N, H, W, C = shape
    TH, TW = tiles(H, W, pad, m)
    matrix = B.astype(dv.dtype)
    d = np.einsum("ai,bj,ijntc->ntabc", matrix, matrix, dv.reshape(6, 6, N, TH * TW, C), optimize=True)
    padded = np.zeros((N, TH * m + 6, TW * m + 6, C), dv.dtype)
    for t in range(TH * TW):
        i, j = t // TW * m, t % TW * m
        padded[:, i:i + 6, j:j + 6] += d[:, t]
    return padded[:, pad:pad + H, pad:pad + W]


def winograd_output(products, shape, m):
    """Y = Aᵀ M A for every tile. products (36, N·TH·TW, F) -> y (N, OH, OW, F) = ``shape``."""
    N, OH, OW, F = shape
    TH, TW = -(-OH // m), -(-OW // m)
    A = output_matrix(m).astype(products.dtype)
    covered = np.einsum("ia,jb,ijnuvf->nuavbf", A, A, products.reshape(6, 6, N, TH, TW, F), optimize=True)
    return covered.reshape(N, TH * m, TW * m, F)[:, :OH, :OW]


def winograd_output_adjoint(dy, m):
    """dM = A dY Aᵀ for every tile. dy (N, OH, OW, F) -> (36, N·TH·TW, F)."""
    N, OH, OW, F = dy.shape
    TH, TW = -(-OH // m), -(-OW // m)
    A = output_matrix(m).astype(dy.dtype)
    padded = np.pad(dy, ((0, 0), (0, TH * m - OH), (0, TW * m - OW), (0, 0))).reshape(N, TH, m, TW, m, F)
    return np.einsum("ia,jb,nuavbf->ijnuvf", A, A, padded, optimize=True).reshape(36, N * TH * TW, F)
