"""Training: the sum of three losses, the settings, the loop, and what it says when learning fails."""

import csv
import dataclasses
import math

import numpy as np
import pytest
from small import NARROW, differences, pictures, same

from minigooglenet.data import Augment, Dataset
from minigooglenet.errors import UserError
from minigooglenet.layers import cross_entropy
from minigooglenet.training import checkpoint
from minigooglenet.training import trainer as trainers
from minigooglenet.training.config import PRESETS, Config
from minigooglenet.training.evaluate import accuracy, confusion, probabilities
from minigooglenet.training.losses import weighted_loss
from minigooglenet.training.network import loss_weights
from minigooglenet.training.report import Display, clock, closing, write_log
from minigooglenet.training.trainer import Diverged, Trainer


@pytest.fixture(scope="module")
def dataset():
    return pictures()


def learned(trainer):
    """Copies of everything that a run changes."""
    parts = {"weights": trainer.net.parameters(), "state": trainer.net.state(), "velocity": trainer.sgd.velocity,
             "average": trainer.average.arrays if trainer.average else {}}
    return {f"{part}/{path}": array.copy() for part, arrays in parts.items() for path, array in arrays.items()}


# -- the loss ---------------------------------------------------------------------------------------------------------

def test_three_losses_are_summed_with_their_weights(rng):
    logits, labels = [rng.standard_normal((5, 4)) for _ in range(3)], rng.integers(0, 4, 5)
    own, first, second = (cross_entropy(z, labels)[0] for z in logits)
    total, loss, _ = weighted_loss(logits, labels, (1.0, 0.3, 0.3))
    assert total == pytest.approx(own + 0.3 * first + 0.3 * second, rel=1e-12)
    assert loss == pytest.approx(own, rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradients_of_the_three_losses_by_finite_differences(rng, smoothing):
    logits, labels = [rng.standard_normal((3, 5)) for _ in range(3)], rng.integers(0, 5, 3)
    weights = (1.0, 0.3, 0.7)
    _, _, gradients = weighted_loss(logits, labels, weights, smoothing)
    h = 1e-5
    for z, dz in zip(logits, gradients, strict=True):
        numeric = np.empty_like(z)
        for place in np.ndindex(z.shape):
            kept = z[place]
            z[place] = kept + h
            above = weighted_loss(logits, labels, weights, smoothing)[0]
            z[place] = kept - h
            numeric[place] = (above - weighted_loss(logits, labels, weights, smoothing)[0]) / (2 * h)
            z[place] = kept
        np.testing.assert_allclose(dz, numeric, atol=1e-9)


def test_a_network_without_heads_has_one_loss(rng):
    z, labels = rng.standard_normal((4, 3)).astype(np.float32), rng.integers(0, 3, 4)
    total, own, dz = weighted_loss(z, labels, (1.0, 0.3, 0.3))
    assert total == own == cross_entropy(z, labels)[0] and dz.dtype == np.float32 and dz.shape == z.shape


def test_as_many_weights_as_losses(rng):
    assert loss_weights(Config(head_weight=0.2)) == (1.0, 0.2, 0.2)
    with pytest.raises(ValueError):
        weighted_loss([rng.standard_normal((2, 3))] * 2, np.array([0, 1]), (1.0, 0.3, 0.3))


# -- the settings -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("field, value, needs", [
    ("epochs", 0, "1 or more"), ("batch", 0, "1 or more"), ("seed", -3, "0 or more"),
    ("width", 0.0, "a number above 0"), ("width", -1.0, "a number above 0"), ("width", math.nan, "a number above 0"),
    ("width", math.inf, "up to 4"), ("lr", 0.0, "a positive number"), ("lr", math.nan, "a positive number"),
    ("lr", math.inf, "a positive number"), ("norm", "layer", "one of batch, lrn, none"),
    ("schedule", "linear", "one of steps, polynomial, cosine, one-cycle, constant"), ("model", "vgg16", "one of mini"),
    ("augment", "nonsense", "one of none, mirror, crop, cutout, paper"), ("drop_prob", 1.0, "less than 1"),
    ("momentum", 1.0, "less than 1"), ("weight_decay", -1e-4, "0 or more"), ("head_weight", math.nan, "0 or more"),
    ("average", 1.0, "less than 1"), ("label_smoothing", -0.1, "0 or more"),
])
def test_settings_that_cannot_be_meant(field, value, needs):
    with pytest.raises(UserError) as error:
        Config(**{field: value})
    assert str(error.value).startswith(f"{field}: got {value!r}, needs ") and needs in str(error.value)
    assert "\n" not in str(error.value)


