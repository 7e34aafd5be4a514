"""Threads after a fork, while another thread computes, and where the system refuses cores or threads."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from minigooglenet import engine
from minigooglenet.errors import UserError
from minigooglenet.kernels import blas
from minigooglenet.kernels import threads as module
from minigooglenet.kernels.threads import blas_on_one_thread, in_parallel, pinned_cores, set_threads
from minigooglenet.models import mini_googlenet

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")


def forked(child, prepare="", after=""):
    """Run ``child`` in a forked process of a new process; both are Python code. Returns what they print."""
    code = f"""
import os, sys, threading, time
import numpy as np
from minigooglenet.kernels import blas, threads
from minigooglenet.kernels.threads import in_parallel, set_threads, pinned_cores, blas_on_one_thread
names = lambda: [thread.name for thread in threading.enumerate()]
counts = lambda: [library["num_threads"] for library in blas._blas().info()]
work = lambda: in_parallel([(lambda _: threading.get_ident(), None)] * 8)
set_threads(3)
work()
{prepare}
if not (pid := os.fork()):
    try:
        {child}
    except BaseException as error:
        print(repr(error))
    sys.stdout.flush()
    os._exit(0)
os.waitpid(pid, 0)
{after}
"""
    process = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


@needs_fork
def test_a_forked_process_has_threads_of_its_own():
    assert forked("work(); work(); print(names().count('minigooglenet'), threads.threads())") == "2 3"
    assert forked("with pinned_cores(): print(len(work()))") == "8"


@needs_fork
def test_a_forked_process_queues_nothing_for_threads_of_its_parent():
    found = forked("before = threads._pool; work(); print(before, threads._pool.jobs.qsize() <= 2)")
    assert found == "None True"


@needs_fork
def test_a_forked_process_pins_no_thread_of_its_parent(monkeypatch):
    """The parent's threads have numbers that other processes may get once the parent is gone."""
    prepare = "parents = {thread.native_id for thread in threading.enumerate()}; set_threads(len(threads._cores()))"
    child = ("seen = []; real = os.sched_setaffinity; os.sched_setaffinity = lambda thread, cores: seen.append(thread);"
             " pinned_cores().__enter__(); print(parents.isdisjoint(seen))")
    assert forked(child, prepare) == "True"


@needs_fork
def test_blas_and_cores_of_a_process_forked_while_another_thread_computes():
    prepare = """
from threadpoolctl import threadpool_limits
threadpool_limits(3, user_api="blas")
def hold():
    with blas_on_one_thread():
        time.sleep(0.5)
other = threading.Thread(target=hold)
other.start()
time.sleep(0.1)
"""
    child = "a = counts()[0]; work(); print(a, counts()[0])"
    assert forked(child, prepare, "other.join(); print(counts()[0])").split() == ["3", "3", "3"]
    prepare = "free = os.sched_getaffinity(0); set_threads(len(free)); c = pinned_cores(); c.__enter__()"
    assert forked("print(os.sched_getaffinity(0) == free)", prepare, "c.__exit__(None, None, None)") == "True"


@needs_fork
def test_a_process_forked_while_this_thread_holds_blas():
    prepare = "first = blas_on_one_thread(); first.__enter__(); hold = blas_on_one_thread(); hold.__enter__()"
    assert forked("hold.__exit__(None, None, None); print(counts()[0], blas._blas_limit.holders)", prepare) == "1 1"


@needs_fork
def test_predictions_of_forked_processes_are_the_same(tmp_path):
    """As a pool of multiprocessing computes them, with the default start method of many Python versions."""
    prepare = f"""
from minigooglenet import engine
from minigooglenet.models import mini_googlenet
net = mini_googlenet(1 / 16, heads=False, rng=np.random.default_rng(0))
x = np.random.default_rng(1).standard_normal((9, 32, 32, 3)).astype("float32")
before = engine.predictor(net).predict(x)
path = {str(tmp_path / "y.npy")!r}
"""
    child = "np.save(path, engine.predictor(net).predict(x)); print('done')"
    assert forked(child, prepare, "print(np.array_equal(before, np.load(path)))").split() == ["done", "True"]


def test_the_number_of_threads_may_change_while_another_thread_predicts(threads):
    net = mini_googlenet(1 / 16, heads=False, rng=np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((9, 32, 32, 3)).astype("float32")
    predictor = engine.predictor(net)
    expected, wrong, stop = predictor.predict(x), [], threading.Event()

    def predict():
        while not stop.is_set():
            try:
                if not np.array_equal(predictor.predict(x), expected):
                    wrong.append("other values")
            except BaseException as error:
                wrong.append(error)

    others = [threading.Thread(target=predict) for _ in range(2)]
    for other in others:
        other.start()
    for k in range(60):
        set_threads(1 + k % 4)
    stop.set()
    for other in others:
        other.join(30)
    assert wrong == [] and not any(other.is_alive() for other in others)
    assert blas._blas_limit.holders == 0


def test_too_many_threads(threads, monkeypatch):
    with pytest.raises(UserError, match="threads: got 100000, needs at most 1024"):
        threads(100000)
    for value in ("100000", "9" * 5000):
        monkeypatch.setenv("MINIGOOGLENET_THREADS", value)
        with pytest.raises(UserError):
            threads()


def test_a_system_that_has_no_more_threads(threads, monkeypatch):
    start, started = threading.Thread.start, []

    def refuse(thread):
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    threads(9)
    assert module.threads() == 3 and in_parallel([(abs, -k) for k in range(20)]) == list(range(20))


@pytest.mark.parametrize("error", [PermissionError(1, "refused"), OSError(38, "no such call"),
                                   ProcessLookupError(3, "gone")])
@pytest.mark.parametrize("call", ["sched_getaffinity", "sched_setaffinity"])
def test_cores_that_the_system_refuses(threads, monkeypatch, call, error):
    if not hasattr(os, call):
        pytest.skip("only Linux lets a process choose its cores")

    def refuse(*arguments):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        threads()
        with pinned_cores():
            assert in_parallel([(abs, -k) for k in range(20)]) == list(range(20))
        with blas_on_one_thread():
            pass
