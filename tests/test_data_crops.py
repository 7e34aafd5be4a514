import collections
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from minigooglenet.data.crops import (
    SCALES,
    Crop,
    average_small,
    average_softmax,
    crops,
    crops_1,
    crops_10,
    crops_144,
    resize_batch,
    resize_matrix,
    small_crops,
)
from minigooglenet.data.photos import center_crop, resize_shorter
from minigooglenet.errors import UserError

LANDSCAPE, PORTRAIT, SQUARE = (512, 256), (256, 512), (256, 256)


def coordinates(width, height):
    """An image whose colors encode the position of each pixel: red = x // 2, green = y // 2."""
    x = np.zeros((height, width, 3), np.uint8)
    x[..., 0], x[..., 1] = np.arange(width) // 2, np.arange(height)[:, None] // 2
    return Image.fromarray(x)


def corners(crop):
    """((left, top), (right, bottom)) read off a crop of ``coordinates``."""
    return tuple(crop[0, 0, :2].tolist()), tuple(crop[-1, -1, :2].tolist())


def all_crops(image, number, batch=16):
    batches = list(crops(image, number, batch))
    assert all(b.dtype == np.uint8 and b.shape[1:] == (224, 224, 3) for b in batches)
    assert [len(b) for b in batches[:-1]] == [batch] * (len(batches) - 1) and len(batches[-1]) <= batch
    return np.concatenate(batches)


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT, SQUARE, (500, 333)])
def test_one_crop_is_the_center_crop(size):
    image = coordinates(*size)
    np.testing.assert_array_equal(all_crops(image, 1), center_crop(image)[None])


