"""The training loop, and its messages when the loss diverges or stays at guessing."""

import math
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import small
from small import NARROW, learned, same

from minigooglenet.data import Augment, Dataset
from minigooglenet.training import checkpoint, loop
from minigooglenet.training import trainer as trainers
from minigooglenet.training.config import Config
from minigooglenet.training.losses import weighted_loss
from minigooglenet.training.report import Display, final_result
from minigooglenet.training.trainer import Diverged, Trainer


@pytest.fixture(scope="module")
def dataset():
    return small.dataset()


# -- the loop ---------------------------------------------------------------------------------------------------------

def test_it_overfits_a_few_images():
    """Thirty steps on one batch.

    At a learning rate of 0.1 the final loss is 0.03 to 0.06 for eight seeds. At twice that, and after twenty steps, it
    depends on how the kernels round: 0.07 to 0.42.
    """
    few = small.dataset(32, 4)
    trainer = Trainer(Config(width=0.125, batch=32, epochs=30, lr=0.1, drop_prob=0, augment="none"), few)
    losses = []
    assert trainer.run(lambda trainer, loss: losses.append(loss) if loss is not None else None)
    assert len(losses) == trainer.step == 30
    assert losses[0] > 1.5 and losses[-1] < 0.15
    assert trainer.history[-1]["train_accuracy"] == 1


