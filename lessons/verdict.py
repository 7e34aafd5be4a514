"""A verdict: whether an answer passes, and the lines that say what is wrong with it."""

import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .catalog import ROOT
from .difference import describe
from .exercise import Case, Property
from .limit import Stopped, TooMuch, limited


@dataclass
class Verdict:
    """The result for one exercise. status: "passes", "unfinished" or "wrong"; text: the message for the learner;
    printed: what the learner's code printed, shortened; hints: those of the exercise."""

    status: str
    text: str
    printed: str = ""
    hints: tuple[str, ...] = ()


def names(attempt: Callable, count: int) -> list[str]:
    """The names of ``count`` arguments: those of the function's parameters, as far as it has any."""
    try:
        parameters = inspect.signature(attempt).parameters.values()
        known = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    except (TypeError, ValueError):
        known = []
    return known + [f"argument {n + 1}" for n in range(len(known), count)]


def arguments(attempt: Callable, case: Case | Property) -> list[str]:
    """A line that describes the arguments of a case."""
    if not isinstance(case, Case):
        return []
    pairs = zip(names(attempt, len(case.arguments)), case.arguments, strict=False)
    return aligned("called with", ", ".join(f"{name} {describe(value)}" for name, value in pairs))


def aligned(label: str, text: str) -> list[str]:
    """A text with its label, as lines that begin in one column."""
    first, *rest = str(text).splitlines() or [""]
    return [f"  {label:<13} {first}", *(" " * 16 + line for line in rest)]


def raised(error: BaseException, path: Path) -> list[str]:
    """An exception as lines for the learner: the message, the line in the learner's file, and the likely cause."""
    if isinstance(error, Stopped):
        much = isinstance(error, TooMuch)
        return [*aligned("stopped", f"{error}, at\n{place(error, path)}"),
                *aligned("likely cause", "an array or a list far larger than this small case needs" if much else
                          "an endless loop, or far more work than this small case needs")]
    lines = aligned("raised", f"{type(error).__name__}: {_message(error)}\nat {place(error, path)}")
    last = traceback.extract_tb(error.__traceback__)[-1]
    cause = ""
    if isinstance(error, SystemExit):
        cause = "exit() ends the whole program: return a value instead"
    elif isinstance(error, ValueError) and "read-only" in str(error):
        cause = "inputs are read-only (other layers may share them): write into a new array"
    elif isinstance(error, TypeError) and not _frames(error, path) and last.filename == limited.__code__.co_filename:
        cause = "the function does not take the arguments of the exercise"
    elif isinstance(error, ValueError) and ("empty sequence" in str(error) or "zero-size array" in str(error)):
        cause = "a slice is empty: a negative start counts from the end, so clip it with max(…, 0)"
    elif isinstance(error, (TypeError, IndexError)) and "integer" in str(error) and "float" in str(error):
        cause = "a size or index is a float: / gives a float, // an integer"
    return lines + (aligned("likely cause", cause) if cause else [])


def _message(error):
    text = str(error)
    return text if len(text) <= 300 else text[:297] + "..."


def _frames(error, path):
    return [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]


def place(error: BaseException, path: Path) -> str:
    """The line of the learner's file at which an exception was raised."""
    frames = _frames(error, path)
    if not frames:
        return short(path)
    return f"{short(path)}, line {frames[-1].lineno}: {frames[-1].line}"


def short(path: Path) -> str:
    """A path as messages show it: relative to the top folder, if it is inside."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
