"""What the rewritten network is made of: products, whole convolutions, fused kernels; each as its plain twin."""

import importlib

import numpy as np
import pytest
from small import distance

from minigooglenet import kernels
from minigooglenet.layers import Conv
from minigooglenet.reference.product import pack as plain_pack
from minigooglenet.reference.product import unpack

pytestmark = pytest.mark.skipif(not kernels.JIT, reason="MINIGOOGLENET_JIT=0 turns the compiled kernels off")
product = importlib.import_module("minigooglenet.kernels.product") if kernels.JIT else None
WRITE, ADD, RELU = range(3)


def twins(file):
    return (importlib.import_module(f"minigooglenet.{room}.{file}") for room in ("kernels", "reference"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("P, K, F", [(1, 1, 1), (5, 3, 7), (8, 4, 8), (9, 17, 24), (13, 5, 25), (16, 9, 44),
                                     (7, 40, 65)])
@pytest.mark.parametrize("how", [WRITE, ADD, RELU])
def test_a_product_of_small_matrices(how, P, K, F, dtype):
    """A as it is and transposed, B packed and as it is; nothing but its own columns is written."""
    rng = np.random.default_rng(0)
    a, y = rng.standard_normal((P, K)).astype(dtype), rng.standard_normal((P + 2, F + 3)).astype(dtype)
    spare, shift = rng.standard_normal(K * F + product.SPARE).astype(dtype), rng.standard_normal(F + 1).astype(dtype)
    b = spare[:K * F].reshape(K, F)  # it may be read behind its end
    wanted, result = y.copy(), {WRITE: a @ b, ADD: y[1:-1, 2:-1] + a @ b,
                                RELU: np.maximum(a @ b + shift[1:], 0)}[how]
    wanted[1:-1, 2:-1] = result
    for A, steps in ((a, (K, 1)), (np.ascontiguousarray(a.T), (1, P))):
        for B, places in ((product.pack(b), (K, 0)), (b.reshape(-1), (1, F))):
            out = y.copy()
            product.multiply(A.reshape(-1), 0, *steps, P, K, B, 0, *places, out.reshape(-1), F + 5, F + 3, F, shift, 1,
                             how)
            assert distance(out, wanted) < {4: 1e-6, 8: 1e-15}[out.itemsize]
            assert np.array_equal(out[[0, -1]], y[[0, -1]]) and np.array_equal(out[:, [0, 1, -1]], y[:, [0, 1, -1]])


def test_a_nan_is_not_taken_for_nothing():
    """A diverging network has to be seen: no ReLU turns what is no number into 0."""
    x, F = np.ones((1, 5, 6, 2)), 3
    x[0, 4, 5] = np.nan
    for room in ("kernels", "reference"):
        convolve, pack = (importlib.import_module(f"minigooglenet.{room}.{file}") for file in ("convolve", "product"))
        fused, y = importlib.import_module(f"minigooglenet.{room}.fused"), np.zeros((1, 5, 6, F))
        for function, u, more in ((convolve.convolve_pointwise, np.ones((2, F)), ()),
                                  (convolve.convolve_columns, np.ones((18, F)), ((3, 3), (1, 1), (1, 1))),
                                  (convolve.convolve_winograd, np.ones((36, 2, F)), (1, 4))):
            function(x, pack.pack(u), F, y, *more, shift=np.zeros(F))
            assert np.isnan(y[0, 4, 5]).all() and not np.isnan(y[0, 0, 0]).any()
        out = np.zeros((30, 2))
        fused.affine_relu(((x.reshape(30, 2), 0, 2, np.ones(2), np.zeros(2), out, 0),))
        assert np.isnan(out[-1]).all() and not np.isnan(out[:-1]).any()


def test_packing_is_undone():
    b = np.random.default_rng(0).standard_normal((3, 5, 61)).astype(np.float32)
    assert np.array_equal(unpack(plain_pack(b), 61), b)
    if product.PANEL == 32:  # else the compiled one has other panels
        assert np.array_equal(product.pack(b), plain_pack(b))


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("shape, F, pad, m", [
    ((2, 7, 9, 3), 5, 1, 4), ((3, 14, 16, 8), 8, 1, 4), ((2, 5, 11, 3), 2, 0, 4), ((1, 64, 40, 40), 72, 1, 4),
    ((2, 9, 7, 3), 4, 2, 2), ((1, 6, 6, 17), 3, 0, 2), ((2, 4, 4, 8), 9, 2, 4), ((20, 4, 4, 60), 70, 1, 4)])
def test_winograd_equals_its_twin_and_a_convolution(shape, F, pad, m, dtype, tolerance):
    """In several blocks of tiles, in two parts, and of some filters only, with what else there is left alone."""
    r = 7 - m
    convolutions_agree("winograd", (pad, m), shape, F, r, (1, 1), (pad, pad), dtype, tolerance,
                       matrix=lambda room, w: room("winograd").winograd_filter(w),
                       gradient=lambda room, du: room("winograd").winograd_filter_adjoint(du, r),
                       lines=lambda y: len(y) * -(-y.shape[1] // m))


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("shape, F", [((2, 7, 9, 3), 5), ((1, 33, 40, 48), 70)])
def test_pointwise_equals_its_twin_and_a_convolution(shape, F, dtype, tolerance):
    convolutions_agree("pointwise", (), shape, F, 1, (1, 1), (0, 0), dtype, tolerance)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("shape, F, r, stride, pad", [
    ((2, 9, 7, 3), 5, 3, (2, 1), (1, 0)), ((1, 61, 59, 3), 34, 7, (2, 2), (3, 3))])
def test_columns_equal_their_twin_and_a_convolution(shape, F, r, stride, pad, dtype, tolerance):
    convolutions_agree("columns", ((r, r), stride, pad), shape, F, r, stride, pad, dtype, tolerance)


def convolutions_agree(which, settings, shape, F, r, stride, pad, dtype, tolerance,
                       matrix=lambda room, w: w.reshape(-1, w.shape[-1]), gradient=lambda room, du: du,
                       lines=lambda y: len(y) * y.shape[1]):
    rng = np.random.default_rng(0)
    conv = Conv(shape[3], F, r, stride, pad, rng=rng, dtype=dtype)
    x = rng.standard_normal(shape).astype(dtype)
    z, cache = conv.forward(x)
    dz, shift = rng.standard_normal(z.shape).astype(dtype), rng.standard_normal(F).astype(dtype)
    dx = conv.backward(dz, cache)
    y = np.maximum(z + shift, 0)
    for name in ("kernels", "reference"):
        def room(file, name=name):
            return importlib.import_module(f"minigooglenet.{name}.{file}")

        m = matrix(room, conv.params["w"])
        u, turned = room("product").pack(m), room("product").pack(m.swapaxes(-1, -2))

        def forward(x, u, y, room=room, **how):
            getattr(room("convolve"), f"convolve_{which}")(x, u, F, y, *settings, **how)

        def backward(dx, fresh, room=room, turned=turned):
            back = getattr(room("convolve_back"), f"convolve_{which}_back")
            units = through_one_relu(dz.reshape(-1, F))
            if which == "columns":  # leaves the gradient of x to others
                du = back(room("fused").relu_mix(units, F).reshape(z.shape), x, *settings)
            else:
                shape = [z.shape[:3]] if which == "winograd" else []
                du = back(units, F, *shape, x, turned, dx, *settings, fresh)
            return gradient(room, du).reshape(conv.grads["w"].shape)
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
        if which != "columns":
            assert distance(added - 1, dx) < tolerance and distance(written, dx) < tolerance
            assert np.array_equal(backward(None, True), dw)


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
def test_fused_kernels_equal_their_twins(dtype, tolerance):
    """Two units of one convolution, F = 5 + 2; the first reads and writes in the midst of another's channels."""
    rng = np.random.default_rng(0)
    dy, y, z = (rng.standard_normal((189, C)).astype(dtype) for C in (8, 9, 9))
    constants = rng.standard_normal((4, 7)).astype(dtype)
    F = 5
    *sums, gamma, beta, mean, variance = rng.standard_normal((8, F))
    results = []
    for room in twins("fused"):
        outs = np.zeros_like(y), np.zeros((189, 2), dtype)
        scale, shift, b, c = constants
        places = [(slice(0, 5), 2, dy, 1, outs[0], 3), (slice(5, 7), 7, dy[:, :2].copy(), 0, outs[1], 0)]
        room.affine_relu(tuple((z, z_at, own.stop - own.start, scale[own], shift[own], out, at)
                               for own, z_at, _, _, out, at in places))
        through = [(own, (g, at, z, z_at, own.stop - own.start, scale[own], shift[own]))
                   for own, z_at, g, at, _, _ in places]
        dz = room.relu_mix(tuple((*unit, b[own], c[own]) for own, unit in through), 7)
        parameters, running, gradients = ([a.astype(dtype) for a in pair] for pair in
                                          ((gamma, beta), (mean, variance), (mean, beta)))
        known = room.batch_constants(*np.abs(sums[:2]), 189.0, 1e-5, *parameters, 0.1, *running)
        mix = room.batch_constants_back(*sums, 189.0, *known[:3], *gradients)
        results.append((*outs, dz, room.relu_sums(tuple(unit for _, unit in through), 7), *known, *mix, *running,
                        *gradients))
    for compiled, plain in zip(*results, strict=True):
        assert compiled.dtype == plain.dtype and distance(compiled, plain) < tolerance
    assert not np.any(outs[0][:, [0, 1, 2, 8]]) and np.any(outs[0]) and np.any(outs[1])


def test_max_pool_of_some_lines():
    x = np.random.default_rng(0).standard_normal((2, 9, 8, 3)).astype(np.float32)
    window = (3, 3), (2, 1), (1, 1), True
    for room in twins("pooling"):
        whole, cut = room.max_pool(x, *window), 7
        y = np.full_like(whole, np.nan)
        room.max_pool(x, *window, y=y, lines=(cut, 2 * 5))
        assert np.all(np.isnan(y[1, :cut - 5])) and np.all(np.isnan(y[0]))
        room.max_pool(x, *window, y=y, lines=(0, cut))
        assert np.array_equal(y, whole)
