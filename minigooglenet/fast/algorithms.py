"""Three ways to compute the same convolution, each on one thread.

``prepare(w)`` turns weights (KH, KW, C, F) into what the way needs; ``forward(x, u, z)`` writes z, or with ``lines``
(first, last) only those of its ``lines_of`` lines (lines of pixels, or of tiles): a single picture can be shared out
among threads like that. ``backward(dz, x, u, dx, fresh)`` adds into dx, or writes it where it is ``fresh`` memory (None
leaves it out), and returns du; ``weight_gradient(du)`` turns the sum of those into dw.
"""

import numpy as np

from .. import kernels


def choose(conv):
    """The fastest way for this convolution."""
    if conv.stride == (1, 1):
        if conv.kernel == (1, 1) and conv.pad == (0, 0):
            return Pointwise()
        if conv.kernel in ((3, 3), (5, 5)) and conv.pad[0] == conv.pad[1]:
            return Winograd(conv.kernel[0], conv.pad[0])
    return Columns(conv.kernel, conv.stride, conv.pad)


def rows(a):
    """(N, H, W, C) -> (pixels, C), a view."""
    return a.reshape(-1, a.shape[-1])


class Pointwise:
    """1×1: the picture itself is the matrix."""

    def prepare(self, w):
        self.shape = w.shape
        return w.reshape(w.shape[2:])

    def lines_of(self, N, OH):
        """How many lines the output has, and of how many pixels' height each is."""
        return N * OH, 1

    def forward(self, x, u, z, lines=(0, None)):
        part, W = slice(*lines), x.shape[2]
        np.matmul(rows(x.reshape(-1, W, x.shape[3])[part]), u, out=rows(z.reshape(-1, W, z.shape[3])[part]))

    def backward(self, dz, x, u, dx, fresh=False):
        if dx is not None and fresh:
            np.matmul(rows(dz), u.T, out=rows(dx))
        elif dx is not None:
            out = rows(dx)
            out += rows(dz) @ u.T
        return rows(x).T @ rows(dz)

    def weight_gradient(self, du):
        return du.reshape(1, 1, *du.shape)


class Winograd:
    """r×r at stride 1: 36 products of small matrices (``reference/winograd.py``)."""

    def __init__(self, r, pad):
        self.r, self.m, self.pad = r, 7 - r, pad

    def prepare(self, w):
        return np.ascontiguousarray(kernels.winograd_filter(w))

    def lines_of(self, N, OH):
        return N * -(-OH // self.m), self.m

    def forward(self, x, u, z, lines=None):
        kernels.winograd_output(kernels.winograd_input(x, self.pad, self.m, lines) @ u, z, self.m, lines)

    def backward(self, dz, x, u, dx, fresh=False):
        products = kernels.winograd_output_adjoint(dz, self.m)
        if dx is not None:
            kernels.winograd_input_adjoint(products @ u.transpose(0, 2, 1), dx, self.pad, self.m, fresh)
        return kernels.winograd_input(x, self.pad, self.m).transpose(0, 2, 1) @ products

    def weight_gradient(self, du):
        return kernels.winograd_filter_adjoint(du, self.r)


class Columns:
    """Anything else: im2col and one product, as in ``layers/conv.py``."""

    def __init__(self, kernel, stride, pad):
        self.window = kernel, stride, pad

    def prepare(self, w):
        self.shape = w.shape
        return w.reshape(-1, w.shape[-1])

    def lines_of(self, N, OH):
        return N * OH, 1

    def forward(self, x, u, z, lines=None):
        first, last = lines or (0, None)
        out = z.reshape(-1, *z.shape[2:])[first:last]
        np.matmul(kernels.im2col(x, *self.window, lines), u, out=rows(out))

    def backward(self, dz, x, u, dx, fresh=False):
        if dx is not None:
            spread = kernels.col2im(rows(dz) @ u.T, dx.shape, *self.window)
            dx[...] = spread if fresh else dx + spread
        return kernels.im2col(x, *self.window).T @ rows(dz)

    def weight_gradient(self, du):
        return du.reshape(self.shape)
