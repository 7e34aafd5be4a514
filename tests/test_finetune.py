"""Fine-tuning: the linear classifier, frozen and trained layers, resumed runs."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import small
import tuning
from PIL import Image
from tuning import CLASSES, tuner

import minigooglenet as mg
from minigooglenet.data import Dataset, Normalizer
from minigooglenet.data.photos import MEAN_BGR, caffe_input
from minigooglenet.errors import UserError
from minigooglenet.inference.classifier import ORIGINAL
from minigooglenet.models import googlenet
from minigooglenet.training import checkpoint, frozen, linear
from minigooglenet.training.config import Config
from minigooglenet.training.evaluate import accuracy
from minigooglenet.training.feature_cache import FeatureCache
from minigooglenet.training.finetune import PATIENCE, FineTuner
from minigooglenet.training.network import build, restore


@pytest.fixture(scope="module")
def data():
    return tuning.dataset()


@pytest.fixture(scope="module")
def base():
    return tuning.base()


def test_the_linear_classifier_keeps_all_other_layers(data, base, tmp_path):
    one = tuner(data, base, tmp_path / "cache", folder=tmp_path / "run")
    one.start_from(base)
    found = one.fit_classifier()
    assert found.folds == 5 and one.run()
    measured = one.test()
    loaded = checkpoint.load(tmp_path / "run")
    net = restore(loaded)
    arrays = net.parameters() | net.state()
    assert all(np.array_equal(arrays[path], array) for path, array in base.arrays.items() if "linear" not in path)
    assert accuracy(net, data.x_test, data.y_test, loaded.normalizer, views=2) == measured
    assert loaded.normalizer.order == "BGR" and loaded.progress["finetune"]["C"] == found.C


@pytest.mark.parametrize("unfreeze", ["5a", "all"])
def test_what_is_frozen_stays_and_the_rest_is_trained(data, base, tmp_path, unfreeze):
    one = tuner(data, base, tmp_path / "cache", unfreeze, tmp_path / "run")
    one.start_from(base)
    one.fit_classifier()
    before = {path: array.copy() for path, array in one.net.parameters().items()}
    losses = []
    assert one.run(lambda tuner, loss: losses.append(loss))
    changed = {path.split("/")[0] for path, array in one.net.parameters().items()
               if not np.array_equal(array, before[path])}
    assert changed == ({"5a", "5b", "linear"} if unfreeze == "5a" else {path.split("/")[0] for path in before})
    assert losses.count(None) == len(one.history) == 3 and set(one.validation).isdisjoint(one.training)
    held = np.bincount(data.y_train[one.validation], minlength=CLASSES) / np.bincount(data.y_train)
    assert ((held > 0.05) & (held < 0.3)).all()
    step = {path: np.abs(array - before[path]).mean() for path, array in one.net.parameters().items()}
    assert step["linear/b"] > 0 and one.history[-1]["loss"] > 0


def test_patience_starts_with_the_first_epoch(data, base, tmp_path):
    """The loss before it is often the lowest for some epochs."""
    one = tuner(data, base, tmp_path, "5b")
    one.facts["best"] = {"epoch": 0, "accuracy": 0.5, "loss": 1.0}
    for losses, finished in (([], False), ([3, 2.5, 2.2, 2.1, 2.0, 1.9], False), ([2, 3, 3, 3], False),
                             ([2, 3, 3, 3, 3], True), ([3, 2, 2, 2, 2, 2], True)):
        one.history = [{"validation_loss": loss} for loss in losses]
        assert one.finished() == finished, losses


def test_balance_weights_the_classifier_and_the_steps(data, base, tmp_path):
    """Two thirds of the images of the first class are gone; "sampling" draws, so its steps have no weights."""
    kept = np.flatnonzero((data.y_train > 0) | (np.arange(42) % 3 == 0))
    few = dataclasses.replace(data, x_train=data.x_train[kept], y_train=data.y_train[kept])
    learned = {}
    for balance in ("none", "loss", "sampling"):
        one = tuner(few, base, tmp_path, "5b", balance=balance, momentum=0.0, weight_decay=0.0, drop_prob=0.0)
        one.start_from(base)
        one.fit_classifier()
        w, y = one.class_weights, few.y_train[one.training]
        assert (w is None) == (balance == "none") and (w is None or w[y].mean() == pytest.approx(1))
        x = frozen.features(one.part(one.first, -1), one.inputs, 2)[one.training]
        fitted = linear.fit(*linear.flat(x, y), CLASSES, one.facts["C"], weights=w)
        assert (one.net.parameters()["linear/w"] == fitted.w.astype(np.float32)).all()
        chosen = one.training[:8]
        learned[balance] = one.train_step(one.inputs.view(chosen, 0), few.y_train[chosen])[0]
    assert len(set(learned.values())) == 3
    drawn = np.concatenate([y for _, y in one._batches(0, 0)])
    assert (few.y_train == 0).mean() < 0.2 < (drawn == 0).mean()


def test_all_trained_layers_have_one_learning_rate(data, base, tmp_path):
    one = tuner(data, base, tmp_path, "5b", momentum=0.0, weight_decay=0.0, nesterov=False, schedule="constant")
    one.start_from(base)
    one.fit_classifier()
    before = {path: array.copy() for path, array in one.tail.parameters().items()}
    chosen = one.training[:8]
    one.train_step(one.inputs.view(chosen, 1), data.y_train[chosen])
    for path, gradient in one.tail.gradients().items():
        np.testing.assert_allclose(before[path] - one.tail.parameters()[path], 0.02 * gradient, atol=1e-6)


def test_the_best_epoch_is_used_and_training_stops_without_progress(data, base, tmp_path):
    one = tuner(data, base, tmp_path / "cache", "5b", tmp_path / "run", epochs=20, lr=5.0, momentum=0.0)
    one.start_from(base)
    one.fit_classifier()
    before = one.facts["best"]["loss"]
    assert one.run()
    losses = [row["validation_loss"] for row in one.history]
    assert len(losses) < 20 and len(losses) - 1 - np.argmin(losses) == PATIENCE
    assert one.facts["best"]["loss"] == min(before, *losses)
    assert one.facts["best"]["epoch"] == (np.argmin(losses) + 1 if min(losses) < before else 0)
    measured, live = one.test(), one.net.parameters()["linear/w"]
    net = restore(checkpoint.load(tmp_path / "run"))
    assert not np.array_equal(net.parameters()["linear/w"], live)
    assert accuracy(net, data.x_test, data.y_test, base.normalizer, views=2) == measured


@pytest.mark.parametrize("unfreeze, limit", [("5a", 1e12), ("4e", 0), ("all", 0)])
def test_a_resumed_run_ends_with_the_same_bits(data, base, tmp_path, monkeypatch, unfreeze, limit):
    monkeypatch.setattr(frozen, "LARGEST_CACHE", limit)
    whole = tuner(data, base, tmp_path / "cache", unfreeze, tmp_path / "whole", epochs=2)
    whole.start_from(base)
    whole.fit_classifier()
    assert whole.run()
    for stop_at in (2, whole.steps_per_epoch, whole.steps_per_epoch + 1):
        folder = tmp_path / f"stopped at {stop_at}"
        one = tuner(data, base, tmp_path / f"cache {stop_at}", unfreeze, folder, epochs=2)
        one.start_from(base)
        one.fit_classifier()
        assert not one.run(stop=lambda one=one, at=stop_at: one.step == at)
        again = tuner(data, base, tmp_path / "cache", unfreeze, folder, epochs=2)
        again.restore(checkpoint.load(folder))
        assert again.step == stop_at and again.run()
        assert small.differences(tmp_path / "whole", folder) == []
        assert again.test() == whole.test()


def test_preprocessing_in_both_orders_of_the_channels(rng):
    x = rng.integers(0, 256, (2, 3, 5, 3), dtype=np.uint8)
    caffe = Normalizer(MEAN_BGR, np.ones(3), "BGR")
    assert np.array_equal(caffe(x), caffe_input(x)) and caffe(x).flags.c_contiguous
    for normalizer in (caffe, Normalizer(np.array([1.0, 2, 3]), np.array([4.0, 5, 6]), "BGR")):
        np.testing.assert_allclose(normalizer.undo(normalizer(x)), x, atol=1e-4)
    assert normalizer(x)[0, 0, 0] == pytest.approx((x[0, 0, 0, ::-1] - [1, 2, 3]) / [4, 5, 6], rel=1e-6)


@pytest.mark.parametrize("variant, config", [
    ("bvlc", Config(model="googlenet", norm="lrn", drop_prob=0.4, **ORIGINAL)),
    ("torchvision", Config(model="googlenet-torchvision", norm="batch", drop_prob=0.2, **ORIGINAL))])
def test_a_run_builds_the_network_of_each_kind_of_weights(variant, config):
    built, original = build(config, 5, (224, 224, 3)), googlenet(variant, classes=5, heads=False)
    assert repr(built) == repr(original)
    for kind in ("parameters", "state"):
        assert {path: array.shape for path, array in getattr(built, kind)().items()} == {
            path: array.shape for path, array in getattr(original, kind)().items()}


def test_wrong_layers_and_networks(data, base, tmp_path):
    with pytest.raises(UserError, match="--unfreeze 6a: no such layer; choose all, or one of conv1, .*5b$"):
        tuner(data, base, tmp_path, "6a")
    flat = Config(model="nin-cifar", width=1.0, average=0)
    with pytest.raises(UserError, match="nin-cifar: does not end in a linear classifier"):
        FineTuner(flat, small.dataset(), base.normalizer, None, tmp_path)


def test_one_image_of_each_class_is_enough_for_the_classifier_only(data, base, tmp_path):
    """A layer below it would be trained without an image for validation."""
    first = [int(np.flatnonzero(data.y_train == k)[0]) for k in range(CLASSES)]
    few = dataclasses.replace(data, x_train=data.x_train[first], y_train=data.y_train[first])
    with pytest.raises(UserError, match="drawn: .* only one .*--unfreeze needs .*; add images or leave it out"):
        tuner(few, base, tmp_path, "5b")
    one = tuner(few, base, tmp_path)
    one.start_from(base)
    assert one.fit_classifier().folds == 0 and one.run() and 0 <= one.test() <= 1
    two = [*first, int(np.flatnonzero(data.y_train == 0)[1])]
    more = dataclasses.replace(data, x_train=data.x_train[two], y_train=data.y_train[two])
    one = tuner(more, base, tmp_path, "5b", epochs=1)
    one.start_from(base)
    one.fit_classifier()
    assert one.run() and len(one.validation) == 1


def test_copies_of_an_image_are_on_one_side_of_the_validation(base, tmp_path, rng):
    """Of images with random labels, each twice: a copy among the training images would give away the label."""
    x, y = rng.integers(0, 256, (30, 4, 4, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2), np.arange(30) % CLASSES
    twice = Dataset("twice", np.tile(x, (2, 1, 1, 1)), np.tile(y, 2), x, y, list("abc"))
    one = tuner(twice, base, tmp_path, "5b", stored=32)
    held = {int(i) % 30 for i in one.validation}
    assert len(one.validation) == 2 * len(held) == 12 and held.isdisjoint(int(i) % 30 for i in one.training)
    linear_only = tuner(twice, base, tmp_path, stored=32)
    linear_only.start_from(base)
    assert linear_only.fit_classifier().accuracy < 0.65


def test_without_copies_the_validation_images_are_what_they_were():
    """Of an earlier version: a run that it started can be resumed."""
    y = np.arange(40) % CLASSES
    rng = np.random.default_rng([3, 7])
    expected = np.concatenate([rng.permutation(np.flatnonzero(y == k))[:2] for k in range(CLASSES)])
    for copies in (None, np.arange(40), frozen.copies_of(np.arange(40)[:, None])):
        assert np.flatnonzero(frozen.held_out(y, CLASSES, 3, copies)).tolist() == sorted(expected.tolist())


# -- the weights of 2014 ----------------------------------------------------------------------------------------------

CAFFE, PHOTOS = (os.environ.get(name) for name in ("MINIGOOGLENET_CAFFE", "MINIGOOGLENET_PHOTOS"))


@pytest.mark.skipif(not CAFFE or not PHOTOS, reason="MINIGOOGLENET_CAFFE and MINIGOOGLENET_PHOTOS are not folders")
def test_features_of_2014_are_torchs(tmp_path):
    torch = pytest.importorskip("torch")
    from caffe_reference import features
    classifier = mg.load(Path(CAFFE) / "bvlc_googlenet.caffemodel")
    photos = sorted(Path(PHOTOS).glob("*.JPEG"))[:3]
    x = np.stack([classifier.center_crop(Image.open(photo).convert("RGB")) for photo in photos])
    body = frozen.Sequential(dict(list(classifier.net.children.items())[:-1]))
    cache = FeatureCache(tmp_path, body, classifier.prepare, (224, 224, 3))
    rows = cache.find(x)
    found = cache.rows()[rows]
    with torch.no_grad():
        expected = features(classifier.net.parameters(), torch.tensor(x)).numpy()
    assert found.shape == (3, 1024)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
