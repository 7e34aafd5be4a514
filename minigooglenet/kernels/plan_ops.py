"""The operations of a plan: which kernel each kind calls, and which fields of a record are its arguments.

Imported only if numba is used.
"""

from typing import Any

import numpy as np
from numba import from_dtype, types
from numpy.typing import NDArray

from .avg_pool import _avg_pool
from .batch_norm import batch_constants_backward_numba, batch_constants_numba, bias_gradient_numba
from .channels import _add_parts, _copy_channels
from .conv_backward import _columns as _columns_backward
from .conv_backward import _columns_input
from .conv_backward import _pointwise as _pointwise_backward
from .conv_backward import _winograd as _winograd_backward
from .conv_forward import _columns, _pointwise, _winograd
from .fused import UNIT, _affine_relu, _relu_sums
from .gemm import ADD, RELU, WRITE, _pack
from .jit import inlined
from .lrn import _lrn
from .max_pool import _max_pool
from .max_pool_backward import _max_pool_backward
from .plan_llvm import array_at, caller
from .winograd_filters import _filter_gradient, _packed_filters

# Kinds of operations, in the order of ``arguments``.
(POINTWISE, COLUMNS, WINOGRAD, MAX_POOL, AVG_POOL, LRN, PACK, FILTERS, COPY, CONSTANTS, NORMALIZE, SUMS,
 CONSTANTS_BACKWARD, BIAS, POINTWISE_BACKWARD, COLUMNS_BACKWARD, COLUMNS_INPUT, WINOGRAD_BACKWARD, MAX_POOL_BACKWARD,
 ADD_PARTS, FILTER_GRADIENT) = range(21)

#: The arrays of an operation, by address.
ARRAYS = (
    "x", "y",                # input and output; in the backward pass y is the pool's output
    "dx", "dy",              # gradients with respect to them
    "u",                     # packed filters, one matrix or several
    "w",                     # filters or their gradient
    "parts",                 # the gradients of filters from each chunk
    "shift",                 # (F,) biases
    "sums", "whole",         # (chunks, 2, F) float64 of this process; of all processes, (others, 2, F)
    "M", "moments", "affine", "mix",  # batch norm's (``batch_norm.py``)
    "gamma", "beta", "mean", "variance",  # its parameters, or their gradients; its running statistics
)

#: An operation: a kernel and its arguments.
OP = np.dtype([(name, np.int64) for name in (
    *ARRAYS, "kind",
    "per",                      # how many pixels, lines … of this operation one unit of a task's range is
    "N", "H", "W", "C",         # the shape of x
    "OH", "OW", "Y",            # height and width of the output, and all its channels
    "offset",                   # the first channel to write
    "F", "values",              # filters; number of values in u
    "KH", "KW", "SH", "SW", "PH", "PW",  # kernel, stride and padding; LRN's window is KH
    "unit", "units",            # the first record of the fused units, and how many (``fused.py``)
    "start", "width",           # the first of a unit's channels among F, and their number
    "chunks", "others",         # how many parts ``sums`` and ``whole`` have
    "linear",                   # convolution: no ReLU
    "counted",                  # convolution: compute sums; backward: compute dx
    "fresh",                    # overwrite dx instead of adding to it
    "across",                   # the matrix, or the gradient of filters, is transposed
)] + [(name, np.float64) for name in (
    "eps", "momentum",          # batch norm's
    "alpha", "exponent", "k",   # LRN's; the exponent is its β
)])


