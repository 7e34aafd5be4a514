"""Progress: which lessons ran and which exercises pass. Stored in .progress.json in the top folder."""

import datetime
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from minigooglenet.errors import UserError
from minigooglenet.files import parse_json, write_atomically
from minigooglenet.hints import hint

from .catalog import ROOT, Lesson, lessons, names_in

#: The numbers of the first edition, which older records have in place of topics.
FIRST_EDITION = {f"{number:02d}": topic for number, topic in enumerate((
    "convolution", "speed", "backward", "pooling", "one_by_one", "inception", "average", "table_1", "depth", "recipe",
    "augmentation", "cifar", "photo", "crops", "inside", "ancestors"), 1)}


def _path() -> Path:
    return Path(os.environ.get("MINIGOOGLENET_PROGRESS") or ROOT / ".progress.json")


def load() -> dict[str, Any]:
    """{"ran": {topic: {"seconds": ..., "on": ...}}, "passed": {topic: [names of exercises]}}, and "mine" as
    ``own_network`` records it, if it did.

    Topics are stems without the number, "one_by_one". Both are empty without a readable file.
    """
    try:
        kept = parse_json(_path().read_bytes())
        return {"ran": _by_topic(kept["ran"]),
                "passed": {topic: list(names) for topic, names in _by_topic(kept["passed"]).items()},
                **({"mine": dict(kept["mine"])} if "mine" in kept else {})}
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"{_path()}: cannot be read as progress ({error}); starting with an empty record", file=sys.stderr)
    return {"ran": {}, "passed": {}}


def _by_topic(record):
    """The record with topics in place of the numbers of the first edition. What is under a topic already is newer."""
    old = {FIRST_EDITION[key]: value for key, value in record.items() if key in FIRST_EDITION}
    return {**old, **{key: value for key, value in record.items() if key not in FIRST_EDITION}}


def _update(change: Callable[[dict[str, Any]], None]) -> None:
    kept = load()
    change(kept)
    text = json.dumps(kept, indent=1, sort_keys=True) + "\n"
    try:
        write_atomically(_path(), lambda file: file.write(text.encode()))
    except UserError as error:  # lessons and checks also work in a read-only folder
        print(f"progress is not saved: {error}", file=sys.stderr)


def ran(lesson: Lesson, seconds: float) -> None:
    """Record that a lesson finished."""
    today = datetime.date.today().isoformat()
    _update(lambda kept: kept["ran"].update({lesson.topic: {"seconds": round(seconds, 1), "on": today}}))


def checked(lesson: Lesson, passed: Iterable[str], among: Iterable[str] | None = None) -> None:
    """Record which exercises of a lesson pass now, by name: ``passed`` of those ``among``, by default of all."""
    def change(kept: dict[str, Any]) -> None:
        others = set(kept["passed"].get(lesson.topic, ())) - set(among) if among is not None else set()
        kept["passed"][lesson.topic] = sorted(others | set(passed))
    _update(change)


def own_network(yours: int, of: int, accuracy: float) -> None:
    """Record the network of the learner's own answers: how many of its parts, and its accuracy on Shapes-10."""
    today = datetime.date.today().isoformat()
    _update(lambda kept: kept.update(mine={"yours": yours, "of": of, "accuracy": round(accuracy, 4), "on": today}))


def exercises_of(lesson: Lesson) -> list[str]:
    """The names of a lesson's exercises: the functions of its solutions, which learners do not edit."""
    path = lesson.beside("solutions")
    return names_in(path) if path.exists() else []


def overview() -> str:
    """A table of the lessons with question, budget and progress, and the next step."""
    kept, lines, next_step = load(), [], None
    existing = lessons()
    width = max((len(lesson.question) for lesson in existing), default=0)
    done_lessons = done_exercises = all_exercises = 0
    for lesson in existing:
        names = exercises_of(lesson)
        passed = [name for name in names if name in kept["passed"].get(lesson.topic, ())]
        has_run = lesson.topic in kept["ran"]
        done_lessons, done_exercises = done_lessons + has_run, done_exercises + len(passed)
        all_exercises += len(names)
        lines.append(f"  {lesson.number}  {lesson.question:<{width}}  {lesson.facts['Time']:>6}  "
                     f"{'ran' if has_run else '-':<4} {len(passed)}/{len(names)}")
        if next_step is None and not has_run:
            next_step = hint("lesson", str(int(lesson.number)))
        elif next_step is None and len(passed) < len(names):
            missing = next(name for name in names if name not in passed)
            next_step = (f"write {missing} in {lesson.beside('exercises').relative_to(ROOT)}, "
                         f"then: {hint('check', str(int(lesson.number)))}")
    head = f"      {'question':<{width}}  {'time':>6}  {'ran':<4} exercises"
    foot = f"{done_lessons} of {len(existing)} lessons ran, {done_exercises} of {all_exercises} exercises pass."
    if mine := kept.get("mine"):
        foot += (f"\nYour own network: {mine['yours']} of {mine['of']} parts, {mine['accuracy']:.0%} on Shapes-10 "
                 f"({hint('mine')}).")
    return "\n".join([head, *lines, "", foot, f"Next: {next_step or 'nothing. You have finished the course.'}"])
