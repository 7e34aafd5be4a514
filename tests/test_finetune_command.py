"""The command finetune: from a folder of images to a run, its messages, its logs, and resumed runs."""

import csv
import json
import time

import pytest
import small
from PIL import Image

import minigooglenet as mg
from minigooglenet.cli import main
from minigooglenet.data import shapes10
from minigooglenet.training import checkpoint, frozen
from minigooglenet.training.trainer import Trainer

CLASSES = 3


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with ``images``, a folder of PNG files per class, and ``base``, a run for 32×32 images."""
    place = tmp_path_factory.mktemp("finetune")
    drawn = small.dataset(train=40)
    Trainer(small.NARROW.but(norm="lrn"), drawn, place / "base").save()
    x, y = shapes10.draw(200, 1, split=0)
    for k in range(CLASSES):
        folder = place / "images" / shapes10.CLASSES[k]
        folder.mkdir(parents=True)
        for i, image in enumerate(x[y == k][:12]):
            Image.fromarray(image).resize((45, 38)).save(folder / f"{i}.png")
    return place


def finetune(place, *options):
    return ["finetune", "--data", str(place / "images"), "--weights", str(place / "base"), "--datasets",
            str(place / "datasets"), *map(str, options)]


def test_from_a_folder_to_evaluate_and_predict(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    assert main(finetune(place, "--json")) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["out"] == "runs/images-finetuned-1" and result["unfreeze"] is None and 0 < result["C"]
    assert main(["evaluate", "--run", result["out"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test_accuracy"] == result["test_accuracy"]
    photo = place / "images" / shapes10.CLASSES[0] / "0.png"
    assert main(["predict", str(photo), "--weights", result["out"], "--json"]) == 0
    top = json.loads(capsys.readouterr().out)[0]["top5"]
    assert {row["label"] for row in top} == set(shapes10.CLASSES[:CLASSES])
    assert mg.load(result["out"]).classify(photo, top=1)[0][0] == top[0]["label"]
    assert main(["finetune", "--resume", "--json", "--datasets", str(place / "datasets")]) == 0  # finished: its result
    assert json.loads(capsys.readouterr().out) == result


def test_without_mirror_images_evaluate_agrees_too(place, capsys):
    run = ["--run", str(place / "plain"), "--datasets", str(place / "datasets")]
    assert main(finetune(place, "--no-mirror", "--json", "--out", place / "plain")) == 0
    result = json.loads(capsys.readouterr().out)
    assert main(["evaluate", *run, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["views"] == 1 and found["test_accuracy"] == result["test_accuracy"]
    assert main(["evaluate", *run]) == 0
    assert "mirror" not in capsys.readouterr().out


def test_it_says_what_it_does(place, capsys):
    assert main(finetune(place, "--out", place / "said", "--unfreeze", "5a", "--epochs", 2, "--batch", 8)) == 0
    lines = capsys.readouterr().err
    for text in ("3 classes\n", "trained: 5a to linear, ", "conv1 to pool4 are frozen", "for validation; up to 2 ep",
                 "linear classifier: ", "-fold cross-validation (C = ", "epoch  2/2", "best: ", "test accuracy ",
                 "95 % interval ", f".png --weights {place / 'said'}"):
        assert text in lines, lines
    assert {path.name for path in (place / "said").iterdir()} == {checkpoint.NAME, "log.csv", "steps.csv", "curve.png"}
    assert (place / "said" / "log.csv").read_text().startswith("epoch,step,lr,loss,train_accuracy,validation_accuracy")
    for arguments, wrong in ((["train", "--resume"], "a run of finetune; continue it with: "),
                             (finetune(place), "already holds a run; continue it with --resume")):
        assert main([*arguments, "--out", str(place / "said")]) == 2
        assert wrong in capsys.readouterr().err
    assert main(["finetune", "--resume", "--out", str(place / "base")]) == 2
    assert "base: a run of train; continue it with: " in capsys.readouterr().err


def test_it_says_that_the_frozen_layers_run_in_every_epoch(place, capsys, monkeypatch):
    options = finetune(place, "--unfreeze", "5b", "--epochs", 1, "--datasets", place / "other")
    monkeypatch.setattr(frozen, "free_disk", lambda _: 0)
    assert main([*options, "--json", "--out", str(place / "direct")]) == 0
    expected = (f"GB, do not fit into {place / 'other' / '.cache'} (at most 8 GB, and half of the free space); the "
                "frozen layers run in every epoch, which takes longer\n")
    assert expected in capsys.readouterr().err
    monkeypatch.undo()
    assert main(["finetune", "--resume", "--out", str(place / "direct"), "--datasets", str(place / "other")]) == 0
    errors = capsys.readouterr().err
    assert expected in errors and "run once for each image" not in errors
    assert main([*options, "--out", str(place / "cached")]) == 0
    errors = capsys.readouterr().err
    assert "do not fit" not in errors and "run once for each image and its mirror image" in errors


def test_a_killed_process_is_resumed_bit_for_bit(place):
    options = ["--unfreeze", "5a", "--epochs", 40, "--batch", 4, "--threads", 2, "--json"]
    assert small.run(*finetune(place, *options, "--out", place / "whole"))[0] == 0
    process = small.command(*finetune(place, *options, "--out", place / "killed"))
    while not (place / "killed" / checkpoint.NAME).exists() and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    code, output, errors = small.run("finetune", "--resume", "--out", place / "killed", "--threads", 1, "--json",
                                     "--datasets", place / "datasets")
    assert code == 0, errors
    assert small.differences(place / "whole", place / "killed") == []


def test_missing_data_and_weights_are_one_line(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    assert main(["finetune", "--out", "new"]) == 2
    assert "--data is missing; name the folder of your images" in capsys.readouterr().err
    assert main(["finetune", "--data", "images", "--datasets", "none", "--out", "new"]) == 2
    errors = capsys.readouterr().err
    assert "none/bvlc_googlenet.caffemodel: the weights of 2014 are not there; fetch them with: " in errors
    assert "or name another network" in errors and len(errors.splitlines()) == 1
    assert not (place / "new").exists()


def test_the_loss_within_epochs_is_logged(place):
    """A row every two steps, and one at the end of each epoch; a resumed run continues the file."""
    options = ("--unfreeze", "5b", "--epochs", 2, "--batch", 5, "--log-every", 2, "--json", "--out", place / "logged")
    assert main(finetune(place, *options)) == 0
    with open(place / "logged" / "steps.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    loaded = checkpoint.load(place / "logged")
    per_epoch = loaded.progress["history"][0]["step"]
    expected = [step for step in range(1, 2 * per_epoch + 1) if step % 2 == 0 or step % per_epoch == 0]
    assert [int(row["step"]) for row in rows] == expected and per_epoch > 2
    assert all(float(row["loss"]) > 0 for row in rows)


def test_tensorboard_has_the_steps_and_the_validation(place):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    options = ("--unfreeze", "5b", "--epochs", 1, "--json", "--tensorboard", "--out", place / "board")
    assert main(finetune(place, *options)) == 0
    found = EventAccumulator(str(place / "board" / "tensorboard"))
    found.Reload()
    assert {"training/loss", "validation/accuracy", "validation/loss"} <= set(found.Tags()["scalars"])


@pytest.mark.parametrize("balance", ["loss", "sampling"])
def test_balance_is_kept_in_the_run(place, balance):
    run = place / balance
    assert main(finetune(place, "--unfreeze", "5b", "--epochs", 1, "--balance", balance, "--json", "--out", run)) == 0
    assert checkpoint.load(run).config.balance == balance
