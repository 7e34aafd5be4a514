"""What learners and teachers read: one lesson in detail, all lessons or a class as a table or JSON; and watching."""

import ast
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minigooglenet.errors import UserError
from minigooglenet.hints import hint as command

from . import progress
from .catalog import Lesson
from .isolated import judge_file
from .verdict import Verdict, aligned, short

#: Where a submission may have a lesson's file: in the folder, as from an installed package, or as in a checkout.
PLACES = (Path(), Path("exercises"), Path("lessons") / "exercises")


def known(lesson: Lesson, only: str | None) -> None:
    """Raise UserError if the lesson has no exercise of this name."""
    names = progress.exercises_of(lesson)
    if only and only not in names:
        raise UserError(f"lesson {lesson.number}: no exercise {only!r}; choose from {', '.join(names)}")


def detailed(lesson: Lesson, verdicts: dict[str, Verdict], hint: int = 0, only: str | None = None) -> str:
    """The verdicts on a lesson, with ``hint`` hints for the first exercise that does not pass yet."""
    lines = [line for name, verdict in verdicts.items() for line in _lines(name, verdict)]
    open_ = next((name for name, verdict in verdicts.items() if verdict.status != "passes"), None)
    solution = short(lesson.beside("solutions"))
    if open_ is None:
        return "\n".join([*lines, "", f"{'Done' if only else 'All done'}. The next step: {command('progress')}   "
                                      f"(our solution: {solution})"])
    hints = verdicts[open_].hints
    hint = min(max(hint, 0), len(hints))
    lines += ["", *(f"Hint {n} for {open_}: {hints[n - 1]}" for n in range(1, hint + 1))]
    more = command("check", f"{int(lesson.number)} --hint {hint + 1}" + (f" --exercise {only}" if only else ""))
    return "\n".join([*lines, f"A hint for {open_}: {more}" if hint < len(hints) else
                      f"That was the last hint. A solution: {solution}"])


def _lines(name, verdict):
    return [f"{name}: {verdict.text}", *(aligned("printed", verdict.printed) if verdict.printed else [])]


# -- all lessons, and a class ------------------------------------------------------------------------------------------

def overview(lessons: Sequence[Lesson], paths: dict[str, Path], seed: int | None = None) -> dict[str, Any]:
    """The verdicts on many files, {number of the lesson: path}, as data. Each exercise that passes is one point."""
    found: dict[str, Any] = {}
    for lesson in lessons:
        names, path = progress.exercises_of(lesson), paths.get(lesson.number)
        error = None
        try:
            verdicts = _judged(lesson, path, names, seed)
        except UserError as problem:
            verdicts, error = {}, str(problem)
        exercises = {name: verdicts.get(name, Verdict("wrong", error or "")) for name in names}
        found[lesson.number] = {
            "question": lesson.question, "points": sum(v.status == "passes" for v in exercises.values()),
            "of": len(names), "error": error,
            "exercises": {name: {"status": v.status, "points": int(v.status == "passes"), "text": v.text}
                          for name, v in exercises.items()}}
    return {"points": sum(one["points"] for one in found.values()), "of": sum(one["of"] for one in found.values()),
            "lessons": found}


def _judged(lesson, path, names, seed):
    if path is None:
        return {name: Verdict("unfinished", "no file") for name in names}
    if all(name in unwritten(path) for name in names):
        return {name: Verdict("unfinished", "not written yet") for name in names}
    return judge_file(lesson, path, seed)


def unwritten(path):
    """The functions of a file that only raise NotImplementedError, so that nothing needs to run. A name that is bound
    again below its stub is written."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return ()
    found: set[str] = set()
    for node in tree.body:
        found -= set(_bound(node))
        if (isinstance(node, ast.FunctionDef) and ast.unparse(node.body[-1]) == "raise NotImplementedError"
                and len(node.body) <= 2):
            found.add(node.name)
    return found


def _bound(node):
    """The names that a statement may bind: of functions, classes and imports, and all that it assigns."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            yield inner.id
        elif isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.alias)):
            yield getattr(inner, "asname", None) or inner.name


def submissions(folder: Path) -> dict[str, Path]:
    """{name: folder} of a class: the folders in ``folder``."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; it needs one folder for each learner")
    found = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] not in "._"}
    if not found:
        raise UserError(f"{folder}: no submissions; it needs one folder for each learner")
    return found


def files(lessons: Sequence[Lesson], folder: Path) -> dict[str, Path]:
    """{number: path} of the lessons' files in a submission: in the folder itself, or where a checkout has them."""
    candidates = {lesson.number: [folder / place / f"{lesson.stem}.py" for place in PLACES] for lesson in lessons}
    return {number: next(path for path in paths if path.is_file()) for number, paths in candidates.items()
            if any(path.is_file() for path in paths)}


