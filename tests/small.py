"""Small training runs for tests: a data set of a few drawn images, a narrow network, and the command line."""

import os
import subprocess
import sys
from pathlib import Path

import forked
import numpy as np

from minigooglenet.cli import main
from minigooglenet.data import Dataset, shapes10
from minigooglenet.data.records import write_folder
from minigooglenet.gradcheck import check
from minigooglenet.training import checkpoint
from minigooglenet.training.config import Config

ROOT = Path(__file__).resolve().parent.parent
NARROW = Config(width=0.05, batch=8, epochs=2, lr=0.05, augment="crop", average=0.9)
TINY = ["--width", "0.05", "--batch", "8", "--epochs", "1"]     # a run of a second


def dataset(train=40, test=12):
    """A Dataset of this many drawn images."""
    return Dataset("shapes", *shapes10.draw(train, 5, split=0), *shapes10.draw(test, 5, split=1), shapes10.CLASSES)


def folder(path, train=40, test=12):
    """The same as a folder in the layout of CIFAR-10's binary version. Returns ``path``."""
    drawn = dataset(train, test)
    write_folder(path, drawn.x_train, drawn.y_train, drawn.x_test, drawn.y_test, drawn.classes)
    return path


def command(*arguments, cwd=None, **options):
    """Start ``python -m minigooglenet ARGUMENTS`` as a process, with pipes for its output. Without ``options``, of
    ``subprocess.Popen``, the process is forked from one that has imported everything (``forked.py``)."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "MINIGOOGLENET_OFFLINE": "1", "PYTHONUNBUFFERED": "1",
    }
    words = list(map(str, arguments))
    if not options and forked.possible(environment):
        return forked.Process(words, cwd, environment)
    return subprocess.Popen([sys.executable, "-m", "minigooglenet", *words], cwd=cwd, text=True,
                            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def run(*arguments, **options):
    """(exit code, standard output, standard error) of a command that has finished."""
    process = command(*arguments, **options)
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def call(capsys, *arguments):
    """(exit code, standard output, standard error) of a command in this process."""
    try:
        code = main(list(map(str, arguments)))
    except SystemExit as error:
        code = error.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def without_engine(errors):
    """The lines of standard error after the one that says which engine runs."""
    first, *lines = errors.splitlines()
    assert first.startswith(("engine: fast (compiled kernels, ", "engine: plain (layers as written)")), errors
    return lines


def differences(one, other):
    """The names of all differences between two checkpoints (files or folders) of the same run.

    Empty if every array agrees bit for bit, and so do the generator, the config and all progress but times.
    """
    one, other = checkpoint.load(one), checkpoint.load(other)
    names = [name for name in one.arrays.keys() | other.arrays.keys()
             if name not in one.arrays or name not in other.arrays
             or one.arrays[name].dtype != other.arrays[name].dtype
             or one.arrays[name].tobytes() != other.arrays[name].tobytes()]
    return sorted(names) + [name for name, a, b in (("generator", one.generator, other.generator),
                                                    ("progress", _timeless(one.progress), _timeless(other.progress)),
                                                    ("config", one.config, other.config)) if a != b]


def _timeless(value):
    if isinstance(value, dict):
        return {key: _timeless(part) for key, part in value.items() if key not in ("seconds", "images_per_second")}
    return [_timeless(part) for part in value] if isinstance(value, list) else value


def some_arrays(monkeypatch, wanted):
    """Let gradient checks compare the arrays for which ``wanted(number, name)``: a fault found so is found in all."""
    prepare = check._Trial.prepare

    def prepared(self):
        prepare(self)
        self.arrays = {name: a for k, (name, a) in enumerate(self.arrays.items()) if wanted(k, name)}
    monkeypatch.setattr(check._Trial, "prepare", prepared)


def learned(trainer):
    """Copies of all arrays that training changes."""
    parts = {"weights": trainer.net.parameters(), "state": trainer.net.state(), "velocity": trainer.sgd.velocity,
             "average": trainer.average.arrays if trainer.average else {}}
    return {f"{part}/{path}": array.copy() for part, arrays in parts.items() for path, array in arrays.items()}


def same(one, other):
    """Whether two {path: array} agree bit for bit."""
    return one.keys() == other.keys() and all(np.array_equal(one[path], other[path]) for path in one)


def distance(a, b):
    """The largest difference, relative to the largest value."""
    return np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)
