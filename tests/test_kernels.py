"""The compiled form of each kernel and its plain form give the same values, wherever windows can fall awkwardly.

Compiled code does not notice when it leaves an array. To check that it never does, after changing a kernel (all but
gemm.py, whose LLVM code computes addresses):

    NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(mktemp -d) python -m pytest tests/test_kernels.py tests/test_kernels_*.py
"""

import inspect
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import N, both_dtypes, close, images, same

from minigooglenet.errors import ShapeError
from minigooglenet.gradcheck.table import WIDE_PADDING, WINDOWS
from minigooglenet.kernels import (
    avg_pool,
    batch_norm,
    channels,
    conv_backward,
    conv_forward,
    crop_resize,
    fused,
    gemm,
    im2col,
    jit,
    lrn,
    max_pool,
    max_pool_backward,
    momentum,
    per_channel,
    relu,
    winograd_filters,
)
from minigooglenet.kernels.avg_pool import (
    avg_pool_backward_numba,
    avg_pool_backward_numpy,
    avg_pool_numba,
    avg_pool_numpy,
)
from minigooglenet.kernels.geometry import output_hw, pair
from minigooglenet.kernels.im2col import col2im_numba, col2im_numpy, im2col_numba, im2col_numpy
from minigooglenet.kernels.lrn import lrn_backward_numba, lrn_numba
from minigooglenet.kernels.max_pool import max_pool_numba, max_pool_numpy
from minigooglenet.kernels.max_pool_backward import max_pool_backward_numba, max_pool_backward_numpy
from minigooglenet.kernels.per_channel import (
    channel_mix_numba,
    channel_sums_numba,
)
from minigooglenet.kernels.relu import relu_backward_numba, relu_numba

FILES = (avg_pool, batch_norm, channels, conv_backward, conv_forward, crop_resize, fused, gemm, im2col, lrn, max_pool,
         max_pool_backward, momentum, per_channel, relu, winograd_filters)


@pytest.mark.parametrize("file, name", [(file, name.removesuffix("_numpy")) for file in FILES
                                        for name in vars(file) if name.endswith("_numpy")
                                        and vars(file)[name].__module__ == file.__name__])
def test_every_kernel_has_two_forms_with_one_signature(file, name):
    plain, compiled = (getattr(file, f"{name}_{form}") for form in ("numpy", "numba"))
    assert list(inspect.signature(plain).parameters) == list(inspect.signature(compiled).parameters)
    assert plain.__doc__
    assert getattr(file, name) is (compiled if jit.JIT else plain)


@both_dtypes
@pytest.mark.parametrize("kernel, stride, pad, H, W", (*WINDOWS, *WIDE_PADDING))
def test_columns(kernel, stride, pad, H, W, dtype, rng):
    window, x = (pair(kernel), pair(stride), pair(pad)), images(rng, (N, H, W, 3), dtype)
    X = im2col_numba(x, *window)
    same(X, im2col_numpy(x, *window))
    same(im2col_numba(np.asfortranarray(x), *window), X)
    rows = images(rng, X.shape, dtype)
    close(col2im_numba(rows, x.shape, *window), col2im_numpy(rows, x.shape, *window))


@given(st.data())
def test_columns_of_any_shape_and_their_adjoint(data):
    """Σ im2col(x) · r = Σ x · col2im(r): what defines an adjoint. And both agree with their plain forms."""
    small, H, W = st.integers(1, 4), data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7))
    kernel, stride, pad = [(data.draw(s), data.draw(s)) for s in (small, st.integers(1, 9), st.integers(0, 5))]
    if H + 2 * pad[0] < kernel[0] or W + 2 * pad[1] < kernel[1]:
        with pytest.raises(ShapeError):
            im2col_numba(np.zeros((1, H, W, 2)), kernel, stride, pad)
        return
    rng = np.random.default_rng(0)
    x = images(rng, (2, H, W, 2), "float64")
    X = im2col_numba(x, kernel, stride, pad)
    same(X, im2col_numpy(x, kernel, stride, pad))
    rows = images(rng, X.shape, "float64")
    back = col2im_numba(rows, x.shape, kernel, stride, pad)
    close(back, col2im_numpy(rows, x.shape, kernel, stride, pad))
    assert np.vdot(X, rows) == pytest.approx(np.vdot(x, back), abs=1e-9)


