"""The compiled network computes what the network computes: outputs, statistics, gradients, for any shape and batch."""

import numpy as np
import pytest
from engine_cases import compare, run, shaken
from hypothesis import given, settings
from hypothesis import strategies as st
from small import distance

from minigooglenet import engine
from minigooglenet.layers import (
    AvgPool,
    BatchNorm,
    Block,
    Concat,
    Conv,
    GlobalAvgPool,
    MaxPool,
    ReLU,
    Sequential,
    Trunk,
)
from minigooglenet.layers.batchnorm import itself
from minigooglenet.models import googlenet, mini_googlenet
from minigooglenet.models.inception import Style, block, inception

pytestmark = pytest.mark.skipif(engine.kind() == "plain", reason="MINIGOOGLENET_JIT=0 or MINIGOOGLENET_ENGINE=plain")


@pytest.mark.parametrize("norm", ["batch", "lrn", "none"])
@pytest.mark.parametrize("train", [True, False])
def test_the_reduced_network_with_its_heads(norm, train):
    compare(mini_googlenet(0.125, norm=norm, rng=np.random.default_rng(0)), (32, 32, 3), 5, train=train)


@pytest.mark.parametrize("batch", [1, 2, 9])
def test_odd_images_and_batches(batch):
    net = mini_googlenet(0.125, heads=False, input_shape=(23, 38, 3), rng=np.random.default_rng(0))
    compare(net, (23, 38, 3), batch)


@pytest.mark.parametrize("size", [64, 96, 128])
def test_the_stems_of_larger_images(size):
    net = mini_googlenet(0.125, heads=size == 64, input_shape=(size, size - 7, 3), size=size,
                         rng=np.random.default_rng(0))
    compare(net, (size, size - 7, 3), 3)


@pytest.mark.parametrize("norm", ["batch", "lrn"])
def test_the_papers_network_in_training(norm):
    net = googlenet("paper", norm=norm, width=0.125, classes=5, input_shape=(96, 97, 3), rng=np.random.default_rng(0))
    compare(net, (96, 97, 3), 3)


def test_the_papers_network_predicts_the_same():
    rng = np.random.default_rng(3)
    net = shaken(googlenet("bvlc", heads=False, input_shape=(96, 80, 3), rng=rng), rng, np.float32)
    for batch in (1, 2, 5):
        x = rng.standard_normal((batch, 96, 80, 3)).astype(np.float32)
        assert distance(engine.predictor(net).predict(x), net.predict(x)) < 1e-4


def test_the_naive_module_whose_pool_ends_a_branch():
    style = Style(norm="batch", reduced=False, rng=np.random.default_rng(0))
    compare(Sequential({"3a": inception(style, 4, 8, 0, 6, 0, 5, 0)}), (7, 9, 4), 4)


def test_branches_of_pools_and_strides_alone():
    rng = np.random.default_rng(0)
    style = Style(norm="none", rng=rng)
    compare(Sequential({"m": Concat({"pool": MaxPool(3, 1, 1)}, {"3x3": block(style, 4, 5, 3)})}), (6, 5, 4), 3)
    compare(Sequential({"down": Concat({"conv": Conv(4, 5, 3, 2, 1, rng=rng), "relu": ReLU()}, {"pool": MaxPool(2)}),
                        "tail": AvgPool(2)}), (8, 6, 4), 3)


