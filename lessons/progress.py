"""What you have done so far: lessons that ran, exercises that passed. Kept in .progress.json at the top."""

import datetime
import json
import os
import sys
from pathlib import Path

from minigooglenet.errors import UserError
from minigooglenet.files import write_atomically

from .catalogue import lessons, names_in
from .helpers import ROOT


def _path():
    return Path(os.environ.get("MINIGOOGLENET_PROGRESS") or ROOT / ".progress.json")


def load():
    """{"ran": {"05": {"seconds": ..., "on": ...}}, "passed": {"05": [names]}}; empty without a readable file."""
    try:
        kept = json.loads(_path().read_text(encoding="utf-8"))
        return {"ran": dict(kept["ran"]), "passed": {number: list(names) for number, names in kept["passed"].items()}}
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"{_path()}: not readable as progress ({error}); starting afresh", file=sys.stderr)
    return {"ran": {}, "passed": {}}


def _keep(change):
    kept = load()
    change(kept)
    text = json.dumps(kept, indent=1, sort_keys=True) + "\n"
    try:
        write_atomically(_path(), lambda file: file.write(text.encode()))
    except UserError as error:  # a read-only folder is no reason to stop learning
        print(f"progress is not kept: {error}", file=sys.stderr)


def ran(lesson, seconds):
    """Note that a lesson ran to its end."""
    today = datetime.date.today().isoformat()
    _keep(lambda kept: kept["ran"].update({lesson.number: {"seconds": round(seconds, 1), "on": today}}))


def checked(lesson, passed):
    """Note which exercises of a lesson pass now, a list of names."""
    _keep(lambda kept: kept["passed"].update({lesson.number: sorted(passed)}))


def exercises_of(lesson):
    """The names of a lesson's exercises: the functions of its solutions, which nobody is halfway through editing."""
    path = lesson.beside("solutions")
    return names_in(path) if path.exists() else []


def overview():
    """The lessons with question, budget and what is done, and what comes next. A string."""
    kept, lines, next_step = load(), [], None
    there = lessons()
    width = max((len(lesson.question) for lesson in there), default=0)
    done_lessons = done_exercises = all_exercises = 0
    for lesson in there:
        names = exercises_of(lesson)
        passed = [name for name in names if name in kept["passed"].get(lesson.number, ())]
        has_run = lesson.number in kept["ran"]
        done_lessons, done_exercises = done_lessons + has_run, done_exercises + len(passed)
        all_exercises += len(names)
        lines.append(f"  {lesson.number}  {lesson.question:<{width}}  {lesson.facts['Time']:>6}  "
                     f"{'ran' if has_run else '-':<4} {len(passed)}/{len(names)}")
        if next_step is None and not has_run:
            next_step = f"make lesson N={int(lesson.number)}"
        elif next_step is None and len(passed) < len(names):
            missing = next(name for name in names if name not in passed)
            next_step = (f"write {missing} in {lesson.beside('exercises').relative_to(ROOT)}, "
                         f"then: make check N={int(lesson.number)}")
    head = f"      {'question':<{width}}  {'time':>6}  {'ran':<4} exercises"
    foot = f"{done_lessons} of {len(there)} lessons ran, {done_exercises} of {all_exercises} exercises pass."
    return "\n".join([head, *lines, "", foot, f"Next: {next_step or 'nothing. You are through; well done.'}"])