def check_class(lessons: Sequence[Lesson], folder: Path, seed: int | None = None, as_json: bool = False) -> int:
    """Check all submissions in a folder; print a line for each, or JSON. Returns the exit code, 0."""
    learners = submissions(folder)
    width, results = max(map(len, [*learners, "submission"])), {}
    if not as_json:
        print(f"{'submission':<{width}}  {'  '.join(f'{lesson.number:<3}' for lesson in lessons)}  points")
    for name, place in learners.items():
        results[name] = result = overview(lessons, files(lessons, place), seed)
        if not as_json:
            cells = [_cell(one) for one in result["lessons"].values()]
            print(f"{name:<{width}}  {'  '.join(f'{cell:<3}' for cell in cells)}  {result['points']} of {result['of']}",
                  flush=True)
    if as_json:
        print(json.dumps({"submissions": results}, indent=1, ensure_ascii=False))
    else:
        _list_errors({f"{name}, lesson {number}": one["error"] for name, result in results.items()
                      for number, one in result["lessons"].items() if one["error"]})
    return 0


def _cell(one):
    if one["error"]:
        return "!"
    if all(exercise["status"] == "unfinished" for exercise in one["exercises"].values()):
        return "-"
    return f"{one['points']}/{one['of']}"


def _list_errors(errors):
    if errors:
        print("\nThese files do not load (!):")
        print("\n".join(f"  {name}: {error}" for name, error in errors.items()))


def check_all(lessons: Sequence[Lesson], folder: str, seed: int | None = None, as_json: bool = False) -> dict[str, Any]:
    """Check the learner's own files of all lessons, and print a table or JSON. Returns the result as data."""
    paths = {lesson.number: path for lesson in lessons if (path := lesson.beside(folder)).is_file()}
    result = overview(lessons, paths, seed)
    if as_json:
        print(json.dumps(result, indent=1, ensure_ascii=False))
        return result
    width = max(len(lesson.question) for lesson in lessons)
    for number, one in result["lessons"].items():
        states = [f"{name} {exercise['status']}" for name, exercise in one["exercises"].items()]
        print(f"{number}  {one['question']:<{width}}  {_cell(one):<3}  {', '.join(states)}")
    print(f"\n{result['points']} of {result['of']} points.")
    _list_errors({f"lesson {number}": one["error"] for number, one in result["lessons"].items() if one["error"]})
    return result


# -- watching ----------------------------------------------------------------------------------------------------------

def watch(lesson: Lesson, seed: int | None = None, only: str | None = None, pause: float = 0.4) -> int:
    """Check whenever the learner saves, show the first exercise that does not pass, and end when all pass, or ``only``.

    Returns the exit code, 0 also after Ctrl-C.
    """
    path, seen, passed = lesson.beside("exercises"), None, set()
    print(f"Watching {short(path)}: save it to check it. Ctrl-C ends.", flush=True)
    try:
        while True:
            state = _state(path)
            if state is None or state == seen:
                time.sleep(pause)
                continue
            seen = state
            print(f"\n{time.strftime('%H:%M:%S')}  ", end="")
            try:
                verdicts = judge_file(lesson, path, seed, [only] if only else ())
            except UserError as error:
                print(error, flush=True)
                continue
            now = {name for name, verdict in verdicts.items() if verdict.status == "passes"}
            progress.checked(lesson, sorted(now), among=verdicts)
            for name in verdicts:
                if name in now - passed:
                    print(f"{name} passes.", end=" ")
            passed = now
            open_ = next((name for name in verdicts if name not in now), None)
            if open_ is None:
                done = "Done." if only else f"All exercises of lesson {lesson.number} pass."
                print(f"{done} The next step: {command('progress')}")
                return 0
            print(f"{len(now)} of {len(verdicts)} pass. Next:")
            print("\n".join(_lines(open_, verdicts[open_])), flush=True)
    except KeyboardInterrupt:
        names = [only] if only else progress.exercises_of(lesson)
        print(f"\nStopped. {len(passed)} of {len(names)} exercises of lesson {lesson.number} pass.")
        sys.stdout.flush()
        return 0


def _state(path):
    try:
        found = path.stat()
    except OSError:  # while an editor replaces the file
        return None
    return found.st_mtime_ns, found.st_size
