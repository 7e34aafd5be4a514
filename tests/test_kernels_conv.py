"""The kernels of whole convolutions: matrix products, convolutions, fused passes; compiled form against plain form."""

import numpy as np
import pytest
from small import distance

from minigooglenet.kernels import (
    batch_norm,
    channels,
    conv_backward,
    conv_forward,
    fused,
    gemm,
    winograd,
    winograd_filters,
)
from minigooglenet.kernels.gemm import ADD, RELU, WRITE, pack_numba, pack_numpy, unpack
from minigooglenet.kernels.jit import JIT
from minigooglenet.kernels.max_pool import max_pool_numba, max_pool_numpy
from minigooglenet.layers import Conv

pytestmark = pytest.mark.skipif(not JIT, reason="MINIGOOGLENET_JIT=0: the compiled forms are not compiled")
FORMS = "numba", "numpy"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("P, K, F", [(1, 1, 1), (5, 3, 7), (8, 4, 8), (9, 17, 24), (13, 5, 25), (16, 9, 44),
                                     (7, 40, 65)])
@pytest.mark.parametrize("how", [WRITE, ADD, RELU])
def test_a_product_of_small_matrices(how, P, K, F, dtype):
    """A as it is and transposed, B packed and as it is; nothing but its own columns is written."""
    rng = np.random.default_rng(0)
    a, y = rng.standard_normal((P, K)).astype(dtype), rng.standard_normal((P + 2, F + 3)).astype(dtype)
    spare, shift = rng.standard_normal(K * F + gemm.SPARE).astype(dtype), rng.standard_normal(F + 1).astype(dtype)
    b = spare[:K * F].reshape(K, F)  # it may be read behind its end
    wanted, result = y.copy(), {WRITE: a @ b, ADD: y[1:-1, 2:-1] + a @ b,
                                RELU: np.maximum(a @ b + shift[1:], 0)}[how]
    wanted[1:-1, 2:-1] = result
    for A, steps in ((a, (K, 1)), (np.ascontiguousarray(a.T), (1, P))):
        for B, places in ((pack_numba(b), (K, 0)), (b.reshape(-1), (1, F))):
            out = y.copy()
            gemm.multiply(A.reshape(-1), 0, *steps, P, K, B, 0, *places, out.reshape(-1), F + 5, F + 3, F, shift, 1,
                             how)
            assert distance(out, wanted) < {4: 1e-6, 8: 1e-15}[out.itemsize]
            assert np.array_equal(out[[0, -1]], y[[0, -1]]) and np.array_equal(out[:, [0, 1, -1]], y[:, [0, 1, -1]])


@pytest.mark.parametrize("how", [WRITE, ADD, RELU])
@pytest.mark.parametrize("P", [11, 14, 49])  # blocks of 8 rows, or of 7
def test_the_block_in_llvm_equals_the_plain_block(P, how, monkeypatch):
    """In each row of A two runs of values; more rows and columns than one block has, and fewer."""
    rng, runs, K, F = np.random.default_rng(0), 2, 3, 60
    a, b, y, shift = (rng.standard_normal(n) for n in (P * 20, runs * K * F + gemm.SPARE, P * F, F))
    arguments = a, 1, 20, 9, 1, P, runs, K, b, 0, 1, F
    compiled, plain = y.copy(), y.copy()
    gemm.multiply_runs(*arguments, compiled, 0, F, F, shift, 0, how)
    for width in (8, 16, 32):
        monkeypatch.setattr(gemm, f"_block_{width}", gemm.numpy_block(width, gemm.ROWS))
    monkeypatch.setattr(gemm, "_block_7x32", gemm.numpy_block(32, 7))
    gemm.multiply_runs.py_func(*arguments, plain, 0, F, F, shift, 0, how)
    assert distance(compiled, plain) < 1e-15 and not np.array_equal(plain, y)


