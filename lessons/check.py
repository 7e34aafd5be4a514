"""Is an exercise right, and if not, why? Verdicts that a learner can act on.

A file in checks/ lists its exercises:

    EXERCISES = [Exercise("col2im", hints=(..., ..., ...), cases=cases, mistakes=[Mistake(assigns, "add, do not ...")])]

``cases`` is a function that yields Case (arguments, and the right answer) or Property (a test of your own, which
raises Wrong). ``mistakes`` are the usual wrong answers as functions. They work twice: where a learner's answer equals
that of a mistake, its hint is the likely cause; and the project's tests hand each of them in as an answer, to prove
that the checker finds it and gives that hint.
"""

import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigooglenet.errors import UserError

from .causes import describe, difference, general_cause
from .helpers import ROOT
from .limit import TooLong, limited


class Wrong(Exception):
    """What a Property raises: what is wrong, and the likely cause (or "")."""

    def __init__(self, what, cause=""):
        super().__init__(what)
        self.what, self.cause = what, cause


@dataclass
class Case:
    """Arguments for the learner's function, and the right answer: an array, a number, a text, or a tuple of such."""

    label: str
    arguments: tuple
    wanted: Any


@dataclass
class Property:
    """A test that takes the learner's function and raises Wrong unless it is satisfied."""

    label: str
    test: Callable


@dataclass
class Mistake:
    """A usual wrong answer: the function that makes it, and the hint for whoever did the same."""

    function: Callable
    hint: str


@dataclass
class Exercise:
    """One function to write. ``returns`` names the parts of a tuple ("dx", "dw"); ``tolerance`` is relative to the
    largest right number, by default 1e-9 (1e-5 for float32)."""

    name: str
    hints: tuple
    cases: Callable
    mistakes: list = field(default_factory=list)
    returns: tuple = ()
    tolerance: float | None = None


@dataclass
class Verdict:
    """status: "passes", "unfinished" or "wrong"; text: what to print."""

    status: str
    text: str


def load(path):
    """Everything a file defines, {name: value}. Whatever it raises comes through."""
    if not path.exists():
        raise UserError(f"{_short(path)}: there is no such file; git checkout {_short(path)} brings it back")
    space = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), space)
    return space


def exercises(lesson):
    """The Exercises of a lesson."""
    return load(lesson.beside("checks"))["EXERCISES"] if lesson.beside("checks").exists() else []


def check(lesson, folder="exercises"):
    """{exercise: Verdict} for the learner's file (or the one in ``solutions``). UserError if it does not load."""
    path = lesson.beside(folder)
    try:
        space = limited(load)(path)
    except UserError:
        raise
    except SyntaxError as error:
        raise UserError(f"{_short(path)}, line {error.lineno}: {type(error).__name__}: {error.msg}, "
                        f"in: {(error.text or '').strip()}") from None
    except (Exception, SystemExit) as error:  # a wrong import, a name that does not exist, exit()
        raise UserError(f"{type(error).__name__}: {error}, in {_place(error, path)}") from None
    return {exercise.name: judge(exercise, space.get(exercise.name), path) for exercise in exercises(lesson)}


def judge(exercise, attempt, path):
    """The Verdict on one function; ``path`` is the file it was written in."""
    if not callable(attempt):
        return Verdict("wrong", f"{_short(path)} has no function called {exercise.name}; git diff shows what changed")
    attempt, cases = limited(attempt), list(exercise.cases())
    for at, case in enumerate(cases, 1):
        try:
            lines = _try(exercise, attempt, case, cases)
        except NotImplementedError as error:
            return Verdict("unfinished", f"not written yet: {_place(error, path)}")
        except (Exception, SystemExit) as error:
            lines = _arguments(attempt, case) + _raised(error, path)
        if lines:
            return Verdict("wrong", "\n".join([f"wrong in case {at} of {len(cases)}: {case.label}", *lines]))
    return Verdict("passes", f"passes, {len(cases)} case{'s' if len(cases) > 1 else ''}")


def _try(exercise, attempt, case, cases):
    """What is wrong with the answer in this case, as lines; none if it is right."""
    if isinstance(case, Property):
        try:
            case.test(attempt)
        except Wrong as wrong:
            return [*_aligned("what", wrong.what), *(_aligned("likely cause", wrong.cause) if wrong.cause else [])]
        return []
    got = answer(attempt, case)
    found = difference(got, case.wanted, exercise.tolerance, exercise.returns)
    if not found:
        return []
    cause = _known_cause(exercise, attempt, case, cases, got) or general_cause(got, case.wanted, case.arguments)
    return [*_arguments(attempt, case), *(line for label, text in found for line in _aligned(label, text)),
            *(_aligned("likely cause", cause) if cause else [])]


def answer(attempt, case):
    """The attempt's answer to a case. Arrays go in read-only, as the library's layers get them."""
    return attempt(*(_frozen(value) for value in case.arguments))


