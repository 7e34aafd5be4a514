"""Limits on a learner's function: processor time, time, memory, no new processes. Each ends it with a verdict.

Windows has no timers and no memory limit, macOS no memory limit: ``isolated.py`` stops the process from outside there.
"""

import contextlib
import functools
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

#: Seconds of processor time for one call. Each solution takes less than 0.1 s.
SECONDS: float = 10

#: Seconds of time for one call, for a function that waits instead of computing.
WALL: float = 20

#: Bytes that a call may use beyond what the process has before it.
MEMORY = 1 << 30

_STARTS = ("os.fork", "os.forkpty", "os.system", "os.exec", "os.spawn", "os.posix_spawn", "subprocess.Popen")
_running = False


class Stopped(BaseException):
    """A limit is exceeded. Raised at the line that runs at that moment; ``except Exception`` does not catch it."""


class TooLong(Stopped):
    """The function takes too long."""


class TooMuch(Stopped):
    """The function needs too much memory."""


def limited(function: Callable) -> Callable:
    """The same function, but it raises TooLong after SECONDS of processor time or WALL seconds, and TooMuch if it needs
    more than MEMORY bytes.

    There is no time limit without these timers (Windows) and outside the main thread.
    """
    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            with _time_limit(), _memory_limit(), _marked():
                return function(*arguments, **named)
        except MemoryError as error:
            raise TooMuch(f"needs more than {MEMORY >> 30} GB of memory").with_traceback(error.__traceback__) from None
    return call


def forbid_processes() -> None:
    """From now on, functions made by ``limited`` cannot start processes: PermissionError. Cannot be undone."""
    def refuse(event: str, _: Any) -> None:
        if _running and event in _STARTS:
            raise PermissionError("an exercise must not start processes")
    sys.addaudithook(refuse)


@contextlib.contextmanager
def _marked() -> Iterator[None]:
    global _running
    before, _running = _running, True
    try:
        yield
    finally:
        _running = before


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    active = True

    def stop(number: int, _: Any) -> None:
        if active:
            raise TooLong(f"not finished after {SECONDS:g} s" if number == signal.SIGPROF else
                          f"not finished after {WALL:g} s, most of it waiting")

    timers = ((signal.ITIMER_PROF, signal.SIGPROF, SECONDS), (signal.ITIMER_REAL, signal.SIGALRM, WALL))
    handlers = [signal.signal(number, stop) for _, number, _ in timers]
    started = time.process_time(), time.monotonic()
    # again every second, if the function catches the exception; ``left`` is that of a limit around this one, or 0
    left = [signal.setitimer(timer, seconds, 1)[0] for timer, _, seconds in timers]
    try:
        yield
    finally:
        try:
            active = False
        finally:
            active = False  # if a timer has just ended at the line before
            passed = time.process_time() - started[0], time.monotonic() - started[1]
            for (timer, number, _), handler, before, seconds in zip(timers, handlers, left, passed, strict=True):
                signal.setitimer(timer, max(before - seconds, 1e-3) if before else 0, 1)
                signal.signal(number, handler)


@contextlib.contextmanager
def _memory_limit() -> Iterator[None]:
    mapped = _mapped()
    if mapped is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = min([mapped + MEMORY, *(n for n in (soft, hard) if n != resource.RLIM_INFINITY)])
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _mapped() -> int | None:
    """The bytes that this process has mapped, or None where that is not known."""
    if resource is None:
        return None
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):  # no Linux
        return None
