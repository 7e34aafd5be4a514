"""The command line of the lessons, and the record of progress."""

import json
import os
import subprocess
import sys

import pytest

from lessons import catalog, check, helpers, progress, report
from lessons.catalog import lessons

LESSONS = lessons()


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGOOGLENET_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path / "progress.json"


# -- the command line --------------------------------------------------------------------------------------------------

def call(*arguments, **environment):
    return subprocess.run([sys.executable, "-m", "lessons", *arguments], cwd=helpers.ROOT, capture_output=True,
                          text=True, env={**os.environ, **environment}, check=False)


def test_list_names_every_lesson_and_the_next_step():
    done = call()
    assert done.returncode == 0
    assert all(f"{lesson.number}  {lesson.question}" in done.stdout for lesson in LESSONS)
    assert "Next: make lesson N=1" in done.stdout


def test_check_reveals_hints_one_by_one():
    lesson, exercise = LESSONS[0], check.exercises(LESSONS[0])[0]
    verdicts = check.check(lesson)
    text = report.detailed(lesson, verdicts)
    if "not written yet" not in text:
        pytest.skip("the exercise is written")
    assert exercise.hints[0] not in text and f"make check N={int(lesson.number)} HINT=1" in text
    text = report.detailed(lesson, verdicts, hint=2)
    assert exercise.hints[1] in text and exercise.hints[2] not in text
    text = report.detailed(lesson, verdicts, hint=9)
    assert exercise.hints[2] in text and f"lessons/solutions/{lesson.stem}.py" in text


def test_wrong_input_takes_one_line():
    for arguments in (("99",), ("check", "99"), ("unknown",), ("check", "1", "--exercise", "nothing")):
        done = call(*arguments)
        assert done.returncode == 2 and done.stderr.startswith("lessons: ") and done.stderr.count("\n") == 1


def test_exit_codes_of_check():
    assert call("check", "1", "--solutions").returncode == 0
    if "not written yet" in report.detailed(LESSONS[0], check.check(LESSONS[0])):
        assert call("check", "1").returncode == 1


# -- progress ----------------------------------------------------------------------------------------------------------

def test_progress_names_the_next_step(own_progress):
    lesson, after = LESSONS[0], progress.exercises_of(LESSONS[0])
    progress.ran(lesson, 1.23)
    assert f"write {after[0]} in lessons/exercises/{lesson.stem}.py" in progress.overview()
    progress.checked(lesson, after)
    assert f"{len(after)}/{len(after)}" in progress.overview()
    assert f"write {after[0]}" not in progress.overview()
    assert json.loads(own_progress.read_text())["ran"][lesson.topic]["seconds"] == 1.2


def test_progress_of_the_first_edition_is_kept_under_topics(own_progress):
    own_progress.write_text('{"ran": {"05": {"seconds": 2, "on": "2026-11-25"}, "06": {}}, '
                            '"passed": {"05": ["macs"], "16": [], "inception": ["mine"], "06": ["old"]}}')
    assert progress.load() == {"ran": {"one_by_one": {"seconds": 2, "on": "2026-11-25"}, "inception": {}},
                               "passed": {"one_by_one": ["macs"], "ancestors": [], "inception": ["mine"]}}
    progress.checked(catalog.find(7), ["conv_macs"])
    kept = json.loads(own_progress.read_text())
    assert kept["passed"]["one_by_one"] == ["conv_macs"] and "05" not in kept["passed"] and "05" not in kept["ran"]


def test_unreadable_progress_is_reported_and_ignored(own_progress, capsys):
    own_progress.write_text("{]")
    assert progress.load() == {"ran": {}, "passed": {}}
    assert "starting with an empty record" in capsys.readouterr().err
    own_progress.unlink()
    own_progress.mkdir()
    progress.ran(LESSONS[0], 1)
    assert "progress is not saved" in capsys.readouterr().err
