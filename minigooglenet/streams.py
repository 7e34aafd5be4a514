"""Standard output and error as commands see them.

* Control characters are escaped in whatever is printed: names come from files, and a terminal obeys them.
* Standard error never stops a command: progress and notes are lost if nobody reads them, work is not.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from .errors import printable

OUTPUT = "standard output"
_CURSOR_UP = "\x1b[A"            # a bar moves the cursor between its lines


class _Printable:
    """A text stream whose control characters are escaped, but for ends of lines and tabs."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        with self._named():
            self.stream.write(printable(text, "\n\t"))
        return len(text)

    def flush(self) -> None:
        with self._named():
            self.stream.flush()

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """An error names the stream, as that of a file names the file."""
        try:
            yield
        except OSError as error:
            error.filename = error.filename or OUTPUT
            raise


class _Forgiving(_Printable):
    """The same for standard error. From the first write that fails, everything written to it is dropped."""

    def write(self, text: str) -> int:
        start = len(text) - len(text.lstrip("\r"))      # a bar begins with it
        moves = not text.replace(_CURSOR_UP, "").strip("\n")
        with self._dropping():
            self.stream.write(text if moves else text[:start] + printable(text[start:], "\n\t"))
        return len(text)

    def flush(self) -> None:
        with self._dropping():
            self.stream.flush()

    @contextlib.contextmanager
    def _dropping(self) -> Iterator[None]:
        try:
            yield
        except OSError:  # what the buffer still holds goes to the null device, too
            with contextlib.suppress(OSError, ValueError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self.stream.fileno())
                os.close(null)
                self.stream.flush()


@contextlib.contextmanager
def safe_streams() -> Iterator[None]:
    """Inside, no write to ``sys.stderr`` fails: not with ``2>&1 | head``, nor on a full disk, nor after ``2>&-``.
    What is written to ``sys.stdout`` or ``sys.stderr`` is printable.

    A standard error or output that is closed is replaced by the null device. Otherwise the next file to be opened would
    get its descriptor, and with it whatever libraries print.
    """
    before = sys.stdout, sys.stderr
    output, errors = (stream or _null(number) for number, stream in enumerate(before, 1))
    sys.stdout, sys.stderr = _Printable(output), _Forgiving(errors)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def drop_output() -> None:
    """Discard what standard output holds and cannot write; otherwise the interpreter tries again when it exits."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _null(number: int) -> Any:
    """The null device as a text stream, with the descriptor ``number`` if that is free."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        if null != number:
            os.fstat(number)
    except OSError:
        os.dup2(null, number)
        os.close(null)
        null = number
    return os.fdopen(null, "w", encoding="utf-8", errors="replace", closefd=False)
