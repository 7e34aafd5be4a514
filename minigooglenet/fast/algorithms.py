"""Three ways to compute the same convolution.

``prepare(w)`` turns weights (KH, KW, C, F) into what the way needs. ``rounds(x, u, z)`` are the steps to z: each a
number of pieces and a function that does a slice of them, so that even a single picture can be shared out among
threads; ``forward(x, u, z)`` takes them all on the caller's. With ``goals`` in place of z they go on to what follows: a
goal is (start, width, (scale, shift), y, offset), and the filters from ``start`` on end as max(scale · z + shift, 0) in
y, from ``offset`` on. ``backward(dz, x, turned(u), dx, fresh)`` adds into dx, or writes it where it is ``fresh`` memory
(None leaves it out), and returns du; ``weight_gradient(du)`` turns the sum of those into dw.
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


def lines(a):
    """(N, H, W, C) -> (N·H, W, C), a view."""
    return a.reshape(-1, *a.shape[2:])


def scratch(x, u, goals):
    """Memory for z, where there are only goals."""
    return np.empty((*goals[0][3].shape[:3], u.shape[-1]), x.dtype)


def finish(z, goals, s):
    """Those lines of z, as the goals want them."""
    for start, width, affine, y, offset in goals:
        kernels.affine_relu(rows(z[s]), start, width, *affine, rows(lines(y)[s]), offset)


class Algorithm:
    """What the three share."""

    def forward(self, x, u, z):
        for pieces, task in self.rounds(x, u, z):
            task(slice(0, pieces))

    def turned(self, u):
        """The matrix, or matrices, that dz is multiplied by."""
        return u.T


class Pointwise(Algorithm):
    """1×1: the picture itself is the matrix."""

    def prepare(self, w):
        self.shape = w.shape
        return w.reshape(w.shape[2:])

    def rounds(self, x, u, z=None, goals=()):
        from_lines, to_lines = lines(x), lines(scratch(x, u, goals) if goals else z)

        def product(s):
            np.matmul(rows(from_lines[s]), u, out=rows(to_lines[s]))
            finish(to_lines, goals, s)

        yield len(to_lines), product

    def backward(self, dz, x, turned, dx, fresh=False):
        if dx is not None and fresh:
            np.matmul(rows(dz), turned, out=rows(dx))
        elif dx is not None:
            out = rows(dx)
            out += rows(dz) @ turned
        return rows(x).T @ rows(dz)

    def weight_gradient(self, du):
        return du.reshape(1, 1, *du.shape)


class Winograd(Algorithm):
    """r×r at stride 1: 36 products of small matrices (``reference/winograd.py``)."""

    def __init__(self, r, pad):
        self.r, self.m, self.pad = r, 7 - r, pad

    def prepare(self, w):
        return np.ascontiguousarray(kernels.winograd_filter(w))

    def rounds(self, x, u, z=None, goals=()):
        N, OH, OW, _ = (goals[0][3] if goals else z).shape
        of_tiles = N * -(-OH // self.m)
        T = of_tiles * -(-OW // self.m)
        v, products = np.empty((36, T, x.shape[-1]), x.dtype), np.empty((36, T, u.shape[-1]), x.dtype)

        def output(s):
            if goals:
                (_, _, (_, shift), y, offset), = goals  # only 1×1s are ever joined
                kernels.winograd_output(products, y, self.m, (s.start, s.stop), offset, shift)
            else:
                kernels.winograd_output(products, z, self.m, (s.start, s.stop))

        yield of_tiles, lambda s: kernels.winograd_input(x, self.pad, self.m, v, (s.start, s.stop))
        yield 36, lambda s: np.matmul(v[s], u[s], out=products[s])
        yield of_tiles, output

    def turned(self, u):
        return np.ascontiguousarray(u.transpose(0, 2, 1))  # BLAS takes longer when it turns such small ones itself

    def backward(self, dz, x, turned, dx, fresh=False):
        products = kernels.winograd_output_adjoint(dz, self.m)
        if dx is not None:
            kernels.winograd_input_adjoint(products @ turned, dx, self.pad, self.m, fresh)
        return kernels.winograd_input(x, self.pad, self.m).transpose(0, 2, 1) @ products

    def weight_gradient(self, du):
        return kernels.winograd_filter_adjoint(du, self.r)


class Columns(Algorithm):
    """Anything else: im2col and one product, as in ``layers/conv.py``."""

    def __init__(self, kernel, stride, pad):
        self.window = kernel, stride, pad

    def prepare(self, w):
        self.shape = w.shape
        return w.reshape(-1, w.shape[-1])

    def rounds(self, x, u, z=None, goals=()):
        to_lines = lines(scratch(x, u, goals) if goals else z)

        def product(s):
            np.matmul(kernels.im2col(x, *self.window, (s.start, s.stop)), u, out=rows(to_lines[s]))
            finish(to_lines, goals, s)

        yield len(to_lines), product

    def backward(self, dz, x, turned, dx, fresh=False):
        if dx is not None:
            spread = kernels.col2im(rows(dz) @ turned, dx.shape, *self.window)
            dx[...] = spread if fresh else dx + spread
        return kernels.im2col(x, *self.window).T @ rows(dz)

    def weight_gradient(self, du):
        return du.reshape(self.shape)
