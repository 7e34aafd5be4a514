"""Gradients with respect to the picture, against finite differences; the network itself stays as it was."""

import numpy as np
import pytest

from minigooglenet.compose import Sequential
from minigooglenet.errors import ShapeError, UserError
from minigooglenet.inside import input_gradient
from minigooglenet.inside.gradients import layer_gradient, module_gradients, one_class
from minigooglenet.inside.structure import before_relu, check_channel, paths, shape_at, until, widths
from minigooglenet.models import mini_googlenet

SHAPE = (32, 24, 3)
LAYERS = ("conv1", "pool1", "conv2_relu", "3a", "3b/1x1", "4c/3x3", "4c/5x5_reduce_relu", "5a/pool", "5b/pool_proj",
          "pool5", None)


def network(norm, seed=3, **options):
    """A narrow network for 32×24 pictures in float64, every bias and statistic different from the others."""
    rng = np.random.default_rng(seed)
    net = mini_googlenet(0.05, norm=norm, classes=5, input_shape=SHAPE, rng=rng, dtype="float64", **options)
    for path, array in {**net.parameters(), **net.state()}.items():
        if path.endswith(("/b", "/beta", "/mean")):
            array += 0.2 * rng.standard_normal(array.shape)
        if path.endswith(("/gamma", "/variance")):
            array *= rng.uniform(0.5, 1.5, array.shape)
    return net


@pytest.fixture(scope="module", params=["batch", "lrn"])
def net(request):
    return network(request.param)


def output(net, x, layer):
    """The output of a layer, by a plain walk that shares no code with ``inside``."""
    for name, child in net.trunk.children.items():
        top, _, inner = (layer or "linear").partition("/")
        if name == top and inner:
            branch = next(branch for branch in child.branches if inner in branch.children)
            for part, leaf in branch.children.items():
                x = leaf.forward(x)[0]
                if part == inner:
                    return x
        x = child.forward(x)[0]
        if name == top:
            return x


def slope(value, x, direction, h=1e-6):
    return (value(x + h * direction) - value(x - h * direction)) / (2 * h)


@pytest.mark.parametrize("layer", LAYERS)
def test_against_finite_differences(net, layer, rng):
    x, direction = rng.standard_normal((2, 2, *SHAPE))
    y = output(net, x, layer)
    dy = rng.standard_normal(y.shape)
    dx = input_gradient(net, x, dy, layer)
    assert dx.shape == x.shape and dx.dtype == np.float64
    assert np.vdot(dx, direction) == pytest.approx(slope(lambda x: np.vdot(dy, output(net, x, layer)), x, direction),
                                                   rel=2e-5, abs=1e-8)


def test_one_channel_and_a_function_of_the_output(net, rng):
    x, direction = rng.standard_normal((2, 2, *SHAPE))
    expected = slope(lambda x: output(net, x, "4a")[..., 7].sum(), x, direction)
    assert np.vdot(input_gradient(net, x, layer="4a", channel=7), direction) == pytest.approx(expected, rel=2e-5)
    expected = slope(lambda x: np.square(output(net, x, "4a")).sum() / 2, x, direction)
    assert np.vdot(input_gradient(net, x, lambda y: y, "4a"), direction) == pytest.approx(expected, rel=2e-5)


def test_nothing_of_the_network_changes(net, rng):
    for gradient in net.gradients().values():
        gradient[...] = rng.standard_normal(gradient.shape)
    before = {name: array.copy() for part in (net.gradients(), net.state()) for name, array in part.items()}
    parameters = {name: array.copy() for name, array in net.parameters().items()}
    x = rng.standard_normal((1, *SHAPE))
    x.flags.writeable = False
    input_gradient(net, x, layer="4b")
    layer_gradient(net, x, one_class([1]), "4b/3x3")
    module_gradients(net, x, one_class([1]))
    for name, array in {**net.gradients(), **net.state()}.items():
        assert np.array_equal(array, before[name]), name
    for name, array in net.parameters().items():
        assert np.array_equal(array, parameters[name]), name


def test_until_sees_later_weights(rng):
    net = network("batch")
    piece, x = until(net, "conv2"), rng.standard_normal((1, *SHAPE))
    net.trunk.children["conv2"].params["w"] *= 2
    np.testing.assert_allclose(piece.forward(x)[0], output(net, x, "conv2"), rtol=1e-10)


