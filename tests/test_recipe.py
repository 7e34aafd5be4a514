"""The parts of the training recipe: whitening filters, and epochs on images of half the size."""

import json

import numpy as np
import pytest
from small import NARROW, dataset, learned, same

from minigooglenet import engine
from minigooglenet.data.augment import halve
from minigooglenet.errors import UserError
from minigooglenet.layers import Conv
from minigooglenet.training import checkpoint
from minigooglenet.training import trainer as trainers
from minigooglenet.training.config import Config
from minigooglenet.training.trainer import Trainer
from minigooglenet.training.whitening import EPSILON, covariance, whitening
from minigooglenet.weights import safetensors_io


@pytest.fixture(scope="module")
def few():
    return dataset()


# -- whitening --------------------------------------------------------------------------------------------------------

def test_the_covariance_of_patches_by_hand(rng):
    x = rng.standard_normal((3, 5, 4, 2))
    patches = np.array([x[n, i:i + 3, j:j + 2].ravel() for n in range(3) for i in range(3) for j in range(3)])
    np.testing.assert_allclose(covariance(x, 3, 2), patches.T @ patches / len(patches), rtol=1e-12)


def correlated(rng, N=20, H=9, W=12):
    """Images whose neighboring pixels are alike."""
    x = rng.standard_normal((N, H + 1, W + 1, 3))
    return x[:, 1:, 1:] + x[:, :-1, 1:] + x[:, 1:, :-1]


def test_whitened_outputs_are_uncorrelated_with_variance_1(rng):
    x, conv = correlated(rng), Conv(3, 12, 3, bias=False, rng=1, dtype=np.float64)
    conv.params["w"][...] = whitening(conv.params["w"], x)
    y = conv.forward(x)[0].reshape(-1, 12)[:, :6]
    np.testing.assert_allclose(y.T @ y / len(y), np.eye(6), atol=0.01)
    np.testing.assert_array_equal(conv.params["w"][..., 6:], -conv.params["w"][..., :6])


def test_whitening_takes_the_directions_of_the_largest_variance(rng):
    x = correlated(rng)
    values = np.linalg.eigvalsh(covariance(x, 3, 3))[::-1]
    w = whitening(np.zeros((3, 3, 3, 8)), x).reshape(27, 8)
    np.testing.assert_allclose((w[:, :4] ** 2).sum(axis=0), 1 / (values[:4] + EPSILON), rtol=1e-9)


def test_filters_that_are_left_over_stay_random(rng):
    w = rng.standard_normal((1, 2, 3, 15))          # a patch has 6 values: 12 filters with their negatives
    made = whitening(w, correlated(rng))
    np.testing.assert_array_equal(made[..., 12:], w[..., 12:])
    np.testing.assert_array_equal(made[..., 6:12], -made[..., :6])
    assert not np.isclose(made[..., :12], w[..., :12]).any()


def test_constant_images_have_no_infinite_filters():
    w = whitening(np.zeros((3, 3, 3, 8)), np.zeros((2, 6, 6, 3)))
    assert np.isfinite(w).all()


def test_the_trainer_whitens_the_first_convolution_only(few):
    usual, white = (Trainer(NARROW.but(whiten=whiten), few) for whiten in (False, True))
    random, made = usual.net.parameters(), white.net.parameters()
    assert [path for path in random if not np.array_equal(random[path], made[path])] == ["conv1/w"]
    np.testing.assert_array_equal(made["conv1/w"], whitening(random["conv1/w"], white.normalizer(few.x_train)))


def test_the_trainer_hands_the_factor_of_beta_to_the_optimizer(few):
    factors = Trainer(NARROW.but(beta_lr=5), few).sgd.lr_factor
    assert factors["4a/3x3/bn/beta"] == factors["aux1/conv/bn/beta"] == 5
    assert {factor for path, factor in factors.items() if not path.endswith("/beta")} == {1}


# -- half the size ----------------------------------------------------------------------------------------------------

