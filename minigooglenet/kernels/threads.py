"""Parallel work on threads, with results that do not depend on the number of threads.

A batch is split into chunks of a fixed size. Each chunk is one task. Inside a task, BLAS and the numba kernels run on
one thread and release the GIL, so tasks run in parallel. Results are returned, and summed, in the order of the chunks:
the bits are the same on one core and on sixteen.

While these threads work, BLAS is limited to one thread, because its own threads would compete for the same cores.
Afterwards it has as many threads as before.
"""

import contextlib
import contextvars
import ctypes
import functools
import itertools
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import UserError
from .blas import blas_on_one_thread, held_by_this_thread

MOST = 1024  # threads: each takes 8 MB of address space, and more than one for each core gains nothing

_local = threading.local()  # .busy: this thread runs one of several tasks; .pinned: the cores it may use otherwise


class _Pool:
    """The worker threads of this process, which wait for jobs; the caller's thread works, too."""

    def __init__(self, count: int) -> None:
        self.jobs: queue.SimpleQueue = queue.SimpleQueue()
        self.workers: list[threading.Thread] = []
        with contextlib.suppress(RuntimeError):  # the system has no more threads: go on with those that there are
            for _ in range(count - 1):
                worker = threading.Thread(target=_work, args=(self.jobs,), name="minigooglenet", daemon=True)
                worker.start()
                self.workers.append(worker)
        self.count = 1 + len(self.workers)

    def close(self) -> None:
        """Let the workers end, after the jobs that they have."""
        for _ in self.workers:
            self.jobs.put(None)


_pool: _Pool | None = None
_setting: int | None = None  # the number of threads in ``set_threads``; after a fork, the child's pool gets as many
_lock = threading.Lock()     # of both


def set_threads(count: int | None = None) -> None:
    """Set the number of threads (default: MINIGOOGLENET_THREADS, else every core that this process may use).

    Other threads may be computing: they finish with the threads that they have. Raises ValueError for a count below 1,
    UserError for one above 1024, or if MINIGOOGLENET_THREADS is not a number of at least 1.
    """
    global _pool, _setting
    if count is None:
        count = _default_count()
    if count < 1:
        raise ValueError(f"threads: got {count}, needs at least 1")
    if count > MOST:
        raise UserError(f"threads: got {count}, needs at most {MOST}; more than one for each core gains nothing")
    with _lock:
        if _pool is None:
            _keep_freed_memory()
        else:
            _pool.close()
        _pool, _setting = _Pool(count), count


def _current() -> _Pool:
    """The pool of this process. Take it once and use that one: another thread may set another."""
    pool = _pool
    if pool is None:
        set_threads(_setting)
        pool = _current()
    return pool


def _work(tasks: queue.SimpleQueue) -> None:
    """Run by each worker thread."""
    while job := tasks.get():
        job.context.copy().run(job.work)  # such as np.errstate of the thread that asked
        del job  # else the arrays of its tasks stay alive until the next job arrives


def _default_count() -> int:
    setting = os.environ.get("MINIGOOGLENET_THREADS", "")
    if setting:
        if not setting.isdecimal() or len(setting) > 9 or int(setting) < 1:
            raise UserError(f"MINIGOOGLENET_THREADS: got {setting!r}, needs a whole number of at least 1")
        return int(setting)
    return len(_cores()) or os.cpu_count() or 1


def _cores() -> list[int]:
    """The cores that this process may use; empty where the system does not tell (not Linux, or refused)."""
    with contextlib.suppress(OSError, AttributeError):
        return sorted(os.sched_getaffinity(0))
    return []


def _keep_freed_memory() -> None:
    """Ask glibc to keep freed blocks for the next array instead of returning them to the system.

    Every training step frees and allocates the same arrays. New memory from the system costs one page fault per 4 KB,
    almost a quarter of the processor time of a step on two threads. Blocks of more than 32 MB, which glibc would map
    one by one otherwise, come from the same memory. Has no effect where the C library lacks mallopt.
    """
    M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


def threads() -> int:
    """The number of threads."""
    return _current().count


# -- parallel loops ---------------------------------------------------------------------------------------------------


def chunks(N: int, size: int) -> list[slice]:
    """``[slice(0, size), slice(size, 2 * size), ...]``, the last one ends at N."""
    return [slice(start, min(start + size, N)) for start in range(0, N, max(size, 1))]


def over_chunks(task: Callable[[slice], Any], N: int, size: int = 8) -> list:
    """``[task(chunk) for chunk in chunks(N, size)]``, in parallel."""
    return in_parallel([(task, chunk) for chunk in chunks(N, size)])


