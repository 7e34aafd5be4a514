"""Matrices in the order that the compiled product reads them in, in plain NumPy."""

import numpy as np


def panels(F):
    """(first column, width) of each panel of F columns: 32, and at the end 16 or 8."""
    f = 0
    while f < F:
        width = 32 if F - f > 24 else 16 if F - f > 8 else 8
        yield f, width
        f += width


def padded(F):
    """The columns of a packed matrix: F, and up to seven more to fill its last panel."""
    return -(-F // 8) * 8


def pack(b):
    """b (..., K, F) in panels: some columns, with all their K rows, after others. -> (..., K · padded(F)); what is
    missing in the last panel is zero."""
    *before, K, F = b.shape
    wide = np.zeros((*before, K, padded(F)), b.dtype)
    wide[..., :F] = b
    return np.concatenate([wide[..., f:f + width].reshape(*before, -1) for f, width in panels(F)], axis=-1)


def unpack(u, F):
    """The matrix that was packed: u (..., K · padded(F)) -> (..., K, F)."""
    *before, size = u.shape
    K = size // padded(F)
    return np.concatenate([u[..., K * f:K * (f + width)].reshape(*before, K, width) for f, width in panels(F)],
                          axis=-1)[..., :F]
