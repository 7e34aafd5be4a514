"""The operations of a plan: which kernel each kind calls, and which fields of a record are its arguments.

Imported only if numba is used.
"""

from typing import Any

import numpy as np
from numba import from_dtype, types

from .avg_pool import _avg_pool
from .batch_norm import batch_constants_backward_numba, batch_constants_numba, bias_gradient_numba
from .channels import _add_parts, _copy_channels
from .conv_backward import _columns as _columns_backward
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
 CONSTANTS_BACKWARD, BIAS, POINTWISE_BACKWARD, COLUMNS_BACKWARD, WINOGRAD_BACKWARD, MAX_POOL_BACKWARD, ADD_PARTS,
 FILTER_GRADIENT) = range(20)

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
        _columns_backward: (units, image, y, y_image, y, *[i] * 12, b, b),
        _winograd_backward: (units, image, y, y_image, y, *[i] * 8, b, b),
        _max_pool_backward: (flat, flat, flat, y, *[i] * 11, b),
        _add_parts: (y, i, i, b, i, y, *[i] * 4),
        _filter_gradient: (y, i, y, *[i] * 4),
    }


(_call_pointwise, _call_columns, _call_winograd, _call_max_pool, _call_avg_pool, _call_lrn, _call_pack, _call_filters,
 _call_copy, _call_constants, _call_affine_relu, _call_relu_sums, _call_constants_backward, _call_bias,
 _call_pointwise_backward, _call_columns_backward, _call_winograd_backward, _call_max_pool_backward, _call_add_parts,
 _call_filter_gradient) = (caller(kernel, arguments) for kernel in arguments(types.float32))


@inlined
def operation(t, units, kernels, first, last, chunk, like):
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
        _call_affine_relu(kernels[NORMALIZE], like, (units[t["unit"]:t["unit"] + t["units"]], first, last, like))
    elif kind == SUMS:
        _call_relu_sums(kernels[SUMS], like, (units[t["unit"]:t["unit"] + t["units"]], _sums(t, chunk), first, last,
                                              like))
    elif kind == CONSTANTS or kind == CONSTANTS_BACKWARD or kind == BIAS:
        _constants(t, kernels, like)
    else:
        _filters(t, kernels, first, last, like)


@inlined
def _sums(t, chunk):
    """(2, F) of a chunk."""
    F = t["F"]
    return array_at(t["sums"] + chunk * 2 * F * 8, 2 * F, np.float64).reshape(2, F)


