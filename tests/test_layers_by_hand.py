"""Each layer does what its own formula says: against plain loops, and with values one can check on paper."""

import math

import numpy as np
import pytest

from minigooglenet import engine
from minigooglenet.errors import ShapeError
from minigooglenet.gradcheck.table import WIDE_PADDING, WINDOWS
from minigooglenet.kernels.naive_conv import convolve, convolve_dw, convolve_dx
from minigooglenet.layers import (
    LRN,
    AdaptiveAvgPool,
    AvgPool,
    BatchNorm,
    Block,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    GroupedConv,
    MaxPool,
    ReLU,
    Sequential,
    Softmax,
)
from minigooglenet.layers.init import he, truncated_normal, weights, xavier

# -- convolution -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel, stride, pad, H, W", [row for row in (*WINDOWS, *WIDE_PADDING) if row[0] != 7])
def test_convolution_is_its_seven_loops(kernel, stride, pad, H, W, rng):
    conv = Conv(2, 3, kernel, stride, pad, rng=rng, dtype="float64")
    conv.params["b"] += rng.standard_normal(3)
    x = rng.standard_normal((2, H, W, 2))
    y, cache = conv.forward(x)
    dy = rng.standard_normal(y.shape)
    dx = conv.backward(dy, cache)
    w, b = conv.params["w"], conv.params["b"]
    np.testing.assert_allclose(y, convolve(x, w, b, conv.stride, conv.pad), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dx, convolve_dx(dy, w, x.shape, conv.stride, conv.pad), rtol=1e-12, atol=1e-12)
    dw, db = convolve_dw(dy, x, conv.kernel, conv.stride, conv.pad)
    np.testing.assert_allclose(conv.grads["w"], dw, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(conv.grads["b"], db, rtol=1e-12, atol=1e-12)


def test_convolution_by_hand():
    """A 2×2 window slid over a 2×3 image: values one can check on paper. Nothing is flipped."""
    conv = Conv(1, 1, 2, bias_value=100.0, dtype="float64")
    conv.params["w"][...] = np.array([[1, 2], [3, 4]])[:, :, None, None]
    x = np.array([[1.0, 0, 2], [0, 5, 0]])[None, :, :, None]
    y, cache = conv.forward(x)
    assert y[0, :, :, 0].tolist() == [[100 + 1 + 20, 100 + 4 + 15]]
    dx = conv.backward(np.array([[1.0, 10]])[None, :, :, None], cache)
    assert dx[0, :, :, 0].tolist() == [[1, 2 + 10, 20], [3, 4 + 30, 40]]
    assert conv.grads["w"][:, :, 0, 0].tolist() == [[1, 20], [50, 5]]
    assert conv.grads["b"].tolist() == [11]


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_multiply_adds_of_a_convolution(groups):
    conv = GroupedConv(6, 12, (3, 5), 2, 1, groups=groups)
    assert conv.output_shape((9, 8, 6)) == (5, 3, 12)
    assert conv.macs((9, 8, 6)) == 5 * 3 * 3 * 5 * (6 // groups) * 12


def test_groups_are_separate_convolutions(rng):
    grouped = GroupedConv(4, 6, 3, 1, 1, groups=2, rng=rng, dtype="float64")
    x = rng.standard_normal((2, 4, 5, 4))
    y = grouped.predict(x)
    first, second = grouped.children.values()
    assert np.array_equal(y[..., :3], first.predict(x[..., :2]))
    assert np.array_equal(y[..., 3:], second.predict(x[..., 2:]))
    assert list(grouped.parameters()) == ["group0/w", "group0/b", "group1/w", "group1/b"]


def test_the_groups_of_one_seed_differ():
    first, second = GroupedConv(4, 6, 3, groups=2, rng=0).convs
    again = GroupedConv(4, 6, 3, groups=2, rng=np.random.default_rng(0)).convs
    assert not np.array_equal(first.params["w"], second.params["w"])
    assert all(np.array_equal(a.params["w"], b.params["w"]) for a, b in zip((first, second), again, strict=True))


def test_a_seed_of_numpy_is_a_seed():
    for seed in (np.int64(3), np.uint8(3)):
        assert np.array_equal(Conv(2, 3, 1, rng=seed).params["w"], Conv(2, 3, 1, rng=3).params["w"])
        assert Dropout(0.5, seed).rng.bit_generator.state == np.random.default_rng(3).bit_generator.state


# -- pooling -----------------------------------------------------------------------------------------------------------


def test_padding_of_a_max_pool_never_wins():
    x = np.full((1, 2, 2, 1), -5.0)
    y, cache = MaxPool(3, 1, pad=1).forward(x)
    assert (y == -5).all()
    assert MaxPool(3, 1, pad=1).backward(np.ones_like(y), cache).sum() == 4


def test_ties_have_one_winner_the_first():
    pool = MaxPool(2, 1)
    x = np.ones((1, 3, 4, 2))
    y, cache = pool.forward(x)
    dy = np.arange(1.0, 13.0).reshape(1, 2, 3, 2)
    dx = pool.backward(dy, cache)
    assert np.array_equal(dx[:, :2, :3], dy) and not dx[:, 2].any() and not dx[:, :, 3].any()


def test_a_pixel_that_wins_twice_gets_both():
    x = np.zeros((1, 1, 3, 1))
    x[0, 0, 1] = 7
    pool = MaxPool((1, 2), 1)
    _, cache = pool.forward(x)
    assert pool.backward(np.array([[[[2.0], [3.0]]]]), cache).ravel().tolist() == [0, 5, 0]


def test_rounding_up_follows_the_paper():
    assert [MaxPool(3, 2, ceil_mode=True).output_shape((n, 5, 1))[0] for n in (112, 56, 28, 14)] == [56, 28, 14, 7]
    assert [MaxPool(3, 2).output_shape((n, 5, 1))[0] for n in (112, 56, 28, 14)] == [55, 27, 13, 6]


def test_the_divisor_counts_padding_but_not_what_lies_beyond():
    x = np.ones((1, 3, 3, 1))
    y = AvgPool(3, 2, pad=1).predict(x)[0, :, :, 0]
    assert np.allclose(y, 4 / 9)  # every window sees four pixels and five of padding
    y = AvgPool(2, 2, ceil_mode=True).predict(x)[0, :, :, 0]
    assert np.allclose(y, 1)  # the last windows are cut, and so is their divisor
    y = AvgPool(3, 3, pad=1, ceil_mode=True).predict(x)[0, :, :, 0]
    assert np.allclose(y, [[4 / 9, 2 / 6], [2 / 6, 1 / 4]])


def test_operations_other_than_multiply_adds_are_counted_by_hand():
    shape = (7, 5, 6)
    assert MaxPool((2, 3), 2).other_ops(shape) == AvgPool((2, 3), 2).other_ops(shape) == 3 * 2 * 6 * (2 * 3)
    assert GlobalAvgPool().other_ops(shape) == ReLU().other_ops(shape) == 7 * 5 * 6
    assert AdaptiveAvgPool((2, 1)).other_ops(shape) == 6 * (4 * 5 + 4 * 5)  # rows 0-3 and 3-6 of 7
    assert LRN().other_ops(shape) == 7 * 5 * ((3 + 4 + 5 + 5 + 4 + 3) + 3 * 6)
    assert BatchNorm(6).other_ops(shape) == 2 * 7 * 5 * 6 and Dropout(0.4).other_ops(shape) == 0
    assert MaxPool(2).macs(shape) == LRN().macs(shape) == 0


def test_pool_stride_defaults_to_the_window():
    assert MaxPool((2, 3)).stride == (2, 3) and MaxPool(3, 1).stride == (1, 1)


def test_global_average_is_the_mean(rng):
    x = rng.standard_normal((2, 3, 4, 5))
    np.testing.assert_allclose(GlobalAvgPool().predict(x), x.reshape(2, 12, 5).mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(AdaptiveAvgPool(1).predict(x)[:, 0, 0], x.mean(axis=(1, 2)), rtol=1e-12)


# -- the others --------------------------------------------------------------------------------------------------------


def test_relu_at_its_kink_and_beyond():
    x = np.array([[-2.0, -0.0, 0.0, 3.0, np.inf, np.nan]])
    y, cache = ReLU().forward(x)
    assert np.array_equal(y, [[0, 0, 0, 3, np.inf, np.nan]], equal_nan=True)  # a diverging training must be seen
    assert ReLU().backward(np.ones((1, 6)), cache)[0, :5].tolist() == [0, 0, 0, 1, 1]


def test_lrn_value_by_value(rng):
    n, alpha, beta, k = 5, 0.7, 0.75, 2.0
    x = rng.standard_normal((2, 2, 3, 7))
    y = LRN(n, alpha, beta, k).predict(x)
    for place in np.ndindex(x.shape):
        *pixel, i = place
        total = sum(x[(*pixel, j)] ** 2 for j in range(i - 2, i + 3) if 0 <= j < 7)
        assert y[place] == pytest.approx(x[place] / (k + alpha / n * total) ** beta, rel=1e-12)


def test_lrn_has_caffes_constants():
    assert LRN().constants == (5, 1e-4, 0.75, 1.0)


def test_batch_norm_normalizes_and_remembers(rng):
    layer = BatchNorm(3, eps=0.0, momentum=0.1, dtype="float64")
    x = 5 + 2 * rng.standard_normal((4, 3, 2, 3))
    y, _ = layer.forward(x, train=True)
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=(0, 1, 2)), 1, rtol=1e-12)
    np.testing.assert_allclose(layer.buffers["mean"], 0.1 * x.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(layer.buffers["variance"], 0.9 + 0.1 * x.var(axis=(0, 1, 2), ddof=1), rtol=1e-12)
    kept = {name: buffer.copy() for name, buffer in layer.buffers.items()}
    layer.params["gamma"][:], layer.params["beta"][:] = [1, 2, 3], [4, 5, 6]
    y = layer.predict(x)
    np.testing.assert_allclose(y, (x - kept["mean"]) / np.sqrt(kept["variance"]) * [1, 2, 3] + [4, 5, 6], rtol=1e-12)
    assert all(np.array_equal(kept[name], buffer) for name, buffer in layer.buffers.items())


def test_batch_norm_of_a_constant():
    layer, x = BatchNorm(2), np.full((3, 2, 2, 2), 7, "float32")
    y, cache = layer.forward(x, train=True)
    assert np.abs(y).max() < 1e-2
    assert np.isfinite(layer.backward(np.ones_like(x), cache)).all()
    assert np.isfinite(layer.buffers["variance"]).all()


@pytest.mark.parametrize("shape, got", [((1, 1, 1, 2), "1 value"), ((0, 4, 4, 2), "0 values")])
def test_batch_norm_needs_two_values_per_channel_to_train(shape, got):
    layer = BatchNorm(2)
    with pytest.raises(ShapeError, match=f"batch norm got {got} per channel; training needs at least 2"):
        layer.forward(np.ones(shape, "float32"), train=True)
    assert layer.predict(np.ones(shape, "float32")).shape == shape
    compiled = engine.compile(Sequential({"block": Block(Conv(2, 2, 1, bias=False), layer)}))
    with pytest.raises(ShapeError, match="batch norm got"):
        compiled.forward(np.ones(shape, "float32"), train=True)


def test_batch_norm_never_takes_the_root_of_a_negative_number(rng):
    """Of equal large values E[x²] - E[x]² is nothing but rounding, and as often below 0 as above."""
    x = np.broadcast_to(rng.uniform(1e8, 1e9, 50), (3, 5, 7, 50))
    y, cache = BatchNorm(50, dtype="float64").forward(x, train=True)
    assert np.isfinite(y).all()


def test_batch_norm_keeps_its_digits_far_from_zero(rng):
    x = (1000 + rng.standard_normal((64, 4, 4, 2))).astype("float32")
    y, _ = BatchNorm(2).forward(x, train=True)
    np.testing.assert_allclose(y.std(axis=(0, 1, 2), dtype="float64"), 1, rtol=1e-3)
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2), dtype="float64"), 0, atol=1e-3)


