"""The compiled kernels and their plain twins give the same numbers, wherever windows can fall awkwardly.

Compiled code does not notice when it leaves an array. To see that it never does, after changing a kernel (all but
product.py, whose instructions have addresses for indices):

    NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(mktemp -d) python -m pytest tests/test_kernels.py tests/test_fast_kernels.py
"""

import importlib
import inspect
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigooglenet import kernels
from minigooglenet.errors import ShapeError
from minigooglenet.geometry import output_hw, pair
from minigooglenet.kernels import columns, normalise, pointwise, pooling
from minigooglenet.layer_table import WIDE_PADDING, WINDOWS
from minigooglenet.reference import columns as plain_columns
from minigooglenet.reference import normalise as plain_normalise
from minigooglenet.reference import pointwise as plain_pointwise
from minigooglenet.reference import pooling as plain_pooling

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
N = 11  # two slices, the second one ragged


def pictures(rng, shape, dtype, kind="random"):
    """Read-only pictures: random ones, small whole numbers (many ties), or all equal and negative."""
    x = {"random": rng.standard_normal, "ties": lambda shape: rng.integers(-2, 1, shape),
         "equal": lambda shape: np.full(shape, -3.0)}[kind](shape).astype(dtype)
    x.flags.writeable = False
    return x


def close(a, b):
    assert a.dtype == b.dtype and a.shape == b.shape
    tolerance = {"float32": 1e-5, "float64": 1e-12}[str(a.dtype)]
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def same(a, b):
    assert a.dtype == b.dtype and np.array_equal(a, b)


@pytest.mark.parametrize("name, file", kernels._FILE_OF.items())
def test_every_kernel_has_a_twin_with_the_same_signature(name, file):
    signatures = []
    for room in ("kernels", "reference"):
        function = getattr(importlib.import_module(f"minigooglenet.{room}.{file}"), name)
        signatures.append(list(inspect.signature(function).parameters))
        assert function.__doc__
    assert signatures[0] == signatures[1]


@pytest.mark.skipif(not kernels.JIT, reason="MINIGOOGLENET_JIT=0: nothing is compiled")
def test_compilations_are_forgotten_when_any_file_of_theirs_changes(tmp_path):
    forget_changed = importlib.import_module("minigooglenet.kernels.jit").forget_changed
    cache, index = tmp_path / "cache", tmp_path / "cache" / "kernel.nbi"
    cache.mkdir()
    (tmp_path / "called.py").write_text("one")
    forget_changed(tmp_path, cache)
    index.write_text("compiled")
    forget_changed(tmp_path, cache)
    assert index.exists()
    (tmp_path / "called.py").write_text("two")
    forget_changed(tmp_path, cache)
    assert not index.exists() and [file.name for file in cache.iterdir()] == ["kernels.sha256"]
    forget_changed(tmp_path, tmp_path / "missing")


def test_an_unknown_kernel_is_no_attribute():
    with pytest.raises(AttributeError, match="minigooglenet.kernels has no 'winograd_of_the_future'"):
        kernels.winograd_of_the_future  # noqa: B018


@both_dtypes
@pytest.mark.parametrize("kernel, stride, pad, H, W", (*WINDOWS, *WIDE_PADDING))
def test_columns(kernel, stride, pad, H, W, dtype, rng):
    window, x = (pair(kernel), pair(stride), pair(pad)), pictures(rng, (N, H, W, 3), dtype)
    X = columns.im2col(x, *window)
    same(X, plain_columns.im2col(x, *window))
    same(columns.im2col(np.asfortranarray(x), *window), X)
    rows = pictures(rng, X.shape, dtype)
    close(columns.col2im(rows, x.shape, *window), plain_columns.col2im(rows, x.shape, *window))


