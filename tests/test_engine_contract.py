"""The compiled network keeps a layer's contract: threads, single images, errors, precision and memory layout."""

import numpy as np
import pytest
from engine_cases import run, shaken
from small import distance

from minigooglenet import engine
from minigooglenet.errors import ShapeError
from minigooglenet.kernels.threads import set_threads, threads
from minigooglenet.layers import BatchNorm, Block, Concat, Conv, GlobalAvgPool, MaxPool, ReLU, Sequential, Trunk
from minigooglenet.models import mini_googlenet
from minigooglenet.models.inception import Style, inception

pytestmark = pytest.mark.skipif(engine.kind() == "plain", reason="MINIGOOGLENET_JIT=0 or MINIGOOGLENET_ENGINE=plain")


def test_the_number_of_threads_changes_no_bit():
    rng = np.random.default_rng(0)
    net = mini_googlenet(0.125, rng=rng, drop_prob=0)
    shaken(net, rng, np.float32)
    x = rng.standard_normal((20, 32, 32, 3)).astype(np.float32)
    dys, results, before = [rng.standard_normal((20, 10)).astype(np.float32) for _ in range(3)], [], threads()
    try:
        for count in (1, 2, 3):
            set_threads(count)
            y, dx, gradients, state = run(engine.compile(net), net, x, dys, True)
            frozen = engine.predictor(net)
            results.append([*y, dx, *gradients.values(), *state.values(), frozen.predict(x), frozen.predict(x[:1])])
    finally:
        set_threads(before)
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(other, results[0], strict=True))


@pytest.mark.parametrize("N, size", [(37, 32), (9, 128)])  # small images, and so large that few fit into the cache
def test_an_image_gives_the_same_alone_and_among_others(N, size):
    rng = np.random.default_rng(0)
    frozen = engine.predictor(mini_googlenet(0.25, input_shape=(size, size, 3), rng=rng))
    x = rng.standard_normal((N, size, size, 3)).astype(np.float32)
    y = frozen.predict(x)
    for some in (slice(0, 1), slice(3, 6), slice(1, 9), slice(2, None)):
        assert distance(frozen.predict(x[some]), y[some]) < 1e-5


@pytest.mark.parametrize("first", ["convolution", "module", "naive module"])
def test_without_the_gradient_of_the_images(first):
    rng = np.random.default_rng(0)
    if first == "convolution":
        net = mini_googlenet(0.125, heads=False, drop_prob=0, rng=rng)
    else:  # fine-tuning begins with one
        style = Style(norm="batch", reduced=first == "module", rng=rng)
        net = Sequential({"5a": inception(style, 4, 8, 6, 8, 4, 8, 8), "gap": GlobalAvgPool()})
    x = rng.standard_normal((2, 32, 32, 3) if first == "convolution" else (2, 7, 6, 4), np.float32)
    dy = [rng.standard_normal(net.predict(x).shape, np.float32)]
    with_it, without = (run(engine.compile(net, input_gradient=wanted), net, x, dy, True) for wanted in (True, False))
    assert with_it[1].shape == x.shape and without[1] is None
    assert all(np.array_equal(with_it[2][path], without[2][path]) for path in with_it[2])


@pytest.mark.parametrize("inside", [lambda layers: Sequential({"s": Sequential(layers)}),
                                    lambda layers: Trunk(Sequential(layers), {"head": ("down", GlobalAvgPool())})])
def test_without_the_gradient_of_images_that_branches_read(inside):
    """A Concat that stays one adds the gradients of its branches, so each needs its own."""
    rng = np.random.default_rng(0)
    down = Concat({"conv": Conv(4, 5, 3, 2, 1, rng=rng), "relu": ReLU()}, {"pool": MaxPool(2)})
    net, x = inside({"down": down, "gap": GlobalAvgPool()}), rng.standard_normal((2, 8, 6, 4), np.float32)
    dys = [rng.standard_normal((2, 9), np.float32) for _ in range(2)]
    plain, compiled = (run(layer, net, x, dys, True) for layer in (net, engine.compile(net, input_gradient=False)))
    assert all(distance(compiled[2][path], plain[2][path]) < 1e-4 for path in plain[2])


