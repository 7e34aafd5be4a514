"""over_slices: the slices, their order, and the thread count."""

import threading

import pytest
from threadpoolctl import threadpool_info

from minigooglenet import threads as module
from minigooglenet.errors import UserError
from minigooglenet.threads import over_slices


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


def test_a_count_below_one(threads):
    with pytest.raises(ValueError, match="threads: got 0, needs at least 1"):
        threads(0)


def test_blas_is_held_to_one_thread(threads):
    threads(2)
    counts = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    assert counts and set(counts) == {1}