@given(st.data())
def test_columns_of_any_shape_and_their_adjoint(data):
    """Σ im2col(x) · r = Σ x · col2im(r): what defines an adjoint. And both agree with their twins."""
    small, H, W = st.integers(1, 4), data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7))
    kernel, stride, pad = [(data.draw(s), data.draw(s)) for s in (small, st.integers(1, 9), st.integers(0, 5))]
    if H + 2 * pad[0] < kernel[0] or W + 2 * pad[1] < kernel[1]:
        with pytest.raises(ShapeError):
            columns.im2col(np.zeros((1, H, W, 2)), kernel, stride, pad)
        return
    rng = np.random.default_rng(0)
    x = pictures(rng, (2, H, W, 2), "float64")
    X = columns.im2col(x, kernel, stride, pad)
    same(X, plain_columns.im2col(x, kernel, stride, pad))
    rows = pictures(rng, X.shape, "float64")
    back = columns.col2im(rows, x.shape, kernel, stride, pad)
    close(back, plain_columns.col2im(rows, x.shape, kernel, stride, pad))
    assert np.vdot(X, rows) == pytest.approx(np.vdot(x, back), abs=1e-9)


def test_padding_far_wider_than_the_window_stays_inside_its_row():
    """One window, wholly in the padding: it once wrote behind the end of the columns."""
    X = columns.im2col(np.ones((1, 1, 1, 64)), (1, 1), (99, 99), (49, 49))
    assert X.shape == (1, 64) and not X.any()


@both_dtypes
@pytest.mark.parametrize("kind", ["random", "ties", "equal"])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("kernel, stride, pad, H, W", WINDOWS)
def test_pooling(kernel, stride, pad, H, W, ceil_mode, kind, dtype, rng):
    window = pair(kernel), pair(stride), pair(pad), ceil_mode
    x = pictures(rng, (N, H, W, 3), dtype, kind)
    y = pooling.max_pool(x, *window)
    same(y, plain_pooling.max_pool(x, *window))
    assert y.shape == (N, *output_hw(H, W, *window), 3)
    y.flags.writeable = False
    dy = pictures(rng, y.shape, dtype)
    dx = pooling.max_pool_backward(dy, x, y, *window)
    close(dx, plain_pooling.max_pool_backward(dy, x, y, *window))
    ones = pooling.max_pool_backward(np.ones_like(y), x, y, *window)
    assert ones.sum() == y.size and np.array_equal(ones, np.round(ones))  # one winner for each window, no halves
    close(pooling.avg_pool(x, *window), plain_pooling.avg_pool(x, *window))
    close(pooling.avg_pool_backward(dy, x.shape, *window), plain_pooling.avg_pool_backward(dy, x.shape, *window))


@both_dtypes
@pytest.mark.parametrize("C", [8, 16, 29])
@pytest.mark.parametrize("stride, pad, H, W", [(1, 1, 5, 7), (1, 1, 3, 1), (1, 1, 1, 4), (1, 0, 5, 7), (2, 0, 5, 7),
                                               (2, 1, 5, 7), (2, 1, 3, 1), (2, 1, 1, 4)])
def test_max_pool_backward_takes_channels_together(stride, pad, H, W, C, dtype, rng):
    """16, 8 or one at a time; the 3×3 windows of an inception module have a way of their own. Adds to what is there,
    in the reference's order, so that the bits are the same."""
    window = (3, 3), pair(stride), pair(pad), True
    x = pictures(rng, (N, H, W, C), dtype, "ties")
    y = plain_pooling.max_pool(x, *window)
    dy, before = pictures(rng, y.shape, dtype), pictures(rng, x.shape, dtype)
    for fresh in (False, True):
        dx = pooling.max_pool_backward(dy, x, y, *window, dx=before.copy(), fresh=fresh)
        same(dx, plain_pooling.max_pool_backward(dy, x, y, *window, dx=before.copy(), fresh=fresh))


def test_a_gradient_of_another_precision_is_taken_for_one_of_the_pictures(rng):
    x, window = pictures(rng, (N, 5, 6, 17), "float32"), ((3, 3), (2, 2), (0, 0), True)
    y = pooling.max_pool(x, *window)
    dy = pictures(rng, y.shape, "float64")
    same(pooling.max_pool_backward(dy, x, y, *window),
         plain_pooling.max_pool_backward(dy.astype("float32"), x, y, *window))


