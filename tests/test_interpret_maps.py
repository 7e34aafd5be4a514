"""Where a class is detected: class activation map, Grad-CAM, occlusion, and the shares of branches."""

import numpy as np
import pytest

from minigooglenet.errors import UserError
from minigooglenet.interpret import cam
from minigooglenet.interpret.features import first_filters
from minigooglenet.interpret.gradients import layer_gradient, one_class
from minigooglenet.interpret.occlusion import occlusion_map, starts
from minigooglenet.models import mini_googlenet
from minigooglenet.models.ancestors import ancestor

SHAPE = (32, 24, 3)


@pytest.fixture(scope="module")
def net():
    rng = np.random.default_rng(5)
    net = mini_googlenet(0.05, classes=5, input_shape=SHAPE, rng=rng, dtype="float64")
    for path, array in net.parameters().items():
        if path.endswith(("/b", "/beta")):
            array += 0.3 * rng.standard_normal(array.shape)
    return net


def test_the_mean_of_a_class_activation_map_is_the_score_without_its_bias(net, rng):
    x = rng.standard_normal((3, *SHAPE))
    maps = cam.class_activation_map(net, x, [0, 4, 2])
    scores = net.predict(x) - net.trunk.children["linear"].params["b"]
    assert maps.shape == (3, 4, 3)
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), scores[np.arange(3), [0, 4, 2]], rtol=1e-9)


def test_a_class_activation_map_shows_the_place(net, rng):
    """A change in a corner of the image changes the map most in that corner."""
    x = np.zeros((2, 64, 64, 3))
    x[1, 48:, 48:] = rng.standard_normal((16, 16, 3))
    empty, corner = cam.class_activation_map(net, x, [1, 1])
    change = np.abs(corner - empty)
    middle = len(change) // 2
    assert change[middle:, middle:].mean() > 5 * change[:middle, :middle].mean()
    assert change.max() > 0


