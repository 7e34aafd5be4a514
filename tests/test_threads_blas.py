"""BLAS has one thread while our threads work, and afterwards as many as before."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from minigooglenet import engine
from minigooglenet.kernels import blas
from minigooglenet.kernels.threads import (
    blas_on_one_thread,
    in_parallel,
    over_chunks,
)
from minigooglenet.layers import Layer, ReLU, Sequential
from minigooglenet.models import mini_googlenet


def blas_threads():
    """How many threads NumPy's BLAS uses."""
    (count,) = {library["num_threads"] for library in blas._blas().info()}
    return count


@pytest.fixture
def three():
    """BLAS set to three threads."""
    with threadpool_limits(3, user_api="blas"):
        yield


class Probe(Layer):
    """y = x; records how many threads BLAS has."""

    expects = ("D",)

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def forward(self, x, train=False):
        self.seen.append(blas_threads())
        return x, None

    def backward(self, dy, cache):
        self.seen.append(blas_threads())
        return dy


@pytest.mark.parametrize("count", [1, 2])
def test_blas_has_one_thread_in_tasks_and_afterwards_as_many_as_before(count, threads, three):
    threads(count)
    assert in_parallel([(lambda _: blas_threads(), None)] * 4) == [1] * 4
    assert blas_threads() == 3
    assert over_chunks(lambda chunk: blas_threads(), 4) == [3]  # a single task: nothing to share out
    with pytest.raises(ZeroDivisionError):
        over_chunks(lambda chunk: 1 / (chunk.start - 8), 24)
    assert blas_threads() == 3


@pytest.mark.parametrize("count", [1, 2])
def test_layers_and_networks_leave_blas_as_it_was(count, threads, three, rng):
    threads(count)
    ReLU().forward(np.ones((40, 5, 3, 2), "float32"))
    assert blas_threads() == 3
    seen = []
    net = Sequential({"net": mini_googlenet(1 / 16, heads=False, rng=rng), "probe": Probe(seen)})
    x = rng.standard_normal((9, 32, 32, 3)).astype("float32")
    compiled, predictor = engine.compile(net), engine.predictor(net)
    y, cache = compiled.forward(x, train=True)
    assert blas_threads() == 3
    compiled.backward(np.ones_like(y), cache)
    assert blas_threads() == 3
    predictor.predict(x)
    assert blas_threads() == 3
    predictor.predict(x[:1])
    assert blas_threads() == 3
    assert len(seen) >= 4 and (set(seen) == {1} or engine.kind() == "plain")


def test_nested_holders_restore_blas_once(three):
    with blas_on_one_thread():
        with blas_on_one_thread():
            assert blas_threads() == 1
        assert blas_threads() == 1
        with pytest.raises(KeyError), blas_on_one_thread():
            raise KeyError
        assert blas_threads() == 1
    assert blas_threads() == 3
    with pytest.raises(KeyError), blas_on_one_thread():
        raise KeyError
    assert blas_threads() == 3


def test_concurrent_holders_restore_blas_when_the_last_one_is_done(three):
    """The holder that begins first ends first, so another thread restores the number."""
    held, release, seen = threading.Event(), threading.Event(), []

    def second():
        with blas_on_one_thread():
            held.set()
            assert release.wait(10)
            seen.append(blas_threads())

    other = threading.Thread(target=second)
    with blas_on_one_thread():
        other.start()
        assert held.wait(10)
    assert blas_threads() == 1
    release.set()
    other.join(10)
    assert seen == [1] and blas_threads() == 3


def test_blas_is_limited_whichever_thread_set_its_number_before():
    """threadpoolctl lets only the thread that set a number first set others, for as long as that thread lives."""
    limited, release, seen = threading.Event(), threading.Event(), []

    def first():
        with threadpool_limits(3, user_api="blas"):
            limited.set()
            assert release.wait(10)

    other = threading.Thread(target=first)
    other.start()
    assert limited.wait(10)
    with blas_on_one_thread():
        seen.append(blas_threads())
    assert (seen, blas_threads()) == ([1], 3)
    release.set()
    other.join(10)


def test_a_limit_set_between_two_calls_stays(threads, three):
    """Each call restores what it found, not what the first call found."""
    threads(2)
    over_chunks(lambda chunk: None, 24)
    with threadpool_limits(2, user_api="blas"):
        over_chunks(lambda chunk: None, 24)
        assert blas_threads() == 2
    assert blas_threads() == 3


def test_importing_and_setting_threads_leaves_blas_as_it_was():
    code = """
from threadpoolctl import threadpool_info
import numpy as np
before = threadpool_info()
from minigooglenet.kernels.threads import set_threads
from minigooglenet.layers import ReLU
set_threads(2)
ReLU().forward(np.ones((40, 5, 3, 2), np.float32))
before, after = ({library["filepath"]: library["num_threads"] for library in info if library["user_api"] == "blas"}
                 for info in (before, threadpool_info()))
assert before and before.items() <= after.items(), (before, after)  # SciPy may bring another BLAS
"""
    subprocess.run([sys.executable, "-c", code], check=True)