@given(st.data())
def test_pooling_of_any_shape(data):
    kernel = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    stride = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    pad = tuple(data.draw(st.integers(0, K - 1)) for K in kernel)
    H, W = (data.draw(st.integers(max(1, K - 2 * P), 9)) for K, P in zip(kernel, pad, strict=True))
    window = kernel, stride, pad, data.draw(st.booleans())
    rng = np.random.default_rng(0)
    x = pictures(rng, (2, H, W, 2), "float64", data.draw(st.sampled_from(["random", "ties"])))
    y = pooling.max_pool(x, *window)
    same(y, plain_pooling.max_pool(x, *window))
    dy = rng.standard_normal(y.shape)
    close(pooling.max_pool_backward(dy, x, y, *window), plain_pooling.max_pool_backward(dy, x, y, *window))
    close(pooling.avg_pool(x, *window), plain_pooling.avg_pool(x, *window))
    back = pooling.avg_pool_backward(dy, x.shape, *window)
    close(back, plain_pooling.avg_pool_backward(dy, x.shape, *window))
    assert np.vdot(pooling.avg_pool(x, *window), dy) == pytest.approx(np.vdot(x, back), abs=1e-9)


@both_dtypes
@pytest.mark.parametrize("shape", [(N, 3, 4, 5), (N, 7), (1, 1)])
def test_relu(shape, dtype, rng):
    for kind in ("random", "ties"):
        x, dy = pictures(rng, shape, dtype, kind), pictures(rng, shape, dtype)
        y = pointwise.relu(x)
        same(y, plain_pointwise.relu(x))
        same(pointwise.relu_backward(dy, y), plain_pointwise.relu_backward(dy, y))
        same(pointwise.relu(np.asfortranarray(x)), y)
        same(pointwise.relu_backward(np.asfortranarray(dy), np.asfortranarray(y)), plain_pointwise.relu_backward(dy, y))


@both_dtypes
@pytest.mark.parametrize("nesterov", [False, True])
def test_a_step_of_descent(nesterov, dtype, rng):
    results, (w, g, v) = [], rng.standard_normal((3, 4, 5, 7)).astype(dtype)
    for room in (pointwise, plain_pointwise):
        stepped, kept, moved = w.copy(), np.asfortranarray(g), v.copy()
        room.descend(stepped, kept, moved, 0.1, 0.9, 5e-4, nesterov)
        assert np.array_equal(kept, g)
        results.append((stepped, moved))
    for compiled, plain in zip(*results, strict=True):
        close(compiled, plain)
        assert not np.array_equal(compiled, w) and not np.array_equal(compiled, v)
    for room in (pointwise, plain_pointwise):  # nothing is lost where the arrays are not contiguous
        stepped, moved = np.asfortranarray(w), np.asfortranarray(v)
        room.descend(stepped, g, moved, 0.1, 0.9, 5e-4, nesterov)
        close(np.ascontiguousarray(stepped), results[1][0])


def test_relu_lets_nan_and_infinity_through():
    x = np.array([[np.nan, np.inf, -np.inf, -0.0]], "float32")
    for room in (pointwise, plain_pointwise):
        assert np.array_equal(room.relu(x), np.array([[np.nan, np.inf, 0, 0]], "float32"), equal_nan=True)


@both_dtypes
@pytest.mark.parametrize("size, C", [(5, 7), (5, 3), (3, 1), (1, 4), (7, 16)])
def test_lrn(size, C, dtype, rng):
    constants = size, 0.8, 0.75, 1.5
    x, dy = (pictures(rng, (N, 2, 3, C), dtype) for _ in range(2))
    close(normalise.lrn(x, *constants), plain_normalise.lrn(x, *constants))
    close(normalise.lrn_backward(dy, x, *constants), plain_normalise.lrn_backward(dy, x, *constants))
    strange = np.asfortranarray(x)
    close(normalise.lrn_backward(np.asfortranarray(dy), strange, *constants),
          plain_normalise.lrn_backward(dy, x, *constants))