def test_a_nan_passes_the_relu():
    """A diverging network must be seen: no ReLU turns a NaN into 0."""
    x, F = np.ones((1, 5, 6, 2)), 3
    x[0, 4, 5] = np.nan
    for form in FORMS:
        pack, y = getattr(gemm, f"pack_{form}"), np.zeros((1, 5, 6, F))
        for name, u, more in (("pointwise", np.ones((2, F)), ()),
                              ("columns", np.ones((18, F)), ((3, 3), (1, 1), (1, 1))),
                              ("winograd", np.ones((36, 2, F)), (1, 4))):
            getattr(conv_forward, f"convolve_{name}_{form}")(x, pack(u), F, y, *more, shift=np.zeros(F))
            assert np.isnan(y[0, 4, 5]).all() and not np.isnan(y[0, 0, 0]).any()
        out = np.zeros((30, 2))
        getattr(fused, f"affine_relu_{form}")(((out, 0, x.reshape(30, 2), 0, 2, np.ones(2), np.zeros(2)),), 0, 30)
        assert np.isnan(out[-1]).all() and not np.isnan(out[:-1]).any()


def test_packing_is_undone():
    b = np.random.default_rng(0).standard_normal((3, 5, 61)).astype(np.float32)
    assert np.array_equal(unpack(pack_numpy(b), 61), b)
    if gemm.PANEL == 32:  # else the compiled form has other panels
        assert np.array_equal(pack_numba(b), pack_numpy(b))


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("shape, F, pad, m", [
    ((2, 7, 9, 3), 5, 1, 4), ((3, 14, 16, 8), 8, 1, 4), ((2, 5, 11, 3), 2, 0, 4), ((1, 64, 40, 40), 72, 1, 4),
    ((2, 9, 7, 3), 4, 2, 2), ((1, 6, 6, 17), 3, 0, 2), ((2, 4, 4, 8), 9, 2, 4), ((20, 4, 4, 60), 70, 1, 4)])