@pytest.mark.parametrize("C", [4, 8])
def test_a_batch_norm_of_another_width_is_an_error(C):
    layers = {"conv": Conv(4, 6, 3, 1, 1, bias=False, rng=0), "bn": BatchNorm(C), "relu": ReLU()}
    for net in (Sequential(layers), Concat(layers), Block(layers["conv"], layers["bn"])):
        for layer in (net, engine.compile(net), engine.predictor(net)):
            with pytest.raises(ShapeError, match="^bn: batch norm got"):
                layer.predict(np.ones((3, 6, 5, 4), np.float32))


def test_an_error_leaves_nothing_for_the_next_pass():
    rng = np.random.default_rng(0)
    net = Sequential({"conv": Conv(3, 4, 3, 1, 1, rng=rng), "relu": ReLU(), "gap": GlobalAvgPool()}).astype(np.float64)
    compiled, x, dy = engine.compile(net), rng.standard_normal((2, 6, 5, 3)), rng.standard_normal((2, 4))
    _, cache = compiled.forward(x, True)
    with pytest.raises(ShapeError, match="gap: "):
        compiled.backward(dy[:, :3], cache)
    assert not np.any(net.children["conv"].grads["w"])
    compiled.backward(dy, cache)
    assert np.any(net.children["conv"].grads["w"])


def test_a_nan_stays_in_its_image_where_the_batch_is_not_used():
    rng = np.random.default_rng(0)
    net = Sequential({"conv": Conv(3, 4, 3, 1, 1, bias=False, rng=rng), "bn": BatchNorm(4), "relu": ReLU()})
    x, dy = (rng.standard_normal((3, 6, 5, C)).astype(np.float32) for C in (3, 4))
    x[0, 1, 1] = np.nan
    _, dx, _, _ = run(engine.compile(net), net, x, [dy], False)
    assert np.all(np.isfinite(dx[1:]))


def test_images_need_not_be_contiguous():
    rng = np.random.default_rng(0)
    net = Sequential({"3a": inception(Style(norm="batch", rng=rng), 4, 8, 6, 8, 4, 8, 8)})
    x = rng.standard_normal((3, 4, 6, 5)).astype(np.float32).transpose(0, 2, 3, 1)
    y = engine.compile(net).predict(x)
    assert distance(y, net.predict(x)) < 1e-5


def test_the_engine_knows_shapes_and_paths():
    net = mini_googlenet(0.125)
    compiled = engine.compile(net)
    assert compiled.output_shape((32, 32, 3)) == net.output_shape((32, 32, 3))
    assert "linear/w" in compiled.parameters() and compiled.parameters()["linear/w"] is net.parameters()["linear/w"]
    odd = Sequential({"m": Concat({"d": Conv(4, 5, 3, 2)}, {"p": MaxPool(2)})})
    with pytest.raises(ShapeError, match="m/d: conv"):
        engine.compile(odd).predict(np.ones((1, 5, 5, 3)))


def test_the_parameters_are_those_of_the_network():
    """Whoever trains SGD(compiled.parameters()) trains all of them."""
    net = mini_googlenet(0.125)
    compiled = engine.compile(net)
    for which in ("parameters", "gradients", "state"):
        theirs, ours = (getattr(layer, which)() for layer in (compiled, net))
        assert list(theirs) == list(ours) and all(theirs[path] is array for path, array in ours.items())
    for gradient in net.gradients().values():
        gradient += 1
    compiled.zero_grads()
    assert not any(gradient.any() for gradient in net.gradients().values())


def test_a_gradient_in_another_precision():
    """NumPy makes float64 of anything; a module's own gradients are float32."""
    rng = np.random.default_rng(0)
    net = Sequential({"3a": inception(Style(norm="batch", rng=rng), 5, 4, 3, 6, 2, 3, 4)})
    compiled, x = engine.compile(net), rng.standard_normal((2, 6, 5, 5), np.float32)
    y, cache = compiled.forward(x, True)
    dy = rng.standard_normal(y.shape)
    plain = net.backward(dy, net.forward(x, True)[1])
    assert distance(compiled.backward(dy, cache), plain) < 1e-3
