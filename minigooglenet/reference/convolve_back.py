"""The way back through whole convolutions, in plain NumPy.

In comes what dz is mixed from, ``units`` (``fused.relu_mix``), or dz itself; and ``turned``: the filters' matrix, or 36
of them, transposed and packed (``product.py``). The gradient of x is added into dx, or written where that is ``fresh``
memory (None leaves it out); that of the matrices is returned. The compiled ``convolve_columns_back`` may read up to
seven numbers behind the end of dz, for which ``relu_mix`` leaves room.
"""

from .columns import im2col
from .convolve import rows
from .fused import relu_mix
from .product import unpack
from .winograd import winograd_input, winograd_input_adjoint, winograd_output_adjoint


def give(spread, dx, fresh):
    """The end of each way back."""
    if dx is not None:
        dx[...] = spread if fresh else dx + spread


def convolve_pointwise_back(units, F, x, turned, dx, fresh=False):
    """dx = dz wᵀ, dw = xᵀ dz (C, F)."""
    dz = relu_mix(units, F)
    give((dz @ unpack(turned, x.shape[-1])).reshape(x.shape), dx, fresh)
    return rows(x).T @ dz


def convolve_columns_back(dz, x, kernel, stride, pad):
    """dw (KH·KW·C, F) alone."""
    return im2col(x, kernel, stride, pad).T @ rows(dz)


def convolve_winograd_back(units, F, shape, x, turned, dx, pad, m, fresh=False):
    """The adjoint of each step (``winograd.py``); du (36, C, F). ``shape``: dz's, without its channels."""
    products = winograd_output_adjoint(relu_mix(units, F).reshape(*shape, F), m)
    give(winograd_input_adjoint(products @ unpack(turned, x.shape[-1]), x.shape, pad, m), dx, fresh)
    return winograd_input(x, pad, m).transpose(0, 2, 1) @ products
