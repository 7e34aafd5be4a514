"""Check the answers to exercises, and name the likely cause of a wrong one.

A file in checks/ lists its exercises:

    EXERCISES = [Exercise("col2im", hints=(..., ..., ...), cases=cases, mistakes=[Mistake(assigns, "add, do not ...")])]

``cases`` is a function that yields a Case (arguments and the expected answer) or a Property (a custom test, which
raises Wrong). ``mistakes`` are the common wrong answers as functions. They have two uses: if a learner's answer equals
that of a mistake, the checker prints its hint as the likely cause; and the project's tests submit each of them as an
answer, to verify that the checker rejects it with that hint.
"""

import inspect
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minigooglenet.errors import UserError
from minigooglenet.files import write_atomically
from minigooglenet.hints import hint as command
from minigooglenet.hints import in_checkout, localized

from .catalog import HERE, ROOT, Lesson
from .causes import describe, difference, general_cause
from .limit import TooLong, limited


class Wrong(Exception):
    """Raised by the test of a Property: what is wrong, and the likely cause (or "")."""

    def __init__(self, what: str, cause: str = "") -> None:
        super().__init__(what)
        self.what, self.cause = what, cause


@dataclass
class Case:
    """Arguments for the learner's function, and the expected answer: an array, number, string, or a tuple of these."""

    label: str
    arguments: tuple
    expected: Any


@dataclass
class Property:
    """A test that takes the learner's function and raises Wrong if it fails."""

    label: str
    test: Callable[[Callable], None]


@dataclass
class Mistake:
    """A common wrong answer: the function that returns it, and the hint for a learner who gives the same answer."""

    function: Callable
    hint: str


@dataclass
class Exercise:
    """One function to write. ``returns`` names the parts of a returned tuple ("dx", "dw"). ``tolerance`` is relative to
    the largest expected value, by default 1e-9 (1e-5 for float32)."""

    name: str
    hints: tuple[str, ...]
    cases: Callable[[], Iterable[Case | Property]]
    mistakes: list[Mistake] = field(default_factory=list)
    returns: tuple[str, ...] = ()
    tolerance: float | None = None


@dataclass
class Verdict:
    """The result for one exercise. status: "passes", "unfinished" or "wrong"; text: the message for the learner."""

    status: str
    text: str


def load(path: Path) -> dict[str, Any]:
    """Run a file and return all it defines, {name: value}. Exceptions of the file propagate."""
    if not path.exists():
        restore = f"; restore it with: git checkout {_short(path)}" if in_checkout() else ""
        raise UserError(f"{_short(path)}: no such file{restore}")
    space: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), space)
    return space


def hand_out(lesson: Lesson) -> str | None:
    """Copy the stub of an installed package into the learner's folder. Returns the path of a new file, else None."""
    path = lesson.beside("exercises")
    if in_checkout() or path.exists():
        return None
    stub = localized((HERE / "exercises" / path.name).read_text(encoding="utf-8"))
    write_atomically(path, lambda file: file.write(stub.encode()))
    return _short(path)


def exercises(lesson: Lesson) -> list[Exercise]:
    """The exercises of a lesson, in order."""
    return load(lesson.beside("checks"))["EXERCISES"] if lesson.beside("checks").exists() else []


def check(lesson: Lesson, folder: str = "exercises") -> dict[str, Verdict]:
    """{exercise: Verdict} for the learner's file, or for the solutions. Raises UserError if the file does not load."""
    path = lesson.beside(folder)
    try:
        space = limited(load)(path)
    except UserError:
        raise
    except SyntaxError as error:
        raise UserError(f"{_short(path)}, line {error.lineno}: {type(error).__name__}: {error.msg}, "
                        f"in: {(error.text or '').strip()}") from None
    except (Exception, SystemExit) as error:  # a wrong import, an undefined name, exit()
        raise UserError(f"{type(error).__name__}: {error}, in {_place(error, path)}") from None
    return {exercise.name: judge(exercise, space.get(exercise.name), path) for exercise in exercises(lesson)}


def judge(exercise: Exercise, attempt: Any, path: Path) -> Verdict:
    """The Verdict on ``attempt``, the learner's function or None; ``path`` is its file."""
    if not callable(attempt):
        restore = "git diff shows what changed" if in_checkout() else "remove the file and check again for a new stub"
        return Verdict("wrong", f"{_short(path)} has no function {exercise.name}; {restore}")
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
    """What is wrong with the answer in this case, as lines; [] if it is right."""
    if isinstance(case, Property):
        try:
            case.test(attempt)
        except Wrong as wrong:
            return [*_aligned("problem", wrong.what), *(_aligned("likely cause", wrong.cause) if wrong.cause else [])]
        return []
    got = answer(attempt, case)
    found = difference(got, case.expected, exercise.tolerance, exercise.returns)
    if not found:
        return []
    cause = _known_cause(exercise, attempt, case, cases, got) or general_cause(got, case.expected, case.arguments)
    return [*_arguments(attempt, case), *(line for label, text in found for line in _aligned(label, text)),
            *(_aligned("likely cause", cause) if cause else [])]