def test_grad_cam_at_the_last_module_is_the_positive_part_of_the_map(net, rng):
    x, classes = rng.standard_normal((2, *SHAPE)), [3, 1]
    maps = cam.class_activation_map(net, x, classes)
    assert maps.min() < 0
    np.testing.assert_allclose(cam.grad_cam(net, x, classes, "5b") * 12, np.maximum(maps, 0), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("layer,size", [("conv1", (32, 24)), ("3b", (16, 12)), ("4c/3x3", (8, 6)), ("5a", (4, 3))])
def test_grad_cam_at_any_layer(net, layer, size, rng):
    maps = cam.grad_cam(net, rng.standard_normal((2, *SHAPE)), [0, 1], layer)
    assert maps.shape == (2, *size) and 0 <= maps.min() < maps.max()


def test_grad_cam_by_its_formula(net, rng):
    x = rng.standard_normal((2, *SHAPE))
    A, dA, _ = layer_gradient(net, x, one_class([4, 0]), "4b")
    for n, found in enumerate(cam.grad_cam(net, x, [4, 0], "4b")):
        expected = sum(dA[n, :, :, c].mean() * A[n, :, :, c] for c in range(A.shape[-1]))
        np.testing.assert_allclose(found, np.maximum(expected, 0), rtol=1e-8, atol=1e-12)


def test_grad_cam_where_there_are_no_maps(net, rng):
    x = rng.standard_normal((1, *SHAPE))
    with pytest.raises(UserError, match="the output of pool5 is a vector, without height and width; .* is 5b"):
        cam.grad_cam(net, x, [0], "pool5")
    with pytest.raises(UserError, match="did you mean 4c"):
        cam.grad_cam(net, x, [0], "4C")


def test_a_network_without_global_pooling_has_no_class_activation_map(rng):
    net = ancestor("lenet5", input_shape=(32, 32, 1), classes=4, rng=rng)
    x = rng.standard_normal((1, 32, 32, 1)).astype("float32")
    with pytest.raises(UserError, match="Grad-CAM"):
        cam.class_activation_map(net, x, [0])
    with pytest.raises(UserError, match="no convolution that reads red, green and blue"):
        first_filters(net)


@pytest.mark.parametrize("reduced", [True, False])
def test_shares_of_branches(reduced):
    """Gradient × activation of a branch is, to first order, the change of a score when the branch is scaled."""
    rng = np.random.default_rng(2)
    net = mini_googlenet(0.05, classes=5, input_shape=SHAPE, reduced=reduced, heads=False, rng=rng, dtype="float64")
    x = rng.standard_normal((1, *SHAPE))
    shares = cam.branch_shares(net, x, [2])
    assert list(shares) == ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"]
    assert list(shares["4c"]) == ["1x1", "3x3", "5x5", "pool_proj" if reduced else "pool"]
    for module in shares.values():
        assert sum(map(abs, module.values())) == pytest.approx(1)
    y, h, module = net.until("5a").predict(x), 1e-6, net.children["5b"]
    outputs = [branch.predict(y) for branch in module.branches]
    rest = [net.children["pool5"], net.children["linear"]]

    def score(scaled, factor):
        z = np.concatenate([factor * out if i == scaled else out for i, out in enumerate(outputs)], axis=-1)
        for layer in rest:
            z = layer.predict(z)
        return z[0, 2]

    change = [(score(i, 1 + h) - score(i, 1 - h)) / (2 * h) for i in range(4)]
    np.testing.assert_allclose(list(shares["5b"].values()), np.array(change) / np.abs(change).sum(), rtol=1e-6)


def test_occlusion_finds_the_only_place_that_matters(rng):
    def probabilities(x):
        p = x[:, 10:13, 4:7].mean(axis=(1, 2, 3))
        return np.stack([1 - p, p], axis=1)

    x = np.ones((20, 16, 3))
    x.flags.writeable = False
    seen = []
    heat, patches = occlusion_map(probabilities, x, 1, 5, 2, batch=7, on_batch=seen.append)
    assert heat.shape == (20, 16) and patches == sum(seen) == len(starts(20, 5, 2)) * len(starts(16, 5, 2))
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 9 <= row <= 13 and 3 <= column <= 7
    assert heat.max() <= 1 and not heat[:4].any() and not heat[:, 13:].any()
    other, _ = occlusion_map(probabilities, x, 0, 5, 2)
    np.testing.assert_allclose(other, -heat, atol=1e-12)


@pytest.mark.parametrize("length,patch,stride", [(12, 6, 3), (13, 6, 2), (9, 4, 4), (5, 5, 1)])
def test_every_pixel_is_covered_equally_often(length, patch, stride):
    times = np.zeros(length)
    for start in starts(length, patch, stride):
        times[max(start, 0):start + patch] += 1
    assert (times == patch / stride).all()


def test_occlusion_by_hand():
    """2 × 2 pixels, covered one by one: each pixel's value is what it adds."""
    x = np.array([[1.0, 2], [3, 4]])[..., None]
    heat, patches = occlusion_map(lambda x: x.sum(axis=(1, 2)), x, 0, 1, 1)
    np.testing.assert_allclose(heat, x[..., 0])
    assert patches == 4


@pytest.mark.parametrize("patch,stride,message", [(0, 1, "patch: got 0"), (33, 1, "choose 1 to 32"),
                                                  (4, 5, "stride: got 5"), (4, 0, "stride: got 0")])
def test_occlusion_refuses_gaps(patch, stride, message):
    with pytest.raises(UserError, match=message):
        occlusion_map(lambda x: np.ones((len(x), 1)), np.zeros((32, 32, 3)), 0, patch, stride)


def test_maps_are_resized_to_the_image():
    m = np.array([[[0.0, 1], [2, 3]]])
    stretched = cam.upsample(m, 8, 4)
    assert stretched.shape == (1, 8, 4)
    assert stretched.min() == 0 and stretched.max() == 3
    np.testing.assert_allclose(stretched.mean(), 1.5)
    np.testing.assert_allclose(stretched[0, 0], [0, 0.25, 0.75, 1])
    np.testing.assert_allclose(cam.upsample(m, 2, 2), m)


def test_first_filters(net):
    path, w = first_filters(net)
    assert path == "conv1" and w is net.parameters()["conv1/w"]
