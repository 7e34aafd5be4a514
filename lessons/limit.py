"""A limit on the processor time of a learner's function, so that an endless loop ends with a verdict."""

import contextlib
import functools
import signal
import threading
from collections.abc import Callable
from typing import Any

#: Seconds of processor time for one call. Each solution takes less than 0.1 s.
SECONDS = 10


class TooLong(Exception):
    """The time limit is exceeded. Raised at the line that runs at that moment."""


def limited(function: Callable) -> Callable:
    """The same function, but it raises TooLong after SECONDS of processor time.

    There is no limit on a system without this timer (Windows) and outside the main thread.
    """
    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        with _limit():
            return function(*arguments, **named)
    return call


@contextlib.contextmanager
def _limit():
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _stop(*_):
    raise TooLong(f"not finished after {SECONDS} s")
