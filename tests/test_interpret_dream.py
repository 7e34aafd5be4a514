"""DeepDream: the objective rises, pixels stay in range, seeds decide, tiles agree with the whole image."""

import numpy as np
import pytest
from PIL import Image

from minigooglenet.errors import UserError
from minigooglenet.interpret.dream import Dream, cuts, dream, gauss, octave_sizes, resize, tiled_gradient
from minigooglenet.interpret.features import visualize
from minigooglenet.interpret.structure import until
from minigooglenet.models import mini_googlenet

BOUNDS = np.array([-2.0, -1.5, -1.8]), np.array([2.0, 2.2, 1.9])


@pytest.fixture(scope="module")
def net():
    return mini_googlenet(0.05, classes=5, rng=np.random.default_rng(9))


@pytest.fixture
def x(rng):
    return (0.3 * rng.standard_normal((40, 30, 3))).astype("float32")


def value(net, x, layer, channel=None):
    y = until(net, layer).predict(x[None])
    return np.square(y).mean() if channel is None else y[..., channel].mean()


@pytest.mark.parametrize("layer,channel", [("3b", None), ("4c/3x3", None), ("3b", 9), ("4a/5x5", 2)])
def test_the_objective_rises(net, x, layer, channel):
    how = Dream(layer, channel, octaves=2, steps=6, jitter=3)
    seen = []
    y = dream(net, x, how, BOUNDS, np.random.default_rng(0), seen.append)
    assert y.shape == x.shape and y.dtype == np.float32 and len(seen) == 12
    before, after = value(net, x, layer, channel), value(net, y, layer, channel)
    assert after - before > 0.3 * abs(before)


def test_pixels_stay_between_black_and_white(net, x):
    low, high = BOUNDS
    y = dream(net, x, Dream("3a", octaves=1, steps=8, step=0.5), BOUNDS, np.random.default_rng(0))
    assert (y >= low.astype("float32")).all() and (y <= high.astype("float32")).all()
    assert (y == low.astype("float32")).any() and (y == high.astype("float32")).any()


def test_seeds(net, x):
    how = Dream("3b", octaves=2, steps=3)
    one, same, other = (dream(net, x, how, BOUNDS, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_the_image_keeps_its_details(net, x):
    """Octaves add to the image; its own details are not blurred by the smaller sizes."""
    y = dream(net, x, Dream("3b", octaves=3, steps=1, step=1e-6), BOUNDS, np.random.default_rng(0))
    np.testing.assert_allclose(y, x, atol=1e-3)
    assert np.abs(y - x).max() > 0


def test_a_dream_of_a_small_octave_is_enlarged_into_the_next(net, x):
    small, alone = [], []
    for octaves, seen in ((2, small), (1, alone)):
        dream(net, x, Dream("3b", octaves=octaves, steps=6, jitter=0), BOUNDS, np.random.default_rng(0), seen.append)
    assert small[6] > 1.1 * alone[0]


def test_parameters_and_gradients_stay(net, x):
    before = {name: array.copy() for name, array in net.parameters().items()}
    dream(net, x, Dream("4a", octaves=1, steps=1), BOUNDS, np.random.default_rng(0))
    assert all(np.array_equal(array, before[name]) for name, array in net.parameters().items())
    assert not any(gradient.any() for gradient in net.gradients().values())


def test_tiles_agree_with_the_whole_away_from_their_seams(net, rng):
    image = rng.standard_normal((64, 48, 3)).astype("float32")
    part = until(net, "conv2")
    whole, tiled = (tiled_gradient(part, image, 3, tile)[1] for tile in (64, 32))
    inside = np.zeros((64, 48), bool)
    inside[8:24, 8:16] = inside[40:56, 32:40] = True
    np.testing.assert_allclose(tiled[inside], whole[inside], rtol=1e-3, atol=1e-6)
    assert np.abs(tiled - whole).max() > 1e-3          # at the seams the tiles are padded
    assert np.abs(whole[inside]).max() > 1e-3


def test_no_tile_is_larger_than_asked(net, rng):
    sizes = []

    class Spy:
        def forward(self, x):
            sizes.append(x.shape[1:3])
            return x, None

        def backward(self, dy, cache):
            return dy

    x = rng.standard_normal((70, 33, 3))
    _, g = tiled_gradient(Spy(), x, None, 32)
    assert max(max(size) for size in sizes) <= 32 and len(sizes) == 6
    np.testing.assert_array_equal(g, x)
    assert cuts(70, 32) == [0, 23, 47, 70] and cuts(32, 32) == [0, 32]


def test_octaves():
    assert octave_sizes(140, 280, 3, 1.4) == [(71, 143), (100, 200), (140, 280)]
    assert octave_sizes(140, 280, 3, 1.4, lambda h, w: h > 80) == [(100, 200), (140, 280)]
    assert octave_sizes(5, 5, 2, 9.0) == octave_sizes(5, 5, 10**9, 9.0) == [(1, 1), (5, 5)]
    for octaves, scale in ((0, 1.4), (3, 1.0)):
        with pytest.raises(UserError, match="octaves"):
            octave_sizes(5, 5, octaves, scale)


def test_wrong_layers_and_images_too_small(net, x):
    with pytest.raises(UserError, match="did you mean 4c/3x3"):
        dream(net, x, Dream("4c/3x33"), BOUNDS, np.random.default_rng(0))
    with pytest.raises(UserError, match="3a has 32, numbered 0 to 31; got 32"):
        visualize(net, "3a", [32], 32, BOUNDS, np.random.default_rng(0))


def test_blurring_by_hand(rng):
    x = np.zeros((15, 17, 1))
    x[7, 8] = 1
    y = gauss(x, 1.0)[..., 0]
    assert y.sum() == pytest.approx(1)
    assert y[7, 9] / y[7, 8] == pytest.approx(np.exp(-0.5)) and y[8, 9] / y[7, 8] == pytest.approx(np.exp(-1))
    np.testing.assert_allclose(gauss(np.full((4, 9, 2), 3.0), 2.5), 3)
    np.testing.assert_allclose(gauss(x.transpose(1, 0, 2), 1.0)[..., 0], y.T)


def test_resizing_is_pillows(rng):
    x = rng.random((9, 7, 3)).astype("float32")
    expected = np.asarray(Image.fromarray(x[..., 1]).resize((14, 18), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(resize(x, 18, 14)[..., 1], expected)
    assert resize(x, 9, 7) is x


def test_visualize_maximizes_its_channel(net):
    images = visualize(net, "3b", [3, 20], 32, BOUNDS, np.random.default_rng(0), steps=6, octaves=2)
    assert images.shape == (2, 32, 32, 3)
    y = until(net, "3b").predict(images).mean(axis=(1, 2))
    assert y[0, 3] > 1.2 * y[1, 3] and y[1, 20] > 1.2 * y[0, 20]
