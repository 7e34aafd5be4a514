"""Softmax and cross-entropy against their formulas, and labels that do not fit."""

import math

import numpy as np
import pytest

from minigooglenet.errors import ShapeError
from minigooglenet.layers import cross_entropy, softmax


def test_softmax_is_a_distribution_and_does_not_overflow(rng):
    z = rng.standard_normal((4, 5))
    p = softmax(z)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(softmax(z + 1000), p, rtol=1e-9)
    assert softmax(np.array([[1e5, 0, -1e5]], "float32")).tolist() == [[1, 0, 0]]


def test_cross_entropy_of_knowing_nothing_is_ln_k():
    loss, dz = cross_entropy(np.zeros((3, 10)), np.array([0, 5, 9]))
    assert loss == pytest.approx(math.log(10), rel=1e-12)
    assert dz[1, 5] == pytest.approx((0.1 - 1) / 3) and dz[1, 4] == pytest.approx(0.1 / 3)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_its_formula(smoothing, rng):
    z, labels = rng.standard_normal((4, 5)), np.array([0, 4, 2, 2])
    loss, dz = cross_entropy(z, labels, smoothing)
    t = np.full((4, 5), smoothing / 5)
    t[range(4), labels] += 1 - smoothing
    assert loss == pytest.approx(-(t * np.log(softmax(z))).sum() / 4, rel=1e-12)
    np.testing.assert_allclose(dz, (softmax(z) - t) / 4, rtol=1e-10)
    np.testing.assert_allclose(dz.sum(axis=1), 0, atol=1e-15)


def test_labels_may_be_a_list(rng):
    z = rng.standard_normal((2, 3))
    loss, dz = cross_entropy(z, [0, 2])
    assert loss == cross_entropy(z, np.array([0, 2]))[0] and dz.shape == z.shape
    with pytest.raises(ShapeError, match=r"labels \(3,\) do not fit"):
        cross_entropy(z, [0, 1, 2])


def test_cross_entropy_stays_finite_where_a_probability_is_0():
    loss, dz = cross_entropy(np.array([[1e4, 0.0, -1e4]], "float32"), np.array([2]))
    assert loss == pytest.approx(2e4) and dz.dtype == np.float32 and np.isfinite(dz).all()


def test_an_impossible_class_costs_nothing():
    """Softmax of -inf is 0; only the label's own -inf is an infinite loss."""
    z = np.array([[0.0, 0.0, -np.inf]])
    loss, dz = cross_entropy(z, np.array([0]))
    assert loss == pytest.approx(math.log(2)) and np.allclose(dz, [[-0.5, 0.5, 0]])
    assert cross_entropy(z, np.array([2]))[0] == math.inf


@pytest.mark.parametrize("smoothing", [1.5, 1, -0.1, math.nan])
def test_smoothing_that_makes_no_sense(smoothing):
    with pytest.raises(ValueError, match="smoothing: got"):
        cross_entropy(np.zeros((3, 5)), np.array([0, 1, 2]), smoothing)


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 5], [0, -1, 2], [[0], [1], [2]], [True, False, True], [0., 1., 2.]])
def test_labels_that_do_not_fit(labels):
    with pytest.raises(ShapeError, match=r"labels.* do not fit logits \(3, 5\)"):
        cross_entropy(np.zeros((3, 5)), np.array(labels))
    with pytest.raises(ShapeError, match=r"labels \(0,\) do not fit logits \(0, 5\)"):
        cross_entropy(np.zeros((0, 5)), np.zeros(0, int))


# -- how weights begin -------------------------------------------------------------------------------------------------
