"""Sequential, Block, Concat and Trunk: the chain rule, the sum over branches, and auxiliary classifiers."""

import weakref

import numpy as np
import pytest

from minigooglenet.errors import ShapeError
from minigooglenet.layers import (
    BatchNorm,
    Block,
    Concat,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Layer,
    MaxPool,
    ReLU,
    Sequential,
    Trunk,
)
from minigooglenet.models.inception import Style, inception


def conv(rng, C, F, kernel=1, **options):
    return Conv(C, F, kernel, rng=rng, dtype="float64", **options)


def test_sequential_applies_its_layers_in_order(rng):
    a, b = conv(rng, 2, 3, 2), conv(rng, 3, 4)
    chain, x = Sequential({"a": a, "b": b}), rng.standard_normal((2, 4, 5, 2))
    y, cache = chain.forward(x)
    middle, cache_a = a.forward(x)
    expected, cache_b = b.forward(middle)
    assert np.array_equal(y, expected)
    dy = rng.standard_normal(y.shape)
    assert np.array_equal(chain.backward(dy, cache), a.backward(b.backward(dy, cache_b), cache_a))
    assert list(chain.parameters()) == ["a/w", "a/b", "b/w", "b/b"]
    assert chain.parameters()["a/w"] is a.params["w"] and chain.gradients()["b/b"] is b.grads["b"]


def test_an_empty_sequential_is_the_identity(rng):
    x = rng.standard_normal((2, 3))
    y, cache = Sequential({}).forward(x)
    assert y is x and Sequential({}).backward(y, cache) is y and Sequential({}).output_shape((3,)) == (3,)


def test_a_block_is_its_layer_norm_and_relu(rng):
    layer, norm = conv(rng, 3, 4, (1, 3), pad=(0, 1), bias=False), BatchNorm(4, dtype="float64")
    block, x = Block(layer, norm), rng.standard_normal((2, 4, 5, 3))
    assert (block.layer, block.norm) == (layer, norm) and type(block.relu) is ReLU
    y, cache = block.forward(x, train=True)
    z, cache_layer = layer.forward(x)
    normalized, cache_norm = norm.forward(z, train=True)
    assert np.array_equal(y, np.maximum(normalized, 0)) and y.min() == 0 < y.max()
    dy = rng.standard_normal(y.shape)
    expected = layer.backward(norm.backward(dy * (y > 0), cache_norm), cache_layer)
    assert np.array_equal(block.backward(dy, cache), expected)
    assert block.output_shape((4, 5, 3)) == (4, 5, 4) and block.macs((4, 5, 3)) == 4 * 5 * 3 * 3 * 4


@pytest.mark.parametrize("layer, kind, window", [
    (Conv(2, 4, (1, 3), (2, 1), pad=(0, 1)), "conv", ((1, 3), (2, 1), (0, 1))),
    (Dense(2, 4), "dense", (None, None, None)),
])
def test_a_block_goes_by_the_path_of_its_layer(layer, kind, window):
    block = Block(layer, BatchNorm(4))
    net = Sequential({"4a": Concat({"3x3": block}, {"1x1": Block(Dense(2, 4))})})
    assert list(net.parameters())[:4] == ["4a/3x3/w", "4a/3x3/b", "4a/3x3/bn/gamma", "4a/3x3/bn/beta"]
    assert [path for path, _ in net.walk()] == ["4a/3x3", "4a/3x3/bn", "4a/3x3/relu", "4a/1x1", "4a/1x1/relu"]
    assert list(net.state()) == ["4a/3x3/bn/mean", "4a/3x3/bn/variance"]
    assert list(block.parameters()) == ["w", "b", "bn/gamma", "bn/beta"] and Block(layer).norm is None
    assert (block.kind, (block.kernel, block.stride, block.pad)) == (kind, window) == (
        layer.kind, (layer.kernel, layer.stride, layer.pad))


def test_concat_concatenates_outputs_and_adds_gradients(rng):
    a, b, pool = conv(rng, 3, 2), conv(rng, 3, 4, 3, pad=1), MaxPool(3, 1, 1)
    fan, x = Concat({"a": a}, {"b": b, "b_relu": ReLU()}, {"pool": pool}), rng.standard_normal((2, 4, 5, 3))
    y, cache = fan.forward(x)
    assert np.array_equal(y[..., :2], a.predict(x)) and np.array_equal(y[..., 6:], pool.predict(x))
    assert np.array_equal(y[..., 2:6], np.maximum(b.predict(x), 0))
    dy = rng.standard_normal(y.shape)
    dx = fan.backward(dy, cache)
    alone = (a.backward(np.ascontiguousarray(dy[..., :2]), x)
             + b.backward(dy[..., 2:6] * (y[..., 2:6] > 0), x) + pool.backward(dy[..., 6:], pool.forward(x)[1]))
    np.testing.assert_allclose(dx, alone, rtol=1e-12)
    assert fan.output_shape((4, 5, 3)) == (4, 5, 9)
    assert list(fan.parameters()) == ["a/w", "a/b", "b/w", "b/b"]  # named across branches, as 4a/3x3/w


