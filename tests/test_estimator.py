"""The reduced network as a scikit-learn classifier: fit, predict, score."""

import subprocess
import sys
from unittest import SkipTest

import numpy as np
import pytest

from minigooglenet.data import shapes10
from minigooglenet.errors import UserError
from minigooglenet.training.estimator import GoogLeNetClassifier
from minigooglenet.training.evaluate import probabilities
from minigooglenet.training.trainer import Diverged, Trainer


def small(**changes):
    return GoogLeNetClassifier(**{"width": 0.1, "epochs": 40, "batch": 30, "lr": 0.1, "augment": "none",
                                  "drop_prob": 0.0} | changes)


@pytest.fixture(scope="module")
def images():
    """Bright above or bright below, strings as labels, 8×8 with one channel."""
    rng = np.random.default_rng(0)
    y = np.array(["above", "below"])[rng.integers(0, 2, 90)]
    x = rng.integers(0, 80, (90, 8, 8), np.uint8)
    for image, name in zip(x, y, strict=True):
        image[slice(0, 4) if name == "above" else slice(4, 8)] += 120
    return x, y


@pytest.fixture(scope="module")
def fitted(images):
    return small().fit(*images)


def test_it_learns(fitted, images):
    x, y = images
    assert fitted.score(x, y) > 0.9 and list(fitted.classes_) == ["above", "below"]
    p = fitted.predict_proba(x)
    assert p.shape == (90, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert list(fitted.predict(x)) == list(fitted.classes_[p.argmax(axis=1)])


def test_predictions_use_the_averaged_weights(images):
    made = small(epochs=2).fit(*images)
    again = Trainer(made.trainer_.config, made.trainer_.dataset)
    again.run()
    raw = probabilities(again.net, again.dataset.x_train[:9], again.normalizer)
    again.average.swap()
    averaged = probabilities(again.net, again.dataset.x_train[:9], again.normalizer)
    assert not np.array_equal(raw, averaged)
    np.testing.assert_array_equal(made.predict_proba(images[0][:9]), averaged)


def test_floats_from_0_to_1_are_the_same_images(images):
    x, y = images
    fitted, again = small(epochs=1).fit(x, y), small(epochs=1).fit(x / 255, y)
    np.testing.assert_array_equal(again.predict_proba(x[:5] / 255), fitted.predict_proba(x[:5]))
    np.testing.assert_array_equal(fitted.predict_proba(x[:5].astype(float)), fitted.predict_proba(x[:5]))
    dark = x[:5] // 255  # all 0: the range is the one that fit decided on
    assert again.predict_proba(dark / 255).shape == (5, 2)


@pytest.mark.parametrize("size, heads", [(32, True), (20, True), (16, False), (9, False)])
def test_any_size_with_heads_where_they_fit(size, heads):
    x, y = shapes10.draw(12, 3, split=0)
    x = np.ascontiguousarray(x[:, :size, :size - 1 if size < 16 else size])
    made = small(epochs=1, batch=6).fit(x, y)
    assert hasattr(made.net_, "heads") == heads and made.predict(x).shape == (12,)


def test_large_images_have_a_stem_that_fits():
    x = np.random.default_rng(0).integers(0, 256, (6, 70, 64, 3), np.uint8)
    fitted = GoogLeNetClassifier(width=0.05, epochs=1, batch=3).fit(x, [0, 1] * 3)
    assert fitted.net_.children["conv1"].kernel == (7, 7) and fitted.predict_proba(x).shape == (6, 2)


def test_params():
    made = small(seed=3)
    assert made.set_params(width=0.5, heads=False) is made
    assert made.get_params() == small(seed=3, width=0.5, heads=False).get_params()
    with pytest.raises(ValueError, match="depth: no such parameter; choose width"):
        made.set_params(depth=3)


@pytest.mark.parametrize("change, message", [
    (lambda x, y: (x - 200.0, y), "values from -200 to .*pass pixels as they are"),
    (lambda x, y: (x.reshape(5, 18, 8, 4, 2), y), r"X: uint8 \(5, 18, 8, 4, 2\), needs numeric \(N, H, W, C\)"),
    (lambda x, y: (x[0, 0], y), r"X: uint8 \(8,\), needs numeric \(N, H, W, C\)"),
    (lambda x, y: (x[:0], y[:0]), r"X: uint8 \(0, 8, 8, 1\), needs numeric"),
    (lambda x, y: (x, y[:5]), "needs one label for each of the 90 images"),
    (lambda x, y: (x, np.zeros(90)), "two classes or more"),
    (lambda x, y: (np.full(x.shape, np.nan), y), r"values from nan to nan.*NaN or inf"),
    (lambda x, y: (np.where(x > 150, np.inf, x), y), "NaN or inf"),
    (lambda x, y: (x + 1j, y), "Complex data not supported"),
    (lambda x, y: (np.zeros((90, 3, 32, 32), np.uint8), y), r"channels first; pass X.transpose\(0, 2, 3, 1\)"),
    (lambda x, y: (x.reshape(90, 64), y), r"rows of 64 values, which are no images of shape \(8, 9\)"),
    (lambda x, y: (x, None), "requires y"),
    (lambda x, y: (x, np.stack([y, y], 1)), r"y: \(90, 2\), needs one label for each"),
    (lambda x, y: (x, y[0]), r"y: \(\), needs one label"),
    (lambda x, y: (x, np.where(y == "above", np.nan, 1)), "contains NaN"),
    (lambda x, y: (x, np.where(y == "above", None, "b")), "contains NaN, None"),
    (lambda x, y: (x, np.linspace(0, 1, 90)), "Unknown label type: continuous"),
    (lambda x, y: (x, np.array(["a", 1] * 45, object)), "labels of different types"),
    (lambda x, y: (np.zeros((90, 12, 513), np.uint8), y), r"images of shape \(12, 513, 1\), needs at most 512"),
    (lambda x, y: (x, y), "1 channel.*augment=.paper. needs 3: red, green and blue"),
])
def test_invalid_input(images, change, message):
    for kind in (UserError, ValueError):  # the second is what scikit-learn expects
        with pytest.raises(kind, match=message) as error:
            small(image_shape=(8, 9), augment="paper").fit(*change(*images))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("change", [lambda y: y[:89], lambda y: y[:1], lambda y: y[0], lambda y: np.stack([y, y], 1),
                                    lambda y: y[None], lambda y: np.tile(y[:, None], 90)])
def test_labels_are_never_broadcast_into_a_score(fitted, images, change):
    with pytest.raises(UserError, match=r"y: \(.*needs one label for each of the 90 images: \(90,\)"):
        fitted.score(images[0], change(images[1]))


def test_a_column_of_labels_gives_a_warning(fitted, images):
    x, y = images
    with pytest.warns(UserWarning, match="A column-vector y was passed"):
        assert fitted.score(x, y[:, None]) == fitted.score(x, y)


def test_score_with_weights(fitted, images):
    x, y = images
    correct, weights = fitted.predict(x) == y, np.arange(90.0)
    assert fitted.score(x, y, sample_weight=weights) == pytest.approx((correct * weights).sum() / weights.sum())
    assert fitted.score(x, y, np.ones(90)) == pytest.approx(fitted.score(x, y))
    for wrong in (np.ones(89), np.ones((90, 1)), 1.0, np.full(90, np.nan), np.zeros(90)):
        with pytest.raises(UserError, match="sample_weight: "):
            fitted.score(x, y, sample_weight=wrong)


def test_not_fitted(images):
    for call in (lambda: small().predict(images[0]), lambda: small().predict_proba(images[0]),
                 lambda: small().score(*images)):
        for kind in (UserError, ValueError, AttributeError):
            with pytest.raises(kind, match="not fitted yet; call fit first"):
                call()


def test_not_fitted_in_scikit_learn(images):
    exceptions = pytest.importorskip("sklearn.exceptions")
    with pytest.raises(exceptions.NotFittedError) as error:
        small().predict(images[0])
    assert isinstance(error.value, UserError)
    with pytest.raises(exceptions.NotFittedError):
        small().score(*images)


def test_not_fitted_after_a_second_fit_that_failed(images):
    x, y = images
    made = small(epochs=1, image_shape=(8, 8)).fit(x.reshape(90, 64), y)
    with pytest.raises(Diverged):
        made.set_params(lr=1e30, epochs=2).fit(x, np.where(y == "above", "left", "right"))
    assert not hasattr(made, "n_features_in_")
    with pytest.raises(UserError, match="not fitted yet"):
        made.predict(x)


def test_importing_does_not_import_scikit_learn():
    code = "import sys, minigooglenet.training.estimator as e; e.not_fitted(); print('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_another_range_than_in_training_gives_a_warning(fitted, images, recwarn):
    x, _ = images
    fitted.predict(x[:5].astype(float))
    fitted.predict(x[:5] // 255)  # dark images, but on the same scale
    assert not recwarn
    with pytest.warns(UserWarning, match="values from 0 to 1, but the network was trained on values above 1.*255"):
        fitted.predict(x[:5] / 255)


def test_floats_slightly_above_1_give_a_warning(images, recwarn):
    x, y = images
    for plain in (x / 255, x / 1.5, x // 20.0):     # from 0 to 1, to 133, and whole numbers to 9
        small(epochs=1).fit(plain, y)
    assert not recwarn
    resized = x * (1.004 / x.max())
    with pytest.warns(UserWarning, match=r"X: values from 0 to 1.004 are rounded to whole numbers; pass X / X.max\(\)"):
        small(epochs=1).fit(resized, y)


def test_rows_are_images_of_the_given_shape(images):
    x, y = images
    rows, square = small(epochs=1, image_shape=(8, 8)), small(epochs=1)
    rows.fit(x.reshape(90, 64), y)
    np.testing.assert_array_equal(rows.predict_proba(x.reshape(90, 64)), square.fit(x, y).predict_proba(x))
    assert rows.n_features_in_ == 64
    with pytest.raises(UserError, match="X has 63 features, but GoogLeNetClassifier is expecting 64 features"):
        rows.predict(x.reshape(90, 64)[:, 1:])
    with pytest.warns(UserWarning, match="each row is used as an image of 1×64 pixels.*image_shape"):
        assert small(epochs=1).fit(x.reshape(90, 64), y).trainer_.dataset.x_train.shape == (90, 12, 64, 1)


def test_numpy_scalars_as_parameters(images):
    made = small(epochs=np.int64(1), width=np.float64(0.05), heads=np.bool_(True), augment=np.str_("none"))
    assert made.fit(*images).trainer_.config.epochs == 1
    with pytest.raises(UserError, match="epochs: got 2.5, needs a whole number"):
        small(epochs=2.5).fit(*images)


def scikit_learn_checks():
    checks = pytest.importorskip("sklearn.utils.estimator_checks", reason="scikit-learn is not installed")
    made = GoogLeNetClassifier(width=0.05, epochs=1, batch=32, heads=False)
    return list(checks.estimator_checks_generator(made))


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_every_check_of_scikit_learn_that_applies():
    skipped = []
    checks = scikit_learn_checks()
    assert len(checks) > 45
    for estimator, check in checks:
        try:
            check(estimator)
        except SkipTest as reason:  # needs a package that is not installed
            skipped.append(str(reason))
    assert len(skipped) <= 5, skipped


def test_images_of_another_shape_than_in_training(fitted):
    with pytest.raises(UserError, match="the network was trained on"):
        fitted.predict(np.zeros((2, 9, 8, 3), np.uint8))


def test_in_scikit_learn(images):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.base import clone, is_classifier
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    x, y = images
    made = small()
    assert clone(made).get_params() == made.get_params() and is_classifier(made)
    pipeline = make_pipeline(FunctionTransformer(lambda flat: flat.reshape(-1, 8, 8)), small(epochs=12, batch=15))
    assert cross_val_score(pipeline, x.reshape(90, 64), y, cv=3).mean() > 0.8
    search = GridSearchCV(small(epochs=2), {"lr": [0.05, 0.1]}, cv=2, error_score="raise").fit(x, y)
    assert search.best_params_["lr"] in (0.05, 0.1)
