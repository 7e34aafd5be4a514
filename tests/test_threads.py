"""Chunks, their order, the number of threads, and how many threads BLAS has during and after the work."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from minigooglenet.errors import UserError
from minigooglenet.kernels import threads as module
from minigooglenet.kernels.threads import (
    in_parallel,
    one_thread,
    over_chunks,
    over_parts,
    pinned_cores,
)


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
