"""What happens to a training: it is killed, or an operation on a file fails. Each acts on the process that calls it."""

import builtins
import errno
import os
import resource
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

OPERATIONS = ("create", "write", "fsync", "replace", "append")


def nothing() -> None:
    """The process is left alone."""


def killed_after(seconds: float) -> Callable[[], None]:
    """kill -9 after so many seconds, wherever the process is then."""
    def begin():
        def kill():
            time.sleep(seconds)
            os.kill(os.getpid(), signal.SIGKILL)
        threading.Thread(target=kill, daemon=True).start()
    return begin


class At(NamedTuple):
    """At operation ``number`` of this kind, counted from 0: kill -9 (``error`` is 0), or that error number.

    Half of the bytes of a write are written before. ``log`` is None, or a file that gets a byte for each operation.
    """

    operation: str
    number: int
    error: int = 0
    log: Path | None = None

    def __call__(self) -> None:
        """Replace the functions of this process that write."""
        self._count(os, "fsync", "fsync")
        self._count(os, "replace", "replace")
        self._count(tempfile, "mkstemp", "create")
        plain_fdopen, plain_open = os.fdopen, builtins.open
        write, append = self._due("write"), self._due("append")
        os.fdopen = lambda *args, **options: _File(plain_fdopen(*args, **options), write)
        builtins.open = lambda file, mode="r", *args, **options: (
            _File(plain_open(file, mode, *args, **options), append) if "a" in mode else
            plain_open(file, mode, *args, **options))

    def _count(self, module, name, operation):
        function, due = getattr(module, name), self._due(operation)

        def counted(*args, **options):
            due(None)
            return function(*args, **options)
        setattr(module, name, counted)

    def _due(self, operation):
        """A function to call at each such operation, with a function that does a half of it."""
        seen = 0

        def due(half):
            nonlocal seen
            if self.log is not None:
                descriptor = os.open(self.log, os.O_APPEND | os.O_WRONLY | os.O_CREAT)
                os.write(descriptor, bytes([OPERATIONS.index(operation)]))
                os.close(descriptor)
            seen += 1
            if operation == self.operation and seen == self.number + 1:
                if half:
                    half()
                if not self.error:
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError(self.error, os.strerror(self.error))
        return due


class _File:
    """A file whose writes are counted."""

    def __init__(self, file: Any, due: Callable[[Any], None]) -> None:
        self.file, self.due = file, due

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def write(self, data: Any) -> int:
        def half():
            self.file.write(data[:len(data) // 2])
            self.file.flush()
        self.due(half)
        return self.file.write(data)


def limited(size: int) -> Callable[[], None]:
    """No file can become larger than so many bytes."""
    def begin():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    return begin


def drawn(kind: str, seconds: float, counts: dict[str, int], largest: int, rng: Random) -> Callable[[], None]:
    """One of the injuries of KINDS. A whole run takes ``seconds``, has ``counts`` of operations, a ``largest`` file."""
    if kind == "kill":
        return killed_after(rng.uniform(0, seconds))
    if kind == "limit":
        return limited(rng.randrange(largest))
    operation, error = kind.split()
    return At(operation, rng.randrange(max(1, counts[operation])), getattr(errno, error, 0))


KINDS = ("kill", *(f"{operation} {error}" for operation in OPERATIONS for error in ("kill", "ENOSPC", "EIO")), "limit")