def test_layers_of_different_branches_need_different_names(rng):
    with pytest.raises(ValueError, match="two layers in different branches are both called 'a'"):
        Concat({"a": ReLU()}, {"a": ReLU()})


def test_branches_must_end_in_the_same_size():
    fan = Concat({"a": MaxPool(2, 1)}, {"b": ReLU()})
    for function in (fan.forward, fan.predict):
        with pytest.raises(ShapeError, match="branches end in different sizes"):
            function(np.zeros((1, 3, 3, 2)))
    with pytest.raises(ShapeError, match="branches end in different sizes"):
        fan.output_shape((3, 3, 2))


def small_trunk(rng):
    def head(D):
        return Sequential({"gap": GlobalAvgPool(), "linear": Dense(D, 2, rng=rng, dtype="float64")})
    body = Sequential({"a": conv(rng, 2, 3), "b": conv(rng, 3, 4), "c": conv(rng, 4, 5), "out": head(5)})
    return Trunk(body, {"aux1": ("a", head(3)), "aux2": ("c", head(5)), "aux3": ("a", head(3))})


def test_a_trunk_returns_its_own_output_then_those_of_the_heads(rng):
    net, x = small_trunk(rng), rng.standard_normal((2, 3, 4, 2))
    outputs, _ = net.forward(x, train=True)
    a = net.children["a"].predict(x)
    c = net.trunk.until("c").predict(x)
    expected = [net.trunk.predict(x), net.heads["aux1"][1].predict(a), net.heads["aux2"][1].predict(c),
                net.heads["aux3"][1].predict(a)]
    assert len(outputs) == 4 and all(np.array_equal(y, e) for y, e in zip(outputs, expected, strict=True))
    assert [path for path in net.parameters() if path.endswith("linear/w")] == [
        "out/linear/w", "aux1/linear/w", "aux2/linear/w", "aux3/linear/w"]


def test_gradients_add_up_where_a_head_reads(rng):
    """Backward is linear: the gradient of all outputs is the sum of the gradients of each alone."""
    net, x = small_trunk(rng), rng.standard_normal((2, 3, 4, 2))
    outputs, cache = net.forward(x, train=True)
    dys = [rng.standard_normal(y.shape) for y in outputs]
    dx = net.backward(dys, cache)
    total = {path: g.copy() for path, g in net.gradients().items()}
    net.zero_grads()
    alone = sum(net.backward([dy if i == k else np.zeros_like(dy) for i, dy in enumerate(dys)], cache)
                for k in range(len(dys)))
    np.testing.assert_allclose(dx, alone, rtol=1e-10, atol=1e-12)
    for path, g in net.gradients().items():
        np.testing.assert_allclose(g, total[path], rtol=1e-10, atol=1e-12, err_msg=path)
    only_third = [np.zeros_like(dy) for dy in dys]
    only_third[3] = dys[3]
    net.zero_grads()
    expected = net.children["a"].backward(
        net.heads["aux3"][1].backward(dys[3], net.heads["aux3"][1].forward(net.children["a"].predict(x))[1]), x)
    np.testing.assert_allclose(net.backward(only_third, cache), expected, rtol=1e-10, atol=1e-12)


def test_a_gradient_handed_to_a_trunk_is_not_written_to(rng):
    """A head on the last layer, and one below a layer whose backward returns a view of dy."""
    body = Sequential({"a": conv(rng, 2, 3), "flatten": Flatten()})
    net = Trunk(body, {"aux1": ("flatten", Dense(12, 2, rng=rng, dtype="float64")), "aux2": ("a", GlobalAvgPool())})
    outputs, cache = net.forward(rng.standard_normal((2, 2, 2, 2)), train=True)
    dys = [rng.standard_normal(y.shape) for y in outputs]
    for dy in dys:
        dy.flags.writeable = False
    net.backward(dys, cache)


def test_the_heads_are_not_computed_outside_training(rng):
    net, x = small_trunk(rng), rng.standard_normal((2, 3, 4, 2))
    y = net.predict(x)
    for _, head in net.heads.values():
        head.forward = head.predict = head.backward = None  # calling it would fail
    assert np.array_equal(net.predict(x), y)
    again, cache = net.forward(x)
    assert np.array_equal(again, y)
    assert net.backward(np.ones_like(y), cache).shape == x.shape
    assert net.output_shape((3, 4, 2)) == (2,) and net.macs((3, 4, 2)) == 12 * (6 + 12 + 20) + 10


def test_a_head_must_read_a_layer_of_the_trunk(rng):
    with pytest.raises(ValueError, match="head 'aux1' is to read 'z', which the trunk does not have"):
        Trunk(Sequential({"a": ReLU()}), {"aux1": ("z", ReLU())})


def test_a_trunk_without_heads_still_returns_a_list_in_training(rng):
    net, x = Trunk(Sequential({"a": conv(rng, 2, 3)}), {}), rng.standard_normal((1, 2, 2, 2))
    (y,), cache = net.forward(x, train=True)
    assert net.backward([y], cache).shape == x.shape


# -- errors name the layer ---------------------------------------------------------------------------------------------