def answer(attempt: Callable, case: Case) -> Any:
    """The attempt's answer to a case. Arrays are passed read-only, as to the library's layers."""
    return attempt(*(_frozen(value) for value in case.arguments))


def _frozen(value):
    if not isinstance(value, np.ndarray):
        return value
    value = value.copy()
    value.flags.writeable = False
    return value


def _known_cause(exercise, attempt, case, cases, got):
    """The hint of the mistake whose answer equals the attempt's in this case and in most other cases. If there is none,
    the hint of a mistake whose answer equals the attempt's in the first wrong part."""
    best, hint = 0, ""
    for part in (None, _wrong_part(exercise, got, case.expected)):
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


def _wrong_part(exercise, got, expected):
    """The index of the first wrong part of a tuple; None if the answer is no tuple or has another number of parts."""
    if not isinstance(expected, tuple) or not isinstance(got, (tuple, list)) or len(got) != len(expected):
        return None
    return next((at for at in range(len(expected)) if difference(got[at], expected[at], exercise.tolerance)), None)


def _agree(exercise, function, case, got, part=None):
    mistaken = _quiet(function, case)
    if mistaken is None or got is None:
        return False
    try:
        if part is not None:
            return not difference(got[part], mistaken[part], exercise.tolerance)
        return not difference(got, mistaken, exercise.tolerance, exercise.returns)
    except Exception:  # answers of different types
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
    described = ", ".join(f"{name} {describe(value)}" for name, value in zip(names, case.arguments, strict=False))
    return _aligned("called with", described)


def _aligned(label, text):
    first, *rest = str(text).splitlines() or [""]
    return [f"  {label:<13} {first}", *(" " * 16 + line for line in rest)]


def _raised(error, path):
    """An exception as lines for the learner: the message, and the line in the learner's file."""
    if isinstance(error, TooLong):
        return [*_aligned("stopped", f"{error}, at\n{_place(error, path)}"),
                *_aligned("likely cause", "an endless loop, or far more work than this small case needs")]
    lines = _aligned("raised", f"{type(error).__name__}: {error}\nat {_place(error, path)}")
    if isinstance(error, SystemExit):
        lines += _aligned("likely cause", "exit() ends the whole program: return a value instead")
    elif isinstance(error, ValueError) and "read-only" in str(error):
        lines += _aligned("likely cause", "inputs are read-only (other layers may share them): write into a new array")
    elif isinstance(error, TypeError) and not _frames(error, path):
        lines += _aligned("likely cause", "the function does not take the arguments of the exercise")
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


def report(lesson: Lesson, hint: int = 0, only: str | None = None,
           folder: str = "exercises") -> tuple[str, list[str], bool]:
    """Check a lesson for ``make check``. Returns (text, names of the exercises that pass, whether all of them pass).

    ``hint`` is the number of hints to show for the first exercise that does not pass yet. ``only`` is the name of the
    one exercise to report on.
    """
    existing = {exercise.name: exercise for exercise in exercises(lesson)}
    hint = max(hint, 0)
    if only and only not in existing:
        raise UserError(f"lesson {lesson.number}: no exercise {only!r}; choose from {', '.join(existing)}")
    verdicts = check(lesson, folder)
    lines, open_ = [], None
    for name, verdict in verdicts.items():
        if only in (None, name):
            lines.append(f"{name}: {verdict.text}")
            if verdict.status != "passes" and open_ is None:
                open_ = existing[name]
    number = int(lesson.number)
    if open_ is None:
        lines += ["", f"{'Done' if only else 'All done'}. The next step: {command('progress')}   (our solution: "
                      f"{_short(lesson.beside('solutions'))})"]
    else:
        hint = min(hint, len(open_.hints))
        lines += ["", *(f"Hint {n} for {open_.name}: {open_.hints[n - 1]}" for n in range(1, hint + 1))]
        more = command("check", f"{number} --hint {hint + 1}" + (f" --exercise {only}" if only else ""))
        lines.append(f"A hint for {open_.name}: {more}" if hint < len(open_.hints) else
                     f"That was the last hint. A solution: {_short(lesson.beside('solutions'))}")
    passing = [name for name, verdict in verdicts.items() if verdict.status == "passes"]
    return "\n".join(lines), passing, open_ is None
