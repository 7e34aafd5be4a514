"""im2col and its adjoint, in plain NumPy. One line per kernel position, so that the index arithmetic can be checked."""

import numpy as np

from ..geometry import output_hw


def im2col(x, kernel, stride, pad):
    """Lay every window of ``x`` out as one row.

        columns[(n, i, j), (u, v, c)] = x[n, i S + u - P, j S + v - P, c]        (0 outside the picture)

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


def col2im(columns, shape, kernel, stride, pad):
    """The adjoint of im2col: put every row back where it came from, **adding** where windows overlap.

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
