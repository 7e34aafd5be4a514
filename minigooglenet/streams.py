"""Standard output and error as commands see them.

* Control characters are escaped in whatever is printed: names come from files, and a terminal obeys them.
* Standard error never stops a command: progress and notes are lost if nobody reads them, work is not.
* ``run_command`` turns whatever stops a command into an exit code and at most one line.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from .errors import UserError, printable

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


@safe_streams()
def run_command(command: Callable[[], int | None], name: str) -> int:
    """Run ``command()`` with safe streams. Returns the exit code: that of the command; 2, with one line that begins
    with ``name``, for invalid input and for a file that cannot be read or written; 130 after Ctrl-C; 0 if the reader of
    the output has exited, as with ``| head``.
    """
    stream: Any
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show "×" gets "?" instead of a traceback
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        try:
            return command() or 0
        finally:
            sys.stdout.flush()  # a pipe without a reader raises here, and not when the interpreter exits
    except UserError as error:
        return _refuse(name, error)
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _drop_output()
        return 0
    except OSError as error:  # what no reader or writer of a file has expected
        if error.filename == OUTPUT:
            _drop_output()
        what = error.filename or "a file or device"
        return _refuse(name, f"{os.fsdecode(what) if isinstance(what, bytes) else what}: cannot be read or written "
                             f"({error.strerror or error}); check name, permissions and free space")


def _refuse(name: str, reason: object) -> int:
    """Print the reason in one line, whatever names are in it. Returns the exit code."""
    print(printable(f"{name}: {reason}"), file=sys.stderr)
    return 2


def _drop_output() -> None:
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
