"""A learner's functions, called with care: whatever one of them does, the network goes on with the library's."""

import contextlib
import io
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import limit
from .difference import describe, is_whole
from .limit import Stopped, limited
from .verdict import place


class Answers:
    """The learner's ``functions`` {name: function}, with the ``paths`` of their files.

    ``ask`` calls one of them and returns what it returns, or None if there is no such answer. An answer that raises,
    takes too long, or returns something else than asked for is **lost**: ``say`` gets a line, the caller uses the
    library's code, now and from then on. ``note(name)`` is called before and after each call, for whoever watches this
    process.

    ``seconds`` {name: processor time} does not count the functions that an answer calls itself.
    """

    def __init__(self, functions: Mapping[str, Callable], paths: Mapping[str, Path],
                 say: Callable[[str], None] = print, note: Callable[[str], None] = lambda name: None) -> None:
        self.functions, self.paths, self.say, self.note = dict(functions), dict(paths), say, note
        self.lost: dict[str, str] = {}
        self.seconds: dict[str, float] = dict.fromkeys(functions, 0.0)
        self._inner, self._ends = [0.0], [float("inf")]
        self._known: dict[Any, int] = {}
        self._printing: set[str] = set()

    def __deepcopy__(self, memo: Any) -> "Answers":
        """A copy of a network has the same answers."""
        return self

    def has(self, name: str) -> bool:
        return name in self.functions

    def lose(self, name: str, reason: str) -> None:
        """From now on, the library's code is used in place of this answer."""
        if self.functions.pop(name, None):
            self.lost[name] = reason
            self.say(f"your {name} {reason}; the library's code is used from here on")

    @contextlib.contextmanager
    def without(self, *names: str) -> Iterator[None]:
        """For a while, as if there were no such answers."""
        kept = dict(self.functions)
        for name in names:
            self.functions.pop(name, None)
        try:
            yield
        finally:
            self.functions = {name: function for name, function in kept.items() if name not in self.lost}

    def ask(self, name: str, arguments: tuple, *shapes: tuple[int, ...] | None) -> Any:
        """The answer's values for these arguments: an array for each of ``shapes``, of the first array's dtype; a float
        for the shape (), and whatever comes for None. One shape: one value, else a tuple. None if there is none."""
        function = self.functions.get(name)
        if function is None:
            return None
        if time.process_time() > self._ends[-1]:  # the answer that asks for this one, and would never end
            raise limit.TooLong(f"not finished after {limit.SECONDS:g} s")
        try:
            values = self._call(name, function, arguments)
            parts = (values,) if len(shapes) == 1 else self._split(values, len(shapes))
            dtype = next((a.dtype for a in _arrays(arguments)), None)
            parts = tuple(_as_asked(part, shape, dtype) for part, shape in zip(parts, shapes, strict=True))
        except _Unfit as unfit:
            if _are_finite(arguments):  # else something before it is wrong
                self.lose(name, str(unfit))
            return None
        return parts[0] if len(shapes) == 1 else parts

    def size(self, name: str, arguments: tuple[int, ...], right: int) -> int:
        """A size that an answer computes. One that is not ``right``, the library's, would make other answers fail."""
        if self.has(name) and (name, arguments) not in self._known:
            try:
                found = self._call(name, self.functions[name], arguments)
                whole = is_whole(found)
                if not (whole and found == right):
                    raise _Unfit(f"returned {describe(found)} for {arguments}, expected "
                                 f"{'' if whole else 'the integer '}{right}")
                self._known[name, arguments] = right
            except _Unfit as unfit:
                self.lose(name, str(unfit))
        return self._known.get((name, arguments), right)

    def _call(self, name, function, arguments):
        self.note(name)
        started, printed, before = time.process_time(), io.StringIO(), sys.stdout
        self._inner.append(0.0)
        self._ends.append(started + limit.SECONDS)
        try:
            sys.stdout = printed
            with np.errstate(all="ignore"):
                return limited(function)(*map(_read_only, arguments))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            text = str(error) if isinstance(error, Stopped) else f"raised {type(error).__name__}: {error}"
            line = text.splitlines()[0][:120] if text else type(error).__name__
            raise _Unfit(f"{'was ' if isinstance(error, Stopped) else ''}{line}, at {place(error, self.paths[name])}"
                         ) from None
        finally:
            sys.stdout = before
            self._ends.pop()
            spent = time.process_time() - started
            own = spent - self._inner.pop()
            self._inner[-1] += spent
            self.seconds[name] = self.seconds.get(name, 0.0) + own
            self.note(name)
            if printed.tell() and name not in self._printing:
                self._printing.add(name)
                self.say(f"your {name} prints; its output is not shown here")

    @staticmethod
    def _split(values, count):
        if not isinstance(values, (tuple, list)) or len(values) != count:
            length = f" of {len(values)}" if isinstance(values, (tuple, list)) else ""
            raise _Unfit(f"returned a {type(values).__name__}{length}, expected {count} values")
        return values


class _Unfit(Exception):
    """What an answer did wrong."""


def _as_asked(value, shape, dtype):
    """The value as an array of the shape and dtype, or as a float. Raises _Unfit if it is none."""
    if shape is None:
        return value
    try:
        array = np.asarray(value)
    except Exception as error:
        raise _Unfit(f"returned something that is no array ({type(error).__name__})") from None
    if array.dtype.kind not in "biuf":
        raise _Unfit(f"returned {type(value).__name__}, expected {f'an array {shape}' if shape else 'a number'}")
    if array.shape != shape:
        raise _Unfit(f"returned the shape {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise _Unfit("returned NaN or infinity")
    return array.astype(dtype or array.dtype, copy=False) if shape else float(array)


def _read_only(value):
    if isinstance(value, tuple):
        return tuple(map(_read_only, value))
    if not isinstance(value, np.ndarray):
        return value
    view = value.view()
    view.flags.writeable = False
    return view


def _arrays(arguments):
    for value in arguments:
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, tuple):
            yield from _arrays(value)


def _are_finite(arguments):
    return all(np.isfinite(a).all() for a in _arrays(arguments) if a.dtype.kind == "f")


