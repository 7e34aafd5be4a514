"""The linear classifier on features: its gradient, its minimum, and the choice of C."""

import tracemalloc

import numpy as np
import pytest

from minigooglenet.training import linear
from minigooglenet.training.losses import class_weights


def problem(rng, N=90, D=13, K=3, noise=1.0):
    """(features that are not negative, of different scale and offset, labels)"""
    x = np.maximum(rng.normal(size=(N, D)) * rng.uniform(0.1, 2, D) + rng.uniform(0, 3, D), 0)
    y = ((x - x.mean(axis=0)) @ rng.normal(size=(D, K)) + noise * rng.gumbel(size=(N, K))).argmax(axis=1)
    y[:K] = range(K)
    return x, y


@pytest.mark.parametrize("weights", [None, np.array([0.5, 2.0, 1.0, 0.1])])
def test_the_gradient_is_that_of_the_loss(rng, weights):
    x, y = problem(rng, 17, 5, 4)
    theta, h = rng.normal(size=(6, 4)), 1e-6
    _, gradient = linear.loss_and_gradient(theta, x, y, 0.3, weights)
    for i in np.ndindex(theta.shape):
        step = np.zeros_like(theta)
        step[i] = h
        difference = [linear.loss_and_gradient(theta + sign * step, x, y, 0.3, weights)[0] for sign in (1, -1)]
        assert gradient[i] == pytest.approx((difference[0] - difference[1]) / (2 * h), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("N, D, K, C, balance", [(90, 13, 3, 1.0, None), (40, 120, 4, 0.01, None),
                                                 (200, 30, 5, 10.0, None), (90, 13, 3, 1.0, "balanced")])
def test_the_minimum_is_scikit_learns(rng, N, D, K, C, balance):
    models = pytest.importorskip("sklearn.linear_model")
    x, y = problem(rng, N, D, K)
    mean = x.mean(axis=0)
    scale = np.sqrt(((x - mean) ** 2).mean())
    found = linear.fit(x.astype(np.float32), y, K, C, weights=class_weights(y, K) if balance else None)
    theirs = models.LogisticRegression(C=C, tol=1e-12, max_iter=100_000, class_weight=balance)
    theirs.fit((x - mean) / scale, y)
    np.testing.assert_allclose(found.w * scale, theirs.coef_.T, atol=1e-4)
    b = found.b + mean @ found.w
    np.testing.assert_allclose(b - b.mean(), theirs.intercept_ - theirs.intercept_.mean(), atol=5e-4)
    z = found.logits(x)
    assert ((z.argmax(axis=1) == y).mean()) == pytest.approx(theirs.score((x - mean) / scale, y), abs=1e-9)


def test_a_start_elsewhere_ends_in_the_same_minimum(rng):
    x, y = problem(rng)
    found = linear.fit(x, y, 3, 0.5)
    again = linear.fit(x, y, 3, 0.5, start=linear.fit(x, y, 3, 20.0))
    np.testing.assert_allclose(again.w, found.w, atol=3e-4)
    assert linear.fit(x, y, 3, 0.5, start=found).w == pytest.approx(found.w, abs=3e-4)


def test_minimize_finds_the_minimum_of_a_narrow_valley():
    scales = np.logspace(0, 4, 20)
    found = linear.minimize(lambda w: (float((scales * (w - 1) ** 2).sum() / 2), scales * (w - 1)), np.zeros(20), 1e-8)
    np.testing.assert_allclose(found, 1, atol=1e-8)


def test_constant_features_and_few_images(rng):
    x = np.ones((4, 3))
    found = linear.fit(x, np.array([0, 1, 0, 1]), 2, 1.0)
    assert np.isfinite(found.w).all() and np.isfinite(found.b).all()
    np.testing.assert_allclose(np.diff(found.logits(x)), 0, atol=1e-6)


def test_folds_hold_out_each_image_once_and_every_class_in_each(rng):
    y = rng.permutation(np.repeat([0, 1, 2], [5, 9, 23]))
    held = list(linear.folds(y, 3, seed=1))
    assert len(held) == 5 and sorted(np.concatenate(held).tolist()) == list(range(37))
    for test in held:
        counts = np.bincount(y[test], minlength=3)
        assert (counts >= 1).all() and (abs(counts - np.bincount(y) / 5) < 2).all()
    assert len(list(linear.folds(np.array([0, 0, 0, 1, 1]), 2, 0))) == 2


def test_copies_are_held_out_together(rng):
    """Labels are random, so without the copy there is nothing to learn from; images of two labels do not matter."""
    x, y = rng.normal(size=(40, 1, 60)), rng.integers(0, 2, 40)
    copies = np.arange(80) % 40
    x, y = np.tile(x, (2, 1, 1)), np.tile(y, 2)
    y[79] = 1 - y[39]
    held = list(linear.folds(y, 2, 0, copies))
    assert sorted(np.concatenate(held).tolist()) == list(range(80)) and len(held) == 5
    assert all((np.bincount(copies[test])[np.unique(copies[test])] == 2).all() for test in held)
    assert linear.cross_validate(x, y, 2).accuracy > 0.85 > 0.7 > linear.cross_validate(x, y, 2, copies=copies).accuracy
    alone, together = (linear.out_of_sample(x[:, 0], y, 2, 100.0, copies=c).argmax(axis=1) for c in (None, copies))
    assert (alone == y).mean() > 0.85 > 0.7 > (together == y).mean()
    same = list(linear.folds(y, 2, 7)), list(linear.folds(y, 2, 7, 5 * np.arange(80)))
    assert all((a == b).all() for a, b in zip(*same, strict=True))
    assert linear.cross_validate(x[:5], np.array([0, 0, 0, 1, 1]), 2, copies=np.array([0, 1, 2, 3, 3])).folds == 0


def test_cross_validation_prefers_small_weights_for_noise_and_large_ones_for_clear_features(rng):
    noisy, y = problem(rng, 90, 8, 3, noise=20)
    clear, labels = problem(rng, 90, 8, 3, noise=0.01)
    seen = []
    chosen = [linear.cross_validate(x[:, None], y, 3, on_choice=lambda *row: seen.append(row))
              for x, y in ((noisy, y), (clear, labels))]
    assert chosen[0].C < chosen[1].C and chosen[0].accuracy < chosen[1].accuracy and chosen[1].folds == 5
    assert (chosen[1].C, chosen[1].accuracy, chosen[1].loss) in seen
    assert chosen[1].loss == min(loss for _, _, loss in seen)


def test_both_views_of_an_image_are_on_one_side(rng):
    """A mirror image in the training folds would give away its label: here a feature that is unique to an image."""
    y = np.arange(20) % 2
    x = np.stack([np.eye(20)] * 2, axis=1)
    assert linear.cross_validate(x, y, 2).accuracy <= 0.5


def test_a_class_with_one_image_is_not_validated(rng):
    x, y = rng.normal(size=(5, 2, 3)), np.array([0, 0, 1, 1, 2])
    found = linear.cross_validate(x, y, 3)
    assert found.folds == 0 and np.isnan(found.accuracy) and found.C in linear.CHOICES


def test_probabilities_out_of_sample_do_not_know_the_label(rng):
    x, y = problem(rng, 60, 100, 3)                         # more features than images: the fit memorizes the labels
    inside = linear.fit(x, y, 3, 100.0).logits(x).argmax(axis=1)
    p = linear.out_of_sample(x, y, 3, 100.0)
    assert (inside == y).all() and 0.3 < (p.argmax(axis=1) == y).mean() < 0.9
    np.testing.assert_allclose(p.sum(axis=1), 1)
    held = next(linear.folds(y, 3, 0))
    others = np.setdiff1d(np.arange(60), held)
    z = linear.fit(x[others], y[others], 3, 100.0, accuracy=linear.ROUGH).logits(x[held])
    assert (p[held].argmax(axis=1) == z.argmax(axis=1)).all()
    assert linear.out_of_sample(x, np.where(np.arange(60) == 7, 2, y % 2), 3, 1.0) is None


def test_a_fit_has_one_copy_of_the_features(rng):
    """Of many images they are the largest array in memory."""
    x, y = rng.random((2000, 256), dtype=np.float32), np.arange(2000) % 2
    before = x.copy()
    tracemalloc.start()
    try:
        linear.fit(x, y, 2, 1.0, accuracy=1e9)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * 8 * x.size and (x == before).all()
    large = x.astype(np.float64)
    linear.fit(large, y, 2, 1.0, accuracy=1e9)
    assert (large == before).all()