def arguments(dtype: types.Type) -> dict[Any, tuple]:
    """{kernel: the types of its arguments} for activations of ``dtype``."""
    flat, image, lines = (types.Array(dtype, axes, "C", readonly=True) for axes in (1, 3, 4))
    y, pair, y_image, y_lines = (types.Array(dtype, axes, "C") for axes in (1, 2, 3, 4))
    i, b, f, sums, parts, one = types.int64, types.boolean, types.float64, *(
        types.Array(types.float64, axes, "C") for axes in (2, 3, 1))
    units = types.Array(from_dtype(UNIT), 1, "C")
    return {
        _pointwise: (flat, y, i, i, y, *[i] * 4, y, i, sums),
        _columns: (image, y, i, i, y, *[i] * 12, y, i, sums),
        _winograd: (image, y, i, y_image, *[i] * 10, y, i, sums),
        _max_pool: (image, y_image, *[i] * 11),
        _avg_pool: (lines, y_lines, *[i] * 6),
        _lrn: (image, y_image, i, dtype, dtype, dtype),
        _pack: (y, y, *[i] * 5),
        _packed_filters: (flat, y, i, i, i, b),
        _copy_channels: (y, i, i, y, *[i] * 5),
        batch_constants_numba: (parts, i, one, f, y, y, f, y, y, sums, pair),
        _affine_relu: (units, i, i, y),
        _relu_sums: (units, sums, i, i, y),
        batch_constants_backward_numba: (parts, parts, i, one, sums, pair, y, y, pair),
        bias_gradient_numba: (parts, i, y),
        _pointwise_backward: (units, flat, y, y, y, *[i] * 4, b, i, b),
        _columns_backward: (units, image, y, *[i] * 12),
        _columns_input: (units, y, y_image, *[i] * 12, b),
        _winograd_backward: (units, image, y, y_image, y, *[i] * 8, b, b),
        _max_pool_backward: (flat, flat, flat, y, *[i] * 11, b),
        _add_parts: (y, i, i, b, i, y, *[i] * 4),
        _filter_gradient: (y, i, y, *[i] * 4),
    }


UNIT_SIZE = UNIT.itemsize

_callers = [caller(kernel, arguments) for kernel in arguments(types.float32)]
(_call_pointwise, _call_columns, _call_winograd, _call_max_pool, _call_avg_pool, _call_lrn, _call_pack, _call_filters,
 _call_copy, _call_constants, _call_affine_relu, _call_relu_sums, _call_constants_backward, _call_bias,
 _call_pointwise_backward, _call_columns_backward, _call_columns_input, _call_winograd_backward,
 _call_max_pool_backward, _call_add_parts, _call_filter_gradient) = _callers


@inlined
def operation(t: Any, units: NDArray, kernels: NDArray, first: int, last: int, chunk: int, like: NDArray) -> None:
    """Execute one operation for a part of a batch: the range of a task, and the number of the part."""
    kind = t["kind"]
    first, last = first * t["per"], last * t["per"]
    if kind <= WINOGRAD:
        _convolve(t, kernels, first, last, chunk, like)
    elif POINTWISE_BACKWARD <= kind <= WINOGRAD_BACKWARD:
        _convolve_backward(t, units, kernels, first, last, chunk, like)
    elif kind <= LRN or kind == MAX_POOL_BACKWARD:
        _pool(t, kernels, first, last, like)
    elif kind == NORMALIZE:
        _call_affine_relu(kernels[NORMALIZE], like, (_units(t, units), first, last, like))
    elif kind == SUMS:
        _call_relu_sums(kernels[SUMS], like, (_units(t, units), _sums(t, chunk), first, last, like))
    elif kind == CONSTANTS or kind == CONSTANTS_BACKWARD or kind == BIAS:
        _constants(t, kernels, like)
    else:
        _filters(t, kernels, first, last, like)


@inlined
def _units(t, units):
    """The records of the fused units."""
    return array_at(units.ctypes.data + t["unit"] * UNIT_SIZE, (t["units"],), units)


@inlined
def _sums(t, chunk):
    """(2, F) of a chunk."""
    return array_at(t["sums"] + chunk * 2 * t["F"] * 8, (2, t["F"]), np.float64)


