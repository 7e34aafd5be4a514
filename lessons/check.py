"""Check the answers to exercises, and name the likely cause of a wrong one.

A file in checks/ lists its exercises:

    EXERCISES = [Exercise("col2im", hints=(..., ..., ...), cases=cases, mistakes=[Mistake(assigns, "add, do not ...")])]

``cases`` is a function that yields a Case (arguments and the expected answer) or a Property (a custom test, which
raises Wrong). ``mistakes`` are the common wrong answers as functions. They have two uses: if a learner's answer equals
that of a mistake, the checker prints its hint as the likely cause; and the project's tests submit each of them as an
answer, to verify that the checker rejects it with that hint.

The functions here judge in this process. ``isolated.py`` does it in a process of its own, which a learner's code may
block or end; ``report.py`` writes what the learner reads.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from minigooglenet.errors import UserError
from minigooglenet.files import write_atomically
from minigooglenet.hints import in_checkout, localized

from .catalog import HERE, Lesson
from .causes import Outcome, general_cause
from .difference import describe, difference, is_parts, part_names
from .exercise import Case, Exercise, Mistake, Property, Wrong, whole
from .limit import Stopped, limited
from .verdict import Verdict, aligned, arguments, names, place, raised, short

__all__ = ["Case", "Exercise", "Mistake", "Property", "Verdict", "Wrong", "check", "exercises", "judge", "whole"]

#: Seconds for the search of a cause. An answer that is slower gets its verdict without one.
SEARCH = 5.0


def load(path: Path) -> dict[str, Any]:
    """Run a file and return all it defines, {name: value}. Exceptions of the file propagate."""
    if not path.exists():
        restore = f"; restore it with: git checkout {short(path)}" if in_checkout() else ""
        raise UserError(f"{short(path)}: no such file{restore}")
    space: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), space)
    return space


def load_answers(path: Path) -> dict[str, Any]:
    """``load`` for a learner's file: within the limits, and with a UserError for all that goes wrong."""
    try:
        return limited(load)(path)
    except UserError:
        raise
    except SyntaxError as error:
        raise UserError(f"{short(path)}, line {error.lineno}: {type(error).__name__}: {error.msg}, "
                        f"in: {(error.text or '').strip()}") from None
    except ValueError as error:  # null bytes, or no UTF-8
        raise UserError(f"{type(error).__name__}: {error}, in {place(error, path)}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a wrong import, an undefined name, exit(), an endless loop
        raise UserError(f"{type(error).__name__}: {error}, in {place(error, path)}") from None


def hand_out(lesson: Lesson) -> str | None:
    """Copy the stub of an installed package into the learner's folder, or rename answers that have an older number of
    the lesson. Returns a line that says so, else None."""
    path = lesson.beside("exercises")
    if in_checkout() or path.exists():
        return None
    if older := sorted(path.parent.glob(f"[0-9][0-9]_{lesson.topic}.py")):
        older[-1].rename(path)
        return f"{short(older[-1])}: renamed to {path.name}, because the lesson has a new number"
    stub = localized((HERE / "exercises" / path.name).read_text(encoding="utf-8"))
    write_atomically(path, lambda file: file.write(stub.encode()))
    return f"{short(path)}: copied for you to write in"


def exercises(lesson: Lesson) -> list[Exercise]:
    """The exercises of a lesson, in order."""
    return load(lesson.beside("checks"))["EXERCISES"] if lesson.beside("checks").exists() else []


def check(lesson: Lesson, folder: str = "exercises") -> dict[str, Verdict]:
    """{exercise: Verdict} for the learner's file, or for the solutions, in this process: only for code that you trust.
    Raises UserError if the file does not load."""
    path = lesson.beside(folder)
    space = load_answers(path)
    return {exercise.name: replace(judge(exercise, space.get(exercise.name), path), hints=exercise.hints)
            for exercise in exercises(lesson)}


def cases_of(exercise: Exercise, seed: int | None = None) -> list[Case | Property]:
    """The cases of an exercise, and with a seed those that it draws at random."""
    drawn = exercise.random_cases(np.random.default_rng(seed)) if exercise.random_cases and seed is not None else ()
    return [*exercise.cases(), *drawn]


def judge(exercise: Exercise, attempt: Any, path: Path, seed: int | None = None,
          follow: Callable[[str], None] = lambda text: None) -> Verdict:
    """The Verdict on ``attempt``, the learner's function or None; ``path`` is its file.

    ``follow(text)`` is called before each case, and before the search of a cause: the verdict, if the process dies now.
    """
    if not callable(attempt):
        restore = "git diff shows what changed" if in_checkout() else "remove the file and check again for a new stub"
        return Verdict("wrong", f"{short(path)} has no function {exercise.name}; {restore}")
    attempt, cases = limited(attempt), cases_of(exercise, seed)
    for at, case in enumerate(cases, 1):
        where = f"wrong in case {at} of {len(cases)}: {case.label}"
        follow(where)
        try:
            lines = (_property(attempt, case) if isinstance(case, Property) else
                     _case(exercise, attempt, case, cases, lambda lines: follow("\n".join([where, *lines]))))  # noqa: B023
        except NotImplementedError as error:
            return Verdict("unfinished", f"not written yet: {place(error, path)}")
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            lines = arguments(attempt, case) + raised(error, path)
        if lines:
            return Verdict("wrong", "\n".join([where, *lines]))
    return Verdict("passes", f"passes, {len(cases)} case{'s' if len(cases) > 1 else ''}")


def _property(attempt, case):
    """What is wrong with the answer, as lines; [] if it is right."""
    last: list = []

    def remembered(*arguments, **named):
        last.clear()
        last.append(attempt(*arguments, **named))
        return last[0]

    try:
        case.test(remembered)
    except Wrong as wrong:
        return [*aligned("problem", wrong.what), *(aligned("likely cause", wrong.cause) if wrong.cause else [])]
    except Exception as error:
        if not last or isinstance(error, NotImplementedError):
            raise
        return [*aligned("your answer", describe(last[0])),
                *aligned("problem", f"an answer of this kind cannot be tested ({type(error).__name__}: {error})")]
    return []


def _case(exercise, attempt, case, cases, so_far):
    """The same for a case. ``so_far(lines)`` is called before the search of a cause."""
    got = answer(attempt, case)
    found = difference(got, case.expected, exercise.tolerance, exercise.returns)
    if not found:
        return []
    lines = [*arguments(attempt, case), *(line for label, text in found for line in aligned(label, text))]
    so_far(lines)
    answers = _answers(attempt, case, got, cases)
    values_differ = difference(got, case.expected, exercise.tolerance, exercise.returns, dtypes=False)
    known = _known_cause(exercise, answers, case) if values_differ else ""  # a wrong dtype is none of the mistakes
    cause = known or _general_cause(exercise, attempt, answers)
    return [*lines, *(aligned("likely cause", cause) if cause else [])]


def answer(attempt: Callable, case: Case) -> Any:
    """The attempt's answer to a case. Arrays are passed read-only, as to the library's layers, and lists are copied:
    an answer may empty its own."""
    return attempt(*map(_frozen, case.arguments))


def _frozen(value):
    if type(value) in (list, tuple):
        return type(value)(map(_frozen, value))
    if not isinstance(value, np.ndarray):
        return value
    value = value.copy()
    value.flags.writeable = False
    return value


def _answers(attempt, case, got, cases):
    """[(case, answer)]: the case in question first, then all others that the attempt answers within SEARCH seconds."""
    found, end = [(case, got)], time.perf_counter() + SEARCH
    for other in cases:
        if other is not case and isinstance(other, Case) and time.perf_counter() < end:
            try:
                found.append((other, answer(attempt, other)))
            except (Exception, Stopped, SystemExit):
                continue
    return found


def _known_cause(exercise, answers, case):
    """The hint of the mistake that gives the attempt's answers: in all cases; or else, of several values, the first
    wrong part in all cases; or else in this case and three of four others, which one number may do by chance."""
    shares = [(np.mean([_agree(exercise, mistake, *one) for one in answers]), mistake.hint)
              for mistake in exercise.mistakes if _agree(exercise, mistake, *answers[0])]
    best, hint = max(shares, key=lambda pair: pair[0], default=(0, ""))
    if best == 1:
        return hint
    part = _wrong_part(exercise, answers[0][1], case.expected)
    if part is not None:
        name = part_names(case.expected, exercise.returns)[part]
        for mistake in exercise.mistakes:
            if all(_agree(exercise, mistake, *one, part) for one in answers):
                return mistake.hint if name in mistake.hint else f"{name}: {mistake.hint}"
    single = not isinstance(case.expected, (np.ndarray, tuple, dict))
    return hint if best >= 0.75 and not single else ""


def _wrong_part(exercise, got, expected):
    """The index of the first wrong part of a tuple; None if the answer is no tuple or has another number of parts."""
    if not (isinstance(expected, tuple) and is_parts(expected, exercise.returns)
            and isinstance(got, (tuple, list)) and len(got) == len(expected)):
        return None
    return next((at for at in range(len(expected)) if difference(got[at], expected[at], exercise.tolerance)), None)


def _agree(exercise, mistake, case, got, part=None):
    """Whether a mistake gives this answer, whatever the dtype; with ``part``, this part of it."""
    try:
        with np.errstate(all="ignore"):
            mistaken = answer(mistake.function, case)
    except Exception:
        return False
    if mistaken is None or got is None:
        return mistaken is got
    if part is not None:
        if not (isinstance(mistaken, (tuple, list)) and isinstance(got, (tuple, list)) and len(got) > part):
            return False
        got, mistaken = got[part], mistaken[part]
    tolerance = exercise.tolerance or (1e-5 if _has_float32(mistaken) or _has_float32(got) else None)
    returns = exercise.returns if part is None and len(exercise.returns) == _length(mistaken) else ()
    return not difference(got, mistaken, tolerance, returns, dtypes=False)


def _length(value):
    return len(value) if isinstance(value, (tuple, list)) else -1


def _has_float32(value):
    return (any(map(_has_float32, value)) if isinstance(value, (tuple, list)) else
            getattr(value, "dtype", None) == np.float32)


def _general_cause(exercise, attempt, answers):
    of = names(attempt, len(answers[0][0].arguments))
    outcomes = [Outcome(got, case.expected, dict(zip(of, case.arguments, strict=False))) for case, got in answers
                if difference(got, case.expected, exercise.tolerance, exercise.returns)]
    return general_cause(outcomes, exercise.returns, exercise.tolerance)