@inlined
def _convolve(t, kernels, first, last, chunk, like):
    kind, C, F, Y, offset = t["kind"], t["C"], t["F"], t["Y"], t["offset"]
    N, H, W, OH, OW = t["N"], t["H"], t["W"], t["OH"], t["OW"]
    KH, KW, SH, SW, PH, PW = t["KH"], t["KW"], t["SH"], t["SW"], t["PH"], t["PW"]
    x, y = array_at(t["x"], N * H * W * C, like), array_at(t["y"], N * OH * OW * Y, like)
    u, shift, mode = array_at(t["u"], t["values"], like), array_at(t["shift"], F, like), RELU
    sums = array_at(t["sums"], 0, np.float64).reshape(2, 0)
    if t["counted"]:
        sums = _sums(t, chunk)
        sums[:] = 0
    if t["linear"]:
        mode = WRITE
        if t["shift"]:  # a fully connected layer
            mode = ADD
            for n in range(first, last):
                for f in range(F):
                    y[n * Y + offset + f] = shift[f]
    if kind == COLUMNS:
        _call_columns(kernels[COLUMNS], like, (x.reshape(N, H, W * C), u, C, F, y, Y, OH, OW, KH, KW, SH, SW, PH, PW,
                                               first, last, offset, shift, mode, sums))
    elif kind == WINOGRAD:
        m = 7 - KH
        _call_winograd(kernels[WINOGRAD], like, (x.reshape(N, H, W * C), u, C, y.reshape(N, OH, OW * Y), Y, -(-OH // m),
                                                 -(-OW // m), PH, m, first, last, 0, F, offset, shift, mode, sums))
    else:
        _call_pointwise(kernels[POINTWISE], like, (x, u, C, F, y, Y, first, last, offset, shift, mode, sums))


@inlined
def _convolve_backward(t, units, kernels, first, last, chunk, like):
    kind, C, F, N, H, W, OH, OW = t["kind"], t["C"], t["F"], t["N"], t["H"], t["W"], t["OH"], t["OW"]
    KH, KW, SH, SW, PH, PW = t["KH"], t["KW"], t["SH"], t["SW"], t["PH"], t["PW"]
    wants_dx, fresh, size = t["counted"] != 0, t["fresh"] != 0, C * F * (36 if kind == WINOGRAD_BACKWARD else KH * KW)
    own, u = units[t["unit"]:t["unit"] + t["units"]], array_at(t["u"], t["values"], like)
    x, dx = array_at(t["x"], N * H * W * C, like), array_at(t["dx"], N * H * W * C, like)
    du = array_at(t["parts"] + chunk * size * like.itemsize, size, like)
    if kind == POINTWISE_BACKWARD:
        _call_pointwise_backward(kernels[POINTWISE_BACKWARD], like, (
            own, x, u, dx, du, C, F, first, last, wants_dx, WRITE if fresh else ADD, t["across"] != 0))
    elif kind == COLUMNS_BACKWARD:
        _call_columns_backward(kernels[COLUMNS_BACKWARD], like, (
            own, x.reshape(N, H, W * C), u, dx.reshape(N, H, W * C), du, C, F, OH, OW, KH, KW, SH, SW, PH, PW, first,
            last, wants_dx, fresh))
    else:
        _call_winograd_backward(kernels[WINOGRAD_BACKWARD], like, (
            own, x.reshape(N, H, W * C), u, dx.reshape(N, H, W * C), du, C, F, OH, OW, PH, 7 - KH, first, last,
            wants_dx, fresh))


@inlined
def _pool(t, kernels, first, last, like):
    """Pools, and local response normalization."""
    kind, N, H, W, C, OH, OW, Y = t["kind"], t["N"], t["H"], t["W"], t["C"], t["OH"], t["OW"], t["Y"]
    KH, KW, SH, SW, PH, PW = t["KH"], t["KW"], t["SH"], t["SW"], t["PH"], t["PW"]
    x, y = array_at(t["x"], N * H * W * C, like), array_at(t["y"], N * OH * OW * Y, like)
    if kind == MAX_POOL:
        _call_max_pool(kernels[MAX_POOL], like, (x.reshape(N, H, W * C), y.reshape(N, OH, OW * Y), C, Y, t["offset"],
                                                 KH, KW, SH, SW, PH, PW, first, last))
    elif kind == AVG_POOL:
        _call_avg_pool(kernels[AVG_POOL], like, (x.reshape(N, H, W, C)[first:last], y.reshape(N, OH, OW, C)[first:last],
                                                 KH, KW, SH, SW, PH, PW))
    elif kind == LRN:
        _call_lrn(kernels[LRN], like, (x.reshape(N * H, W, C)[first:last], y.reshape(N * H, W, C)[first:last], KH,
                                       t["alpha"], t["exponent"], t["k"]))
    else:
        size, of_y = H * W * C, OH * OW * C
        dy, dx = array_at(t["dy"], N * of_y, like), array_at(t["dx"], N * size, like)
        _call_max_pool_backward(kernels[MAX_POOL_BACKWARD], like, (
            dy[first * of_y:last * of_y], x[first * size:last * size], y[first * of_y:last * of_y],
            dx[first * size:last * size], H, W, OH, OW, C, KH, KW, SH, SW, PH, PW, t["fresh"] != 0))


@inlined
def _constants(t, kernels, like):
    kind, chunks, others, F, start, width = t["kind"], t["chunks"], t["others"], t["F"], t["start"], t["width"]
    sums = array_at(t["sums"], chunks * 2 * F, np.float64).reshape(chunks, 2, F)
    gamma, beta = array_at(t["gamma"], width, like), array_at(t["beta"], width, like)
    M, moments = array_at(t["M"], 1, np.float64), array_at(t["moments"], 2 * width, np.float64).reshape(2, width)
    affine = array_at(t["affine"], 2 * width, like).reshape(2, width)
    if kind == CONSTANTS:
        mean, variance = array_at(t["mean"], width, like), array_at(t["variance"], width, like)
        _call_constants(kernels[CONSTANTS], like, (sums, start, M, t["eps"], gamma, beta, t["momentum"], mean, variance,
                                                   moments, affine))
    elif kind == CONSTANTS_BACKWARD:
        whole = array_at(t["whole"], others * 2 * F, np.float64).reshape(others, 2, F)
        _call_constants_backward(kernels[CONSTANTS_BACKWARD], like, (
            sums, whole, start, M, moments, affine, gamma, beta, array_at(t["mix"], 2 * width, like).reshape(2, width)))
    else:
        _call_bias(kernels[BIAS], like, (sums, start, beta))


@inlined
def _filters(t, kernels, first, last, like):
    """What is done to filters and their gradients; and copies of channels."""
    kind, C, F, KH, size = t["kind"], t["C"], t["F"], t["KH"], t["C"] * t["F"] * t["KH"] * t["KW"]
    if kind == COPY:
        x, y = array_at(t["x"], last * t["C"], like), array_at(t["y"], last * t["Y"], like)
        _call_copy(kernels[COPY], like, (x, t["C"], t["start"], y, t["Y"], t["offset"], t["width"], first, last))
    elif kind == PACK:
        w, u, K = array_at(t["w"], size, like), array_at(t["u"], t["values"], like), size // F
        if t["across"]:
            _call_pack(kernels[PACK], like, (w, u, 1, F, K, 1, F))
        else:
            _call_pack(kernels[PACK], like, (w, u, 1, K, F, F, 1))
    elif kind == FILTERS:
        w, u = array_at(t["w"], size, like), array_at(t["u"], t["values"], like)
        _call_filters(kernels[FILTERS], like, (w, u, KH, C, F, t["across"] != 0))
    elif kind == ADD_PARTS:
        n, K = t["width"], size // F
        _call_add_parts(kernels[ADD_PARTS], like, (
            array_at(t["parts"], t["chunks"] * size, like), t["chunks"], F, t["across"] != 0, t["start"],
            array_at(t["w"], K * n, like), K, n, first, last))
    else:
        _call_filter_gradient(kernels[FILTER_GRADIENT], like, (
            array_at(t["parts"], t["chunks"] * 36 * C * F, like), t["chunks"], array_at(t["w"], size, like), KH, C * F,
            first, last))
