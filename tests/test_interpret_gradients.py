"""Gradients with respect to the image, against finite differences; the network itself does not change."""

import numpy as np
import pytest

from minigooglenet.errors import ShapeError, UserError
from minigooglenet.interpret import input_gradient
from minigooglenet.interpret.gradients import layer_gradient, module_gradients, one_class
from minigooglenet.interpret.structure import (
    apart,
    before_relu,
    check_channel,
    layer_at,
    paths,
    renamed,
    shape_at,
    until,
    widths,
)
from minigooglenet.layers.containers import Sequential
from minigooglenet.models import ancestor, mini_googlenet

SHAPE = (32, 24, 3)
LAYERS = ("conv1", "conv1/conv", "pool1", "conv2", "3a", "3b/1x1/conv", "3b/1x1", "4c/3x3", "4c/5x5_reduce/relu",
          "5a/pool", "5b/pool_proj/conv", "pool5", None)


def network(norm, seed=3, **options):
    """A narrow network for 32×24 images in float64, with different values for every bias and running statistic."""
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


def split(sequence, name):
    """(the layers of a Sequential before ``name``, that layer, those after it)."""
    names, layers = list(sequence.children), list(sequence.children.values())
    index = names.index(name)
    return layers[:index], layers[index], layers[index + 1:]


def steps(net, layer):
    """What to run one after the other, found without ``interpret``: (the layers up to the one called ``layer``, those
    that follow it in the network or in its branch, the name of its module or None)."""
    top, *inner = (layer or "linear").split("/")
    before, child, after = split(net.trunk, top)
    module = top if inner and hasattr(child, "branches") else None
    if module:
        branch = next(branch for branch in child.branches if inner[0] in branch.children)
        first, child, after = split(branch, inner.pop(0))
        before += first
    if inner:
        parts = [part for part in (child.layer, child.norm, child.relu) if part is not None]
        number = {"conv": 1, "bn": 2, "relu": len(parts)}[inner[0]]
        return before + parts[:number], parts[number:] + after, module
    return [*before, child], after, module


def output(net, x, layer):
    """The output of a layer, computed without ``interpret``."""
    for child in steps(net, layer)[0]:
        x = child.forward(x)[0]
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
    layer_gradient(net, x, one_class([1]), "4b/3x3/conv")
    module_gradients(net, x, one_class([1]))
    for name, array in {**net.gradients(), **net.state()}.items():
        assert np.array_equal(array, before[name]), name
    for name, array in net.parameters().items():
        assert np.array_equal(array, parameters[name]), name


def test_until_sees_later_weights(rng):
    net = network("batch")
    part, x = until(net, "conv2/conv"), rng.standard_normal((1, *SHAPE))
    net.trunk.children["conv2"].layer.params["w"] *= 2
    np.testing.assert_allclose(part.forward(x)[0], output(net, x, "conv2/conv"), rtol=1e-10)


@pytest.mark.parametrize("layer", ["conv2", "conv2/conv", "3b", "4c", "4c/3x3", "4c/3x3/conv", "4c/5x5_reduce",
                                   "5b/1x1", "5b/1x1/conv", "5b/pool"])
def test_gradient_of_a_score_at_a_layer(net, layer, rng):
    """Change the layer's output, compute the rest without ``interpret``, and measure how the score changes."""
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
    _, after, module = steps(net, layer)
    for child in after:
        y = child.forward(y)[0]
    if module is None:
        return y
    before, concat, rest = split(net.trunk, module)
    for child in before:
        x = child.forward(x)[0]
    outputs = [y if layer.split("/")[1] in branch.children else branch.forward(x)[0] for branch in concat.branches]
    z = np.concatenate(outputs, axis=-1)
    for child in rest:
        z = child.forward(z)[0]
    return z


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
                                         ("conv3", "did you mean conv2"), ("4C", "did you mean 4c?"),
                                         ("4c/3x3_relu", "did you mean 4c/3x3?"),
                                         ("4c/3x3/rleu", "did you mean 4c/3x3/relu?")])
