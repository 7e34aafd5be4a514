"""Augmentation: the kernel against its NumPy form, bounds and distributions of random values, and seeds."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigooglenet.data.augment import (
    IMAGENET_AXES,
    KINDS,
    LUMA,
    Augment,
    area_boxes,
    area_crop,
    color_axes,
    cutout,
    halve,
    lighting,
    mirror,
    mirrors,
    pad_crop,
    photometric,
)
from minigooglenet.kernels.crop_resize import crop_resize_numba, crop_resize_numpy

both = pytest.mark.parametrize("crop_resize", [crop_resize_numba, crop_resize_numpy])


def images(N=5, H=9, W=13, dtype=np.uint8, seed=0):
    x = np.random.default_rng(seed).integers(0, 256, (N, H, W, 3)).astype(dtype)
    x.flags.writeable = False
    return x


# The kernel

@pytest.mark.parametrize("dtype, result, error", [(np.uint8, np.float32, 1e-4), (np.float32, np.float32, 1e-4),
                                                  (np.float64, np.float64, 1e-11)])
@pytest.mark.parametrize("OH, OW", [(9, 13), (1, 1), (7, 5), (20, 31)])
def test_numba_equals_numpy(dtype, result, error, OH, OW):
    x, rng = images(dtype=dtype), np.random.default_rng(OH)
    boxes = rng.uniform((-3, -3, 1, 1), (5, 5, 12, 16), (5, 4))
    flips = np.array([True, False, True, True, False])
    y = crop_resize_numba(x, boxes, flips, OH, OW)
    assert y.shape == (5, OH, OW, 3) and y.dtype == result
    np.testing.assert_allclose(y, crop_resize_numpy(x, boxes, flips, OH, OW), rtol=0, atol=error)
    assert crop_resize_numpy(x, boxes, flips, OH, OW).dtype == result


@both
def test_a_box_of_the_whole_image_is_the_identity_and_a_flip_mirrors_it(crop_resize):
    x = images(2)
    y = crop_resize(x, [[0, 0, 9, 13]] * 2, [False, True], 9, 13)
    np.testing.assert_array_equal(y[0], x[0])
    np.testing.assert_array_equal(y[1], x[1, :, ::-1])


@both
def test_a_ramp_stays_a_ramp_through_pixel_centers(crop_resize):
    """Bilinear interpolation is exact on h + 10 w; the center of output pixel i lies at top + (i + 1/2) height / OH."""
    h, w = np.mgrid[0:12, 0:10] + 0.5
    x = (h + 10 * w)[None, :, :, None]
    y = crop_resize(x, [[2.5, 1.25, 6, 7]], [False], 4, 14)
    i, j = np.mgrid[0:4, 0:14] + 0.5
    np.testing.assert_allclose(y[0, :, :, 0], 2.5 + i * 6 / 4 + 10 * (1.25 + j * 7 / 14), rtol=1e-12)


@both
def test_outside_the_image_its_edge_is_replicated(crop_resize):
    x = images(1, dtype=np.float64)
    y = crop_resize(x, [[-50, 40, 5, 5]], [False], 3, 3)
    np.testing.assert_array_equal(y, np.broadcast_to(x[:, :1, -1:], y.shape))


# Boxes

@given(st.integers(4, 60), st.integers(4, 60), st.integers(0, 2 ** 32))
@settings(max_examples=40, deadline=None)
def test_boxes_lie_inside_and_keep_to_area_and_aspect(H, W, seed):
    top, left, height, width = area_boxes(np.random.default_rng(seed), 200, H, W).T
    ratio, share = width / height, height * width / (H * W)
    assert top.min() >= 0 and left.min() >= 0
    assert (top + height).max() <= H + 1e-9 and (left + width).max() <= W + 1e-9
    assert ratio.min() >= 3 / 4 - 1e-9 and ratio.max() <= 4 / 3 + 1e-9
    assert share.max() <= 1 + 1e-9 and share.min() >= min(0.08, share.max()) - 1e-9


def test_area_is_uniform_and_aspect_symmetric():
    top, left, height, width = area_boxes(np.random.default_rng(3), 40_000, 32, 32).T
    share = np.sort(height * width / 32 ** 2)
    np.testing.assert_allclose(share, np.linspace(0.08, 1, len(share)), atol=0.01)    # Kolmogorov-Smirnov
    assert abs(np.log(width / height).mean()) < 0.005
    small = share < 0.5
    assert np.log(width / height)[small].std() > 0.1
    assert abs((top - (32 - top - height)).mean()) < 0.2 and abs((left - (32 - left - width)).mean()) < 0.2


# The steps

def test_pad_crop_equals_padding_and_cropping():
    x = images(6, 11, 9)
    y = pad_crop(x, np.random.default_rng(1), pad=3)
    top, left = np.random.default_rng(1).integers(-3, 3, (2, 6, 1), endpoint=True)[..., 0]
    padded = np.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="reflect")
    for n in range(6):
        np.testing.assert_array_equal(y[n], padded[n, 3 + top[n]:14 + top[n], 3 + left[n]:12 + left[n]])


def test_pad_crop_shifts_by_every_distance_equally_often():
    x = np.zeros((20_000, 16, 16, 3), np.uint8)
    x[:, 8, 8] = 1
    h, w = np.nonzero(pad_crop(x, np.random.default_rng(0))[..., 0] > 0)[1:]
    for place in (h, w):
        counts = np.bincount(place, minlength=16)
        assert counts[:4].sum() + counts[13:].sum() == 0 and counts[4:13].min() > 0.9 * 20_000 / 9


def test_mirror_turns_half_of_them():
    x = images(2000, 3, 4)
    y = mirror(x, np.random.default_rng(0))
    turned = (y == x[:, :, ::-1]).all(axis=(1, 2, 3))
    assert 900 < turned.sum() < 1100 and ((y == x).all(axis=(1, 2, 3)) | turned).all()


def test_cutout_hides_one_square_in_the_mean_color():
    x = images(50, 20, 24)
    y = cutout(x, np.random.default_rng(0), size=6)
    changed = (y != x).any(axis=3)
    assert 0 < changed.sum(axis=(1, 2)).min() and changed.sum(axis=(1, 2)).max() == 36
    assert changed.any(axis=(0, 1)).all() and changed.any(axis=(0, 2)).all()        # squares reach every column and row
    n, h, w = (index[0] for index in np.nonzero(changed))
    np.testing.assert_array_equal(y[n, h, w], x[n].mean(axis=(0, 1)).astype(np.uint8))


def test_photometric_on_gray_without_contrast_is_brightness_alone():
    x = np.full((4000, 2, 2, 3), 100.0)
    y = photometric(x, np.random.default_rng(0))
    assert np.ptp(y, axis=(1, 2, 3)).max() < 1e-9
    np.testing.assert_allclose(np.sort(y[:, 0, 0, 0]), np.linspace(50, 150, 4000), atol=5)


def test_photometric_follows_its_formulas_in_every_order():
    x, seen = images(64, dtype=np.float64), set()
    y = photometric(x, np.random.default_rng(4))
    rng = np.random.default_rng(4)
    order = rng.permuted(np.tile(np.arange(3), (64, 1)), axis=1)
    factor = rng.uniform(0.5, 1.5, (64, 3))
    for n in range(64):
        z = x[n]
        for which in order[n]:
            gray = (z @ LUMA)[..., None]
            center = (0, gray.mean(), gray)[which]
            z = np.clip(center + factor[n, which] * (z - center), 0, 255)
        np.testing.assert_allclose(y[n], z, atol=1e-9)
        seen.add(tuple(order[n]))
    assert len(seen) == 6


def test_lighting_adds_one_color_per_image_with_the_axes_covariance():
    x = np.full((20_000, 1, 2, 3), 100.0)
    added = lighting(x, np.random.default_rng(0)) - x
    assert np.ptp(added, axis=2).max() < 1e-9
    np.testing.assert_allclose(np.cov(added[:, 0, 0].T), 0.01 * IMAGENET_AXES @ IMAGENET_AXES.T, atol=0.3)


def test_color_axes_are_the_principal_axes_of_the_pixels():
    rng = np.random.default_rng(0)
    x = (128 + rng.normal(0, 20, (4, 50, 50, 1)) + rng.normal(0, [5, 2, 1], (4, 50, 50, 3))).astype(np.uint8)
    axes = color_axes(x)
    values = np.linalg.norm(axes, axis=0) / 255
    vectors = axes / (255 * values)
    np.testing.assert_allclose(vectors * values @ vectors.T, np.cov(x.reshape(-1, 3).T / 255, bias=True), atol=1e-12)


# Kinds

@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_the_input_the_shape_and_the_seed(kind):
    augment = Augment(kind)
    for dtype in (np.uint8, np.float32, np.float64):
        x = images(4, 32, 32, dtype)                      # not writeable: a step that writes into it would fail
        y, again, other = (augment(x, np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert y.shape == x.shape
        assert y.dtype == (np.float32 if kind == "paper" and dtype == np.uint8 else dtype)
        np.testing.assert_array_equal(y, again)
        assert (kind == "none") == np.array_equal(y, other)


def test_an_unknown_kind_names_those_there_are():
    with pytest.raises(ValueError, match="'mixup'.*none, mirror, crop, cutout, paper"):
        Augment("mixup")


def test_area_crop_returns_the_requested_size():
    assert area_crop(images(3, 40, 30), np.random.default_rng(0), (16, 24)).shape == (3, 16, 24, 3)


def test_area_crop_mirrors_half_of_the_images():
    ramp = np.broadcast_to(np.arange(24.0)[:, None], (2000, 16, 24, 3))             # rising from left to right
    y = area_crop(ramp, np.random.default_rng(0))
    assert 900 < (y[:, 8, -1, 0] < y[:, 8, 0, 0]).sum() < 1100


def test_numba_is_optional_and_does_not_change_the_images(tmp_path):
    x = images(4, 32, 32)
    np.save(tmp_path / "x.npy", x)
    code = ("import sys, numpy as np; from minigooglenet.data import Augment;"
            "y = Augment('paper')(np.load('x.npy'), np.random.default_rng(7));"
            "assert 'numba' not in sys.modules; np.save('y.npy', y)")
    path = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path,
                   env=os.environ | {"MINIGOOGLENET_JIT": "0", "PYTHONPATH": path})
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), Augment("paper")(x, np.random.default_rng(7)), atol=1e-3)


def test_the_papers_augmentation_is_a_crop_photometric_distortions_and_lighting():
    x, rng = images(), np.random.default_rng(3)
    expected = lighting(photometric(area_crop(x, rng), rng), rng)
    np.testing.assert_array_equal(Augment("paper")(x, np.random.default_rng(3)), expected)


def test_halve_by_hand_leaves_out_an_odd_row_and_column():
    x = images(2, 5, 7)
    small = halve(x)
    assert small.shape == (2, 2, 3, 3) and small.dtype == np.float32
    for i, j in np.ndindex(2, 3):
        expected = x[:, 2 * i:2 * i + 2, 2 * j:2 * j + 2].astype(float).mean(axis=(1, 2))
        np.testing.assert_array_equal(small[:, i, j], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_the_kinds_that_mirror_are_known(kind, rng):
    """An image with a bright left half: if a kind mirrors, the bright half is on the right in some of the batch."""
    x = np.zeros((64, 32, 32, 3), np.uint8)
    x[:, :, :16] = 200
    y = Augment(kind)(x, rng).astype(float)
    assert (y[:, :, 16:].mean(axis=(1, 2, 3)) > y[:, :, :16].mean(axis=(1, 2, 3)) + 20).any() == mirrors(kind)