@pytest.mark.parametrize("size, origin", [(LANDSCAPE, (128, 0)), (PORTRAIT, (0, 128)), (SQUARE, (0, 0))])
def test_ten_crops_by_coordinates(size, origin):
    x, y = origin                                        # of the center 256 × 256 square
    came = all_crops(coordinates(*size), 10, batch=3)
    assert len(came) == 10
    for i, (dx, dy) in enumerate([(0, 0), (32, 0), (0, 32), (32, 32), (16, 16)]):
        left, top = x + dx, y + dy
        assert corners(came[2 * i]) == ((left // 2, top // 2), ((left + 223) // 2, (top + 223) // 2))
        np.testing.assert_array_equal(came[2 * i + 1], came[2 * i, :, ::-1])


@pytest.mark.parametrize("size, origins", [
    (LANDSCAPE, [(0, 0), (128, 0), (256, 0)]), (PORTRAIT, [(0, 0), (0, 128), (0, 256)]), (SQUARE, [(0, 0)] * 3),
])
def test_144_crops_by_coordinates(size, origins):
    came = all_crops(coordinates(*size), 144).reshape(4, 3, 6, 2, 224, 224, 3)
    np.testing.assert_array_equal(came[..., 1, :, :, :], came[..., 0, :, ::-1, :])
    for i, (x, y) in enumerate(origins):                 # the first scale resizes nothing: positions are exact
        for j, (dx, dy) in enumerate([(0, 0), (32, 0), (0, 32), (32, 32), (16, 16)]):
            left, top = x + dx, y + dy
            assert corners(came[0, i, j, 0]) == ((left // 2, top // 2), ((left + 223) // 2, (top + 223) // 2))
    for s, scale in enumerate((256, 288, 320, 352)):     # at the others they scale: within a pixel of the image
        for i, (x, y) in enumerate(origins):
            for j, (dx, dy, side) in enumerate([(0, 0, 224), (1, 0, 224), (0, 1, 224), (1, 1, 224), (.5, .5, 224),
                                                (0, 0, scale)]):
                left = x + dx * (scale - 224) * 256 / scale
                top = y + dy * (scale - 224) * 256 / scale
                reach = side * 256 / scale
                expected = np.array([[left, top], [left + reach, top + reach]]) / 2
                np.testing.assert_allclose(corners(came[s, i, j, 0]), expected, atol=1.5)


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_every_crop_lies_inside(width, height):
    for plan, number in ((crops_1, 1), (crops_10, 10), (crops_144, 144)):
        found = plan(width, height)
        assert len(found) == number
        for crop in found:
            scale = crop.shorter / min(width, height)
            w, h = round(width * scale), round(height * scale)
            assert 0 <= crop.left <= w - crop.side and 0 <= crop.top <= h - crop.side
            assert crop.side in (224, crop.shorter) and crop.shorter in SCALES


def test_how_many_are_distinct():
    assert len(set(crops_144(500, 375))) == 144
    assert len(set(crops_144(400, 400))) == 48           # the three squares coincide
    assert len(set(crops_144(32, 32, 32, (32, 36, 40, 44)))) == 38
    assert crops_10(400, 400)[0] == Crop(256, 0, 0, 224, False)


def test_the_sixth_crop_is_the_full_square():
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8))
    came = all_crops(image, 144).reshape(4, 3, 6, 2, 224, 224, 3)
    resized = resize_shorter(image, 320)
    square = resized.crop((resized.width - 320, 0, resized.width, 320)).resize((224, 224), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(came[2, 2, 5, 0], np.asarray(square))


def test_memory_is_one_batch_and_one_resized_image():
    image = Image.new("RGB", (900, 600))
    tracemalloc.start()
    for _ in crops(image, 144, batch=4):
        pass
    peak = tracemalloc.get_traced_memory()[1]            # NumPy's part; Pillow's is one image of 528 × 352
    tracemalloc.stop()
    assert peak < 20 * 224 * 224 * 3


@pytest.mark.parametrize("number", [0, 2, 12, 145])
def test_other_numbers(number):
    with pytest.raises(UserError, match=f"{number} crops: expected 1, 10 or 144"):
        next(crops(Image.new("RGB", (9, 9)), number))
    if number != 2:
        with pytest.raises(UserError, match=f"{number} crops: expected 1, 2, 10 or 144"):
            next(small_crops(np.zeros((1, 32, 32, 3)), number))


# -- small images ----------------------------------------------------------------------------------------------------

def small(n=3, dtype=np.uint8, size=32):
    x = np.random.default_rng(0).integers(0, 256, (n, size, size, 3)).astype(dtype)
    x.flags.writeable = False
    return x


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("number, distinct", [(1, 1), (2, 2), (10, 10), (144, 38)])
def test_small_crops(number, distinct, dtype):
    x = small(dtype=dtype)
    found = list(small_crops(x, number))
    assert len(found) == distinct and sum(count for _, count in found) == number
    assert all(crop.shape == x.shape and crop.dtype == dtype for crop, _ in found)
    assert len({crop.tobytes() for crop, _ in found}) == distinct
    assert any((crop == x).all() for crop, _ in found)                # the image itself is among them
    weights = collections.Counter()
    for crop, count in found:
        weights[crop.tobytes()] += count
    for crop, count in found if number > 1 else []:                   # so is each crop's mirror image, equally often
        assert weights[np.ascontiguousarray(crop[:, :, ::-1]).tobytes()] == count


def test_small_shifts():
    x = small()
    found = [crop for crop, _ in small_crops(x, 10)][::2]
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    for crop, (dx, dy) in zip(found, [(-2, -2), (2, -2), (-2, 2), (2, 2), (0, 0)], strict=True):
        np.testing.assert_array_equal(crop[:, 8:24, 8:24], x[:, 8 + dy:24 + dy, 8 + dx:24 + dx])
        np.testing.assert_array_equal(crop, padded[:, 2 + dy:34 + dy, 2 + dx:34 + dx])


def test_small_144_by_hand():
    x = small(1, np.float64)
    found = list(small_crops(x, 144))
    assert [count for _, count in found] == [18, 18] + [3] * 36
    for i, side in enumerate((36, 40, 44)):
        larger, start = resize_batch(x, side), 2 + 12 * i
        np.testing.assert_array_equal(found[start + 2][0], larger[:, :32, side - 32:])   # top right, plain
        np.testing.assert_array_equal(found[start + 11][0], resize_batch(larger, 32)[:, :, ::-1])


@pytest.mark.parametrize("size, side", [(32, 36), (32, 44), (44, 32), (32, 32), (40, 17), (5, 64)])
def test_resize_batch_is_pillows_bicubic(size, side):
    x = small(2, np.float32, size)
    came = resize_batch(x, side)
    eight = resize_batch((x / 2 + 64).astype(np.uint8), side)         # this far from 0 and 255 nothing is clipped
    for i in range(2):
        for c in range(3):
            theirs = Image.fromarray(x[i, :, :, c]).resize((side, side), Image.Resampling.BICUBIC)
            np.testing.assert_allclose(came[i, :, :, c], np.asarray(theirs), atol=1e-2)
        theirs = Image.fromarray((x[i] / 2 + 64).astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
        assert abs(eight[i].astype(int) - np.asarray(theirs)).max() <= 1      # Pillow rounds between the two directions


def test_resize_matrix():
    r = resize_matrix(32, 44)
    assert r.shape == (44, 32)
    np.testing.assert_allclose(r.sum(1), 1)
    np.testing.assert_allclose((r @ np.arange(32.))[4:-4], ((np.arange(44) + .5) * 32 / 44 - .5)[4:-4], atol=1e-12)


# -- averaging ---------------------------------------------------------------------------------------------------------

def model(seed):
    w = np.random.default_rng(seed).standard_normal((3, 5))

    def probabilities(x):
        z = x[:, 0, 0] / 255 @ w
        return (np.exp(z) / np.exp(z).sum(1, keepdims=True)).astype(np.float32)
    return probabilities


@pytest.mark.parametrize("batch", [1, 4, 16, 200])
def test_average_softmax(batch):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8))
    models = [model(0), model(1)]
    mean = average_softmax(models, crops(image, 10, batch))
    everything = all_crops(image, 10)
    np.testing.assert_allclose(mean, np.mean([m(everything) for m in models], axis=(0, 1)), atol=1e-7)
    assert mean.shape == (5,) and mean.sum() == pytest.approx(1)


@pytest.mark.parametrize("number", [1, 2, 10, 144])
def test_average_small(number):
    x, models = small(), [model(0), model(1), model(2)]
    mean = average_small(models, x, number)
    every = [crop for crop, count in small_crops(x, number) for _ in range(count)]
    np.testing.assert_allclose(mean, np.mean([[m(crop) for m in models] for crop in every], axis=(0, 1)), atol=1e-6)
    assert mean.shape == (3, 5)
