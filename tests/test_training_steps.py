"""The loss every few steps: what steps.csv contains, also after a kill, and what it is drawn into."""

import csv
import functools
import io

import numpy as np
import pytest
import small
from small import NARROW
from text_boxes import complaints

from minigooglenet.cli import main
from minigooglenet.figures import curve
from minigooglenet.training import checkpoint, steps
from minigooglenet.training.report import write_log
from minigooglenet.training.runs import read as read_run
from minigooglenet.training.steps import COLUMNS, StepLog, read_steps
from minigooglenet.training.trainer import Trainer

CONFIG = NARROW.but(model="lenet5", width=0.5)    # the rows do not depend on the network


@pytest.fixture(scope="module")
def dataset():
    return small.dataset()          # 40 training images: 5 steps of 8 in each epoch


@pytest.fixture(scope="module")
def whole(dataset, tmp_path_factory):
    """A function of ``every``: the rows of a run without a kill."""
    @functools.cache
    def rows(every):
        folder = tmp_path_factory.mktemp("whole")
        train(dataset, folder, every)
        return read_steps(folder / "steps.csv")
    return rows


def train(dataset, folder, every, stop_at=None, resume=False):
    """Train CONFIG, or continue; returns the losses of the single steps. A kill after step ``stop_at`` is imitated."""
    trainer, losses = Trainer(CONFIG, dataset, folder), []
    if resume:
        trainer.restore(checkpoint.load(folder))
    log = StepLog(trainer, every)

    class Killed(Exception):
        pass

    def on_step(trainer, loss):
        if loss is None:
            return
        losses.append(loss)
        log.add(trainer)
        if trainer.step == stop_at:
            raise Killed

    try:
        trainer.run(on_step, checkpoint_every=2)
    except Killed:
        pass
    return losses


def test_a_row_is_the_mean_of_its_steps(dataset, tmp_path):
    losses = train(dataset, tmp_path, 2)
    with open(tmp_path / "steps.csv", newline="") as file:
        assert tuple(next(csv.reader(file))) == COLUMNS
    rows = read_steps(tmp_path / "steps.csv")
    assert [row["step"] for row in rows] == [2, 4, 5, 6, 8, 10]
    for row, before in zip(rows, [0, 2, 4, 5, 6, 8], strict=True):
        assert row["loss"] == pytest.approx(np.mean(losses[before:row["step"]]), rel=1e-5)
        assert row["epoch"] == pytest.approx(row["step"] / 5) and 0 <= row["train_accuracy"] <= 1
        assert row["lr"] > 0 and row["images_per_second"] > 0
    of_steps = [8 * (row["step"] - before) / row["images_per_second"]
                for row, before in zip(rows, [0, 2, 4, 5, 6, 8], strict=True)]
    assert (np.cumsum(of_steps) <= [1.0001 * row["seconds"] for row in rows]).all()     # their own time is included


@pytest.mark.parametrize("stop_at", [1, 3, 5, 7, 9])
@pytest.mark.parametrize("every", [1, 3, 50])
def test_after_a_kill_every_row_is_there_once(dataset, whole, tmp_path, stop_at, every):
    folder = tmp_path / "killed"
    Trainer(CONFIG, dataset, folder).save()
    train(dataset, folder, every, stop_at)
    with open(folder / "steps.csv", "a") as file:
        file.write("8,0.2,0.0")                             # and half a row
    train(dataset, folder, every, resume=True)
    resumed = read_steps(folder / "steps.csv")
    assert len(resumed) == len(whole(every)) == len((folder / "steps.csv").read_text().splitlines()) - 1
    for one, other in zip(whole(every), resumed, strict=True):
        for name in ("step", "epoch", "lr", "loss", "train_accuracy"):
            assert one[name] == pytest.approx(other[name], rel=1e-4, abs=1e-5)


