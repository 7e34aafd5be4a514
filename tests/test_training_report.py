"""Accuracy, and what a training run prints and writes."""

import csv
import os
import subprocess
import sys

import numpy as np
import pytest
import small
from small import NARROW, same

from minigooglenet.data import Dataset
from minigooglenet.training import report
from minigooglenet.training import trainer as trainers
from minigooglenet.training.evaluate import accuracy, confusion, probabilities
from minigooglenet.training.report import Display, clock, final_result, write_log
from minigooglenet.training.series import Series
from minigooglenet.training.steps import StepLog
from minigooglenet.training.trainer import Trainer


@pytest.fixture(scope="module")
def dataset():
    return small.dataset()


# -- accuracy ---------------------------------------------------------------------------------------------------------

def test_the_averaged_weights_are_tested(dataset):
    trainer = Trainer(NARROW, dataset)
    rng = np.random.default_rng(0)
    for path, average in trainer.average.arrays.items():
        if not path.endswith("variance"):
            average += rng.standard_normal(average.shape).astype(np.float32)
    live = small.learned(trainer)
    found = trainer.test(views=2)
    assert same(live, small.learned(trainer))  # swapped back
    trainer.average.swap()
    assert found == accuracy(trainer.net, dataset.x_test, dataset.y_test, trainer.normalizer, views=2)
    p = probabilities(trainer.net, dataset.x_test, trainer.normalizer, batch=5, views=2)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert found == (p.argmax(axis=1) == dataset.y_test).mean()
    flipped = probabilities(trainer.net, dataset.x_test[:, :, ::-1], trainer.normalizer, views=2)
    np.testing.assert_allclose(p, flipped, atol=1e-5)


def test_the_final_accuracy_averages_two_views_of_all_test_images(dataset, monkeypatch):
    trainer, calls = Trainer(NARROW, dataset), []
    monkeypatch.setattr(trainers, "accuracy", lambda net, x, y, normalizer, views: calls.append((len(y), views)) or 0.5)
    assert final_result(trainer)["test_accuracy"] == 0.5
    assert calls == [(12, 2)]
    trainer.test(5)
    assert calls == [(12, 2), (5, 1)]


def test_without_mirror_images_in_training_there_are_none_in_the_final_accuracy(dataset, tmp_path, monkeypatch, capsys):
    config = NARROW.but(model="lenet5", width=0.5, epochs=1, batch=40, augment="none")
    views, accuracy = [], trainers.accuracy
    monkeypatch.setattr(trainers, "accuracy", lambda *args, **options: views.append(options["views"])
                        or accuracy(*args, **options))
    trainer = Trainer(config, dataset, tmp_path / "run")
    assert trainer.run()
    views.clear()
    Display(trainer).summary(final_result(trainer))
    assert "(averaged weights), " in capsys.readouterr().err
    Series({tmp_path / "run": config}, dataset, "shapes", quiet=True).run()
    assert views == [1, 1]


def test_two_views_are_the_image_and_its_mirror_image(dataset):
    net, normalizer = Trainer(NARROW, dataset).net, Trainer(NARROW, dataset).normalizer
    plain, mirrored = (probabilities(net, x, normalizer) for x in (dataset.x_test, dataset.x_test[:, :, ::-1]))
    assert np.abs(plain - mirrored).max() > 1e-3
    found = probabilities(net, dataset.x_test, normalizer, views=2)
    np.testing.assert_allclose(found, (plain + mirrored) / 2, atol=1e-5)


def test_confusion_counts_rows_by_label():
    table = confusion(np.array([0, 1, 1, 0]), np.array([0, 0, 1, 2]), ["ant", "bee", "moth"]).splitlines()
    assert [line.split() for line in table[1:]] == [
        ["ant", "1", "1", "0", "50.0%"], ["bee", "0", "1", "0", "100.0%"], ["moth", "1", "0", "0", "0.0%"]]


# -- what is written and printed --------------------------------------------------------------------------------------

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
            assert float(value) == pytest.approx(kept[name], rel=1e-5)
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    write_log(trainer)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}  # both are up to date
    (tmp_path / "curve.png").unlink()
    write_log(trainer)
    assert (tmp_path / "curve.png").exists()


def test_the_log_shows_the_learning_rate_as_the_steps_do(dataset, tmp_path):
    trainer = Trainer(NARROW.but(model="lenet5", width=0.5, lr=1e-6), dataset, tmp_path)
    log = StepLog(trainer)
    trainer.run(lambda trainer, loss: write_log(trainer) if loss is None else log.add(trainer))
    tables = []
    for name in ("log.csv", "steps.csv"):
        with open(tmp_path / name, newline="") as file:
            tables.append({row["step"]: row["lr"] for row in csv.DictReader(file)})
    epochs, steps = tables
    assert list(epochs) == ["5", "10"] and epochs.items() <= steps.items() and "0.0" not in epochs.values()


def test_the_printed_lines(dataset, tmp_path, capsys):
    noted = Dataset(**{**vars(dataset), "note": "drawn images"})
    trainer = Trainer(NARROW.but(batch=20), noted, tmp_path)
    display = Display(trainer)
    display.start(resumed=False)
    trainer.run(lambda trainer, loss: display.step(loss))
    display.close()
    display.summary(final_result(trainer))
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == "" and "\r" not in captured.err  # no bar without a terminal
    assert lines[0] == lines[-1] == "note: drawn images"
    assert "40 training and 12 test images, 10 classes" in lines[1]
    assert "2 epochs of 2 steps of 20; seed 0" in lines[2] and "parameters with auxiliary classifiers" in lines[2]
    assert [line.split()[1] for line in lines if line.startswith("epoch")] == ["1/2", "2/2"]
    assert any(line.startswith("test accuracy ") and "12 images" in line for line in lines)


def test_clock():
    assert [clock(s) for s in (0, 75.2, 3599.9, 3600)] == ["0:00", "1:15", "59:59", "60:00"]


@pytest.mark.parametrize("backend", ["nonsense", "module://ipympl.backend_nbagg", "module://nowhere", "TkAgg", ""])
def test_the_curve_is_drawn_whatever_the_backend(tmp_path, backend):
    code = """
import os, sys
from minigooglenet.figures.curve import draw_curve
row = {"epoch": 1, "loss": 1.0, "train_accuracy": 0.5, "test_accuracy": 0.5}
with open(sys.argv[1], "wb") as file:
    draw_curve([row], file)
print("matplotlib.pyplot" in sys.modules, os.environ["MPLBACKEND"])
"""
    process = subprocess.run([sys.executable, "-c", code, tmp_path / "curve.png"], capture_output=True, text=True,
                             env=os.environ | {"MPLBACKEND": backend})
    assert (process.returncode, process.stdout) == (0, f"False {backend}\n"), process.stderr
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_log_is_written(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "minigooglenet.figures.curve", None)  # its import fails
    report._curve.cache_clear()
    trainer = Trainer(NARROW, dataset, tmp_path)
    for epoch in (1, 2):
        trainer.history.append({"epoch": epoch, "loss": 1.0, "train_accuracy": 0.5, "test_accuracy": 0.5})
        write_log(trainer)
    report._curve.cache_clear()
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3 and not (tmp_path / "curve.png").exists()
    errors = capsys.readouterr().err
    assert errors.startswith("note: the learning curve is not drawn") and errors.count("\n") == 1