@both_dtypes
def test_channel_sums_and_scalings(dtype, rng):
    x, dy = (pictures(rng, (N, 3, 2, 5), dtype) for _ in range(2))
    a, b, c = rng.standard_normal((3, 5))
    for ours, plain in zip(normalise.channel_sums(x, dy), plain_normalise.channel_sums(x, dy), strict=True):
        assert ours.dtype == np.float64
        np.testing.assert_allclose(ours, plain, rtol=1e-12, atol=1e-12)
    close(normalise.channel_affine(x, a, b), plain_normalise.channel_affine(x, a, b))
    close(normalise.channel_mix(dy, a, x, b, c), plain_normalise.channel_mix(dy, a, x, b, c))


def test_channel_sums_are_kept_in_float64(rng):
    """float32 would lose what the small numbers add to the large one."""
    x = np.full((9, 100, 100, 1), 0.1, "float32")
    x[0, 0, 0] = 1e7
    total, _ = normalise.channel_sums(x, x)
    assert total[0] == pytest.approx(1e7 + 89_999 * float(np.float32(0.1)), rel=1e-12)


@pytest.mark.parametrize("call", [
    lambda x: columns.im2col(x, (3, 3), (2, 2), (1, 1)),
    lambda x: columns.col2im(columns.im2col(x, (3, 3), (2, 2), (1, 1)), x.shape, (3, 3), (2, 2), (1, 1)),
    lambda x: pooling.max_pool(x, (3, 3), (2, 2), (1, 1), True),
    lambda x: pooling.max_pool_backward(x, x, x, (1, 1), (1, 1), (0, 0), False),
    lambda x: pooling.avg_pool(x, (3, 3), (2, 2), (1, 1), True),
    lambda x: pooling.avg_pool_backward(x, x.shape, (1, 1), (1, 1), (0, 0), False),
    lambda x: pointwise.relu(x),
    lambda x: pointwise.relu_backward(x, x),
    lambda x: normalise.lrn(x, 5, 1.0, 0.75, 1.0),
    lambda x: normalise.lrn_backward(x, x, 5, 1.0, 0.75, 1.0),
    lambda x: np.stack(normalise.channel_sums(x, x)),
    lambda x: normalise.channel_mix(x, np.ones(6), x, np.ones(6), np.ones(6)),
])
def test_one_thread_and_two_give_the_same_bits(call, threads, rng):
    x = pictures(rng, (29, 5, 7, 6), "float32")
    threads(1)
    alone = call(x)
    threads(2)
    for _ in range(3):
        assert call(x).tobytes() == alone.tobytes()


TRAIN = """
import sys
import numpy as np
from minigooglenet.layers import cross_entropy
from minigooglenet.models import mini_googlenet

rng = np.random.default_rng(0)
for norm in ("batch", "lrn"):
    network = mini_googlenet(1 / 16, norm=norm, rng=rng, dtype="float64")
    x, labels = rng.standard_normal((4, 32, 32, 3)), rng.integers(0, 10, 4)
    for step in range(2):
        network.zero_grads()
        logits, cache = network.forward(x, train=True)
        losses, gradients = zip(*(cross_entropy(z, labels) for z in logits))
        network.backward([w * dz for w, dz in zip((1, 0.3, 0.3), gradients)], cache)
        for path, w in network.parameters().items():
            w -= 0.01 * network.gradients()[path]
        print(*losses)
    print(*network.predict(x).ravel())
print("numba" in sys.modules)
"""


def test_without_numba_the_same_training():
    """MINIGOOGLENET_JIT=0: two whole networks train two steps; numba is never imported, the numbers are the same."""
    outputs = {}
    for jit in ("0", "1"):
        result = subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True, timeout=120,
                                env={**os.environ, "MINIGOOGLENET_JIT": jit, "PYTHONPATH": os.pathsep.join(sys.path)})
        assert result.returncode == 0, result.stderr
        *numbers, imported = result.stdout.split()
        assert imported == {"0": "False", "1": "True"}[jit]
        outputs[jit] = np.array(numbers, float)
    assert len(outputs["0"]) == 2 * (2 * 3 + 4 * 10)
    np.testing.assert_allclose(outputs["0"], outputs["1"], rtol=1e-8)
