"""Kernels compiled before they are called: all that a training step needs, in several processes, into the cache."""

import os
import signal
import subprocess
import sys
import time

import pytest

from minigooglenet.kernels import jit

pytestmark = pytest.mark.skipif(not jit.JIT, reason="MINIGOOGLENET_JIT=0: nothing is compiled")

STEP = """
import numpy as np
from minigooglenet.data import Dataset
from minigooglenet.data.augment import halve
from minigooglenet.kernels import ahead
from minigooglenet.kernels.jit import KERNELS
from minigooglenet.training.config import preset
from minigooglenet.training.trainer import Trainer

x, y = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8), np.arange(20) % 10
dataset, traced, called = Dataset("t", x, y, x, y, list("abcdefghij")), {}, {}
trainers = [Trainer(preset("quick", norm=norm).but(width=0.05, batch=5, half=half), dataset)
            for norm, half in (("batch", 0.0), ("lrn", 0.0), ("batch", 0.5))]
for trainer in trainers:
    state = {**trainer.net.parameters(), **trainer.net.state()}
    before, generator = {path: a.copy() for path, a in state.items()}, trainer.rng.bit_generator.state
    for kernel, signatures in ahead.trace(trainer._first_step):
        traced.setdefault(kernel, set()).update(signatures)
    assert all(np.array_equal(a, before[path]) for path, a in state.items())
    assert trainer.rng.bit_generator.state == generator
assert not any(kernel.overloads for kernel in KERNELS)

dispatcher = type(KERNELS[0])
compile_for_args, compile = dispatcher._compile_for_args, dispatcher.compile
def noted(kernel, *arguments):
    called.setdefault(kernel, set()).add(tuple(map(kernel.typeof_pyval, arguments)))
    return compile_for_args(kernel, *arguments)
inside = []
def asked(kernel, signature):
    if not inside and isinstance(signature, tuple) and kernel in KERNELS:
        called.setdefault(kernel, set()).add(signature)
    inside.append(kernel)  # compiling it compiles those that it calls, too
    try:
        return compile(kernel, signature)
    finally:
        inside.pop()
dispatcher._compile_for_args, dispatcher.compile = noted, asked
for trainer in trainers:
    images = trainer.normalizer(x[:5])
    trainer.train_step(halve(images) if trainer.half_steps else images, y[:5])
for kernel in {**called, **traced}:
    assert called.get(kernel) == traced.get(kernel), kernel
print(sum(map(len, called.values())))
"""


def test_the_trace_finds_all_kernels_of_a_step_and_changes_nothing():
    done = subprocess.run([sys.executable, "-c", STEP], capture_output=True, text=True)
    assert done.returncode == 0 and int(done.stdout) > 20, done.stderr


SMALL = """
import sys
import numpy as np
from minigooglenet.kernels import ahead
from minigooglenet.kernels.relu import relu, relu_backward
from minigooglenet.kernels.threads import set_threads
set_threads(int(sys.argv[1]))
x = np.random.default_rng(0).standard_normal((5, 4, 3, 2)).astype(np.float32)
def run():
    print("traced", flush=True)
    relu_backward(x, relu(x))
ahead.compile_for(run, "relu")
assert np.array_equal(relu(x), np.maximum(x, 0)) and np.array_equal(relu_backward(x, relu(x)), np.maximum(x, 0))
"""


def small(cache, threads=1, before="", **options):
    """A process that compiles two kernels ahead, with its cache in a folder: (standard output, standard error)."""
    done = subprocess.run([sys.executable, "-c", before + SMALL, str(threads)], capture_output=True, text=True,
                          env=os.environ | {"NUMBA_CACHE_DIR": str(cache)}, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize("threads", [1, 2])
def test_kernels_are_compiled_once_and_a_second_start_does_not_even_trace(tmp_path, threads):
    assert small(tmp_path, threads) == ("traced\n", "compiling 2 kernels, once ...\n")
    files = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("relu.*.nb*")}
    assert len(files) == 4  # an index and machine code for each
    assert small(tmp_path, threads) == ("", "")
    assert files == {file: file.stat().st_mtime_ns for file in files}
    for stamp in tmp_path.rglob("ahead.*"):
        stamp.unlink()
    assert small(tmp_path) == ("traced\n", "")  # it sees that all are there


def test_without_a_cache_this_process_compiles_alone(tmp_path):
    before = "import numba.core.caching; numba.core.caching.CacheImpl._locator_classes = []\n"
    out, err = small(tmp_path, 2, before)
    assert out == "traced\n" and "compiling 2 kernels, once" in err and "no locator available" in err


def test_a_helper_that_fails_is_no_reason_to_stop(tmp_path):
    before = "import minigooglenet.kernels.ahead as a; a.COMMAND = 'raise SystemExit(3)'\n"
    assert small(tmp_path, 2, before) == ("traced\n", "compiling 2 kernels, once ...\n")


def test_a_kill_leaves_a_cache_that_works(tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", SMALL, "2"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)})
    assert killed.stdout.readline() == b"traced\n"
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("*.nbi")) and time.monotonic() < deadline:
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not list(tmp_path.rglob("ahead.*"))
    assert small(tmp_path, 2)[0] == "traced\n"


LATER = """
import numpy as np
from minigooglenet import engine
from minigooglenet.kernels import ahead
from minigooglenet.layers import Block, Conv, Sequential

x, net = np.ones((2, 6, 5, 3), np.float32), Sequential({"conv": Block(Conv(3, 4, 3, 1, 1, rng=0))})
engine.predictor(net).predict(x)
compiled = engine.compile(net)
traced = [kernel.py_func.__name__ for kernel, _ in ahead.trace(lambda: compiled.backward(*compiled.forward(x, True)))]
assert "bias_gradient_numba" in traced and "execute" not in traced
y, cache = compiled.forward(x, True)  # with tables that were made while nothing was compiled
compiled.backward(np.ones_like(y), cache)
assert np.allclose(y, net.predict(x), atol=1e-5) and np.any(net.children["conv"].layer.grads["b"])
"""


def test_a_trace_after_a_prediction_runs_no_plan_whose_kernels_are_missing():
    """The function that executes plans is compiled by then, so that nothing stops it from calling them."""
    done = subprocess.run([sys.executable, "-c", LATER], capture_output=True, text=True)
    assert done.returncode == 0, (done.returncode, done.stderr)
