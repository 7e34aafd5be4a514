"""Testing a run on images that it was not trained on, and on its own after they have changed."""

import json
import os
import shutil

import numpy as np
import pytest
from image_folders import photos, write

from minigooglenet import load
from minigooglenet.cli import main
from minigooglenet.commands import explorer
from minigooglenet.training import checkpoint
from minigooglenet.training.images import images_of, load_images
from minigooglenet.training.trainer import Trainer

CHANGED = "the images have changed since the run was started"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the images ``photos`` and a run on them, ``run``; it is the working directory."""
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "photos", ant=8, bee=8, cow=8)
    assert main(["train", "--data", "photos", "--out", "run", "--size", "16", "--width", "0.05", "--batch", "8",
                 "--epochs", "1", "--threads", "1", "--no-heads", "--json"]) == 0
    return tmp_path


@pytest.fixture
def evaluated(place, capsys):
    """``evaluate --run run ARGUMENTS``: its standard output."""
    def run(*arguments):
        capsys.readouterr()
        assert main(["evaluate", "--run", "run", "--threads", "1", *map(str, arguments)]) == 0
        return capsys.readouterr().out

    return run


def test_all_images_of_another_folder_are_tested(place, evaluated, capsys):
    for i in range(3):
        write(place / "new" / "bee" / f"{i}.png", [50, i])
    write(place / "new" / "ant" / "0.png", 60)
    out = evaluated("--data", "new")
    assert "of 4 test images of new" in out and out.startswith("note: all images are test images\n")
    assert [line.split()[0] for line in out.splitlines()[-3:]] == ["ant", "bee", "cow"]
    assert out.splitlines()[-1].split() == ["cow", "0", "0", "0", "0.0%"]
    write(place / "one" / "test" / "cow" / "0.png", 70)
    assert "of 1 test image of one" in evaluated("--data", "one")
    assert main(["ensemble", "--runs", "run", "run", "--data", "new", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["images"] == 1 + 3 and "note: all images are test images" in printed.err


def test_the_run_s_own_images_stay_divided(place, evaluated):
    own = json.loads(evaluated("--json"))
    os.symlink("photos", place / "link")
    for name in ("photos", "link", place / "photos" / ".." / "photos"):
        assert json.loads(evaluated("--data", name, "--json"))["nll"] == own["nll"]
    assert "images are test images, by a hash" in evaluated() and CHANGED not in evaluated()
    (place / "photos").rename(place / "moved")
    out = evaluated("--data", "moved")
    assert "images are test images, by a hash" in out and CHANGED not in out
    write(place / "moved" / "ant" / "another.png", 5)
    assert "of 25 test images of moved" in evaluated("--data", "moved")


def test_the_explorer_takes_the_decoded_images_from_the_cache(place):
    assert {name for name, _ in explorer.default_images(load("run"))} == {"ant", "bee", "cow"}
    assert sorted(os.listdir("photos")) == ["ant", "bee", "cow"]            # and no .cache


def test_changed_images_are_noted(place, evaluated, capsys):
    dataset = images_of(checkpoint.load("run"), None, "datasets", progress=False)
    write(place / "photos" / dataset.files_train[0], 5)
    assert f"; {CHANGED}: it may have been trained on some of the test images\n" in evaluated()
    assert CHANGED in evaluated("--data", "photos")
    assert main(["evaluate", "--run", "run", "--json"]) == 0
    assert CHANGED in capsys.readouterr().err


def test_training_images_elsewhere_are_noted(place, evaluated):
    own = images_of(checkpoint.load("run"), None, "datasets", progress=False)
    for path in (*own.files_train[:2], own.files_test[0]):
        (place / "new" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(place / "photos" / path, place / "new" / path)
    assert "the run was trained on 2 of these images" in evaluated("--data", "new")
    found = images_of(checkpoint.load("run"), "new", "datasets", progress=False)
    np.testing.assert_array_equal(found.x_train, own.x_train)
    assert found.files_train == own.files_train and len(found.y_test) == 3


def test_an_ensemble_notes_a_member_that_was_trained_on_test_images(place, capsys):
    config, divided = checkpoint.load("run").config, []
    for name, seed in (("same", 0), ("other", 1)):
        dataset = load_images(config.but(split_seed=seed), "photos", "datasets", progress=False)
        Trainer(config.but(split_seed=seed), dataset, place / name, source=str(place / "photos")).save()
        divided.append(dataset)
    known = len(set(divided[0].files_test) & set(divided[1].files_train))
    assert known
    for path in divided[1].files_test:
        (place / "new" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(place / "photos" / path, place / "new" / path)

    def notes(*arguments):
        capsys.readouterr()
        assert main(["ensemble", "--threads", "1", "--json", *arguments]) == 0
        note, = (line for line in capsys.readouterr().err.splitlines() if line.startswith("note: "))
        return note

    assert "trained on" not in notes("--runs", "run", "same")
    assert notes("--runs", "run", "same", "other").endswith(f"; other was trained on {known} of these test images")
    assert "other was" not in notes("--runs", "run", "other", "--data", "new")
    unknown = ("; other was trained on other images or another split: it may have been trained on some of these test "
               "images")
    assert notes("--runs", "run", "other", "--datasets", "elsewhere").endswith(unknown)
    write(place / "photos" / "ant" / "another.png", 5)
    assert CHANGED in (note := notes("--runs", "run", "same", "other")) and note.endswith(unknown)


def test_a_report_on_other_images_has_the_nearest_training_images_if_they_are_in_the_cache(place, evaluated):
    for i in range(6):
        write(place / "new" / "bee" / f"{i}.png", [50, i])
        write(place / "new" / "ant" / f"{i}.png", [60, i])
    for datasets, nearest in (("datasets", 4), ("elsewhere", 0)):
        evaluated("--data", "new", "--report", "page", "--datasets", datasets)
        found = json.loads((place / "page" / "report.json").read_text())
        assert found["test_images"] == 12 and found["mistakes"]
        assert {len(case["nearest"]) for case in found["mistakes"]} == {nearest}
        assert found["suspects"]["training"].startswith("Not computed, because")
        page = (place / "page" / "index.html").read_text()
        assert ("nearest training images</p>" in page) == bool(nearest)