def unit(F, kernel, bias):
    conv = Conv(4, F, kernel, 1, kernel // 2, bias=bias == "bias", rng=np.random.default_rng(F))
    return Block(conv, BatchNorm(F) if bias == "norm" else None)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("branches", [
    [{"a": unit(5, 1, "bias")}, {"b": unit(3, 3, "norm")}], [{"a": unit(5, 1, "norm")}, {"b": unit(3, 3, "bias")}],
    [{"a": unit(5, 1, "norm")}, {"b": unit(3, 1, "bias")}], [{"a": unit(5, 1, "bare")}, {"b": unit(3, 1, "bias")}],
    [{"a": unit(5, 1, "bias")}, {"b": unit(3, 1, "bare")}], [{}, {"b": unit(3, 3, "norm")}],
    [{"p": MaxPool(3, 1, 1)}, {"q": MaxPool(5, 1, 2)}]])
def test_modules_of_unlike_branches(branches, train):
    """With batch norm and without, with bias and without; of nothing (DenseNet's); of pools alone (SPP-net's)."""
    compare(Sequential({"conv": Block(Conv(2, 4, 1, rng=0)), "m": Concat(*branches)}), (6, 5, 2), 3, train=train)


def test_processes_that_sum_only_some_batch_norms():
    rng = np.random.default_rng(0)
    bricks = [Block(Conv(4, 5, 1, bias=False, rng=rng), BatchNorm(5, all_reduce=all_reduce))
              for all_reduce in (itself, lambda array: 2 * array)]
    compare(Sequential({"m": Concat({"a": bricks[0]}, {"b": bricks[1]})}), (6, 5, 4), 3)


@pytest.mark.parametrize("shared", ["layers", "gradients"])
def test_branches_that_share_a_layer(shared, threads):
    """Two threads must not add to one gradient at the same time."""
    threads(2)
    rng, found = np.random.default_rng(0), []
    conv, bn, x = Conv(64, 64, 1, bias=False, rng=rng), BatchNorm(64), rng.standard_normal((8, 8, 8, 64), np.float32)
    other = conv
    if shared == "gradients":
        other = Conv(64, 64, 1, bias=False, rng=rng)
        other.grads["w"] = conv.grads["w"]
    net = Concat({"a": Block(conv, bn)}, {"p": MaxPool(3, 1, 1), "b": Block(other, bn)},
                 {"c": Block(Conv(64, 8, 1, bias=False, rng=rng), BatchNorm(8))})
    dy = rng.standard_normal(net.predict(x).shape, np.float32)
    compiled = engine.compile(net)
    for layer in (net, *[compiled] * 50):
        found.append(run(layer, net, x, [dy], True)[2]["a/w"])
    assert len({gradient.tobytes() for gradient in found[1:]}) == 1 and distance(found[1], found[0]) < 1e-4


@pytest.mark.parametrize("train", [True, False])
def test_every_batch_norm_has_its_own_epsilon_and_momentum(train):
    """Small variances, so that ε counts; 1×1 convolutions of one module are fused, their batch norms are not alike."""
    rng = np.random.default_rng(0)

    def brick(F, eps, momentum):
        conv = Conv(4, F, 1, bias=False, rng=rng)
        conv.params["w"] *= 0.05
        return {f"{F}": Block(conv, BatchNorm(F, eps=eps, momentum=momentum))}

    net = Sequential({"m": Concat(brick(3, 1e-3, 0.1), brick(5, 0.1, 0.3), brick(2, 1e-5, 0.9))})
    compare(net, (6, 5, 4), 3, train=train)


def test_batch_norm_over_several_processes():
    """As if another process had the same part of the batch; one message for each pass that waits for sums."""
    rng, messages = np.random.default_rng(0), []

    def double(array):
        messages.append(array.size)
        return 2 * array

    style = Style(norm="batch", rng=rng, all_reduce=double)
    net = Sequential({"conv": block(style, 3, 4, 3), "5a": inception(style, 4, 8, 6, 8, 4, 8, 8),
                      "gap": GlobalAvgPool()})
    compare(net, (9, 7, 3), 5)
    messages.clear()
    compiled, x = engine.compile(net), rng.standard_normal((5, 9, 7, 3))
    y, cache = compiled.forward(x, True)
    compiled.backward(y, cache)
    assert messages == [9, 53, 33, 32, 52, 8]


def test_gradients_add_up_over_two_backward_passes():
    rng = np.random.default_rng(0)
    net = shaken(mini_googlenet(0.125, heads=False, rng=rng), rng, np.float64)
    x, dy = rng.standard_normal((3, 32, 32, 3)), rng.standard_normal((3, 10))
    compiled, once = engine.compile(net), {}
    net.zero_grads()
    for _ in range(2):
        _, cache = compiled.forward(x, True)
        compiled.backward(dy, cache)
        once = once or {path: gradient.copy() for path, gradient in net.gradients().items()}
    for path, gradient in net.gradients().items():
        assert distance(gradient, 2 * once[path]) < 1e-12, path
    bias = Sequential({"block": Block(Conv(3, 4, 3, rng=rng)), "one": Block(Conv(4, 5, 1, rng=rng))}).astype("float64")
    compiled = engine.compile(bias)
    y, cache = compiled.forward(x, True)
    for gradient in bias.gradients().values():
        gradient += 1
    compiled.backward(np.ones_like(y), cache)
    plain = {path: gradient - 1 for path, gradient in bias.gradients().items()}
    bias.zero_grads()
    bias.backward(np.ones_like(y), bias.forward(x, True)[1])
    for path, gradient in bias.gradients().items():
        assert distance(plain[path], gradient) < 1e-9, path


def test_a_max_pool_behind_a_convolution_in_a_branch():
    rng = np.random.default_rng(0)
    compare(Sequential({"m": Concat({"1x1": Block(Conv(4, 5, 1, rng=rng)), "pool": MaxPool(3, 1, 1)},
                                    {"3x3": Block(Conv(4, 3, 3, 1, 1, rng=rng))})}), (6, 5, 4), 3)


def test_a_head_that_begins_with_a_convolution():
    """Its gradient and the trunk's are added by NumPy, so both must be there by then."""
    rng = np.random.default_rng(0)

    def layers(C, F):
        return {"conv": Conv(C, F, 3, 1, 1, bias=False, rng=rng), "bn": BatchNorm(F), "relu": ReLU()}

    trunk = Sequential({"one": Sequential(layers(3, 6)), "two": Sequential(layers(6, 4)), "gap": GlobalAvgPool()})
    compare(Trunk(trunk, {"head": ("one", Sequential(layers(6, 5) | {"gap": GlobalAvgPool()}))}), (7, 6, 3), 5)


@pytest.mark.parametrize("tap", ["conv", "bn", "relu"])
def test_a_head_may_read_any_layer(tap):
    rng = np.random.default_rng(0)
    trunk = Sequential({"conv": Conv(3, 4, 3, 1, 1, bias=False, rng=rng), "bn": BatchNorm(4), "relu": ReLU(),
                        "gap": GlobalAvgPool()})
    compare(Trunk(trunk, {"head": (tap, GlobalAvgPool())}), (6, 5, 3), 3)


def test_branches_of_classes_of_their_own():
    class Own(Sequential):
        pass

    rng = np.random.default_rng(0)
    net = Concat(*(Own({name: Conv(3, 4, 1, rng=rng)}) for name in "ab"), {"c": Block(Conv(3, 2, 1, rng=rng))})
    compare(net, (6, 5, 3), 3)
    assert list(engine.compile(net).children.values())[:2] == net.branches[:2]


@pytest.mark.parametrize("train", [True, False])
def test_a_bias_before_batch_norm_is_not_lost(train):
    net = Sequential({"conv": Conv(3, 4, 3, 1, 1, rng=np.random.default_rng(0)), "bn": BatchNorm(4), "relu": ReLU()})
    net.children["conv"].params["b"] += 2
    compare(net, (7, 6, 3), 3, train=train)


def test_what_has_no_faster_form_stays():
    rng = np.random.default_rng(0)
    net = Sequential({"conv": Conv(3, 4, 3, rng=rng), "bn": BatchNorm(4), "pool": AvgPool(2), "gap": GlobalAvgPool()})
    assert list(engine.compile(net).children.values()) == list(net.children.values())
    compare(net, (8, 9, 3), 3)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_convolution_unit(data):
    draw = data.draw
    kernel = draw(st.sampled_from([1, 3, 5, (1, 3), (3, 2), 7]), "kernel")
    pad = draw(st.integers(0, 3), "pad")
    stride = draw(st.sampled_from([1, 1, 2, 3]), "stride")
    shape = (draw(st.integers(7, 13), "H"), draw(st.integers(7, 13), "W"), draw(st.integers(1, 9), "C"))
    style, rng = draw(st.sampled_from(["batch", "bias", "bare"]), "what follows"), np.random.default_rng(1)
    F = draw(st.integers(1, 9), "F")
    layers = {"conv": Conv(shape[2], F, kernel, stride, pad, bias=style == "bias", rng=rng)}
    if style == "batch":
        layers["bn"] = BatchNorm(F)
    N = draw(st.integers(2 if style == "batch" else 1, 5), "N")     # two values per channel at least
    compare(Sequential(layers | {"relu": ReLU()}), shape, N, tolerance=1e-8)


def test_float32_units_stay_close_to_float64():
    """Winograd's price in single precision: 1e-4 of the largest output, 1e-3 of the largest gradient."""
    rng = np.random.default_rng(2)
    for kernel in (3, 5):
        net = Sequential({"conv": Conv(48, 64, kernel, 1, kernel // 2, rng=rng), "relu": ReLU()})
        net.children["conv"].params["b"] += 30  # far from the kink, where single precision might fall on the other side
        x = rng.standard_normal((3, 14, 15, 48)).astype(np.float32)
        dy = [rng.standard_normal((3, 14, 15, 64)).astype(np.float32)]
        y, dx, gradients, _ = run(engine.compile(net), net, x, dy, True)
        net.astype(np.float64)
        exact = run(net, net, x.astype(np.float64), [dy[0].astype(np.float64)], True)
        assert distance(y[0], exact[0][0]) < 1e-4
        assert distance(dx, exact[1]) < 1e-3
        for path, gradient in gradients.items():
            assert distance(gradient, exact[2][path]) < 1e-3