def test_padding_far_wider_than_the_window_stays_inside_its_row():
    """One window, wholly in the padding: it once wrote behind the end of the columns."""
    X = im2col_numba(np.ones((1, 1, 1, 64)), (1, 1), (99, 99), (49, 49))
    assert X.shape == (1, 64) and not X.any()


@both_dtypes
@pytest.mark.parametrize("kind", ["random", "ties", "equal"])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("kernel, stride, pad, H, W", WINDOWS)
def test_pooling(kernel, stride, pad, H, W, ceil_mode, kind, dtype, rng):
    window = pair(kernel), pair(stride), pair(pad), ceil_mode
    x = images(rng, (N, H, W, 3), dtype, kind)
    y = max_pool_numba(x, *window)
    same(y, max_pool_numpy(x, *window))
    assert y.shape == (N, *output_hw(H, W, *window), 3)
    y.flags.writeable = False
    dy = images(rng, y.shape, dtype)
    dx = max_pool_backward_numba(dy, x, y, *window)
    close(dx, max_pool_backward_numpy(dy, x, y, *window))
    ones = max_pool_backward_numba(np.ones_like(y), x, y, *window)
    assert ones.sum() == y.size and np.array_equal(ones, np.round(ones))  # one winner for each window, no halves
    close(avg_pool_numba(x, *window), avg_pool_numpy(x, *window))
    close(avg_pool_backward_numba(dy, x.shape, *window), avg_pool_backward_numpy(dy, x.shape, *window))


@both_dtypes
@pytest.mark.parametrize("C", [8, 16, 29])
@pytest.mark.parametrize("stride, pad, H, W", [(1, 1, 5, 7), (1, 1, 3, 1), (1, 1, 1, 4), (1, 0, 5, 7), (2, 0, 5, 7),
                                               (2, 1, 5, 7), (2, 1, 3, 1), (2, 1, 1, 4)])
def test_max_pool_backward_takes_channels_together(stride, pad, H, W, C, dtype, rng):
    """16, 8 or one at a time; the 3×3 windows of an inception module have a kernel of their own. Adds to what is there,
    in the plain form's order, so that the bits are the same."""
    window = (3, 3), pair(stride), pair(pad), True
    x = images(rng, (N, H, W, C), dtype, "ties")
    y = max_pool_numpy(x, *window)
    dy, before = images(rng, y.shape, dtype), images(rng, x.shape, dtype)
    for fresh in (False, True):
        dx = max_pool_backward_numba(dy, x, y, *window, dx=before.copy(), fresh=fresh)
        same(dx, max_pool_backward_numpy(dy, x, y, *window, dx=before.copy(), fresh=fresh))


@both_dtypes
@pytest.mark.filterwarnings("ignore:invalid value")  # NumPy warns where compiled code does not
@pytest.mark.parametrize("kernel, stride, pad", [(2, 2, 0), (3, 1, 1), (3, 2, 0), (5, 3, 2)])
def test_max_pool_keeps_nan(kernel, stride, pad, dtype, rng):
    """Forward and backward, wherever in a window it is; infinities and the other images are as always."""
    window = pair(kernel), pair(stride), pair(pad), True
    for place in itertools.product(range(4), range(5)):
        x = images(rng, (3, 4, 5, 18), dtype).copy()
        x[1, place[0], place[1], 2] = np.nan
        x[1, :, :, 17], x[2, :, :, 3] = -np.inf, np.inf
        y = max_pool_numpy(x, *window)
        np.testing.assert_array_equal(max_pool_numba(x, *window), y)
        assert np.isnan(y[1, ..., 2]).any() and np.isnan(y).sum() == np.isnan(y[1, ..., 2]).sum()
        dy = images(rng, y.shape, dtype)
        dx = max_pool_backward_numba(dy, x, y, *window)
        close(dx, max_pool_backward_numpy(dy, x, y, *window))
        assert dx.sum() == pytest.approx(dy.sum(), rel=1e-4, abs=1e-4)  # no gradient is lost
        OH, part = y.shape[1], np.full_like(y, 7)
        max_pool_numba(x, *window, y=part, lines=(1, 2 * OH))
        np.testing.assert_array_equal(part.reshape(-1, *y.shape[2:])[1:2 * OH], y.reshape(-1, *y.shape[2:])[1:2 * OH])
        assert np.all(part[0, 0] == 7) and np.all(part[2] == 7)


