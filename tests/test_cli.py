"""The command line: help pages, invalid input, results as text and as JSON."""

import errno
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import small
from PIL import Image

import minigooglenet
from minigooglenet.cli import COMMANDS, main
from minigooglenet.data import shapes10
from minigooglenet.data.records import write_folder
from minigooglenet.training import checkpoint
from minigooglenet.training.trainer import Trainer
from minigooglenet.weights import safetensors_io

TINY = ["--width", "0.05", "--batch", "8", "--epochs", "1"]


@pytest.fixture(autouse=True)
def here(tmp_path_factory, monkeypatch):
    """Every test runs in an empty folder, offline, with a small Shapes-10."""
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))
    monkeypatch.setenv("MINIGOOGLENET_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(shapes10, "load", partial(shapes10.load, train=24, test=8))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder of the data, folder of the run, standard output, standard error) of a real process with --json."""
    place = tmp_path_factory.mktemp("trained")
    data = small.folder(place / "shapes")
    code, output, errors = small.run("train", "--data", data, "--out", place / "run", *TINY, "--json", "--seed", 7)
    assert code == 0, errors
    return data, place / "run", output, errors


def call(capsys, *arguments):
    """(exit code, standard output, standard error) of a command in this process."""
    try:
        code = main(list(map(str, arguments)))
    except SystemExit as error:
        code = error.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


# -- help -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_the_overview_names_every_command(capsys, arguments):
    code, output, errors = call(capsys, *arguments)
    assert code == 0 and errors == ""
    assert all(f"\n  {name} " in output for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_page(capsys, name):
    code, output, errors = call(capsys, name, "--help")
    assert code == 0 and errors == "" and output.startswith(f"usage: python -m minigooglenet {name} ")
    assert max(map(len, output.splitlines())) <= 120
    description = output.split("\n\n")[1]
    assert description.rstrip().endswith((".", ":")) or "  " in description  # sentences, or a list
    assert f"python -m minigooglenet {name}" in output.split("examples:")[1]
    options = output.split("options:")[1].split("examples:")[0]
    named = [line for line in options.splitlines() if line.startswith("  -")]
    for line, following in zip(options.splitlines(), [*options.splitlines()[1:], ""], strict=True):
        if line in named:  # every option has a help text, beside it or on the line below
            assert "  " in line.strip() or following.startswith(" " * 20), line


@pytest.mark.parametrize("name", ["train", "check"])
def test_help_of_a_command_is_its_page(capsys, name):
    assert call(capsys, "help", name) == call(capsys, name, "--help")


def test_the_console_command_names_itself(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/minigooglenet", "help", "train"])
    with pytest.raises(SystemExit):
        main()
    page = capsys.readouterr().out
    assert page.startswith("usage: minigooglenet train ") and "\n  minigooglenet train --resume " in page
    assert "python -m minigooglenet" not in page


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(capsys, option):
    assert call(capsys, option) == (0, f"minigooglenet {minigooglenet.__version__}\n", "")


# -- invalid input ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments, message", [
    (["nonsense"], "no command 'nonsense'; choose train, "),
    (["trian"], "no command 'trian'; did you mean train? All commands: python -m minigooglenet --help"),
    (["help", "preditc"], "no command 'preditc'; did you mean predict?"),
    (["lesson", "99"], "lesson 99: no such lesson; choose from 0"),
    (["lesson", "book"], "N|all: got 'book', needs the number of a lesson, or all"),
    (["check"], "the following arguments are required: N"),
    (["check", "0"], "N: got '0', needs a whole number of at least 1"),
    (["check", "7", "--exercise", "nothing"], "lesson 07: no exercise 'nothing'; choose from conv_macs"),
    (["train", "--nonsense"], "unrecognized arguments: --nonsense; all options: python -m minigooglenet train --help"),
    (["train", "extra"], "unrecognized arguments: extra"),
    (["train", "--epochs"], "--epochs: expected one argument"),
    (["train", "--epochs", "0"], "--epochs: got '0', needs a whole number of at least 1"),
    (["train", "--epochs", "1.5"], "--epochs: got '1.5', needs a whole number of at least 1"),
    (["train", "--threads", "0"], "--threads: got '0', needs a whole number of at least 1"),
    (["train", "--batch", "-2"], "--batch: got '-2', needs a whole number of at least 1"),
    (["train", "--seed", "-3"], "--seed: got '-3', needs a whole number of at least 0"),
    (["train", "--width", "-1"], "width: got -1.0, needs a number above 0 and up to 4"),
    (["train", "--width", "wide"], "--width: invalid float value: 'wide'"),
    (["train", "--lr", "nan"], "lr: got nan, needs a positive number"),
    (["train", "--lr", "inf"], "lr: got inf, needs a positive number"),
    (["train", "--drop-prob", "1"], "drop_prob: got 1.0, needs 0 or more and less than 1"),
    (["train", "--augment", "nonsense"], "--augment: invalid choice: 'nonsense' (choose from"),
    (["train", "--schedule", "linear"], "--schedule: invalid choice: 'linear' (choose from"),
    (["train", "--model", "vgg16"], "--model: invalid choice: 'vgg16' (choose from"),
    (["train", "--preset", "slow"], "--preset: invalid choice: 'slow' (choose from"),
    (["train", "--data", "nowhere"], "nowhere: there is no such folder; use --data cifar10, --data shapes10 or"),
    (["train", "--data", "cifar10"], "CIFAR-10 is not in datasets/cifar-10-batches-bin and cannot be fetched"),
    (["train", "--resume"], "runs/: no trained network yet; train one with: make train"),
    (["evaluate"], "runs/: no trained network yet"),
    (["evaluate", "--run", "nowhere"], "nowhere/checkpoint.safetensors: no such checkpoint; train one with: python -m "
                                       "minigooglenet train --out nowhere"),
    (["evaluate", "--run", "x/y.safetensors"], "x/y.safetensors: no such checkpoint; train one with: python -m "
                                               "minigooglenet train --out x"),
    (["evaluate", "--run", __file__], "not a valid .safetensors file"),
    (["evaluate", "--views", "3"], "--views: invalid choice: 3 (choose from"),
    (["data", "nowhere"], "nowhere: there is no such folder"),
    (["data", "shapes10", "--from-file", "x"], "--from-file goes with cifar10 or cifar100, not with shapes10"),
    (["data", "--from-file", "absent.tar.gz"], "absent.tar.gz: no such file; give the path of"),
    (["gradcheck", "--seed", "-1"], "--seed: got '-1', needs a whole number of at least 0"),
    (["gradcheck", "nonsense"], "nonsense: no such layer; choose from: conv"),
])
def test_invalid_input_is_one_line_and_exit_code_2(capsys, arguments, message):
    code, output, errors = call(capsys, *arguments)
    assert code == 2 and message in errors
    assert errors.startswith("minigooglenet") and errors.count("\n") == 1 and errors.endswith("\n")
    assert output == "" or arguments[0] == "gradcheck"  # which has printed the head of its table
    assert not os.listdir()  # nothing was written


def test_threads_from_the_environment(capsys, monkeypatch):
    monkeypatch.setenv("MINIGOOGLENET_THREADS", "many")
    code, _, errors = call(capsys, "train", "--data", "shapes10")
    assert code == 2 and "MINIGOOGLENET_THREADS: got 'many'" in errors


def test_a_folder_that_cannot_be_written_is_reported_before_training(capsys, monkeypatch):
    monkeypatch.setattr(Trainer, "train_step", lambda *_: pytest.fail("training started"))
    with open("file", "w"):
        pass
    for out in ("file", "file/run"):
        code, output, errors = call(capsys, "train", "--data", "shapes10", "--out", out, *TINY)
        assert code == 2 and output == "" and len(errors.splitlines()) == 1
        assert f"{out}/checkpoint.safetensors: cannot be written (" in errors


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


def test_evaluate_on_images_with_other_classes(capsys, trained, tmp_path):
    drawn = small.dataset(8, 4)
    write_folder(tmp_path / "ten", drawn.x_train, drawn.y_train, drawn.x_test, drawn.y_test, list("abcdefghij"))
    code, output, errors = call(capsys, "evaluate", "--run", trained[1], "--data", tmp_path / "ten")
    assert code == 2 and output == "" and "a, b, c, d" in errors and len(errors.splitlines()) == 1


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


def test_data_describes(capsys):
    code, output, errors = call(capsys, "data", "shapes10", "--datasets", "kept")
    assert code == 0 and output.startswith("shapes10: 24 training and 8 test images") and os.listdir() == ["kept"]


@pytest.mark.parametrize("arguments", ["gradcheck 'max pool'", "", "flops", "help train", "--version"])
def test_a_reader_that_has_exited_is_no_error(arguments):
    """Neither while the command prints, nor when the rest of its output is flushed at the end."""
    line = f"{sys.executable} -m minigooglenet {arguments} | head -n 0; echo ${{PIPESTATUS[0]}}"
    process = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=small.ROOT)
    assert process.stderr == "" and process.stdout == "0\n"


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