def test_the_first_epochs_train_on_halved_images_without_heads(few):
    trainer = Trainer(NARROW.but(epochs=3, half=0.6, augment="none"), few)
    seen, step = [], trainer.train_step

    def record(x, y):
        before = learned(trainer)
        seen.append(x)
        result = step(x, y)
        heads = [path for path in before if path.startswith("weights/aux") and path.endswith("conv/w")]
        moved.append(any(trainer.net.gradients()[path.removeprefix("weights/")].any() for path in heads))
        return result

    moved, trainer.train_step = [], record
    trainer.run()
    shapes = [x.shape[1:] for x in seen]
    assert shapes == 10 * [(16, 16, 3)] + 5 * [(32, 32, 3)] and moved == 10 * [False] + 5 * [True]
    halved = np.concatenate(seen[:5]).astype(np.float64)  # an epoch: every image once
    expected = trainer.normalizer(halve(few.x_train)).astype(np.float64)
    np.testing.assert_allclose(np.sort(halved.sum(axis=(1, 2, 3))), np.sort(expected.sum(axis=(1, 2, 3))), rtol=1e-4)


def test_on_halved_images_the_weights_of_the_heads_only_decay(few):
    """All measured accuracies of runs with ``half`` include this."""
    trainer = Trainer(NARROW.but(epochs=2, half=0.5, momentum=0, nesterov=False, weight_decay=0.1), few)
    before = {path: w.copy() for path, w in trainer.net.parameters().items() if path.startswith("aux")}
    trainer.run(stop=lambda: trainer.step == 2)
    decay = np.prod([1 - 0.1 * trainer.learning_rate(step) for step in range(2)])
    for path, w in before.items():
        np.testing.assert_allclose(trainer.net.parameters()[path], w * decay if w.ndim > 1 else w, rtol=1e-6)
    assert decay < 0.999 and "aux2/conv/w" in before


def test_tests_are_on_halved_images_as_long_as_training_is(few, monkeypatch):
    sizes = []
    monkeypatch.setattr(trainers, "accuracy", lambda net, x, *others, **options: sizes.append(x.shape[1:3]) or 0.5)
    Trainer(NARROW.but(epochs=3, half=0.4), few).run()
    assert sizes == [(16, 16), (32, 32), (32, 32)]


def test_both_engines_agree_on_halved_images(few):
    weights = []
    for kind in engine.KINDS:
        engine.use(kind)
        try:
            trainer = Trainer(NARROW.but(half=0.5, batch=20), few)
            trainer.run(stop=lambda trainer=trainer: trainer.step == 1)
        finally:
            engine.use(None)
        weights.append(trainer.net.parameters())
    for path, w in weights[0].items():
        np.testing.assert_allclose(w, weights[1][path], atol=1e-5, err_msg=path)


def test_a_run_resumed_among_the_halved_epochs_equals_an_uninterrupted_one(few, tmp_path):
    config = NARROW.but(epochs=3, half=0.4, whiten=True)
    whole, first, second = Trainer(config, few), Trainer(config, few, tmp_path), Trainer(config, few, tmp_path)
    whole.run()
    first.run(stop=lambda: first.step == 3)
    second.restore(checkpoint.load(tmp_path))
    second.run()
    assert same(learned(whole), learned(second))


@pytest.mark.parametrize("half, epochs, halved", [(0, 5, 0), (0.5, 1, 0), (0.4, 5, 2), (0.99, 4, 3), (0.6, 3, 2)])
def test_the_number_of_halved_epochs(half, epochs, halved):
    assert Config(half=half, epochs=epochs).half_epochs == halved


@pytest.mark.parametrize("changes", [{"half": 1.0}, {"half": -0.1}, {"half": 0.5, "model": "lenet5"},
                                     {"half": 0.5, "classifier": "fc"}])
def test_invalid_halves(changes):
    with pytest.raises(UserError, match="^half: got "):
        Config(**changes)


def test_a_checkpoint_of_an_earlier_version_has_the_recipe_of_that_time(few, tmp_path):
    Trainer(NARROW, few, tmp_path).save()
    arrays, metadata = safetensors_io.load(tmp_path / checkpoint.NAME)
    config = json.loads(metadata["config"])
    for name in ("half", "whiten", "beta_lr"):
        del config[name]
    safetensors_io.save(tmp_path / checkpoint.NAME, arrays, metadata | {"config": json.dumps(config)})
    assert checkpoint.load(tmp_path).config == NARROW
    assert (NARROW.half, NARROW.whiten, NARROW.beta_lr) == (0, False, 1)


def test_an_epoch_on_halved_images_is_a_third_of_the_work():
    config = Config(epochs=8, half=0.5)
    assert [round(3 * config.work(epochs)) for epochs in (1, 4, 5, 8)] == [1, 4, 7, 16]
    assert Config(epochs=8).work(5) == 5