def test_a_gradient_of_another_precision_is_taken_for_one_of_the_images(rng):
    x, window = images(rng, (N, 5, 6, 17), "float32"), ((3, 3), (2, 2), (0, 0), True)
    y = max_pool_numba(x, *window)
    dy = images(rng, y.shape, "float64")
    same(max_pool_backward_numba(dy, x, y, *window),
         max_pool_backward_numpy(dy.astype("float32"), x, y, *window))


@given(st.data())
def test_pooling_of_any_shape(data):
    kernel = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    stride = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    pad = tuple(data.draw(st.integers(0, K - 1)) for K in kernel)
    H, W = (data.draw(st.integers(max(1, K - 2 * P), 9)) for K, P in zip(kernel, pad, strict=True))
    window = kernel, stride, pad, data.draw(st.booleans())
    rng = np.random.default_rng(0)
    x = images(rng, (2, H, W, 2), "float64", data.draw(st.sampled_from(["random", "ties"])))
    y = max_pool_numba(x, *window)
    same(y, max_pool_numpy(x, *window))
    dy = rng.standard_normal(y.shape)
    close(max_pool_backward_numba(dy, x, y, *window), max_pool_backward_numpy(dy, x, y, *window))
    close(avg_pool_numba(x, *window), avg_pool_numpy(x, *window))
    back = avg_pool_backward_numba(dy, x.shape, *window)
    close(back, avg_pool_backward_numpy(dy, x.shape, *window))
    assert np.vdot(avg_pool_numba(x, *window), dy) == pytest.approx(np.vdot(x, back), abs=1e-9)


@pytest.mark.parametrize("call", [
    lambda x: im2col_numba(x, (3, 3), (2, 2), (1, 1)),
    lambda x: col2im_numba(im2col_numba(x, (3, 3), (2, 2), (1, 1)), x.shape, (3, 3), (2, 2), (1, 1)),
    lambda x: max_pool_numba(x, (3, 3), (2, 2), (1, 1), True),
    lambda x: max_pool_backward_numba(x, x, x, (1, 1), (1, 1), (0, 0), False),
    lambda x: avg_pool_numba(x, (3, 3), (2, 2), (1, 1), True),
    lambda x: avg_pool_backward_numba(x, x.shape, (1, 1), (1, 1), (0, 0), False),
    lambda x: relu_numba(x),
    lambda x: relu_backward_numba(x, x),
    lambda x: lrn_numba(x, 5, 1.0, 0.75, 1.0),
    lambda x: lrn_backward_numba(x, x, 5, 1.0, 0.75, 1.0),
    lambda x: np.stack(channel_sums_numba(x, x)),
    lambda x: channel_mix_numba(x, np.ones(6), x, np.ones(6), np.ones(6)),
])
def test_one_thread_and_two_give_the_same_bits(call, threads, rng):
    x = images(rng, (29, 5, 7, 6), "float32")
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
    """MINIGOOGLENET_JIT=0: two whole networks train two steps; numba is never imported, the values are the same."""
    outputs = {}
    for setting in ("0", "1"):
        result = subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True, timeout=120,
                                env={**os.environ, "MINIGOOGLENET_JIT": setting,
                                                            "PYTHONPATH": os.pathsep.join(sys.path)})
        assert result.returncode == 0, result.stderr
        *values, imported = result.stdout.split()
        assert imported == {"0": "False", "1": "True"}[setting]
        outputs[setting] = np.array(values, float)
    assert len(outputs["0"]) == 2 * (2 * 3 + 4 * 10)
    np.testing.assert_allclose(outputs["0"], outputs["1"], rtol=1e-8)
