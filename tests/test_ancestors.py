"""The ancestors run forward and backward, and the small ones learn."""

import numpy as np
import pytest

from minigooglenet.errors import ShapeError, UserError
from minigooglenet.layers import BatchNorm, GroupedConv, cross_entropy
from minigooglenet.layers.containers import Block, Sequential
from minigooglenet.models import ancestor
from minigooglenet.models.ancestors import ANCESTORS
from minigooglenet.models.catalog import CATALOG, entry, network
from minigooglenet.models.inception import Style
from minigooglenet.models.rows import Pooling, build

#: Small inputs that each network accepts.
SMALL = {"lenet5": (24, 30, 2), "alexnet": (67, 75, 3), "alexnet-onetower": (67, 67, 3),
         "alexnet-torchvision": (63, 70, 3), "zfnet": (64, 72, 3), "nin": (67, 75, 3), "nin-cifar": (16, 21, 3),
         "vgg16": (32, 40, 3), "vgg19": (32, 32, 3)}

OUTPUTS = {
    "lenet5": {"C1": (28, 28, 6), "S2": (14, 14, 6), "C3": (10, 10, 16), "S4": (5, 5, 16), "out": (10,)},
    "alexnet": {"conv1": (55, 55, 96), "pool1": (27, 27, 96), "conv2": (27, 27, 256), "pool2": (13, 13, 256),
                "conv5": (13, 13, 256), "pool5": (6, 6, 256), "flatten": (9216,), "fc8": (1000,)},
    "alexnet-torchvision": {"conv1": (55, 55, 64), "pool1": (27, 27, 64), "pool2": (13, 13, 192),
                            "pool5": (6, 6, 256)},
    "zfnet": {"conv1": (110, 110, 96), "pool1": (55, 55, 96), "conv2": (26, 26, 256), "pool2": (13, 13, 256),
              "pool5": (6, 6, 256)},
    "nin": {"conv1": (54, 54, 96), "pool0": (27, 27, 96), "pool2": (13, 13, 256), "pool3": (6, 6, 384),
            "cccp8": (6, 6, 1000), "pool4": (1000,)},
    "nin-cifar": {"pool1": (16, 16, 96), "pool2": (8, 8, 192), "cccp6": (8, 8, 10), "pool3": (10,)},
    "vgg19": {"pool1": (112, 112, 64), "conv3_4": (56, 56, 256), "pool5": (7, 7, 512), "flatten": (25088,)},
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_maps_have_the_published_sizes(name):
    found = {path: output for path, _, _, output in ancestor(name).trace(ANCESTORS[name].input_shape)}
    assert {path: found[path] for path in OUTPUTS[name]} == OUTPUTS[name]


#: The layer before each dropout. Krizhevsky et al. 2012, section 4.2, as in Caffe: after the first two fully connected
#: layers; torchvision has it before them. Lin et al. 2013: after all but the last block.
DROPOUT = {
    "lenet5": {}, "nin": {"drop": "pool3"}, "nin-cifar": {"drop3": "pool1", "drop6": "pool2"},
    "alexnet-torchvision": {"drop5": "pool5", "drop6": "fc6"},
} | dict.fromkeys(("alexnet", "alexnet-onetower", "zfnet", "vgg16", "vgg19"), {"drop6": "fc6", "drop7": "fc7"})


@pytest.mark.parametrize("name", ANCESTORS)
def test_dropout_is_one_half_and_where_the_papers_have_it(name):
    layers = list(ancestor(name, width=1 / 8).children.items())
    found = {path: layers[i - 1][0] for i, (path, layer) in enumerate(layers) if layer.kind == "dropout"}
    assert found == DROPOUT[name]
    assert all(layer.drop_prob == 0.5 for _, layer in layers if layer.kind == "dropout")


@pytest.mark.parametrize("name", ANCESTORS)
def test_backward_agrees_with_the_slope(name):
    """The whole network at an eighth of its width: the change of sum(y dy) along a random direction of all weights
    and the image, against the gradients."""
    rng = np.random.default_rng(3)
    net = ancestor(name, width=1 / 8, classes=7, input_shape=SMALL[name], rng=rng, dtype="float64")
    for path, array in net.parameters().items():
        if path.endswith("/b"):
            array[...] = 0.1 * rng.standard_normal(array.shape)
    x, dy = rng.standard_normal((2, *SMALL[name])), rng.standard_normal((2, 7))
    x.flags.writeable = dy.flags.writeable = False
    y, cache = net.forward(x)
    assert y.shape == (2, 7) and np.allclose(net.predict(x), y)
    dx = net.backward(dy, cache)
    arrays, gradients = net.parameters(), net.gradients()
    ways = {path: rng.standard_normal(array.shape) for path, array in arrays.items()}
    way = rng.standard_normal(x.shape)
    slope = (dx * way).sum() + sum((gradients[path] * ways[path]).sum() for path in arrays)

    def along(step):
        for path, array in arrays.items():
            array += step * ways[path]
        value = (net.predict(x + step * way) * dy).sum()
        for path, array in arrays.items():
            array -= step * ways[path]
        return value

    assert (along(1e-8) - along(-1e-8)) / 2e-8 == pytest.approx(slope, rel=1e-4)


def learn(net, shape, steps, lr):
    """Losses of gradient descent on a few random images."""
    rng = np.random.default_rng(0)
    x, labels, losses = rng.standard_normal((12, *shape), dtype=np.float32), np.arange(12) % 10, []
    for _ in range(steps):
        net.zero_grads()
        logits, cache = net.forward(x, train=True)
        loss, dz = cross_entropy(logits, labels)
        net.backward(dz, cache)
        for path, gradient in net.gradients().items():
            net.parameters()[path][...] -= np.float32(lr) * gradient
        losses.append(loss)
    return losses


def test_lenet5_learns_color_images():
    net = network("lenet5", input_shape=(32, 32, 3), classes=10, rng=np.random.default_rng(1))
    assert net.parameters()["C1/w"].shape == (5, 5, 3, 6)
    losses = learn(net, (32, 32, 3), 30, 0.05)
    assert losses[-1] < 0.3 * losses[0]


def test_nin_cifar_learns():
    net = network("nin-cifar", width=0.25, rng=np.random.default_rng(1))
    losses = learn(net, (32, 32, 3), 25, 0.05)
    assert np.mean(losses[-3:]) < 0.85 * losses[0]


def test_nin_cifar_runs_at_full_width():
    net = network("nin-cifar", rng=np.random.default_rng(1))
    x = np.random.default_rng(2).standard_normal((2, 32, 32, 3), dtype=np.float32)
    y, cache = net.forward(x, train=True)
    dx = net.backward(np.ones_like(y), cache)
    assert y.shape == (2, 10) and dx.shape == x.shape and dx.dtype == np.float32
    assert all(np.abs(gradient).max() > 0 for gradient in net.gradients().values())


def test_alexnet_has_two_towers_and_the_other_one():
    blocks = {name: layer for name, layer in ancestor("alexnet").children.items() if isinstance(layer, Block)}
    towers = {name for name, block in blocks.items() if isinstance(block.layer, GroupedConv)}
    assert towers == {"conv2", "conv4", "conv5"}
    assert towers == {name for name, block in blocks.items() if block.kind == "grouped conv"}
    assert not any(block.kind == "grouped conv" for block in ancestor("alexnet-onetower").children.values())


def test_batch_norm_instead_of_lrn():
    net = ancestor("nin-cifar", norm="batch", width=0.25)
    assert isinstance(net.children["cccp1"].norm, BatchNorm) and "cccp1/b" not in net.parameters()
    assert "norm1" in ancestor("alexnet").children and "norm1" not in ancestor("alexnet", norm="none").children


def test_average_pool_row_and_floor():
    style = Style()
    net = build([Pooling("a", kind="average"), Pooling("b", 3, 2, ceil_mode=False)], style, (12, 13, 2), 10)
    assert isinstance(net, Sequential)
    assert [layer.describe() for layer in net.children.values()] == ["average pool 3x3/2", "max pool 3x3/2"]
    assert [output for *_, output in net.trace((12, 13, 2))] == [(6, 6, 2), (2, 2, 2)]
    with pytest.raises(TypeError, match="no such kind of row"):
        build(["conv"], style, (12, 13, 2), 10)
    with pytest.raises(ShapeError, match="^b: "):
        build([Pooling("a"), Pooling("b"), ], style, (4, 4, 1), 10)


@pytest.mark.parametrize("name", CATALOG)
def test_catalog_builds_what_it_says(name):
    net, shape = network(name), entry(name).input_shape
    assert net.output_shape(shape) in ((1000,), (10,))
    assert not any(w.any() for path, w in net.parameters().items() if path.endswith("/w") and w.size < 1e6)
    assert network(name, classes=7).output_shape(shape) == (7,)


def test_catalog_guesses_what_was_meant():
    with pytest.raises(UserError, match="did you mean vgg16"):
        entry("VGG-16")
    with pytest.raises(UserError, match="choose googlenet, .*vgg19"):
        entry("transformer")
    with pytest.raises(UserError, match="too small for zfnet"):
        network("zfnet", input_shape=(20, 20, 3))