def test_presets_and_changes():
    assert set(PRESETS) == {"quick", "full"} and PRESETS["quick"] == Config()
    assert Config().but(width=0.5, lr=None) == dataclasses.replace(Config(), width=0.5)
    assert Config().differences(Config()) == ""
    assert Config(epochs=6).differences(Config(epochs=3, heads=False)) == "heads True, not False; epochs 6, not 3"


# -- the loop ---------------------------------------------------------------------------------------------------------

def test_it_learns_a_few_pictures_by_heart():
    """Twenty steps on one batch."""
    few = pictures(32, 4)
    trainer = Trainer(Config(width=0.125, batch=32, epochs=20, lr=0.2, drop_prob=0, augment="none"), few)
    losses = []
    assert trainer.run(lambda trainer, loss: losses.append(loss) if loss is not None else None)
    assert len(losses) == trainer.step == 20
    assert losses[0] > 1.5 and losses[-1] < 0.2
    assert trainer.history[-1]["train_accuracy"] == 1


def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads(dataset, threads):
    config = NARROW.but(batch=20, epochs=1)  # slices of 8, 8 and 4
    results = []
    for count in (1, 2, 3):
        threads(count)
        trainer = Trainer(config, dataset, augment=Augment(config.augment))
        trainer.run()
        results.append(learned(trainer))
    assert same(results[0], results[1]) and same(results[0], results[2])


def test_another_seed_gives_other_weights_and_another_order(dataset):
    one, other = (Trainer(NARROW.but(seed=seed, epochs=1), dataset) for seed in (1, 2))
    assert not same(one.net.parameters(), other.net.parameters())
    other = Trainer(NARROW.but(seed=1, epochs=1), dataset)
    assert same(one.net.parameters(), other.net.parameters())


def test_rate_and_epochs_and_what_is_counted(dataset):
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
    result = closing(trainer)
    assert result["test_accuracy"] == trainer.test(views=2) and result["epochs"] == 2 and result["seed"] == 0
    assert result["parameters"] == sum(w.size for w in trainer.net.parameters().values())
    assert result["dataset"] == "shapes" and result["images_per_second"] == round(trainer.images_per_second(), 1) > 0


def test_a_batch_larger_than_the_set_is_the_whole_set(dataset):
    trainer = Trainer(NARROW.but(batch=1000, epochs=1), dataset)
    trainer.run()
    assert trainer.step == trainer.steps == 1
    assert trainer.images_per_second() == pytest.approx(trainer.history[0]["images_per_second"])


def test_without_heads_without_average_and_for_a_forerunner(dataset):
    for config in (NARROW.but(heads=False, average=0, epochs=1, batch=20, norm="lrn"),
                   NARROW.but(model="lenet5", width=1.0, epochs=1, batch=20)):
        trainer = Trainer(config, dataset)
        before = learned(trainer)
        assert trainer.run() and trainer.step == 2
        after = learned(trainer)
        unmoved = [path for path, array in after.items() if np.array_equal(array, before[path])]
        assert not unmoved and not any("aux" in path for path in after)
        assert 0 <= trainer.test() <= 1


def test_what_is_tested_is_the_average(dataset):
    trainer = Trainer(NARROW, dataset)
    rng = np.random.default_rng(0)
    for path, average in trainer.average.arrays.items():
        if not path.endswith("variance"):
            average += rng.standard_normal(average.shape).astype(np.float32)
    live = learned(trainer)
    found = trainer.test(views=2)
    assert same(live, learned(trainer))  # swapped back
    trainer.average.swap()
    assert found == accuracy(trainer.net, dataset.x_test, dataset.y_test, trainer.normaliser, views=2)
    p = probabilities(trainer.net, dataset.x_test, trainer.normaliser, batch=5, views=2)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert found == (p.argmax(axis=1) == dataset.y_test).mean()
    flipped = probabilities(trainer.net, dataset.x_test[:, :, ::-1], trainer.normaliser, views=2)
    np.testing.assert_allclose(p, flipped, atol=1e-5)


def test_confusion_counts_rows_by_truth():
    table = confusion(np.array([0, 1, 1, 0]), np.array([0, 0, 1, 2]), ["ant", "bee", "moth"]).splitlines()
    assert [line.split() for line in table[1:]] == [
        ["ant", "1", "1", "0", "50.0%"], ["bee", "0", "1", "0", "100.0%"], ["moth", "1", "0", "0", "0.0%"]]


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
    arrays = checkpoint.load(tmp_path).arrays  # perhaps huge by now, but numbers
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert "step " in str(error.value) and "such as --lr 0.1" in str(error.value) and "\n" not in str(error.value)
    assert ("--norm batch" in str(error.value)) == (norm == "none")
    assert not [w for w in recwarn if w.category is RuntimeWarning]


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number(dataset, monkeypatch, loss):
    monkeypatch.setattr(trainers, "weighted_loss", lambda *_: (loss, loss, None))
    with pytest.raises(Diverged, match=f"step 1: the loss is {loss}; begin again with a lower rate, such as --lr"):
        Trainer(NARROW, dataset).run()