def _frozen(value):
    if not isinstance(value, np.ndarray):
        return value
    value = value.copy()
    value.flags.writeable = False
    return value


def _known_cause(exercise, attempt, case, cases, got):
    """The hint of the mistake that answers this case just like the attempt, and the others most like it; if there is
    none, of one that answers just like it in the first part that is wrong."""
    best, hint = 0, ""
    for part in (None, _wrong_part(exercise, got, case.wanted)):
        same_here = [m for m in exercise.mistakes if _agree(exercise, m.function, case, got, part)]
        if same_here:
            break
    if len(same_here) == 1:
        return same_here[0].hint
    for mistake in same_here:
        agreeing = sum(_agree(exercise, mistake.function, other, _quiet(attempt, other))
                       for other in cases if isinstance(other, Case))
        if agreeing > best:
            best, hint = agreeing, mistake.hint
    return hint


def _wrong_part(exercise, got, wanted):
    """Which part of a tuple is wrong first; None if the answer is none or has another number of parts."""
    if not isinstance(wanted, tuple) or not isinstance(got, (tuple, list)) or len(got) != len(wanted):
        return None
    return next((at for at in range(len(wanted)) if difference(got[at], wanted[at], exercise.tolerance)), None)


def _agree(exercise, function, case, got, part=None):
    mistaken = _quiet(function, case)
    if mistaken is None or got is None:
        return False
    try:
        if part is not None:
            return not difference(got[part], mistaken[part], exercise.tolerance)
        return not difference(got, mistaken, exercise.tolerance, exercise.returns)
    except Exception:  # answers of different kinds
        return False


def _quiet(function, case):
    try:
        return answer(function, case)
    except Exception:
        return None


def _arguments(attempt, case):
    if not isinstance(case, Case):
        return []
    try:
        names = list(inspect.signature(attempt).parameters)
    except (TypeError, ValueError):
        names = []
    names += [f"argument {n + 1}" for n in range(len(names), len(case.arguments))]
    told = ", ".join(f"{name} {describe(value)}" for name, value in zip(names, case.arguments, strict=False))
    return _aligned("called with", told)


def _aligned(label, text):
    first, *rest = str(text).splitlines() or [""]
    return [f"  {label:<13} {first}", *(" " * 16 + line for line in rest)]


def _raised(error, path):
    """An exception as the learner should see it: their own line, and the message."""
    if isinstance(error, TooLong):
        return [*_aligned("it is", f"{error}, at\n{_place(error, path)}"),
                *_aligned("likely cause", "a loop that never ends, or far more work than this small case needs")]
    lines = _aligned("it says", f"{type(error).__name__}: {error}\nat {_place(error, path)}")
    if isinstance(error, SystemExit):
        lines += _aligned("likely cause", "exit() ends the whole program: return something instead")
    elif isinstance(error, ValueError) and "read-only" in str(error):
        lines += _aligned("likely cause", "inputs are read-only (others may share them): write into a new array")
    elif isinstance(error, TypeError) and not _frames(error, path):
        lines += _aligned("likely cause", "the function takes other arguments than the exercise gave it")
    return lines


def _frames(error, path):
    return [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]


def _place(error, path):
    frames = _frames(error, path)
    if not frames:
        return _short(path)
    return f"{_short(path)}, line {frames[-1].lineno}: {frames[-1].line}"


def _short(path):
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def report(lesson, hint=0, only=None, folder="exercises"):
    """(text, names that pass, whether all do) for ``make check``. ``hint`` shows that many hints for the first
    exercise that does not pass yet."""
    there = {exercise.name: exercise for exercise in exercises(lesson)}
    hint = max(hint, 0)
    if only and only not in there:
        raise UserError(f"lesson {lesson.number}: no exercise is called {only!r}; there are {', '.join(there)}")
    verdicts = check(lesson, folder)
    lines, open_ = [], None
    for name, verdict in verdicts.items():
        if only in (None, name):
            lines.append(f"{name}: {verdict.text}")
            if verdict.status != "passes" and open_ is None:
                open_ = there[name]
    number = int(lesson.number)
    if open_ is None:
        lines += ["", f"{'Done' if only else 'All done'}. What comes next: make progress   (our own solution: "
                      f"{_short(lesson.beside('solutions'))})"]
    else:
        hint = min(hint, len(open_.hints))
        lines += ["", *(f"Hint {n} for {open_.name}: {open_.hints[n - 1]}" for n in range(1, hint + 1))]
        more = f"make check N={number} HINT={hint + 1}" + (f' ARGS="--exercise {only}"' if only else "")
        lines.append(f"A hint for {open_.name}: {more}" if hint < len(open_.hints) else
                     f"That was the last hint. A solution: {_short(lesson.beside('solutions'))}")
    passing = [name for name, verdict in verdicts.items() if verdict.status == "passes"]
    return "\n".join(lines), passing, open_ is None