def test_dropout_drops_the_share_and_keeps_the_mean(rng):
    x = np.ones((100, 10, 10), "float32")
    y, mask = Dropout(0.7, rng).forward(x, train=True)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1) / np.float32(0.3)}
    assert abs((y == 0).mean() - 0.7) < 0.02 and abs(y.mean() - 1) < 0.07
    assert np.array_equal(Dropout(0.7).backward(x, mask), y)  # the gradient passes where the value passed
    assert np.array_equal(Dropout(0.7).predict(x), x)


def test_dropout_draws_from_the_generator_it_was_given():
    x = np.ones((3, 50))
    masks = [Dropout(0.5, np.random.default_rng(seed)).forward(x, train=True)[0] for seed in (1, 1, 2)]
    assert np.array_equal(masks[0], masks[1]) and not np.array_equal(masks[0], masks[2])
    layer = Dropout(0.5, np.random.default_rng(1))
    assert not np.array_equal(layer.forward(x, train=True)[0], layer.forward(x, train=True)[0])
    with pytest.raises(ValueError, match="needs a random generator"):
        Dropout(0.5).forward(x, train=True)


def test_dense_and_flatten_by_hand():
    dense = Dense(2, 3, dtype="float64")
    dense.params["w"][...], dense.params["b"][...] = [[1, 2, 3], [4, 5, 6]], [10, 20, 30]
    assert dense.predict(np.array([[1.0, 100]])).tolist() == [[411, 522, 633]]
    assert dense.macs((2,)) == 6 and dense.output_shape((2,)) == (3,)
    x = np.arange(12.0).reshape(1, 2, 3, 2)
    assert Flatten().predict(x).tolist() == [list(range(12))]  # rows, then columns, channels fastest