def test_weights_that_are_no_numbers_are_not_saved(dataset, tmp_path):
    trainer = Trainer(NARROW, dataset, tmp_path)
    trainer.net.parameters()["conv1/w"][0, 0, 0, 0] = np.inf
    with pytest.raises(Diverged, match="step 0: conv1/w is not finite any more; begin again"):
        trainer.save()
    assert not list(tmp_path.iterdir())


def test_a_loss_that_sits_at_guessing_is_a_warning_said_once(dataset, capsys, monkeypatch):
    monkeypatch.setattr(trainers, "STUCK_AFTER", 5)
    trainer = Trainer(NARROW.but(lr=1e-9), dataset)
    display = Display(trainer, quiet=True)
    trainer.run(lambda trainer, loss: display.step(loss))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("warning: the loss is ") and "ln(10) = 2.303" in lines[0]
    assert "--norm batch" in lines[0] and "--lr 2.5e-10" in lines[0]


def test_a_loss_below_guessing_or_too_early_to_tell_is_no_warning(dataset):
    trainer = Trainer(NARROW, dataset)
    assert not trainer.stuck()
    for step, loss, stuck in ((1000, math.log(10), True), (1000, 5.0, True), (1000, 2.2, False), (20, 2.4, False)):
        trainer.step, trainer.history = step, [{"loss": loss}]
        assert trainer.stuck() == stuck, (step, loss)


# -- what is written and said -----------------------------------------------------------------------------------------

def test_log_and_curve(dataset, tmp_path):
    trainer = Trainer(NARROW.but(batch=20), dataset, tmp_path)
    trainer.run(lambda trainer, loss: write_log(trainer) if loss is None else None)
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    for row, kept in zip(rows, trainer.history, strict=True):
        assert set(row) == {"epoch", "step", "lr", "loss", "train_accuracy", "test_accuracy", "images_per_second",
                            "seconds"}
        for name, value in row.items():
            assert float(value) == pytest.approx(kept[name], abs=1e-5)
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    write_log(trainer)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}  # they show it already
    (tmp_path / "curve.png").unlink()
    write_log(trainer)
    assert (tmp_path / "curve.png").exists()


def test_the_epochs_lines_and_the_closing_one(dataset, tmp_path, capsys):
    noted = Dataset(**{**vars(dataset), "note": "these are drawn"})
    trainer = Trainer(NARROW.but(batch=20), noted, tmp_path)
    display = Display(trainer)
    display.opening(resumed=False)
    trainer.run(lambda trainer, loss: display.step(loss))
    display.close()
    display.summary(closing(trainer))
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == "" and "\r" not in captured.err  # no bar where there is no terminal
    assert lines[0] == lines[-1] == "note: these are drawn"
    assert "40 training and 12 test pictures, 10 classes" in lines[1]
    assert "2 epochs of 2 steps of 20; seed 0" in lines[2] and "parameters with heads" in lines[2]
    assert [line.split()[1] for line in lines if line.startswith("epoch")] == ["1/2", "2/2"]
    assert any(line.startswith("test accuracy ") and "12 pictures" in line for line in lines)


def test_clock():
    assert [clock(s) for s in (0, 75.2, 3599.9, 3600)] == ["0:00", "1:15", "59:59", "60:00"]


def test_a_run_that_stops_goes_on_with_the_same_bits(dataset, tmp_path):
    """In one process; tests/test_resume.py does it with processes that are killed."""
    augment = Augment(NARROW.augment)
    Trainer(NARROW, dataset, tmp_path / "whole", augment).run()
    for stop_at in (3, 5, 8):  # inside an epoch, at its end, inside the last
        folder = tmp_path / f"stopped at {stop_at}"
        trainer = Trainer(NARROW, dataset, folder, augment)
        assert not trainer.run(stop=lambda trainer=trainer, at=stop_at: trainer.step == at)
        again = Trainer(NARROW, dataset, folder, augment)
        again.restore(checkpoint.load(folder))
        assert again.step == stop_at and same(learned(trainer), learned(again))
        assert again.run()
        assert differences(tmp_path / "whole", folder) == []
