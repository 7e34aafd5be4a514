"""Run one lesson in this process, cell by cell, or all lessons in one process each, with their time budgets."""

import os
import subprocess
import sys
import time
import traceback
import types
from collections.abc import Sequence

from minigooglenet.hints import localized
from minigooglenet.streams import OUTPUT

from . import progress
from .catalog import ROOT, Cell, Lesson
from .translation import ENGLISH, Translation


def run(lesson: Lesson, output_only: bool = False, t: Translation = ENGLISH) -> int:
    """Run a lesson from top to bottom and print its text, its code and its output. Returns the exit code.

    With ``output_only``, print only the output, as ``python lessons/NN_topic.py`` does.
    """
    started = time.perf_counter()
    module = types.ModuleType(f"lesson_{lesson.number}")
    module.__file__ = str(lesson.path)
    sys.modules[module.__name__] = module  # dataclasses and pickle look up their module here
    for cell in lesson.source():
        if not output_only:
            _print(cell, t)
        if cell.kind == "code":
            try:
                exec(compile("\n" * (cell.line - 1) + cell.text, str(lesson.path), "exec"), module.__dict__)
            except Exception as error:
                if isinstance(error, OSError) and error.filename == OUTPUT:
                    raise  # nobody reads it, or the disk is full: not the lesson's fault
                _explain(error, lesson)
                return 1
            sys.stdout.flush()
            if not output_only:
                print()
    seconds = time.perf_counter() - started
    progress.ran(lesson, seconds)
    if not output_only:
        print(f"Lesson {lesson.number} took {seconds:.1f} s; its budget is {lesson.facts['Time']}.")
    return 0


def _print(cell: Cell, t: Translation) -> None:
    if cell.kind == "markdown":
        print(localized(t.markdown(cell.text)) + "\n")
    elif "figure" not in cell.tags:
        print("\n".join(f"  | {line}".rstrip() for line in t.code(cell.text).splitlines()) + "\n", flush=True)


def _explain(error: Exception, lesson: Lesson) -> None:
    """Print the traceback, starting at the lesson's own line."""
    frames = traceback.extract_tb(error.__traceback__)
    own = next((at for at, frame in enumerate(frames) if frame.filename == str(lesson.path)), 0)
    sys.stdout.flush()
    print(f"\nLesson {lesson.number} failed:", file=sys.stderr)
    print("".join(traceback.format_list(frames[own:])), end="", file=sys.stderr)
    print("".join(traceback.format_exception_only(error)), end="", file=sys.stderr)


def run_in_process(lesson: Lesson, quick: bool = False) -> tuple[int, float, str]:
    """Run a lesson in a separate process. Returns (exit code, seconds, everything it printed)."""
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    if quick:
        environment["MINIGOOGLENET_QUICK"] = "1"
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "lessons", lesson.number, "--output"], cwd=ROOT, env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False)
    return done.returncode, time.perf_counter() - started, done.stdout


def run_all(lessons: Sequence[Lesson], quick: bool = False, factor: float = 1.0) -> int:
    """Run all ``lessons`` and print the time and the budget (times ``factor``) of each. Returns the exit code."""
    width, bad, total = max(len(lesson.question) for lesson in lessons), [], 0.0
    for lesson in lessons:
        print(f"{lesson.number}  {lesson.question:<{width}} ", end="", flush=True)
        code, seconds, printed = run_in_process(lesson, quick)
        total += seconds
        late = seconds > lesson.budget * factor
        verdict = "FAILED" if code else "TOO SLOW" if late else "ok"
        print(f" {seconds:6.1f} s of {lesson.budget * factor:4.0f} s  {verdict}", flush=True)
        if code:
            print("\n".join(f"      {line}" for line in printed.splitlines()[-15:]))
        if code or late:
            bad.append(lesson.number)
    print(f"\n{len(lessons) - len(bad)} of {len(lessons)} lessons ran within their budgets; total {total:.0f} s."
          + (f" Failed or too slow: {', '.join(bad)}." if bad else ""))
    return 1 if bad else 0
