"""The harness of tests/fuzz in a short form, and that each kind of fault is noticed."""

import os
import signal
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
import pytest
from fuzz import mutate, worker
from fuzz.readers import Reader
from fuzz.seeds import Seed

from minigooglenet.errors import UserError

HERE = Path(__file__).parent
linux = pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@linux
def test_a_few_inputs_for_every_reader(tmp_path):
    ended = subprocess.run([sys.executable, "-m", "fuzz", "--inputs", "100"], capture_output=True, text=True,
                           cwd=tmp_path, timeout=500,
                           env=os.environ | {"PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}"})
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = {row[0]: list(map(int, row[1:])) for row in map(str.split, ended.stdout.splitlines()[1:])}
    assert len(rows) == len(worker.READERS) + 1 and 95 <= rows["all"][0] <= 105
    for name, (inputs, accepted, refused, faults) in rows.items():
        assert inputs == accepted + refused and not faults, name
        if name != "onnx" or find_spec("onnx"):     # without that package no valid file can be written
            assert accepted, f"{name}: not even the valid input was accepted"
    assert not (tmp_path / "build").exists()


# -- faults ------------------------------------------------------------------------------------------------------------

def refuse(text):
    raise UserError(text)


def wait():
    while True:
        pass


def overflow():
    warnings.warn("overflow encountered", RuntimeWarning, stacklevel=1)


READERS = {
    "accepts": (lambda: None, "accepted", ""),
    "refuses": (lambda: refuse("a: damaged"), "refused", "a: damaged"),
    "raises": (lambda: {}["x"], "fault", "KeyError"),
    "exits": (lambda: sys.exit(), "fault", "SystemExit"),
    "says nothing": (lambda: refuse(""), "fault", "a message of 0 characters"),
    "says two lines": (lambda: refuse("a: damaged\nb"), "fault", "in 2 lines"),
    "says much": (lambda: refuse("x" * 10**5), "fault", "a message of 100,000 characters"),
    "prints": (lambda: print("x"), "fault", "output: b'x"),
    "warns": (overflow, "fault", "RuntimeWarning"),
    "dies": (lambda: os.kill(os.getpid(), signal.SIGKILL), "fault", "the process died: SIGKILL"),
    "does not end": (wait, "fault", "of processor time"),
    "asks for too much": (lambda: np.ones(10**10), "fault", "MemoryError"),
}


@linux
@pytest.mark.parametrize("name", READERS)
def test_each_fault_is_noticed_and_the_next_input_is_read(name, tmp_path, monkeypatch):
    read, kind, says = READERS[name]
    seed = Seed({"a": b"text"}, "a", "bytes")
    monkeypatch.setattr(worker, "SECONDS", 0.2 if name == "does not end" else 60)
    monkeypatch.setattr(worker, "MEMORY", 1 << 40)       # the tests' own process may be large
    monkeypatch.setattr(worker, "READERS", {name: Reader(lambda: [seed], lambda folder: read())})
    found = dict(worker.read_all(name, 0, range(3, 5), tmp_path / "input"))
    assert list(found) == [3, 4]
    for outcome in found.values():
        assert outcome.kind == kind and says in outcome.text
    if says == "KeyError":
        assert "test_fuzz.py" in outcome.text                                        # the traceback


@linux
def test_memory_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "MEMORY", 10**6)
    monkeypatch.setattr(worker, "READERS", {"x": Reader(lambda: [Seed({"a": b""}, "a", "bytes")], lambda folder: 0)})
    for _, (kind, text) in worker.read_all("x", 0, range(2), tmp_path / "input"):
        assert kind == "fault" and text.endswith("bytes of memory")


# -- inputs ------------------------------------------------------------------------------------------------------------

def test_inputs_depend_on_seed_and_number_only(monkeypatch):
    seeds = [Seed({"a": bytes(range(256))}, "a", "bytes")]
    monkeypatch.setattr(worker, "READERS", {"x": Reader(lambda: seeds, lambda folder: None)})
    one = [worker.changed_input("x", 1, number) for number in range(60)]
    assert one == [worker.changed_input("x", 1, number) for number in range(60)]
    assert one[0] == one[50] == seeds[0].files and len({found["a"] for found in one}) > 40
    assert one[1:50] != [worker.changed_input("x", 2, number) for number in range(1, 50)]


def test_a_message_is_taken_apart_and_put_together():
    import caffe_writer as caffe
    data = caffe.net({"conv": [np.ones((2, 1, 1, 1), np.float32)]})
    fields = mutate.message(data)
    assert mutate.encoded(fields) == data and any(isinstance(value, list) for _, _, value in fields)
    for form, change in mutate.FORMS.items():
        if form not in ("gzip", "png"):
            assert len({change(data, Random(seed)) for seed in range(20)}) > 10, form


def test_names_are_names_of_files():
    names = {mutate.changed_name(Random(seed)) for seed in range(300)}
    assert not names & {"", ".", ".."} and not any("/" in name or "\0" in name for name in names)
    assert any("\n" in name for name in names) and any("\x1b" in name for name in names)
    assert any(len(os.fsencode(name)) == 255 for name in names) or max(map(len, names)) > 200
    assert any(not name.isprintable() for name in names)