def test_initial_weights_have_the_spread_they_promise(rng):
    assert he(rng, (400, 500), 50).std() == pytest.approx(math.sqrt(2 / 50), rel=0.02)
    w = xavier(rng, (400, 500), 48)
    assert np.abs(w).max() <= math.sqrt(3 / 48) and w.std() == pytest.approx(math.sqrt(1 / 48), rel=0.02)
    w = truncated_normal(rng, (400, 500), 1)
    assert np.abs(w).max() <= 0.02 and 0.8 < w.std() / 0.01 < 0.95
    assert weights(he, None, (2, 3), 4, "float32").tolist() == np.zeros((2, 3)).tolist()
    assert weights(he, rng, (2, 3), 4, "float32").dtype == np.float32


def test_fan_in_is_what_one_output_sums(rng):
    assert Conv(50, 40, 3, rng=rng).params["w"].std() == pytest.approx(math.sqrt(2 / 450), rel=0.03)
    assert Dense(500, 40, rng=rng).params["w"].std() == pytest.approx(math.sqrt(2 / 500), rel=0.03)
    assert Conv(2, 3, 1, bias_value=0.2).params["b"].tolist() == [np.float32(0.2)] * 3


@pytest.mark.parametrize("layer, shape, ops", [
    (LRN(5), (2, 3, 7), 2 * 3 * ((3 + 4 + 5 + 5 + 5 + 4 + 3) + 3 * 7)),  # squares summed; scale, power and product
    (LRN(3), (2, 1, 4), 2 * ((2 + 3 + 3 + 2) + 3 * 4)),
    (AdaptiveAvgPool(4), (14, 14, 2), 2 * 16 * 4 * 4),  # sixteen windows of 4×4, which overlap
    (AdaptiveAvgPool((2, 3)), (5, 3, 4), 4 * 2 * 3 * 3),  # rows 0 to 2 and 2 to 4, columns one by one
    (MaxPool(3, 2, ceil_mode=True), (112, 112, 64), 56 * 56 * 64 * 9),
    (AvgPool(2), (4, 6, 3), 2 * 3 * 3 * 4),
    (GlobalAvgPool(), (7, 5, 3), 105),
    (ReLU(), (7, 5, 3), 105),
    (BatchNorm(3), (7, 5, 3), 210),
    (Softmax(), (10,), 30),
    (Dropout(0.5), (7, 5, 3), 0),
])
def test_operations_without_weights(layer, shape, ops):
    """Comparisons, additions and the like for one image, counted by hand."""
    assert layer.other_ops(shape) == ops and layer.macs(shape) == 0