def test_a_new_run_starts_a_new_file(dataset, tmp_path):
    (tmp_path / "steps.csv").write_text("step,epoch\n5,1,1,1,1,1,1\n")
    StepLog(Trainer(CONFIG, dataset, tmp_path), 3)
    assert (tmp_path / "steps.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_a_short_run_has_more_rows(dataset):
    trainer = type("Any", (), {"folder": ".", "step": 0, "steps_per_epoch": 10, "logged": None})()
    found = []
    for trainer.steps in (3, 40, 200, 5000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(steps, "write_atomically", lambda *_, **__: None)
            patch.setattr(steps, "read_steps", lambda path: [])
            found.append(StepLog(trainer).every)
    assert found == [1, 2, 10, 50]


def test_damaged_files_are_read_as_far_as_possible(tmp_path):
    path = tmp_path / "steps.csv"
    assert read_steps(path) == []
    good = "5,1,0.1,2.3,0.1,100,1\n"
    for text, expected in (("", []), ("\0\0\xff", []), (good, [5]), (good[:-1], []), (good + good, [5]),
                           (good + "x,y\n" + good.replace("5", "6", 1), [5, 6]), (good.replace("100", "0"), [])):
        path.write_text(text)
        assert [row["step"] for row in read_steps(path)] == expected


def test_the_curve_shows_the_steps_and_its_legend_covers_no_data(tmp_path, monkeypatch):
    figures, original = [], curve.figure
    monkeypatch.setattr(curve, "figure", lambda *args, **options: figures.append(original(*args, **options))
                        or figures[-1])
    history = [{"epoch": 1, "loss": 2.0, "train_accuracy": 0.2, "test_accuracy": 0.3}]
    rows = [{"epoch": k / 9, "loss": 3 - k / 9, "train_accuracy": k / 45} for k in range(1, 10)]
    for given in ((), rows):
        with open(tmp_path / "curve.png", "wb") as file:
            curve.draw_curve(history, file, given)
        fig, (left, right) = figures[-1]
        line, = left.lines
        assert len(line.get_xdata()) == (len(rows) if given else 1) and left.get_xlim()[0] == 0
        box = right.get_legend().get_window_extent()
        assert box.y1 <= right.get_window_extent().y0 and box.y0 >= 0 and box.x1 <= fig.bbox.x1
    assert curve.compare_curves({"a$b": (history, rows, 0), "c": (history, (), 0)}).legends


def test_the_curve_marks_where_the_full_size_images_begin(tmp_path, monkeypatch):
    figures, original = [], curve.figure
    monkeypatch.setattr(curve, "figure", lambda *args, **options: figures.append(original(*args, **options))
                        or figures[-1])
    history = [{"epoch": k, "loss": 2 / k, "train_accuracy": k / 10, "test_accuracy": k / 9} for k in range(1, 6)]
    for halved, marked in ((0, False), (3, True), (4, True), (5, False)):     # 5: there are none yet
        curve.draw_curve(history, io.BytesIO(), halved=halved)
        fig, axes = figures[-1]
        assert not complaints(fig)
        for ax in axes:
            assert [line.get_xdata() for line in ax.lines if line.get_linestyle() == ":"] == [[halved] * 2] * marked
            assert [text.get_text() for text in ax.texts] == [curve.FULL_SIZE] * marked
    fig = curve.compare_curves({"a": (history, (), 3), "b": (history, (), 0), "c": (history, (), 2)})
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["a", "b", "c", curve.FULL_SIZE]
    assert not complaints(fig)


def test_the_trainer_and_the_list_of_runs_know_where_they_begin(tmp_path, monkeypatch):
    marks, trainer = [], Trainer(NARROW.but(epochs=3, half=0.6), small.dataset(), tmp_path)
    monkeypatch.setattr(curve, "_mark", lambda ax, epoch: marks.append(epoch))
    trainer.run(lambda trainer, loss: write_log(trainer) if loss is None else None)
    assert marks == [2, 2] and read_run(tmp_path).row["half_epochs"] == 2


def tiny_options(path):
    return ["--data", str(small.folder(path)), "--width", "0.05", "--batch", "8", "--epochs", "1", "--json"]


def test_the_command_writes_it(tmp_path, capsys):
    tiny = tiny_options(tmp_path / "data")
    assert main(["train", *tiny, "--out", str(tmp_path / "run"), "--log-every", "2"]) == 0
    assert [row["step"] for row in read_steps(tmp_path / "run" / "steps.csv")] == [2, 4, 5]
    assert main(["train", *tiny, "--out", str(tmp_path / "run"), "--log-every", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err


def test_ensembles_write_it(tmp_path):
    tiny = tiny_options(tmp_path / "data")
    assert main(["ensemble", *tiny, "--models", "2", "--out", str(tmp_path / "both")]) == 0
    assert len(read_steps(tmp_path / "both" / "model-2" / "steps.csv")) == 5
