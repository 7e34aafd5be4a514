"""A loop that never ends should end in a verdict: a limit on the processor time of a learner's function."""

import contextlib
import functools
import signal
import threading

#: Seconds of processor time for one call. The solutions take less than a tenth of one.
SECONDS = 10


class TooLong(Exception):
    """What a function that takes longer raises, at the line it has come to."""


def limited(function):
    """The same function, raising TooLong after SECONDS of processor time.

    Where the system has no such timer (Windows), and outside the main thread, nothing limits it but Ctrl-C.
    """
    @functools.wraps(function)
    def call(*arguments, **named):
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
