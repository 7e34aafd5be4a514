"""Commands that train and use a run: results as text and as JSON, and runs that are refused."""

import errno
import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import small
from PIL import Image
from small import TINY, call

from minigooglenet.data import shapes10
from minigooglenet.data.records import write_folder
from minigooglenet.training import checkpoint
from minigooglenet.weights import safetensors_io

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder of the data, folder of the run, standard output, standard error) of a real process with --json."""
    place = tmp_path_factory.mktemp("trained")
    data = small.folder(place / "shapes")
    code, output, errors = small.run("train", "--data", data, "--out", place / "run", *TINY, "--json", "--seed", 7)
    assert code == 0, errors
    return data, place / "run", output, errors


# -- results ----------------------------------------------------------------------------------------------------------

def test_json_is_one_line_and_the_whole_standard_output(trained):
    data, run, output, errors = trained
    assert output.count("\n") == 1 and small.without_engine(errors) == []
    result = json.loads(output)
    assert {"test_accuracy", "epochs", "seconds", "images_per_second", "parameters", "dataset", "seed"} <= set(result)
    assert 0 <= result["test_accuracy"] <= 1 and result["test_accuracy"] * 12 == round(result["test_accuracy"] * 12)
    assert (result["epochs"], result["seed"], result["dataset"]) == (1, 7, "shapes") and result["out"] == str(run)
    assert result["seconds"] > 0 and result["images_per_second"] > 0 and result["parameters"] > 10_000
    assert sorted(path.name for path in run.iterdir()) == ["checkpoint.safetensors", "curve.png", "log.csv",
                                                          "steps.csv"]


def test_evaluate_agrees_with_train(capsys, trained):
    _, run, output, _ = trained
    result = json.loads(output)
    code, output, errors = call(capsys, "evaluate", "--run", run, "--json")
    assert code == 0 and small.without_engine(errors) == [] and output.count("\n") == 1
    found = json.loads(output)
    for name in ("test_accuracy", "epochs", "parameters", "dataset", "seed"):
        assert found[name] == result[name], name
    assert found["seconds"] >= 0 and found["images_per_second"] > 0
    code, output, _ = call(capsys, "evaluate", "--run", run / "checkpoint.safetensors", "--threads", 1)
    assert code == 0 and f"{result['test_accuracy']:.2%} of 12 test images of shapes" in output
    assert all(name in output for name in shapes10.CLASSES)


def test_missing_images(capsys, tmp_path):
    small.folder(tmp_path / "original", 8, 4)
    assert call(capsys, "train", "--data", tmp_path / "original", "--out", "run", *TINY)[0] == 0
    (tmp_path / "original").rename(tmp_path / "moved")
    code, _, errors = call(capsys, "evaluate", "--run", "run")
    assert code == 2 and f"{tmp_path / 'original'}: there is no such folder" in errors
    assert call(capsys, "evaluate", "--run", "run", "--data", tmp_path / "moved")[0] == 0


def test_the_latest_run_and_new_names(capsys):
    for number in (1, 2):
        code, output, errors = call(capsys, "train", "--data", "shapes10", *TINY)
        assert code == 0 and output == "" and f"run: runs/shapes10-quick-{number}\n" in errors
    os.utime("runs/shapes10-quick-1/checkpoint.safetensors")
    code, output, _ = call(capsys, "evaluate")
    assert code == 0 and output.startswith("runs/shapes10-quick-1/checkpoint.safetensors: ")
    code, _, errors = call(capsys, "train", "--resume")
    assert code == 0 and "run: runs/shapes10-quick-1, resumed at step 3\n" in errors


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_shapes10_in_place_of_cifar10_is_noted_first_and_last(capsys, options):
    code, output, errors = call(capsys, "train", *TINY, *options)
    assert code == 0
    lines = small.without_engine(errors)
    assert lines[0] == lines[-1] and lines[0].startswith("note: Shapes-10 replaces CIFAR-10")
    assert len(lines) == 2 if options else len(lines) > 4
    if options:
        assert json.loads(output)["dataset"] == "shapes10"
    else:
        assert output == "" and "\r" not in errors  # no bar, because standard error is not a terminal


# -- what is refused ---------------------------------------------------------------------------------------------------

def test_a_disk_that_fills_up_keeps_the_checkpoint(capsys, monkeypatch):
    fsync, calls = os.fsync, []

    def fails_later(handle):
        calls.append(handle)
        if len(calls) > 3:      # the first checkpoint, the head of steps.csv, the second checkpoint
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    assert call(capsys, "data", "shapes10")[0] == 0
    monkeypatch.setattr(os, "fsync", fails_later)
    code, output, errors = call(capsys, "train", "--data", "shapes10", "--out", "run", *TINY, "--checkpoint-every", 1)
    assert code == 2 and output == ""
    assert errors.splitlines()[-1] == ("minigooglenet train: run/checkpoint.safetensors: cannot be written (No space "
                                       "left on device); free some space or choose another folder")
    assert checkpoint.load("run").progress["step"] == 1
    assert sorted(os.listdir("run")) == ["checkpoint.safetensors", "steps.csv"]


def test_a_diverging_run_gives_one_line(capsys):
    code, output, errors = call(capsys, "train", "--data", "shapes10", *TINY, "--epochs", 3, "--lr", 1e20, "--json")
    line, = small.without_engine(errors)
    assert code == 2 and output == "" and line.startswith("minigooglenet train: step ")
    assert "start again with a lower learning rate" in line


def test_what_a_resumed_run_rejects(capsys, trained, tmp_path):
    data, run, *_ = trained
    resume = partial(call, capsys, "train", "--resume", "--out", run)
    before = (run / "checkpoint.safetensors").read_bytes()
    for options, message in (
            (["--epochs", 3, "--lr", 0.3], "the run has epochs 1, not 3; lr 0.1, not 0.3; a resumed run keeps"),
            (["--preset", "full"], "the run has width 0.05, not 0.75; drop_prob 0.0, not 0.1; epochs 1, not"),
            (["--no-heads"], "the run has heads True, not False;"),
            (["--data", "shapes10"], f"the run trains on other images (shapes in {data}) than those of shapes10;")):
        code, output, errors = resume(*options)
        assert code == 2 and output == "" and len(errors.splitlines()) == 1 and "Config" not in errors
        assert errors.startswith(f"minigooglenet train: {run}/checkpoint.safetensors: {message}")
    assert (run / "checkpoint.safetensors").read_bytes() == before
    assert resume("--epochs", 1, "--seed", 7, "--data", data)[0] == 0  # the same again is no change


def test_the_same_images_in_another_order_are_other_images(capsys, trained, tmp_path):
    _, run, *_ = trained
    drawn = small.dataset()
    write_folder(tmp_path / "data", drawn.x_train[::-1], drawn.y_train[::-1], drawn.x_test, drawn.y_test, drawn.classes)
    code, _, errors = call(capsys, "train", "--resume", "--out", run, "--data", tmp_path / "data")
    assert code == 2 and "other images" in errors


def test_a_run_is_not_overwritten(capsys, trained):
    code, _, errors = call(capsys, "train", "--out", trained[1])
    assert code == 2 and errors.endswith("already holds a run; continue it with --resume, or choose another --out\n")


def test_evaluate_on_images_with_other_classes(capsys, trained, tmp_path):
    drawn = small.dataset(8, 4)
    write_folder(tmp_path / "ten", drawn.x_train, drawn.y_train, drawn.x_test, drawn.y_test, list("abcdefghij"))
    code, output, errors = call(capsys, "evaluate", "--run", trained[1], "--data", tmp_path / "ten")
    assert code == 2 and output == "" and "a, b, c, d" in errors and len(errors.splitlines()) == 1


@pytest.mark.parametrize("command", ["evaluate --run {run}", "evaluate --json --run {run}", "cam p.png --weights {run}",
                                     "cam p.png --layer 4c --weights {run}", "explain p.png --weights {run}",
                                     "activations p.png --weights {run}", "occlusion p.png --weights {run}"])
@pytest.mark.parametrize("scale", [1e6, 1e16])
def test_weights_that_overflow_give_one_line_and_no_result(capsys, trained, tmp_path, command, scale):
    arrays, metadata = safetensors_io.load(trained[1] / "checkpoint.safetensors")
    large = {name: np.clip(array * np.float32(scale), -9e17, 9e17) if name.endswith(("/w", "/gamma")) else array
             for name, array in arrays.items()}
    safetensors_io.save(tmp_path / "checkpoint.safetensors", large, metadata)
    Image.new("RGB", (40, 40), "red").save("p.png")
    code, output, errors = call(capsys, *command.replace("{run}", str(tmp_path)).split())
    lines = [line for line in errors.splitlines() if not line.startswith("engine: ")]
    assert code == 2 and not output and len(lines) == 1 and "its weights are so large that" in lines[0]
    assert [path.name for path in Path().iterdir()] == ["p.png"]
