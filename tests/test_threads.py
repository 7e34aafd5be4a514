"""Chunks, their order, the number of threads, and how many threads BLAS has during and after the work."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from minigooglenet import engine
from minigooglenet.errors import UserError
from minigooglenet.kernels import blas
from minigooglenet.kernels import threads as module
from minigooglenet.kernels.threads import (
    blas_on_one_thread,
    in_parallel,
    one_thread,
    over_chunks,
    over_parts,
    pinned_cores,
)
from minigooglenet.layers import Layer, ReLU, Sequential
from minigooglenet.models import mini_googlenet


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("N, size", [(0, 8), (1, 8), (8, 8), (9, 8), (23, 8), (10, 3)])
def test_chunks_are_fixed_and_results_are_in_order(count, N, size, threads):
    threads(count)
    parts = over_chunks(lambda s: list(range(N))[s], N, size)
    assert [len(part) for part in parts] == [size] * (N // size) + [N % size] * (N % size > 0)
    assert sum(parts, []) == list(range(N))
    assert all(s.stop <= N for s in over_chunks(lambda s: s, N, size))


def test_order_is_kept_when_the_first_chunk_is_the_slowest(threads):
    threads(2)
    second_done = threading.Event()

    def task(s):
        if s.start == 0:
            assert second_done.wait(10), "the second chunk did not run in parallel with the first"
        else:
            second_done.set()
        return s.start

    assert over_chunks(task, 4, 2) == [0, 2]


def test_one_thread_does_all_the_work_itself(threads):
    threads(2)
    with one_thread():
        with one_thread():
            assert module.inside_a_task()
        assert module.inside_a_task()
        assert set(over_chunks(lambda s: threading.get_ident(), 9, 1)) == {threading.get_ident()}
    assert not module.inside_a_task()


def test_an_error_in_a_chunk_is_raised(threads):
    threads(2)
    with pytest.raises(ZeroDivisionError):
        over_chunks(lambda s: 1 / (s.start - 8), 24)


def test_the_count_comes_from_the_caller_then_the_environment_then_the_machine(threads, monkeypatch):
    threads(3)
    assert module.threads() == 3
    monkeypatch.setenv("MINIGOOGLENET_THREADS", "4")
    threads()
    assert module.threads() == 4
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda pid: {0, 2, 5}, raising=False)
    monkeypatch.delenv("MINIGOOGLENET_THREADS")
    threads()
    assert module.threads() == 3
    monkeypatch.delattr(module.os, "sched_getaffinity")
    monkeypatch.setattr(module.os, "cpu_count", lambda: 7)
    threads()
    assert module.threads() == 7
    monkeypatch.setenv("MINIGOOGLENET_THREADS", "2")  # also read on such systems
    threads()
    assert module.threads() == 2


@pytest.mark.parametrize("value", ["two", "0", "-1", "1.5"])
def test_a_variable_that_is_not_a_number(value, monkeypatch):
    monkeypatch.setenv("MINIGOOGLENET_THREADS", value)
    with pytest.raises(UserError, match=f"MINIGOOGLENET_THREADS: got '{value}', needs a whole number of at least 1"):
        module.set_threads()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux lets a process choose its cores")
def test_each_thread_is_pinned_to_one_core_and_the_caller_is_released(threads):
    free = os.sched_getaffinity(0)
    threads(len(free))
    together = threading.Barrier(len(free))

    def mine(s):
        together.wait(10)  # so that every thread takes one
        return os.sched_getaffinity(0)

    with pinned_cores():
        with pinned_cores():
            pass
        places = over_chunks(mine, len(free), 1)
    assert all(len(place) == 1 for place in places) and set().union(*places) == free or len(free) == 1
    assert os.sched_getaffinity(0) == free
    with pytest.raises(KeyError), pinned_cores():
        raise KeyError
    assert os.sched_getaffinity(0) == free
    threads(len(free) + 1)  # more threads than cores: the system decides
    with pinned_cores():
        assert os.sched_getaffinity(0) == free


def test_a_count_below_one(threads):
    with pytest.raises(ValueError, match="threads: got 0, needs at least 1"):
        threads(0)


@pytest.mark.parametrize("N, parts", [(0, 0), (1, 1), (16, 8), (17, 6)])
def test_parts_cover_everything_once(N, parts, threads):
    threads(2)
    seen = []
    over_parts(seen.append, N)
    assert len(seen) == parts and sorted(i for part in seen for i in range(N)[part]) == list(range(N))
    with one_thread():
        seen.clear()
        over_parts(seen.append, N)
    assert seen == [slice(0, N)] * (N > 0)


# -- BLAS has one thread while our threads work, and afterwards as many as before --------------------------------------


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


def test_bits_are_the_same_whether_kernels_are_compiled_or_read_from_disk(tmp_path):
    """A kernel that calls functions by name, instead of inlining them, would get another translation each time."""
    code = """
import hashlib
import numpy as np
from minigooglenet.kernels.conv_backward import convolve_winograd_backward
from minigooglenet.kernels.conv_forward import convolve_winograd
from minigooglenet.kernels.gemm import pack
from minigooglenet.kernels.lrn import lrn
x = np.random.default_rng(0).standard_normal((3, 7, 6, 40)).astype(np.float32)
u, y, dx = pack(np.ones((36, 40, 40), np.float32)), np.empty_like(x), np.empty_like(x)
convolve_winograd(x, u, 40, y, 1, 4)
pixels, one, none = y.reshape(-1, 40), np.ones(40, np.float32), np.zeros(40, np.float32)
units = ((pixels, 0, pixels, 0, 40, one, none, none, none),)
du = convolve_winograd_backward(units, 40, (3, 7, 6), x, u, dx, 1, 4, True)
results = y, dx, du, lrn(x, 5, 1.0, 0.75, 1.0)
print(hashlib.sha1(b"".join(result.tobytes() for result in results)).hexdigest())
"""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    compiled, read = (subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                                     env=environment).stdout for _ in range(2))
    assert compiled == read


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="NumPy 1 keeps np.errstate per thread")
def test_the_callers_error_state_holds_in_all_threads(threads):
    threads(3)
    with np.errstate(over="ignore"):
        results = in_parallel([(lambda k: np.float32(1e38) * np.float32(k), k) for k in range(4, 40)])
    assert np.isinf(results).all()
