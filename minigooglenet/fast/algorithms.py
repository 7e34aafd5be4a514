"""Three ways to compute the same convolution.

``matrix(w)`` turns filters (KH, KW, C, F) into the matrix, or matrices, that the way multiplies by; ``kernels.pack``
brings them into the order it wants, ``u``. ``forward(x, u, F, y)`` writes F filters' outputs into y, from channel
``offset`` on; with ``shift`` they become max(z + shift, 0). ``parts(y, F)`` are the parts in which threads may do that
side by side, as further arguments.

``backward(units, F, shape, x, turned(w), dx, fresh)`` takes dz back, which is mixed from ``units``
(``reference/fused.py``) and has ``shape`` and F channels. It adds into dx, or writes it where it is ``fresh`` memory
(None leaves it out), and returns du; ``weight_gradient(du)`` turns the sum of those into dw.
"""

import numpy as np

from .. import kernels

PARTS = 4  # into so many a lone picture's convolution is cut


def choose(conv):
    """The fastest way for this convolution."""
    if conv.stride == (1, 1):
        if conv.kernel == (1, 1) and conv.pad == (0, 0):
            return Pointwise()
        # Of a picture's three channels, Winograd's transforms cost more than they save.
        if conv.kernel in ((3, 3), (5, 5)) and conv.pad[0] == conv.pad[1] and conv.C > 4:
            return Winograd(conv.kernel[0], conv.pad[0])
    return Columns(conv.kernel, conv.stride, conv.pad)


def rows(a):
    """(N, H, W, C) -> (pixels, C), a view."""
    return a.reshape(-1, a.shape[-1])


def cut(n, unit=1):
    """0 ... n in PARTS ranges or fewer, which begin at multiples of ``unit``."""
    step = -(-n // (PARTS * unit)) * unit
    return [(start, min(start + step, n)) for start in range(0, n, step)]


class Algorithm:
    """What the three share."""

    def parts(self, y, F):
        return [{"lines": lines} for lines in cut(y.shape[0] * y.shape[1])]

    def turned(self, w):
        """What dz is multiplied by: the filters' matrix, or matrices, transposed, in order."""
        return kernels.pack(self.matrix(np.ascontiguousarray(w.swapaxes(2, 3))))


class Pointwise(Algorithm):
    """1×1: the picture itself is the matrix."""

    def matrix(self, w):
        return w.reshape(w.shape[2:])

    def forward(self, x, u, F, y, **how):
        kernels.convolve_pointwise(x, u, F, y, **how)

    def backward(self, units, F, shape, x, turned, dx, fresh=False):
        return kernels.convolve_pointwise_back(units, F, x, turned, dx, fresh)

    def weight_gradient(self, du):
        return du.reshape(1, 1, *du.shape)


class Winograd(Algorithm):
    """r×r at stride 1: 36 products of small matrices (``reference/winograd.py``)."""

    def __init__(self, r, pad):
        self.r, self.m, self.pad = r, 7 - r, pad

    def matrix(self, w):
        return kernels.winograd_filter(w)

    def forward(self, x, u, F, y, **how):
        kernels.convolve_winograd(x, u, F, y, self.pad, self.m, **how)

    def parts(self, y, F):
        N, OH, OW, _ = y.shape
        lines, columns = N * -(-OH // self.m), -(-OW // self.m)
        if lines * columns < 128:  # then the filters are most of what is read: each part has its own
            return [{"filters": filters} for filters in cut(F, 32)]
        return [{"lines": some} for some in cut(lines)]

    def backward(self, units, F, shape, x, turned, dx, fresh=False):
        return kernels.convolve_winograd_back(units, F, shape, x, turned, dx, self.pad, self.m, fresh)

    def weight_gradient(self, du):
        return kernels.winograd_filter_adjoint(du, self.r)


class Columns(Algorithm):
    """Anything else: im2col and a product, as in ``layers/conv.py``; the padded picture as it lies is the matrix."""

    def __init__(self, kernel, stride, pad):
        self.window = kernel, stride, pad

    def matrix(self, w):
        self.shape = w.shape
        return w.reshape(-1, w.shape[-1])

    def forward(self, x, u, F, y, **how):
        kernels.convolve_columns(x, u, F, y, *self.window, **how)

    def turned(self, w):
        return self.matrix(w).T  # not in order: for NumPy

    def backward(self, units, F, shape, x, turned, dx, fresh=False):
        dz = kernels.relu_mix(units, F)
        if dx is not None:
            spread = kernels.col2im(dz @ turned, dx.shape, *self.window)
            dx[...] = spread if fresh else dx + spread
        return kernels.convolve_columns_back(dz.reshape(*shape, F), x, *self.window)

    def weight_gradient(self, du):
        return du.reshape(self.shape)