@pytest.mark.parametrize("layer", ["conv2_relu", "3b", "4c", "4c/3x3", "4c/5x5_reduce", "5b/1x1_relu", "5b/pool"])
def test_gradient_of_a_score_at_a_layer(net, layer, rng):
    """Move the layer's output, send it on by hand, and see how the score moves."""
    x, classes = rng.standard_normal((2, *SHAPE)), [1, 4]
    y, dy, logits = layer_gradient(net, x, one_class(classes), layer)
    np.testing.assert_allclose(y, output(net, x, layer), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(logits, net.predict(x), rtol=1e-9)
    direction = rng.standard_normal(y.shape) * (y != 0)     # at 0 max pools have ties, where no difference is right

    def score(y):
        return on_from(net, x, layer, y)[np.arange(2), classes].sum()

    assert np.vdot(dy, direction) == pytest.approx(slope(score, y, direction), rel=2e-5)


def on_from(net, x, layer, y):
    """The logits if the layer's output were y."""
    top, _, inner = layer.partition("/")
    for name, child in net.trunk.children.items():
        if name != top:
            x = child.forward(x)[0]
            continue
        if not inner:
            x = y
            continue
        outputs = []
        for branch in child.branches:
            z = x
            for part, leaf in branch.children.items():
                z = y if part == inner else leaf.forward(z)[0]
            outputs.append(z)
        x = np.concatenate(outputs, axis=-1)
    return x


def test_gradients_at_every_module_in_one_pass(net, rng):
    x = rng.standard_normal((2, *SHAPE))
    found = module_gradients(net, x, one_class([0, 3]))
    assert list(found) == ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"]
    for name in ("3a", "4d", "5b"):
        y, dy, _ = layer_gradient(net, x, one_class([0, 3]), name)
        np.testing.assert_allclose(found[name][0], y, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found[name][1], dy, rtol=1e-8, atol=1e-12)


def test_float32_stays_float32(rng):
    net = network("batch").astype("float32")
    assert input_gradient(net, rng.standard_normal((1, *SHAPE)).astype("float32"), layer="3a").dtype == np.float32


@pytest.mark.parametrize("wrong,meant", [("4c/3x4", "did you mean 4c/3x3"), ("inception_4c/output", "did you mean 4c?"),
                                         ("conv3", "did you mean conv2"), ("4C", "did you mean 4c?")])
def test_a_wrong_name_says_what_was_meant(net, wrong, meant, rng):
    with pytest.raises(UserError, match="no layer is called") as error:
        input_gradient(net, rng.standard_normal((1, *SHAPE)), layer=wrong)
    assert meant in str(error.value) and "\n" not in str(error.value)


def test_heads_are_no_layers_to_look_at(net):
    assert not [path for path in paths(net) if path.startswith("aux")]
    assert {"4c", "4c/3x3", "linear"} <= set(paths(net))


def test_what_does_not_fit(net, rng):
    with pytest.raises(ShapeError):
        input_gradient(net, rng.standard_normal((1, *SHAPE)), np.ones((1, 2, 2, 2)), "4a")
    with pytest.raises(UserError, match="4a has .*, numbered 0 to"):
        check_channel(net, "4a", 10_000, SHAPE)
    with pytest.raises(UserError, match="cannot be reached by pictures of 0x0x3"):
        shape_at(Sequential(net.trunk.children), "5a", (0, 0, 3))


@pytest.mark.parametrize("reduced", [True, False])
def test_a_channel_before_its_relu_is_the_same_channel(reduced, rng):
    net = network("batch", reduced=reduced)
    x = rng.standard_normal((1, *SHAPE))
    y = output(net, x, "4c")
    assert sum(widths(net.trunk.children["4c"], y.shape[-1]).values()) == y.shape[-1]
    for channel in {*range(0, y.shape[-1], 5), y.shape[-1] - 1}:
        path, number = before_relu(net, "4c", channel, SHAPE)
        assert not path.endswith("_relu")
        z = output(net, x, path)[..., number]
        np.testing.assert_allclose(y[..., channel], z if path.endswith("pool") else np.maximum(z, 0))
    assert before_relu(net, "conv2_relu", 3, SHAPE) == ("conv2_bn", 3)
    assert before_relu(net, "4c/3x3", 3, SHAPE) == ("4c/3x3", 3)
