"""The command line: help pages, invalid input, the version."""

import os
import subprocess
import sys

import pytest
import small
from small import TINY, call

import minigooglenet
from minigooglenet.cli import COMMANDS, main
from minigooglenet.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("empty_folder")


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


def test_data_describes(capsys):
    code, output, errors = call(capsys, "data", "shapes10", "--datasets", "kept")
    assert code == 0 and output.startswith("shapes10: 24 training and 8 test images") and os.listdir() == ["kept"]


@pytest.mark.parametrize("arguments", ["gradcheck 'max pool'", "", "flops", "help train", "--version"])
def test_a_reader_that_has_exited_is_no_error(arguments):
    """Neither while the command prints, nor when the rest of its output is flushed at the end."""
    line = f"{sys.executable} -m minigooglenet {arguments} | head -n 0; echo ${{PIPESTATUS[0]}}"
    process = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=small.ROOT)
    assert process.stderr == "" and process.stdout == "0\n"
