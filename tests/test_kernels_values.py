"""As test_kernels.py, for kernels that have no window over the image: ReLU, SGD, averages, LRN, sums of channels."""

import numpy as np
import pytest
from kernel_cases import N, both_dtypes, close, images, same

from minigooglenet.kernels.lrn import lrn_backward_numba, lrn_backward_numpy, lrn_numba, lrn_numpy
from minigooglenet.kernels.momentum import (
    average_step_numba,
    average_step_numpy,
    momentum_step_numba,
    momentum_step_numpy,
)
from minigooglenet.kernels.per_channel import (
    channel_affine_numba,
    channel_affine_numpy,
    channel_mix_numba,
    channel_mix_numpy,
    channel_sums_numba,
    channel_sums_numpy,
)
from minigooglenet.kernels.relu import relu_backward_numba, relu_backward_numpy, relu_numba, relu_numpy


@both_dtypes
@pytest.mark.parametrize("shape", [(N, 3, 4, 5), (N, 7), (1, 1)])
def test_relu(shape, dtype, rng):
    for kind in ("random", "ties"):
        x, dy = images(rng, shape, dtype, kind), images(rng, shape, dtype)
        y = relu_numba(x)
        same(y, relu_numpy(x))
        same(relu_backward_numba(dy, y), relu_backward_numpy(dy, y))
        same(relu_numba(np.asfortranarray(x)), y)
        same(relu_backward_numba(np.asfortranarray(dy), np.asfortranarray(y)), relu_backward_numpy(dy, y))


@both_dtypes
@pytest.mark.parametrize("nesterov", [False, True])
def test_a_step_of_gradient_descent(nesterov, dtype, rng):
    results, (w, g, v) = [], rng.standard_normal((3, 4, 5, 7)).astype(dtype)
    for step in (momentum_step_numba, momentum_step_numpy):
        stepped, kept, moved = w.copy(), np.asfortranarray(g), v.copy()
        step(stepped, kept, moved, 0.1, 0.9, 5e-4, nesterov)
        assert np.array_equal(kept, g)
        results.append((stepped, moved))
    for compiled, plain in zip(*results, strict=True):
        close(compiled, plain)
        assert not np.array_equal(compiled, w) and not np.array_equal(compiled, v)
    for step in (momentum_step_numba, momentum_step_numpy):  # nothing is lost where the arrays are not contiguous
        stepped, moved = np.asfortranarray(w), np.asfortranarray(v)
        step(stepped, g, moved, 0.1, 0.9, 5e-4, nesterov)
        close(np.ascontiguousarray(stepped), results[1][0])


@both_dtypes
def test_a_step_of_averaging(dtype, rng):
    average, w = rng.standard_normal((2, 4, 5)).astype(dtype)
    for form in (average_step_numba, average_step_numpy):
        for order in "CF":
            moved = average.copy(order)
            form(moved, w, 0.25)
            close(np.ascontiguousarray(moved), average + average.dtype.type(0.25) * (w - average))


def test_relu_lets_nan_and_infinity_through():
    x = np.array([[np.nan, np.inf, -np.inf, -0.0]], "float32")
    for form in (relu_numba, relu_numpy):
        assert np.array_equal(form(x), np.array([[np.nan, np.inf, 0, 0]], "float32"), equal_nan=True)


@both_dtypes
@pytest.mark.parametrize("size, C", [(5, 7), (5, 3), (3, 1), (1, 4), (7, 16)])
def test_lrn(size, C, dtype, rng):
    constants = size, 0.8, 0.75, 1.5
    x, dy = (images(rng, (N, 2, 3, C), dtype) for _ in range(2))
    close(lrn_numba(x, *constants), lrn_numpy(x, *constants))
    close(lrn_backward_numba(dy, x, *constants), lrn_backward_numpy(dy, x, *constants))
    strange = np.asfortranarray(x)
    close(lrn_backward_numba(np.asfortranarray(dy), strange, *constants),
          lrn_backward_numpy(dy, x, *constants))


@both_dtypes
def test_channel_sums_and_scalings(dtype, rng):
    x, dy = (images(rng, (N, 3, 2, 5), dtype) for _ in range(2))
    a, b, c = rng.standard_normal((3, 5))
    for ours, plain in zip(channel_sums_numba(x, dy), channel_sums_numpy(x, dy), strict=True):
        assert ours.dtype == np.float64
        np.testing.assert_allclose(ours, plain, rtol=1e-12, atol=1e-12)
    close(channel_affine_numba(x, a, b), channel_affine_numpy(x, a, b))
    close(channel_mix_numba(dy, a, x, b, c), channel_mix_numpy(dy, a, x, b, c))


def test_channel_sums_are_kept_in_float64(rng):
    """float32 would lose what the small numbers add to the large one."""
    x = np.full((9, 100, 100, 1), 0.1, "float32")
    x[0, 0, 0] = 1e7
    total, _ = channel_sums_numba(x, x)
    assert total[0] == pytest.approx(1e7 + 89_999 * float(np.float32(0.1)), rel=1e-12)
