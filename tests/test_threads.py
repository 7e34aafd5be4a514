"""over_slices: the slices, their order, and the thread count."""

import os
import subprocess
import sys
import threading

import pytest

from minigooglenet import threads as module
from minigooglenet.errors import UserError
from minigooglenet.threads import cores_apart, one_thread, over_slices


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("N, size", [(0, 8), (1, 8), (8, 8), (9, 8), (23, 8), (10, 3)])
def test_slices_are_fixed_and_come_back_in_order(count, N, size, threads):
    threads(count)
    parts = over_slices(lambda s: list(range(N))[s], N, size)
    assert [len(part) for part in parts] == [size] * (N // size) + [N % size] * (N % size > 0)
    assert sum(parts, []) == list(range(N))
    assert all(s.stop <= N for s in over_slices(lambda s: s, N, size))


def test_order_is_kept_when_the_first_slice_is_the_slowest(threads):
    threads(2)
    second_done = threading.Event()

    def task(s):
        if s.start == 0:
            assert second_done.wait(10), "the second slice never ran beside the first"
        else:
            second_done.set()
        return s.start

    assert over_slices(task, 4, 2) == [0, 2]


def test_one_thread_shares_nothing_out(threads):
    threads(2)
    with one_thread():
        with one_thread():
            assert module.inside_a_task()
        assert module.inside_a_task()
        assert set(over_slices(lambda s: threading.get_ident(), 9, 1)) == {threading.get_ident()}
    assert not module.inside_a_task()


def test_an_error_in_a_slice_comes_out(threads):
    threads(2)
    with pytest.raises(ZeroDivisionError):
        over_slices(lambda s: 1 / (s.start - 8), 24)


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
    monkeypatch.setenv("MINIGOOGLENET_THREADS", "2")  # heard on such systems too
    threads()
    assert module.threads() == 2


@pytest.mark.parametrize("value", ["two", "0", "-1", "1.5"])
def test_a_variable_that_is_no_number(value, monkeypatch):
    monkeypatch.setenv("MINIGOOGLENET_THREADS", value)
    with pytest.raises(UserError, match=f"MINIGOOGLENET_THREADS: got '{value}', needs a whole number of at least 1"):
        module.set_threads()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux lets a process choose its cores")
def test_every_thread_gets_a_core_of_its_own_and_the_caller_is_free_again(threads):
    free = os.sched_getaffinity(0)
    threads(len(free))
    together = threading.Barrier(len(free))

    def mine(s):
        together.wait(10)  # so that every thread takes one
        return os.sched_getaffinity(0)

    with cores_apart():
        with cores_apart():
            pass
        places = over_slices(mine, len(free), 1)
    assert all(len(place) == 1 for place in places) and set().union(*places) == free or len(free) == 1
    assert os.sched_getaffinity(0) == free
    with pytest.raises(KeyError), cores_apart():
        raise KeyError
    assert os.sched_getaffinity(0) == free
    threads(len(free) + 1)  # more threads than cores: left to the system
    with cores_apart():
        assert os.sched_getaffinity(0) == free


def test_a_count_below_one(threads):
    with pytest.raises(ValueError, match="threads: got 0, needs at least 1"):
        threads(0)


def test_blas_is_held_to_one_thread():
    code = ("import numpy; from minigooglenet.threads import set_threads; set_threads(2); from threadpoolctl import "
            "threadpool_info; print({l['num_threads'] for l in threadpool_info() if l['user_api'] == 'blas'})")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "{1}\n"  # in a process of its own: other tests' packages bring a BLAS of their own


def test_bits_are_the_same_whether_kernels_are_compiled_or_read_from_disk(tmp_path):
    """A kernel that reaches what it calls by name, not inside itself, would find another translation each time."""
    code = """
import hashlib
import numpy as np
from minigooglenet import kernels
x = np.random.default_rng(0).standard_normal((3, 7, 6, 40)).astype(np.float32)
u, y, dx = kernels.pack(np.ones((36, 40, 40), np.float32)), np.empty_like(x), np.empty_like(x)
kernels.convolve_winograd(x, u, 40, y, 1, 4)
pixels, one, none = y.reshape(-1, 40), np.ones(40, np.float32), np.zeros(40, np.float32)
units = ((pixels, 0, pixels, 0, 40, one, none, none, none),)
du = kernels.convolve_winograd_back(units, 40, (3, 7, 6), x, u, dx, 1, 4, True)
results = y, dx, du, kernels.lrn(x, 5, 1.0, 0.75, 1.0)
print(hashlib.sha1(b"".join(result.tobytes() for result in results)).hexdigest())
"""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    compiled, read = (subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                                     env=environment).stdout for _ in range(2))
    assert compiled == read