def test_winograd_equals_its_plain_form_and_a_convolution(shape, F, pad, m, dtype, tolerance):
    """In several blocks of tiles, in two parts, and of some filters only, with what else there is left alone."""
    r = 7 - m
    convolutions_agree("winograd", (pad, m), shape, F, r, (1, 1), (pad, pad), dtype, tolerance,
                       matrix=winograd.winograd_filter,
                       gradient=lambda du: winograd.winograd_filter_adjoint(du, r),
                       lines=lambda y: len(y) * -(-y.shape[1] // m))


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("shape, F", [((2, 7, 9, 3), 5), ((1, 33, 40, 48), 70), ((2, 9, 7, 40), 3),
                                      ((3, 5, 3, 104), 49)])
def test_pointwise_equals_its_plain_form_and_a_convolution(shape, F, dtype, tolerance):
    convolutions_agree("pointwise", (), shape, F, 1, (1, 1), (0, 0), dtype, tolerance)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("shape, F, r, stride, pad", [
    ((2, 9, 7, 3), 5, 3, (2, 1), (1, 0)), ((1, 61, 59, 3), 34, 7, (2, 2), (3, 3))])
def test_columns_equal_their_plain_form_and_a_convolution(shape, F, r, stride, pad, dtype, tolerance):
    convolutions_agree("columns", ((r, r), stride, pad), shape, F, r, stride, pad, dtype, tolerance)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("r, C, F, parts", [(3, 5, 61, 1), (3, 40, 7, 3), (5, 17, 24, 4), (5, 33, 20, 6)])
def test_filters_transformed_and_packed_in_one_pass(r, C, F, parts, dtype, tolerance):
    rng = np.random.default_rng(0)
    w = rng.standard_normal((r, r, C, F)).astype(dtype)
    u = winograd.winograd_filter(w)
    assert distance(winograd_filters.packed_filters_numba(w), pack_numba(u)) < tolerance
    transposed = winograd_filters.packed_filters_numba(w, transposed=True)
    assert distance(transposed, pack_numba(np.ascontiguousarray(u.swapaxes(1, 2)))) < tolerance
    dus, dw = rng.standard_normal((parts, 36, C, F)).astype(dtype), w.copy()
    winograd_filters.filter_gradient_numpy(dus, w)
    winograd_filters.filter_gradient_numba(dus, dw)
    assert distance(dw, w) < tolerance


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("across", [False, True])
def test_gradients_of_some_filters_are_added_up(across, dtype, tolerance):
    rng = np.random.default_rng(0)
    parts, dw = rng.standard_normal((3, *((40, 35) if across else (35, 40)))), rng.standard_normal((35, 21))
    parts, results = parts.astype(dtype), [dw.astype(dtype), dw.astype(dtype)]
    for form, result in zip(FORMS, results, strict=True):
        getattr(channels, f"add_parts_{form}")(parts, across, 17, result)
        getattr(channels, f"copy_channels_{form}")(parts[0, :35], result, 5, 3, 2)
    assert distance(*results) < tolerance and np.array_equal(results[0][:, 3:5], parts[0][:35, 5:7])


def convolutions_agree(which, settings, shape, F, r, stride, pad, dtype, tolerance,
                       matrix=lambda w: w.reshape(-1, w.shape[-1]), gradient=lambda du: du,
                       lines=lambda y: len(y) * y.shape[1]):
    rng = np.random.default_rng(0)
    conv = Conv(shape[3], F, r, stride, pad, rng=rng, dtype=dtype)
    x = rng.standard_normal(shape).astype(dtype)
    z, cache = conv.forward(x)
    dz, shift = rng.standard_normal(z.shape).astype(dtype), rng.standard_normal(F).astype(dtype)
    dx = conv.backward(dz, cache)
    y = np.maximum(z + shift, 0)
    for form in FORMS:
        m, pack = matrix(conv.params["w"]), getattr(gemm, f"pack_{form}")
        u, transposed = pack(m), pack(m.swapaxes(-1, -2))

        def forward(x, u, y, form=form, **how):
            getattr(conv_forward, f"convolve_{which}_{form}")(x, u, F, y, *settings, **how)

        def backward(dx, fresh, images=(), form=form, transposed=transposed):
            function = getattr(conv_backward, f"convolve_{which}_backward_{form}")
            units = through_one_relu(dz.reshape(-1, F))
            shape = [] if which == "pointwise" else [z.shape[:3]]
            du = function(units, F, *shape, x, transposed, dx, *settings, fresh, *images)
            return gradient(du).reshape(conv.grads["w"].shape)
        plain, sums = np.full(z.shape, np.nan, dtype), np.ones((2, F))
        forward(x, u, plain, sums=sums)
        assert distance(plain, z) < tolerance
        assert distance(sums - 1, np.stack([(z.astype(float) ** k).sum(axis=(0, 1, 2)) for k in (1, 2)])) < tolerance
        wide = np.empty((*z.shape[:3], F + 3), dtype)
        every, cut = lines(wide), lines(wide) // 2
        parts = [[{"lines": (0, cut)}, {"lines": (cut, every)}]]
        if which == "winograd":
            parts.append([{"filters": (first, min(first + 32, F))} for first in range(0, F, 32)])
        for some, *others in parts:
            wide[...], sums[...] = 7, 0
            counted = {"sums": sums} if "lines" in some else {}
            forward(x, u, wide, offset=2, shift=shift, **some, **counted)
            assert np.any(wide[..., 2:-1] == 7) or not others
            for part in others:
                forward(x, u, wide, offset=2, shift=shift, **part, **counted)
            assert distance(sums[0], y.sum(axis=(0, 1, 2), dtype=float)) < tolerance or not counted
            assert distance(wide[..., 2:-1], y) < tolerance
            assert np.all(wide[..., :2] == 7) and np.all(wide[..., -1] == 7)
        added, written = np.ones(shape, dtype), np.full(shape, np.nan, dtype)
        dw = backward(added, False)
        assert distance(dw, conv.grads["w"]) < tolerance
        again = backward(written, True)
        assert np.array_equal(again, dw)
        assert distance(added - 1, dx) < tolerance and distance(written, dx) < tolerance
        assert np.array_equal(backward(None, True), dw)
        written[...], cut = np.nan, len(x) // 2
        if cut:  # some images, then the others
            some = backward(written, True, [(0, cut)])
            assert np.all(np.isnan(written[cut:]))
            assert distance(some + backward(written, True, [(cut, len(x))]), dw) < tolerance
            assert distance(written, dx) < tolerance


def through_one_relu(dz):
    """Two units, in a wider array, that dz is mixed from: the ReLU lets all through, and
    2 dy - 4 z + 1 = dz."""
    F, cut = dz.shape[1], dz.shape[1] // 2
    z = np.random.default_rng(1).uniform(0.1, 1, dz.shape).astype(dz.dtype)
    wide = np.pad((dz + 4 * z - 1) / 2, ((0, 0), (3, 1)))
    constants = [np.full(F, value, dz.dtype) for value in (2, 0, -4, 1)]
    return tuple((wide, 3 + first, z, first, last - first, *(c[first:last] for c in constants))
                 for first, last in ((0, cut), (cut, F)))


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_fused_kernels_equal_their_plain_forms(dtype, tolerance):
    """Two units of one convolution, F = 5 + 2; the first reads and writes in the middle of another's channels."""
    rng = np.random.default_rng(0)
    dy, y, z = (rng.standard_normal((189, C)).astype(dtype) for C in (8, 9, 9))
    constants = rng.standard_normal((4, 7)).astype(dtype)
    results = []
    for form in FORMS:
        affine_relu, relu_mix, relu_sums = (
            getattr(fused, f"{name}_{form}") for name in ("affine_relu", "relu_mix", "relu_sums"))
        outs = np.zeros_like(y), np.zeros((189, 2), dtype)
        scale, shift, b, c = constants
        places = [(slice(0, 5), 2, dy, 1, outs[0], 3), (slice(5, 7), 7, dy[:, :2].copy(), 0, outs[1], 0)]
        affine_relu(tuple((out, at, z, z_at, own.stop - own.start, scale[own], shift[own])
                          for own, z_at, _, _, out, at in places), 3, 180)
        through = [(own, (g, at, z, z_at, own.stop - own.start, scale[own], shift[own]))
                   for own, z_at, g, at, _, _ in places]
        dz = relu_mix(tuple((*unit, b[own], c[own]) for own, unit in through), 7, 3, 180)
        results.append((*outs, dz, relu_sums(tuple(unit for _, unit in through), 7, 3, 180)))
    for compiled, plain in zip(*results, strict=True):
        assert compiled.dtype == plain.dtype and distance(compiled, plain) < tolerance
    assert not np.any(outs[0][:, [0, 1, 2, 8]]) and np.any(outs[0]) and np.any(outs[1])
    assert not np.any(outs[0][:3]) and not np.any(outs[0][180:])


@pytest.mark.parametrize("M", [189.0, 0.0])  # 0: the running statistics are used
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_batch_norms_constants_equal_their_plain_forms(M, dtype, tolerance):
    """From the sums of two chunks, for some of the channels: more than a register holds, and not a multiple."""
    rng, F, start = np.random.default_rng(0), 19, 4
    forward, own, whole = np.abs(rng.standard_normal((3, 2, 2, 30)))
    forward *= 60
    *arrays, variance = rng.standard_normal((6, F)).astype(dtype)
    M, results = np.array([M]), []
    for form in FORMS:
        gamma, beta, mean, dgamma, dbeta, running = (array.copy() for array in (*arrays, np.abs(variance)))
        moments, affine, mix = np.empty((2, F)), np.empty((2, F), dtype), np.empty((2, F), dtype)
        getattr(batch_norm, f"batch_constants_{form}")(forward, start, M, 1e-3, gamma, beta, 0.1, mean, running,
                                                       moments, affine)
        getattr(batch_norm, f"batch_constants_backward_{form}")(own, whole, start, M, moments, affine, dgamma, dbeta,
                                                                mix)
        getattr(batch_norm, f"bias_gradient_{form}")(own, start, beta)
        results.append((mean, running, moments, affine, dgamma, dbeta, mix, beta))
    for compiled, plain in zip(*results, strict=True):
        assert compiled.dtype == plain.dtype and distance(compiled, plain) < tolerance
    assert np.array_equal(results[0][0], arrays[2]) == (M == 0) and np.any(results[0][6]) == (M > 0)


def test_max_pool_of_some_lines():
    x = np.random.default_rng(0).standard_normal((2, 9, 8, 3)).astype(np.float32)
    window = (3, 3), (2, 1), (1, 1), True
    for max_pool in (max_pool_numba, max_pool_numpy):
        whole, cut = max_pool(x, *window), 7
        y = np.full_like(whole, np.nan)
        max_pool(x, *window, y=y, lines=(cut, 2 * 5))
        assert np.all(np.isnan(y[1, :cut - 5])) and np.all(np.isnan(y[0]))
        max_pool(x, *window, y=y, lines=(0, cut))
        assert np.array_equal(y, whole)