def test_a_wrong_name_says_what_was_meant(net, wrong, meant, rng):
    with pytest.raises(UserError, match="no layer is called") as error:
        input_gradient(net, rng.standard_normal((1, *SHAPE)), layer=wrong)
    assert meant in str(error.value) and "\n" not in str(error.value)


def test_paths_name_layers_blocks_and_what_is_inside(net):
    found = paths(net)
    assert len(set(found)) == len(found)
    assert found[:2] == ["conv1", "conv1/conv"] and found[-1] == "linear"
    assert ("4a/3x3/bn" in found) == (net.trunk.children["conv1"].norm is not None)
    block = net.trunk.children["4a"].children["3x3"]
    assert layer_at(net, "4a/3x3") is block and layer_at(net, "4a/3x3/conv") is block.layer
    assert layer_at(net, "4a/3x3/relu") is block.relu and layer_at(net, "4a") is net.trunk.children["4a"]
    assert "fc6/dense" in paths(ancestor("alexnet", width=1 / 8, input_shape=(67, 67, 3)))


def test_names_of_version_0_1():
    assert [renamed(path) for path in ("conv1_relu", "4a/3x3_relu", "4a/3x3_bn", "4a/3x3_reduce", "4a")] == [
        "conv1", "4a/3x3", "4a/3x3/bn", "4a/3x3_reduce", "4a"]


def test_a_copy_shares_parameters_but_not_gradients(rng):
    net = ancestor("alexnet", width=1 / 8, classes=3, input_shape=(67, 67, 3), rng=rng)
    for gradient in net.gradients().values():
        gradient[...] = 1
    other = apart(net)
    x = rng.standard_normal((1, 67, 67, 3)).astype("float32")
    y, cache = other.forward(x)
    other.backward(np.ones_like(y), cache)
    assert type(other) is type(net) and list(other.parameters()) == list(net.parameters())
    assert all(array is net.parameters()[path] for path, array in other.parameters().items())
    assert all((gradient == 1).all() for gradient in net.gradients().values())
    assert all(gradient.any() for gradient in other.gradients().values())


def test_heads_have_no_paths(net):
    assert not [path for path in paths(net) if path.startswith("aux")]
    assert {"4c", "4c/3x3", "linear"} <= set(paths(net))


def test_what_does_not_fit(net, rng):
    with pytest.raises(ShapeError):
        input_gradient(net, rng.standard_normal((1, *SHAPE)), np.ones((1, 2, 2, 2)), "4a")
    with pytest.raises(UserError, match="4a has .*, numbered 0 to"):
        check_channel(net, "4a", 10_000, SHAPE)
    with pytest.raises(UserError, match="cannot be computed for images of 0x0x3"):
        shape_at(Sequential(net.trunk.children), "5a", (0, 0, 3))


@pytest.mark.parametrize("reduced", [True, False])
def test_a_channel_before_its_relu_is_the_same_channel(reduced, rng):
    net = network("batch", reduced=reduced)
    x = rng.standard_normal((1, *SHAPE))
    y = output(net, x, "4c")
    assert sum(widths(net.trunk.children["4c"], y.shape[-1]).values()) == y.shape[-1]
    for channel in {*range(0, y.shape[-1], 5), y.shape[-1] - 1}:
        path, number = before_relu(net, "4c", channel, SHAPE)
        assert path.endswith(("/bn", "/pool"))
        z = output(net, x, path)[..., number]
        np.testing.assert_allclose(y[..., channel], z if path.endswith("pool") else np.maximum(z, 0))
    for path in ("conv2", "conv2/relu", "conv2/bn"):
        assert before_relu(net, path, 3, SHAPE) == ("conv2/bn", 3)
    assert before_relu(net, "4c/3x3", 3, SHAPE) == ("4c/3x3/bn", 3)
    assert before_relu(net, "4c/3x3/conv", 3, SHAPE) == ("4c/3x3/conv", 3)
    assert before_relu(net, "pool1", 3, SHAPE) == ("pool1", 3)
    assert before_relu(network("lrn"), "4c/3x3", 3, SHAPE) == ("4c/3x3/conv", 3)