def test_images_are_normalized_with_the_statistics_of_the_training_images(dataset):
    brighter = Dataset(**vars(dataset) | {"x_test": 255 - dataset.x_test // 2})
    trainer = Trainer(NARROW.but(epochs=1), brighter)
    pixels = brighter.x_train.astype(np.float64)
    np.testing.assert_allclose(trainer.normalizer.mean, pixels.mean((0, 1, 2)))
    np.testing.assert_allclose(trainer.normalizer.std, pixels.std((0, 1, 2)))
    seen, step = [], trainer.train_step
    trainer.train_step = lambda x, y: seen.append(x) or step(x, y)
    trainer.run()
    x = np.concatenate(seen).astype(np.float64)  # without augmentation: every training image once
    assert x.shape == pixels.shape
    np.testing.assert_allclose(x.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std((0, 1, 2)), 1, rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_a_step_uses_label_smoothing(dataset, smoothing):
    config = NARROW.but(label_smoothing=smoothing, average=0, momentum=0, nesterov=False, weight_decay=0)
    trainer, reference = Trainer(config, dataset), Trainer(config, dataset)
    x, y = trainer.normalizer(dataset.x_train[:8]), dataset.y_train[:8]
    loss, _ = trainer.train_step(x, y)
    logits, cache = reference.net.forward(x, train=True)
    _, expected, dy = weighted_loss(logits, y, (1.0, 0.3, 0.3), smoothing)
    assert loss == pytest.approx(expected, rel=1e-4)
    reference.net.backward(dy, cache)
    gradient, lr = reference.net.gradients()["linear/b"], trainer.learning_rate(0)
    np.testing.assert_allclose(trainer.net.parameters()["linear/b"], -lr * gradient, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("nesterov", [False, True])
def test_steps_use_the_settings_of_the_optimizer_and_of_the_loss(dataset, monkeypatch, nesterov):
    """Two steps against the formulas of SGD and of the loss, with the layers as written."""
    monkeypatch.setenv("MINIGOOGLENET_ENGINE", "plain")
    config = NARROW.but(momentum=0.7, weight_decay=0.1, head_weight=0.5, nesterov=nesterov, lr=1e-4, average=0)
    trainer, net = Trainer(config, dataset), Trainer(config, dataset).net
    x, y = trainer.normalizer(dataset.x_train[:8]), dataset.y_train[:8]
    velocity = {path: np.zeros_like(w) for path, w in net.parameters().items()}
    initial = {path: w.copy() for path, w in net.parameters().items()}
    for step in range(2):
        trainer.train_step(x, y)
        logits, cache = net.forward(x, train=True)
        net.zero_grads()
        net.backward(weighted_loss(logits, y, (1.0, 0.5, 0.5))[2], cache)
        for path, w in net.parameters().items():
            g = net.gradients()[path] + (0.1 * w if w.ndim > 1 else 0)
            velocity[path] = 0.7 * velocity[path] + g
            w -= np.float32(trainer.learning_rate(step)) * (g + 0.7 * velocity[path] if nesterov else velocity[path])
    for path, v in velocity.items():
        np.testing.assert_allclose(trainer.sgd.velocity[path], v, atol=2e-3 * np.abs(v).max(), err_msg=path)
        change, expected = (w[path] - initial[path] for w in (trainer.net.parameters(), net.parameters()))
        np.testing.assert_allclose(change, expected, atol=1e-2 * np.abs(expected).max(), err_msg=path)


def test_batches_are_augmented(dataset):
    seen, trainer = [], Trainer(NARROW.but(epochs=1), dataset, augment=lambda x, rng: np.full_like(x, 255))
    trainer.train_step = lambda x, y: seen.append(x) or (1.0, 0)
    trainer.run(stop=lambda: len(seen) == 2)
    white = trainer.normalizer(np.full((8, 32, 32, 3), 255, np.uint8))
    assert len(seen) == 2 and all(np.array_equal(x, white) for x in seen)


def test_images_per_second_counts_the_time_of_the_steps(dataset, monkeypatch):
    """With a clock that advances by a second whenever it is read: once in each step and once after it."""
    trainer = Trainer(NARROW, dataset)
    trainer.train_step = lambda x, y: setattr(trainer, "step", trainer.step + 1) or (1.0, 0)
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=count(0.0).__next__))
    trainer.run()
    assert [row["images_per_second"] for row in trainer.history] == [8, 8] and trainer.images_per_second() == 8


def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads(dataset, threads):
    config = NARROW.but(batch=20, epochs=1)  # chunks of 8, 8 and 4
    results = []
    for number in (1, 2, 3):
        threads(number)
        trainer = Trainer(config, dataset, augment=Augment(config.augment))
        trainer.run()
        results.append(learned(trainer))
    assert same(results[0], results[1]) and same(results[0], results[2])


def test_another_seed_gives_other_weights_and_another_order(dataset):
    one, other = (Trainer(NARROW.but(seed=seed, epochs=1), dataset) for seed in (1, 2))
    assert not same(one.net.parameters(), other.net.parameters())
    other = Trainer(NARROW.but(seed=1, epochs=1), dataset)
    assert same(one.net.parameters(), other.net.parameters())


def test_learning_rate_epochs_and_counts(dataset):
    trainer = Trainer(NARROW.but(schedule="steps", epochs=2), dataset)
    assert (trainer.steps_per_epoch, trainer.steps) == (5, 10)
    assert trainer.learning_rate(0) == trainer.learning_rate(9) == NARROW.lr
    assert [Trainer(NARROW, dataset).learning_rate(step) > 0 for step in (0, 9)] == [True, True]
    seen = []
    trainer.run(lambda trainer, loss: seen.append(None if loss is None else trainer.step))
    assert seen == [1, 2, 3, 4, 5, None, 6, 7, 8, 9, 10, None]
    assert [(row["epoch"], row["step"]) for row in trainer.history] == [(1, 5), (2, 10)]
    for row in trainer.history:
        assert 0 <= row["train_accuracy"] <= 1 and 0 <= row["test_accuracy"] <= 1 and row["images_per_second"] > 0
    assert trainer.history[0]["seconds"] < trainer.history[1]["seconds"] <= trainer.seconds
    result = final_result(trainer)
    assert result["test_accuracy"] == trainer.test(views=2) and result["epochs"] == 2 and result["seed"] == 0
    assert result["parameters"] == sum(w.size for w in trainer.net.parameters().values())
    assert result["dataset"] == "shapes" and result["images_per_second"] == round(trainer.images_per_second(), 1) > 0


def test_a_batch_larger_than_the_data_set_is_the_whole_data_set(dataset):
    trainer = Trainer(NARROW.but(batch=1000, epochs=1), dataset)
    trainer.run()
    assert trainer.step == trainer.steps == 1
    assert trainer.images_per_second() == pytest.approx(trainer.history[0]["images_per_second"])


def test_without_auxiliary_classifiers_without_average_and_for_an_earlier_network(dataset):
    for config in (NARROW.but(heads=False, average=0, epochs=1, batch=20, norm="lrn"),
                   NARROW.but(model="lenet5", width=1.0, epochs=1, batch=20)):
        trainer = Trainer(config, dataset)
        before = learned(trainer)
        assert trainer.run() and trainer.step == 2
        after = learned(trainer)
        unchanged = [path for path, array in after.items() if np.array_equal(array, before[path])]
        assert not unchanged and not any("aux" in path for path in after)
        assert 0 <= trainer.test() <= 1


# -- when it does not learn -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("norm", ["batch", "none"])
def test_a_diverging_run_stops_and_keeps_the_checkpoint(dataset, tmp_path, norm, recwarn):
    trainer = Trainer(NARROW.but(lr=1e20, norm=norm), dataset, tmp_path)
    trainer.save()
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(Diverged) as error:
        trainer.run()
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    with pytest.raises(Diverged):
        Trainer(trainer.config, dataset, tmp_path).run(checkpoint_every=1)
    arrays = checkpoint.load(tmp_path).arrays  # perhaps huge, but finite
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert "step " in str(error.value) and "such as --lr 0.1" in str(error.value) and "\n" not in str(error.value)
    assert ("--norm batch" in str(error.value)) == (norm == "none")
    assert not [w for w in recwarn if w.category is RuntimeWarning]


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_nan_or_infinite(dataset, monkeypatch, loss):
    monkeypatch.setattr(trainers, "weighted_loss", lambda *_: (loss, loss, None))
    message = f"step 1: the loss is {loss}; start again with a lower learning rate, such as --lr"
    with pytest.raises(Diverged, match=message):
        Trainer(NARROW, dataset).run()


def test_weights_that_are_not_finite_are_not_saved(dataset, tmp_path):
    trainer = Trainer(NARROW, dataset, tmp_path)
    trainer.net.parameters()["conv1/w"][0, 0, 0, 0] = np.inf
    with pytest.raises(Diverged, match="step 0: conv1/w is NaN or infinite; start again"):
        trainer.save()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_a_loss_that_stays_at_guessing_gives_one_warning(norm, dataset, capsys, monkeypatch):
    monkeypatch.setattr(loop, "STUCK_AFTER", 5)
    trainer = Trainer(NARROW.but(lr=1e-9, norm=norm, schedule="constant"), dataset)
    display = Display(trainer, quiet=True)
    trainer.run(lambda trainer, loss: display.step(loss))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("warning: the loss is ") and "ln(10) = 2.303" in lines[0]
    assert ("--norm batch" in lines[0]) == (norm != "batch") and "--lr 2.5e-10" in lines[0]


def test_no_warning_while_the_learning_rate_rises(dataset):
    """One-cycle is highest after a quarter of the steps: here 300 of 1,200."""
    trainer = Trainer(NARROW.but(schedule="one-cycle", epochs=240), dataset)
    assert trainer.steps == 1200
    trainer.history = [{"loss": 2.4}]
    for step, stuck in ((150, False), (395, False), (400, True)):
        trainer.step = step
        assert trainer.stuck() == stuck, step


def test_no_warning_below_guessing_or_in_the_first_steps(dataset):
    trainer = Trainer(NARROW.but(schedule="constant"), dataset)
    assert not trainer.stuck()
    for step, loss, stuck in ((1000, math.log(10), True), (1000, 5.0, True), (1000, 2.2, False), (20, 2.4, False)):
        trainer.step, trainer.history = step, [{"loss": loss}]
        assert trainer.stuck() == stuck, (step, loss)