@inlined
def _convolve(t, kernels, first, last, chunk, like):
    kind, C, F, Y, offset = t["kind"], t["C"], t["F"], t["Y"], t["offset"]
    N, H, W, OH, OW = t["N"], t["H"], t["W"], t["OH"], t["OW"]
    KH, KW, SH, SW, PH, PW = t["KH"], t["KW"], t["SH"], t["SW"], t["PH"], t["PW"]
    x, y = array_at(t["x"], (N, H, W * C), like), array_at(t["y"], (N * OH * OW * Y,), like)
    u, shift, mode = array_at(t["u"], (t["values"],), like), array_at(t["shift"], (F,), like), RELU
    sums = array_at(t["sums"], (2, 0), np.float64)
    if t["counted"]:
        sums = _sums(t, chunk)
        for f in range(F):
            sums[0, f] = sums[1, f] = 0
    if t["linear"]:
        mode = WRITE
        if t["shift"]:  # a fully connected layer
            mode = ADD
            for n in range(first, last):
                for f in range(F):
                    y[n * Y + offset + f] = shift[f]
    if kind == COLUMNS:
        _call_columns(kernels[COLUMNS], like, (x, u, C, F, y, Y, OH, OW, KH, KW, SH, SW, PH, PW, first, last, offset,
                                               shift, mode, sums))
    elif kind == WINOGRAD:
        m = 7 - KH
        _call_winograd(kernels[WINOGRAD], like, (x, u, C, array_at(t["y"], (N, OH, OW * Y), like), Y, -(-OH // m),
                                                 -(-OW // m), PH, m, first, last, 0, F, offset, shift, mode, sums))
    else:
        _call_pointwise(kernels[POINTWISE], like, (array_at(t["x"], (N * H * W * C,), like), u, C, F, y, Y, first, last,
                                                   offset, shift, mode, sums))


@inlined
def _convolve_backward(t, units, kernels, first, last, chunk, like):
    kind, C, F, N, H, W, OH, OW = t["kind"], t["C"], t["F"], t["N"], t["H"], t["W"], t["OH"], t["OW"]
    KH, KW, SH, SW, PH, PW = t["KH"], t["KW"], t["SH"], t["SW"], t["PH"], t["PW"]
    wants_dx, fresh, size = t["counted"] != 0, t["fresh"] != 0, C * F * (36 if kind == WINOGRAD_BACKWARD else KH * KW)
    own, u = _units(t, units), array_at(t["u"], (t["values"],), like)
    x, dx = array_at(t["x"], (N, H, W * C), like), array_at(t["dx"], (N, H, W * C), like)
    du = array_at(t["parts"] + chunk * size * like.itemsize, (size,), like)
    if kind == POINTWISE_BACKWARD:
        x, dx = array_at(t["x"], (N * H * W * C,), like), array_at(t["dx"], (N * H * W * C,), like)
        _call_pointwise_backward(kernels[POINTWISE_BACKWARD], like, (
            own, x, u, dx, du, C, F, first, last, wants_dx, WRITE if fresh else ADD, t["across"] != 0))
    elif kind == COLUMNS_BACKWARD:
        _call_columns_backward(kernels[COLUMNS_BACKWARD], like, (
            own, x, du, C, F, OH, OW, KH, KW, SH, SW, PH, PW, first, last))
    elif kind == COLUMNS_INPUT:
        _call_columns_input(kernels[COLUMNS_INPUT], like, (
            own, u, dx, C, F, OH, OW, KH, KW, SH, SW, PH, PW, first, last, fresh))
    else:
        _call_winograd_backward(kernels[WINOGRAD_BACKWARD], like, (
            own, x, u, dx, du, C, F, OH, OW, PH, 7 - KH, first, last, wants_dx, fresh))


@inlined
def _pool(t, kernels, first, last, like):
    """Pools, and local response normalization."""
    kind, N, H, W, C, OH, OW, Y = t["kind"], t["N"], t["H"], t["W"], t["C"], t["OH"], t["OW"], t["Y"]
    KH, KW, SH, SW, PH, PW = t["KH"], t["KW"], t["SH"], t["SW"], t["PH"], t["PW"]
    n, of_x, of_y = last - first, H * W * C * like.itemsize, OH * OW * C * like.itemsize  # bytes of an image
    if kind == MAX_POOL:
        x, y = array_at(t["x"], (N, H, W * C), like), array_at(t["y"], (N, OH, OW * Y), like)
        _call_max_pool(kernels[MAX_POOL], like, (x, y, C, Y, t["offset"], KH, KW, SH, SW, PH, PW, first, last))
    elif kind == AVG_POOL:
        x = array_at(t["x"] + first * of_x, (n, H, W, C), like)
        y = array_at(t["y"] + first * of_y, (n, OH, OW, C), like)
        _call_avg_pool(kernels[AVG_POOL], like, (x, y, KH, KW, SH, SW, PH, PW))
    elif kind == LRN:
        at = first * W * C * like.itemsize
        x, y = array_at(t["x"] + at, (n, W, C), like), array_at(t["y"] + at, (n, W, C), like)
        _call_lrn(kernels[LRN], like, (x, y, KH, t["alpha"], t["exponent"], t["k"]))
    else:
        size, size_y, at_x, at_y = n * H * W * C, n * OH * OW * C, first * of_x, first * of_y
        x, dx = array_at(t["x"] + at_x, (size,), like), array_at(t["dx"] + at_x, (size,), like)
        y, dy = array_at(t["y"] + at_y, (size_y,), like), array_at(t["dy"] + at_y, (size_y,), like)
        _call_max_pool_backward(kernels[MAX_POOL_BACKWARD], like, (dy, x, y, dx, H, W, OH, OW, C, KH, KW, SH, SW, PH,
                                                                   PW, t["fresh"] != 0))


@inlined
def _constants(t, kernels, like):
    kind, width = t["kind"], t["width"]
    sums = array_at(t["sums"], (t["chunks"], 2, t["F"]), np.float64)
    gamma, beta = array_at(t["gamma"], (width,), like), array_at(t["beta"], (width,), like)
    M, moments = array_at(t["M"], (1,), np.float64), array_at(t["moments"], (2, width), np.float64)
    affine = array_at(t["affine"], (2, width), like)
    if kind == CONSTANTS:
        mean, variance = array_at(t["mean"], (width,), like), array_at(t["variance"], (width,), like)
        _call_constants(kernels[CONSTANTS], like, (sums, t["start"], M, t["eps"], gamma, beta, t["momentum"], mean,
                                                   variance, moments, affine))
    elif kind == CONSTANTS_BACKWARD:
        whole, mix = array_at(t["whole"], (t["others"], 2, t["F"]), np.float64), array_at(t["mix"], (2, width), like)
        _call_constants_backward(kernels[CONSTANTS_BACKWARD], like, (sums, whole, t["start"], M, moments, affine, gamma,
                                                                     beta, mix))
    else:
        _call_bias(kernels[BIAS], like, (sums, t["start"], beta))


@inlined
def _filters(t, kernels, first, last, like):
    """What is done to filters and their gradients; and copies of channels."""
    kind, C, F, Y, KH, size = t["kind"], t["C"], t["F"], t["Y"], t["KH"], t["C"] * t["F"] * t["KH"] * t["KW"]
    w, u = array_at(t["w"], (size,), like), array_at(t["u"], (t["values"],), like)
    if kind == COPY:
        x, y = array_at(t["x"], (last * C,), like), array_at(t["y"], (last * Y,), like)
        _call_copy(kernels[COPY], like, (x, C, t["start"], y, Y, t["offset"], t["width"], first, last))
    elif kind == PACK:
        rows, columns, row, column = (F, size // F, 1, F) if t["across"] else (size // F, F, F, 1)
        _call_pack(kernels[PACK], like, (w, u, 1, rows, columns, row, column))
    elif kind == FILTERS:
        _call_filters(kernels[FILTERS], like, (w, u, KH, C, F, t["across"] != 0))
    elif kind == ADD_PARTS:
        parts = array_at(t["parts"], (t["chunks"] * size,), like)
        _call_add_parts(kernels[ADD_PARTS], like, (parts, t["chunks"], F, t["across"] != 0, t["start"], w, size // F,
                                                   t["width"], first, last))
    else:
        parts = array_at(t["parts"], (t["chunks"] * 36 * C * F,), like)
        _call_filter_gradient(kernels[FILTER_GRADIENT], like, (parts, t["chunks"], w, KH, C * F, first, last))
