"""Measures of a classifier, by hand and against scikit-learn; suspected label errors."""

import math

import numpy as np
import pytest

from minigooglenet.inference import label_errors, metrics


def random(rng, N=400, K=5, sharp=2.0):
    """(p, y) of a classifier that is right about half of the time."""
    y = rng.integers(0, K, N)
    z = sharp * (rng.normal(size=(N, K)) + 1.2 * np.eye(K)[y])
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return (p / p.sum(axis=1, keepdims=True)).astype(np.float32), y


def test_wilson():
    low, high = metrics.wilson(8, 10)
    assert (low, high) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)     # R: prop.test(8, 10, correct = FALSE)
    for end in (low, high):                                                     # both are at z standard deviations
        assert abs(0.8 - end) == pytest.approx(metrics.Z * math.sqrt(end * (1 - end) / 10))
    assert metrics.wilson(20, 20)[1] == 1 and 0.83 < metrics.wilson(20, 20)[0] < 0.84
    assert metrics.wilson(0, 7)[0] == 0 and all(map(math.isnan, metrics.wilson(0, 0)))


def test_confusion_and_measures_by_hand():
    y, predicted = np.array([0, 0, 0, 1, 1, 3]), np.array([0, 0, 1, 1, 0, 1])
    C = metrics.confusion_matrix(y, predicted, 4)
    assert C.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    found = metrics.by_class(C)
    np.testing.assert_allclose(found.precision, [2 / 3, 1 / 3, np.nan, np.nan])     # 2 and 3 are never predicted
    np.testing.assert_allclose(found.recall, [2 / 3, 1 / 2, np.nan, 0])             # no image is a 2
    np.testing.assert_allclose(found.f1, [2 / 3, 2 / 5, np.nan, 0])
    assert found.support.tolist() == [3, 2, 0, 1]
    assert metrics.mean(found.recall) == pytest.approx((2 / 3 + 1 / 2) / 3)
    assert math.isnan(metrics.mean(np.array([np.nan])))


def test_against_scikit_learn(rng):
    sklearn = pytest.importorskip("sklearn.metrics")
    p, y = random(rng)
    p, y = p[y != 3], y[y != 3]                                                     # a class without images
    predicted = p.argmax(axis=1)
    C = metrics.confusion_matrix(y, predicted, 5)
    np.testing.assert_array_equal(C, sklearn.confusion_matrix(y, predicted, labels=range(5)))
    expected = sklearn.precision_recall_fscore_support(y, predicted, labels=range(5), zero_division=np.nan)
    for mine, theirs in zip(metrics.by_class(C), expected, strict=True):
        np.testing.assert_allclose(mine, theirs)
    log_loss = sklearn.log_loss(y, p.astype(float) / p.astype(float).sum(axis=1, keepdims=True), labels=range(5))
    assert metrics.negative_log_likelihood(p, y) == pytest.approx(log_loss, rel=1e-5)


def test_reliability_by_hand():
    p = np.array([[0.5, 0.5], [0.51, 0.49], [0.25, 0.75], [0.2, 0.8], [1, 0]])
    y = np.array([0, 1, 1, 0, 0])
    found = metrics.reliability(p, y, bins=4)                   # (0.25, 0.5], (0.5, 0.75], (0.75, 1]
    assert found.images.tolist() == [0, 1, 2, 2]
    np.testing.assert_allclose(found.confidence, [np.nan, 0.5, 0.63, 0.9])
    np.testing.assert_allclose(found.accuracy, [np.nan, 1, 0.5, 0.5])
    assert metrics.calibration_error(found) == pytest.approx(0.2 * 0.5 + 0.4 * 0.13 + 0.4 * 0.4)


def test_calibrated_probabilities_have_a_small_error(rng):
    p, _ = random(rng, N=40_000, sharp=1)
    y = (p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1).clip(max=4)        # labels drawn from p
    assert metrics.calibration_error(metrics.reliability(p, y)) < 0.01
    sharp = metrics.with_temperature(p, 0.5)
    assert metrics.calibration_error(metrics.reliability(sharp, y)) > 0.1
    assert metrics.negative_log_likelihood(sharp, y) > metrics.negative_log_likelihood(p, y)


def test_temperature_divides_the_logits(rng):
    z = rng.normal(size=(7, 3))
    p, q = (np.exp(a) / np.exp(a).sum(axis=1, keepdims=True) for a in (z, z / 1.7))
    np.testing.assert_allclose(metrics.with_temperature(p, 1.7), q, rtol=1e-12)
    np.testing.assert_allclose(metrics.with_temperature(p, 1), p, rtol=1e-12)
    certain = metrics.with_temperature(np.array([[1.0, 0.0]]), 2)
    assert np.isfinite(certain).all() and metrics.negative_log_likelihood(certain, np.array([1])) < 40


def test_suspects_are_the_off_diagonal_of_the_confident_joint(rng):
    p, y = random(rng, sharp=2)
    found = label_errors.suspects(p, y)
    t = [p[y == k, k].mean(dtype=float) for k in range(5)]
    expected = {}
    for n, row in enumerate(p):                                 # equation 1, one image at a time
        above = [k for k in range(5) if row[k] >= t[k]]
        if above and (best := max(above, key=lambda k: row[k])) != y[n] != row.argmax():
            expected[n] = best
    assert dict(zip(found.images.tolist(), found.suggested.tolist(), strict=True)) == expected and expected
    assert (np.diff(p[found.images, y[found.images]]) >= 0).all()


def test_a_predicted_label_is_not_suspected():
    """Of the second image the network is sure of class 1, above its threshold, but it predicts class 0."""
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.9, 0.1], [0.7, 0.3], [0.7, 0.3], [0.4, 0.6]])
    y = np.array([0, 0, 0, 1, 1, 0])
    assert label_errors.thresholds(p, y).tolist() == pytest.approx([0.7, 0.3])
    found = label_errors.suspects(p, y)
    assert found.images.tolist() == [3, 4, 5] and found.suggested.tolist() == [0, 0, 1]


def test_changed_labels_are_suspected(rng):
    p, y = random(rng, N=1000, sharp=4)
    clear = np.flatnonzero((p.max(axis=1) > 0.9) & (p.argmax(axis=1) == y))[:30]
    changed = y.copy()
    changed[clear] = (y[clear] + 1) % 5
    found = label_errors.suspects(p, changed)
    assert np.isin(clear, found.images).mean() > 0.9
    assert (found.suggested[np.isin(found.images, clear)] == y[found.images[np.isin(found.images, clear)]]).all()


def test_a_class_without_images_is_never_suggested():
    p = np.array([[0.1, 0.2, 0.7], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    y = np.array([0, 0, 1])
    assert label_errors.thresholds(p, y).tolist() == [pytest.approx(0.45), pytest.approx(0.8), math.inf]
    assert len(label_errors.suspects(p, y).images) == 0
