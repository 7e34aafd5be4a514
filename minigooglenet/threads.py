"""Work shared among threads, with results that do not depend on how many there are.

A batch is cut into slices of a fixed size. Each slice is one task; BLAS and the numba kernels inside it run on one
thread and release the interpreter's lock, so the tasks really run side by side. Their results come back in the order
of the slices and are summed in that order: the same bits on one core and on sixteen.

BLAS is held to one thread for the whole process, because its own threads and ours would fight for the same cores.
"""

import contextlib
import ctypes
import functools
import itertools
import os
import queue
import threading

from .errors import UserError

_helpers = None  # the queue that all threads but the caller's wait at
_count = 0
_helping = []  # those threads, if there is a core for each
_blas_limit = None
_here = threading.local()  # .busy: this thread is at work on one slice of several; .apart: it has its core


def set_threads(count=None):
    """Use ``count`` threads from now on (default: MINIGOOGLENET_THREADS, else every core this process may use).

    Raises ValueError for a count below 1, UserError if MINIGOOGLENET_THREADS is not a number of at least 1.
    """
    global _helpers, _count, _helping, _blas_limit
    if count is None:
        count = _wanted()
    if count < 1:
        raise ValueError(f"threads: got {count}, needs at least 1")
    if _blas_limit is None:
        import numpy  # noqa: F401  (its BLAS must be loaded before it can be limited)
        from threadpoolctl import threadpool_limits
        _blas_limit = threadpool_limits(limits=1, user_api="blas")
        _keep_freed_memory()
    for _ in range(_count - 1):
        _helpers.put(None)
    _helpers, _count = queue.SimpleQueue(), count
    helping = [threading.Thread(target=_help, args=(_helpers,), name="minigooglenet", daemon=True)
               for _ in range(count - 1)]
    for helper in helping:
        helper.start()
    _helping = helping if count == len(_cores()) else []


def _help(jobs):
    """The life of a helping thread."""
    while job := jobs.get():
        job.work()
        del job  # or it would keep the arrays of its task alive until the next one comes


def _wanted():
    named = os.environ.get("MINIGOOGLENET_THREADS", "")
    if named:
        if not named.isdecimal() or int(named) < 1:
            raise UserError(f"MINIGOOGLENET_THREADS: got {named!r}, needs a whole number of at least 1")
        return int(named)
    return len(_cores()) or os.cpu_count() or 1


def _cores():
    """The cores that this process may use; empty where the system (other than Linux) does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _keep_freed_memory():
    """Ask glibc to keep freed blocks up to 32 MB for the next array, instead of handing them back to the system.

    Every training step frees and allocates the same arrays; memory fresh from the system costs a page fault for each
    4 KB, almost a quarter of the processor time of a step on two threads. Where the C library has no mallopt, nothing
    happens.
    """
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


def threads():
    """How many threads share the work."""
    if not _count:
        set_threads()
    return _count


def slices(N, size):
    """``[slice(0, size), slice(size, 2 * size), ...]``, the last one cut at N."""
    return [slice(start, min(start + size, N)) for start in range(0, N, size)]


def over_slices(task, N, size=8):
    """``[task(s) for s in slices(N, size)]``, run side by side."""
    return side_by_side([(task, s) for s in slices(N, size)])


def over_parts(task, N, parts=8):
    """``task`` over slices of 0 … N whose size does not matter: side by side in so many parts, or all at once where the
    work at hand is one of several slices already. Nothing is returned."""
    if N:
        over_slices(task, N, N if inside_a_task() else -(-N // parts))


def side_by_side(pieces):
    """``[task(s) for task, s in pieces]``, shared out among the threads.

    Only the outermost call with more than one piece shares its work out. Inside its tasks everything stays in one
    thread: the others have work already.
    """
    if not _count:
        set_threads()
    if len(pieces) < 2 or inside_a_task():
        return [task(s) for task, s in pieces]
    job = _Job(pieces)
    for _ in range(min(_count, len(pieces)) - 1):
        _helpers.put(job)
    job.work()
    return job.wait()


class _Job:
    """Pieces that several threads work off, each taking the next one when it is done with its last. Cheaper than an
    executor, which keeps a record with a lock for each piece: a training step of some 130 ms has hundreds of them."""

    def __init__(self, pieces):
        self.results, self.error = [None] * len(pieces), None
        self.left, self.finished = iter(enumerate(pieces)), itertools.count(1)  # their next() is never interrupted
        self.done = threading.Semaphore(0)

    def work(self):
        _here.busy = True
        try:
            for k, (task, s) in self.left:
                try:
                    if self.error is None:
                        self.results[k] = task(s)
                except BaseException as error:  # to be raised where the job was given, Ctrl-C included
                    self.error = error
                if next(self.finished) == len(self.results):
                    self.done.release()
        finally:
            _here.busy = False

    def wait(self):
        """The results, when the last piece is done."""
        self.done.acquire()
        if self.error is not None:
            raise self.error
        return self.results


@contextlib.contextmanager
def cores_apart():
    """Inside, each thread has a core of its own, if there are as many as threads; the caller's is the one it is on.

    Left to itself, Linux may wake a thread on the very core that another is busy on, and takes tens of milliseconds to
    notice. After a pause that is the rule in a virtual machine, where an idle core may pass for a busy one, and a
    prediction takes 1.5 times as long. Afterwards the caller may move again: what it starts would inherit its place.
    """
    if not _count:
        set_threads()
    free = _cores() if _helping and not getattr(_here, "apart", False) else []
    core = _core_function()() if free else None
    if core not in free:
        yield
        return
    _here.apart = True
    os.sched_setaffinity(0, {core})
    for helper, other in zip(_helping, (other for other in free if other != core), strict=False):
        os.sched_setaffinity(helper.native_id, {other})
    try:
        yield
    finally:
        os.sched_setaffinity(0, free)
        _here.apart = False


@functools.cache
def _core_function():
    """() -> the core that the calling thread is on, or None where the C library does not say."""
    try:
        return ctypes.CDLL(None).sched_getcpu
    except (OSError, AttributeError, TypeError):
        return lambda: None


@contextlib.contextmanager
def one_thread():
    """Inside, nothing is shared out: the work is too little for that."""
    before, _here.busy = inside_a_task(), True
    try:
        yield
    finally:
        _here.busy = before


def inside_a_task():
    """Whether the work at hand is one of several slices already. Does not depend on the number of threads."""
    return getattr(_here, "busy", False)

