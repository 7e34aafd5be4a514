"""fit, predict, score: the reduced network as scikit-learn knows classifiers."""

import numpy as np
import pytest

from minigooglenet.data import shapes10
from minigooglenet.errors import UserError
from minigooglenet.estimator import GoogLeNetClassifier


def small(**changes):
    return GoogLeNetClassifier(**{"width": 0.1, "epochs": 40, "batch": 30, "lr": 0.1, "augment": "none",
                                  "drop_prob": 0.0} | changes)


@pytest.fixture(scope="module")
def pictures():
    """Bright above or bright below, words for labels, 8×8 with one channel."""
    rng = np.random.default_rng(0)
    y = np.array(["above", "below"])[rng.integers(0, 2, 90)]
    x = rng.integers(0, 80, (90, 8, 8), np.uint8)
    for picture, name in zip(x, y, strict=True):
        picture[slice(0, 4) if name == "above" else slice(4, 8)] += 120
    return x, y


@pytest.fixture(scope="module")
def fitted(pictures):
    return small().fit(*pictures)


def test_it_learns(fitted, pictures):
    x, y = pictures
    assert fitted.score(x, y) > 0.9 and list(fitted.classes_) == ["above", "below"]
    p = fitted.predict_proba(x)
    assert p.shape == (90, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert list(fitted.predict(x)) == list(fitted.classes_[p.argmax(axis=1)])


def test_floats_from_0_to_1_are_the_same_pictures(pictures):
    x, y = pictures
    fitted, again = small(epochs=1).fit(x, y), small(epochs=1).fit(x / 255, y)
    np.testing.assert_array_equal(again.predict_proba(x[:5] / 255), fitted.predict_proba(x[:5]))
    np.testing.assert_array_equal(fitted.predict_proba(x[:5].astype(float)), fitted.predict_proba(x[:5]))
    dark = x[:5] // 255  # all 0: still read as fit has decided
    assert again.predict_proba(dark / 255).shape == (5, 2)


@pytest.mark.parametrize("size, heads", [(32, True), (20, True), (16, False), (9, False)])
def test_any_size_with_heads_where_they_fit(size, heads):
    x, y = shapes10.draw(12, 3, split=0)
    x = np.ascontiguousarray(x[:, :size, :size - 1 if size < 16 else size])
    made = small(epochs=1, batch=6).fit(x, y)
    assert hasattr(made.net_, "heads") == heads and made.predict(x).shape == (12,)


def test_params():
    made = small(seed=3)
    assert made.set_params(width=0.5, heads=False) is made
    assert made.get_params() == small(seed=3, width=0.5, heads=False).get_params()
    with pytest.raises(ValueError, match="depth: no such parameter; choose width"):
        made.set_params(depth=3)


@pytest.mark.parametrize("change, says", [
    (lambda x, y: (x - 200.0, y), "values from -200 to .*do not standardise"),
    (lambda x, y: (x.reshape(90, 64), y), r"X: uint8 \(90, 64\), needs numbers \(N, H, W, C\)"),
    (lambda x, y: (x, y[:5]), "needs one label for each of the 90 pictures"),
    (lambda x, y: (x, np.zeros(90)), "two classes or more"),
    (lambda x, y: (np.full(x.shape, np.nan), y), "values from nan to nan"),
])
def test_refused(pictures, change, says):
    with pytest.raises(UserError, match=says):
        small().fit(*change(*pictures))


def test_other_pictures_than_it_was_trained_on(fitted):
    with pytest.raises(UserError, match="it was trained on"):
        fitted.predict(np.zeros((2, 9, 8, 3), np.uint8))


def test_in_scikit_learn(pictures):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.base import clone, is_classifier
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    x, y = pictures
    made = small()
    assert clone(made).get_params() == made.get_params() and is_classifier(made)
    pipeline = make_pipeline(FunctionTransformer(lambda flat: flat.reshape(-1, 8, 8)), made)
    assert cross_val_score(pipeline, x.reshape(90, 64), y, cv=3).mean() > 0.8
    search = GridSearchCV(made, {"lr": [0.05, 0.1]}, cv=2, error_score="raise").fit(x, y)
    assert search.best_params_["lr"] in (0.05, 0.1)
