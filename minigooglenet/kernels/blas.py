"""The number of threads of NumPy's BLAS: one while threads of this package work, because they use the same cores."""

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from typing import Any

_local = threading.local()  # .holds: how often this thread has acquired the limit and not released it


class _BlasLimit:
    """Limit BLAS to one thread from the first ``acquire`` to the last ``release``, from any threads."""

    def __init__(self) -> None:
        self.lock, self.holders = threading.Lock(), 0
        self.before: list[int] = []  # the number of threads of each library before the first ``acquire``

    def acquire(self) -> None:
        with self.lock:
            if not self.holders:
                self.before = [library.num_threads for library in _blas().lib_controllers]
                self.set_counts([1] * len(self.before))
            self.holders += 1
            _local.holds = getattr(_local, "holds", 0) + 1

    def release(self) -> None:
        with self.lock:
            self.holders -= 1
            _local.holds = getattr(_local, "holds", 0) - 1
            if not self.holders:
                self.set_counts(self.before)

    def after_fork(self) -> None:
        """In the child, only the thread that called fork is left, with what it holds."""
        held, self.lock = self.holders, threading.Lock()
        self.holders = getattr(_local, "holds", 0)
        if held and not self.holders:
            self.set_counts(self.before)

    def set_counts(self, counts: list[int]) -> None:
        for library, count in zip(_blas().lib_controllers, counts, strict=True):
            # threadpoolctl 3.8 and later ignore every thread but the first that set a number.
            clear = getattr(library, "clear_controlling_thread", lambda force: None)
            clear(force=True)
            library.set_num_threads(count)
            clear(force=True)


_blas_limit = _BlasLimit()


@functools.cache
def _blas() -> Any:
    """The controller of NumPy's BLAS. Cached, because finding the library takes milliseconds."""
    import numpy  # noqa: F401  (its BLAS must be loaded before it can be found)
    from threadpoolctl import ThreadpoolController
    return ThreadpoolController().select(user_api="blas")


def held_by_this_thread() -> bool:
    """Whether the calling thread is inside ``blas_on_one_thread``."""
    return getattr(_local, "holds", 0) > 0


@contextlib.contextmanager
def blas_on_one_thread() -> Iterator[None]:
    """Inside this context BLAS uses one thread; afterwards as many as before.

    Code that runs many parallel loops in a row, such as a training step, enters the context once around all of them.
    """
    _blas_limit.acquire()
    try:
        yield
    finally:
        _blas_limit.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_blas_limit.after_fork)
