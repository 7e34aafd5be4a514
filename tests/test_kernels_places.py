"""Where arrays lie in memory does not change a bit of any kernel's result.

The compiler may compile a loop twice, such as for arrays that overlap and for others, and reorder the sums of one of
them. Then a training run would end with other weights each time it is repeated.
"""

import numpy as np
import pytest

from minigooglenet.kernels import fused
from minigooglenet.kernels.avg_pool import avg_pool, avg_pool_backward
from minigooglenet.kernels.batch_norm import batch_constants
from minigooglenet.kernels.channels import add_parts
from minigooglenet.kernels.conv_backward import (
    convolve_columns_backward,
    convolve_pointwise_backward,
    convolve_winograd_backward,
)
from minigooglenet.kernels.conv_forward import convolve_columns, convolve_pointwise, convolve_winograd
from minigooglenet.kernels.gemm import padded
from minigooglenet.kernels.im2col import col2im
from minigooglenet.kernels.lrn import lrn, lrn_backward
from minigooglenet.kernels.max_pool import max_pool
from minigooglenet.kernels.max_pool_backward import max_pool_backward
from minigooglenet.kernels.momentum import average_step, momentum_step
from minigooglenet.kernels.per_channel import channel_affine, channel_mix, channel_sums
from minigooglenet.kernels.winograd_filters import filter_gradient, packed_filters

N, H, W = 2, 7, 6
PIXELS, SAME = N * H * W, ((3, 3), (1, 1), (1, 1))


def placed(arrays, rng):
    """Copies in one piece of memory, in random order, with random gaps."""
    memory, at = np.empty(sum(a.nbytes + 400 for a in arrays), np.uint8), 8 * rng.integers(8)
    copies = [None] * len(arrays)
    for k in rng.permutation(len(arrays)):
        copies[k] = np.ndarray(arrays[k].shape, arrays[k].dtype, memory, at)
        copies[k][...] = arrays[k]
        at += arrays[k].nbytes + 8 * rng.integers(2) * rng.integers(12)
    return copies


def in_place(function, changed):
    """``function``, returning the first arguments, which it changes."""
    return lambda *arrays: function(*arrays) or arrays[:changed]


def convolved(function, F, *window):
    def call(x, u):
        y, sums = np.empty((N, H, W, F), x.dtype), np.zeros((2, F))
        function(x, u, F, y, *window, sums=sums)
        return y, sums
    return call


def mixed(function, F):
    """``function`` of units and x, both gradients of a convolution."""
    def call(dy, z, scale, shift, b, c, x, transposed):
        dx = np.empty_like(x)
        return function(((dy, 0, z, 0, F, scale, shift, b, c),), x, transposed, dx), dx
    return call


def constants(affine, mean, variance, gamma, beta, sums):
    """``batch_constants`` of four chunks' sums."""
    batch_constants(sums.astype(float), 0, np.array([PIXELS], float), 1e-5, gamma, beta, 0.1, mean, variance,
                    np.empty((2, len(mean))), affine)


def cases(C, F):
    """{name: (function, the shapes of its arrays)} with C channels and F filters."""
    X, ROWS, PER_F, PER_C = (N, H, W, C), (PIXELS, F), (F,), (C,)
    UNIT = ROWS, ROWS, PER_F, PER_F, PER_F, PER_F
    return {
        "momentum": (in_place(lambda w, g, v: momentum_step(w, g, v, 0.1, 0.9, 5e-4, True), 3), X, X, X),
        "average": (in_place(lambda average, w: average_step(average, w, 0.01), 1), X, X),
        "lrn": (lambda x: [lrn(x, 5, 1e-4, 0.75, 2.0)], X),
        "lrn backward": (lambda dy, x: [lrn_backward(dy, x, 5, 1e-4, 0.75, 2.0)], X, X),
        "avg pool": (lambda x: [avg_pool(x, *SAME, False)], X),
        "avg pool backward": (lambda dy: [avg_pool_backward(dy, X, *SAME, False)], X),
        "max pool backward": (lambda dy, x: [max_pool_backward(dy, x, max_pool(x, *SAME, False), *SAME, False)], X, X),
        "col2im": (lambda columns: [col2im(columns, X, *SAME)], (PIXELS, 9 * C)),
        "channel sums": (channel_sums, X, X),
        "channel affine": (lambda x, scale, shift: [channel_affine(x, scale, shift)], X, PER_C, PER_C),
        "channel mix": (lambda dy, a, x, b, c: [channel_mix(dy, a, x, b, c)], X, PER_C, X, PER_C, PER_C),
        "relu sums": (lambda dy, z, *affine: [fused.relu_sums(((dy, 0, z, 0, F, *affine),), F, 0, PIXELS)], *UNIT[:4]),
        "batch constants": (in_place(constants, 3), (2, F), *[PER_F] * 4, (4, 2, F)),
        "packed filters": (lambda w: [packed_filters(w), packed_filters(w, transposed=True)], (3, 3, C, F)),
        "filter gradient": (in_place(lambda dw, parts: filter_gradient(parts, dw), 1), (3, 3, C, F), (6, 36, C, F)),
        "sum of parts": (in_place(lambda dw, parts: add_parts(parts, False, 1, dw), 1), (C, F - 2), (6, C, F)),
        "1×1": (convolved(convolve_pointwise, F), X, (C * padded(F),)),
        "1×1 backward": (mixed(lambda units, x, u, dx: convolve_pointwise_backward(units, F, x, u, dx, True), F),
                         *UNIT, X, (F * padded(C),)),
        "columns": (convolved(convolve_columns, F, *SAME), X, (9 * C * padded(F),)),
        "columns backward": (mixed(lambda units, x, u, dx: convolve_columns_backward(
            units, F, (N, H, W), x, u, dx, *SAME, True), F), *UNIT, X, (F * padded(9 * C),)),
        "Winograd": (convolved(convolve_winograd, F, 1, 4), X, (36, C * padded(F))),
        "Winograd backward": (mixed(lambda units, x, u, dx: convolve_winograd_backward(
            units, F, (N, H, W), x, u, dx, 1, 4, True), F), *UNIT, X, (36, F * padded(C))),
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", cases(1, 1))
def test_bits_do_not_depend_on_places(name, dtype):
    rng = np.random.default_rng(0)
    for C, F in ((3, 20), (16, 20), (19, 40)):
        function, *shapes = cases(C, F)[name]
        arrays = [np.abs(rng.standard_normal(shape)).astype(dtype) for shape in shapes]
        expected = [np.copy(result) for result in function(*placed(arrays, rng))]
        for _ in range(12):
            for a, b in zip(function(*placed(arrays, rng)), expected, strict=True):
                assert np.array_equal(a, b)