def over_parts(task: Callable[[slice], Any], N: int, parts: int = 8) -> None:
    """Run ``task`` over 0 … N in up to ``parts`` chunks, in parallel; inside a task, in one call. Returns nothing.

    For tasks whose results do not depend on the size of the chunks.
    """
    if N:
        over_chunks(task, N, N if inside_a_task() else -(-N // parts))


def over_arrays(task: Callable[[Any], Any], sizes: Mapping[Any, int], large: int = 1 << 16) -> None:
    """Run ``task(key)`` for every key of ``sizes``, in parallel. Arrays of fewer than ``large`` values share one task:
    two threads that compute with small ones would wait for each other's Python. Returns nothing."""
    def all_small(_):
        for key, size in sizes.items():
            if size < large:
                task(key)

    in_parallel([(task, key) for key, size in sizes.items() if size >= large] + [(all_small, None)])


def in_parallel(tasks: Sequence[tuple[Callable, Any]]) -> list:
    """``[function(argument) for function, argument in tasks]``, in parallel.

    Only the outermost call with more than one task runs in parallel. Calls inside a task run on the task's thread,
    because the other threads are busy.
    """
    pool = _current()
    if len(tasks) < 2 or inside_a_task():
        return [function(argument) for function, argument in tasks]
    if held_by_this_thread():
        return _run(pool, tasks)
    with blas_on_one_thread():
        return _run(pool, tasks)


def _run(pool: "_Pool", tasks: Sequence[tuple[Callable, Any]]) -> list:
    job = _Job(tasks)
    for _ in range(min(pool.count, len(tasks)) - 1):
        pool.jobs.put(job)
    job.work()
    return job.wait()


class _Job:
    """A list of tasks from which each thread takes the next one when it has finished its last.

    This costs less than an executor, which creates a future with a lock for each task: a training step of some 130 ms
    has hundreds of tasks.
    """

    def __init__(self, tasks: Sequence[tuple[Callable, Any]]):
        self.results: list = [None] * len(tasks)
        self.error: BaseException | None = None
        self.context = contextvars.copy_context()
        self.left, self.finished = iter(enumerate(tasks)), itertools.count(1)  # next() is atomic for both
        self.done = threading.Semaphore(0)

    def work(self) -> None:
        _local.busy = True
        try:
            for k, (function, argument) in self.left:
                try:
                    if self.error is None:
                        self.results[k] = function(argument)
                except BaseException as error:  # raised in the caller's thread, KeyboardInterrupt included
                    self.error = error
                if next(self.finished) == len(self.results):
                    self.done.release()
        finally:
            _local.busy = False

    def wait(self) -> list:
        """Return the results when the last task has finished."""
        self.done.acquire()
        if self.error is not None:
            raise self.error
        return self.results


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Inside this context everything runs on the calling thread, for work too small to run in parallel."""
    before, _local.busy = inside_a_task(), True
    try:
        yield
    finally:
        _local.busy = before


def inside_a_task() -> bool:
    """Whether this thread runs one of several tasks. Does not depend on the number of threads."""
    return getattr(_local, "busy", False)


# -- cores ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def pinned_cores() -> Iterator[None]:
    """Pin each thread to a core of its own inside this context, if there are as many cores as threads.

    The caller is pinned to the core that it runs on. Without pinning, Linux may wake a thread on a core that another
    thread is using, and takes tens of milliseconds to move it. In a virtual machine this is the rule after a pause,
    because an idle core may look busy there, and a prediction takes 1.5 times as long. On exit the caller is unpinned:
    processes that it starts would inherit its affinity.
    """
    pool = _current()
    free = _cores() if not getattr(_local, "pinned", None) else []
    core = _core_function()() if pool.count == len(free) > 1 else None
    if core not in free or not _pin(0, {core}):
        yield
        return
    _local.pinned = free
    try:
        for worker, other in zip(pool.workers, (other for other in free if other != core), strict=False):
            if worker.native_id is not None and worker.is_alive():
                _pin(worker.native_id, {other})
        yield
    finally:
        _pin(0, free)
        _local.pinned = None


def _pin(thread: int, cores: Iterable[int]) -> bool:
    """Whether the system lets the thread (0: the calling one) use these cores only. Containers may refuse it."""
    try:
        os.sched_setaffinity(thread, cores)
        return True
    except OSError:
        return False


@functools.cache
def _core_function() -> Callable[[], int | None]:
    """A function () -> the core of the calling thread, or None where the C library does not tell."""
    try:
        return ctypes.CDLL(None).sched_getcpu
    except (OSError, AttributeError, TypeError):
        return lambda: None


def _after_fork():
    """In the child: forget the parent's threads, which do not exist here, and undo what they hold."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()
    if getattr(_local, "pinned", None):
        _pin(0, _local.pinned)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