def test_errors_name_the_path_of_the_layer(rng):
    module = inception(Style(rng=rng), 8, 2, 3, 4, 1, 2, 2)
    module.branches[1].children["3x3"] = Block(Conv(5, 4, 3, pad=1))  # reads 5 channels, gets 3
    net = Sequential({"4a": module})
    x = np.zeros((2, 6, 7, 8), "float32")
    message = "4a/3x3: conv 3x3/1 got float32 (2, 6, 7, 3), expected float32 (N, H, W, 5)"
    for function in (net.forward, net.predict):
        with pytest.raises(ShapeError) as error:
            function(x)
        assert str(error.value) == message
    for function in (net.output_shape, lambda shape: list(net.trace(shape)), net.macs):
        with pytest.raises(ShapeError) as error:
            function((6, 7, 8))
        assert str(error.value) == "4a/3x3: conv 3x3/1 got (6, 7, 3), expected (H, W, 5)"


def test_errors_inside_a_trunk_and_its_heads(rng):
    body = Sequential({"a": Conv(2, 3, 1), "b": Conv(3, 2, 1)})
    net = Trunk(body, {"aux1": ("a", Sequential({"conv": Conv(4, 2, 1)}))})
    with pytest.raises(ShapeError, match=r"^a: conv 1x1/1 got float32 \(1, 2, 2, 9\)"):
        net.predict(np.zeros((1, 2, 2, 9), "float32"))
    x = np.zeros((1, 2, 2, 2), "float32")
    with pytest.raises(ShapeError, match=r"^aux1/conv: conv 1x1/1 got float32 \(1, 2, 2, 3\)"):
        net.forward(x, train=True)
    with pytest.raises(ShapeError, match=r"^aux1/conv: conv 1x1/1 got \(2, 2, 3\)"):
        list(net.trace((2, 2, 2)))


def test_errors_in_backward_name_the_path(rng):
    net = Sequential({"4a": Sequential({"conv": Conv(2, 3, 1)}), "relu": ReLU()})
    y, cache = net.forward(np.zeros((1, 2, 2, 2), "float32"))
    with pytest.raises(ShapeError, match=r"^relu: ReLU got dy \(1, 2, 2, 4\), expected \(1, 2, 2, 3\)"):
        net.backward(np.zeros((1, 2, 2, 4), "float32"), cache)


def test_a_window_that_does_not_fit_names_the_path():
    with pytest.raises(ShapeError, match=r"^pool9: a window of 3 does not fit 2 \+ 2·0 pixels"):
        Sequential({"pool9": MaxPool(3, 2)}).predict(np.zeros((1, 2, 2, 1)))


# -- memory and bookkeeping -------------------------------------------------------------------------------------------


class Watched(Layer):
    """x + 1. Checks that of all earlier outputs only the last one is still alive."""

    expects = ("D",)

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def forward(self, x, train=False):
        alive = [n for n, reference in enumerate(self.seen) if reference() is not None]
        assert alive in ([], [len(self.seen) - 1]), f"outputs {alive} of {len(self.seen)} are still alive"
        y = x + 1
        self.seen.append(weakref.ref(y))
        return y, x


def test_predict_frees_each_activation():
    seen = []
    chain = Sequential({f"layer{i}": Watched(seen) for i in range(6)})
    y = chain.predict(np.zeros((1, 3)))
    assert y.tolist() == [[6, 6, 6]] and len(seen) == 6
    seen.clear()
    trunk = Trunk(chain, {"aux": ("layer2", ReLU())})
    assert trunk.predict(np.zeros((1, 3))).tolist() == [[6, 6, 6]]


def test_until_shares_the_parameters(rng):
    chain = Sequential({"a": conv(rng, 2, 3), "b": ReLU(), "c": conv(rng, 3, 1)})
    part = chain.until("b")
    assert list(part.children) == ["a", "b"] and part.parameters()["a/w"] is chain.parameters()["a/w"]


def test_astype_reaches_every_array(rng):
    net = inception(Style(norm="batch", rng=rng), 3, 2, 2, 3, 1, 2, 2)
    net.astype("float64")
    found = [*net.parameters().values(), *net.gradients().values(), *net.state().values()]
    assert len(found) == 6 * (3 + 3 + 2) and {array.dtype for array in found} == {np.dtype("float64")}


def test_walk_and_trace_agree_on_the_paths(rng):
    net = small_trunk(rng)
    walked = dict(net.walk())
    for path, layer, *_ in net.trace((3, 4, 2)):
        assert walked.pop(path) is layer
    assert not walked


def test_training_reaches_the_layers_inside(rng):
    """train=True arrives at dropout in a branch, in a trunk and in a head."""
    branch = Concat({"drop": Dropout(0.5, rng)}, {"same": ReLU()})
    net = Trunk(Sequential({"fan": branch}), {"aux": ("fan", Sequential({"drop2": Dropout(0.5, rng)}))})
    x = np.ones((2, 5, 5, 3))
    (y, aux), _ = net.forward(x, train=True)
    assert (y[..., :3] == 0).any() and (y[..., 3:] == 1).all() and (aux[..., 3:] == 0).any()
    assert (net.predict(x) == 1).all()
