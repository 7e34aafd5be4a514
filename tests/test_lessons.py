"""The format of the lessons and their exercises. tests/lessons/ runs the lessons."""

import html
import os
import re

import numpy as np
import pytest

from lessons import catalog, check
from lessons.book import solutions
from lessons.catalog import lessons
from lessons.translation import ENGLISH

SECTIONS = ("Predict first", "Build it small", "In the library", "The figure", "Exercises", "If you got …",
            "Where books and libraries get this wrong", "Recap", "Glossary", "Next")
LESSONS = lessons()
EXERCISES = [(lesson, exercise) for lesson in LESSONS for exercise in check.exercises(lesson)]
MISTAKES = [(lesson, exercise, mistake) for lesson, exercise in EXERCISES for mistake in exercise.mistakes]


def named(parts):
    return "-".join([parts[0].number, *(getattr(p, "name", None) or p.function.__name__ for p in parts[1:])])


@pytest.fixture(params=LESSONS, ids=lambda lesson: lesson.number)
def lesson(request):
    return request.param


# -- the format of a lesson --------------------------------------------------------------------------------------------

def sections(lesson):
    """{heading: its cells}"""
    found, current = {}, None
    for cell in lesson.cells():
        heading = re.match(r"## (.+)", cell.text) if cell.kind == "markdown" else None
        current = heading[1] if heading else current
        found.setdefault(current, []).append(cell)
    return found


def test_sections_come_in_order(lesson):
    assert tuple(name for name in sections(lesson) if name) == SECTIONS


def test_building_it_small_takes_at_most_40_lines(lesson):
    code = "\n".join(cell.text for cell in sections(lesson)["Build it small"] if cell.kind == "code")
    lines = [line for line in code.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert 0 < len(lines) <= 40


def test_guesses_are_empty_and_compared(lesson):
    source = lesson.path.read_text()
    guesses = re.findall(r"^(guess\w*) = (.*?)(?:\s*#.*)?$", source, re.MULTILINE)
    assert guesses
    for name, _ in guesses:
        assert re.search(rf"compare\((?:[^()]|\([^()]*\))*\b{name}\b", source), f"{name} is never compared"
    if any(value != "None" for _, value in guesses) and not os.environ.get("CI"):
        pytest.skip("the guesses are filled in")
    assert all(value == "None" for _, value in guesses)


def test_there_is_a_figure_with_a_description(lesson):
    assert re.search(rf'show\(\w+, "{lesson.number}_\w+",\s+f?"', lesson.path.read_text())


def test_prose_does_not_turn_into_lists_or_headings(lesson):
    for cell in lesson.cells():
        lines = cell.text.splitlines() if cell.kind == "markdown" else []
        for before, line in zip(lines, lines[1:], strict=False):  # lists begin with "* " or "1. ", after an empty line
            assert not re.match(r" {0,3}([+-] |=+$|-+$)", line), line
            numbered = re.match(r" {0,3}\d+[.)] ", line)
            assert not numbered or not before or re.match(r"\d+\. |   ", before), line


def test_recap_has_five_lines_and_the_glossary_explains(lesson):
    found = sections(lesson)
    assert re.findall(r"^(\d)\. ", found["Recap"][0].text, re.MULTILINE) == list("12345")
    assert re.search(r"^\* \*\*.+?\*\*: .+", found["Glossary"][0].text, re.MULTILINE)


def test_costs_are_estimated_then_measured_or_counted(lesson):
    assert lesson.topic == "speed" or re.search(r"\*\*.*estimate, then (measure|count)\.\*\*",
                                                lesson.path.read_text(), re.IGNORECASE)


def test_claims_are_asserted(lesson):
    assert lesson.path.read_text().count("\nassert ") >= 3


def test_readme_lists_it_with_its_time(lesson):
    row = next((line for line in (catalog.HERE / "README.md").read_text().splitlines()
                if line.startswith(f"| {lesson.number} ")), None)
    assert row, "lessons/README.md has no row for it"
    assert lesson.question in row and row.rstrip("| ").endswith(lesson.facts["Time"])


# -- exercises ---------------------------------------------------------------------------------------------------------

def test_exercises_solutions_and_checks_name_the_same_functions(lesson):
    names = [exercise.name for exercise in check.exercises(lesson)]
    assert 2 <= len(names) <= 3
    assert catalog.names_in(lesson.beside("exercises")) == catalog.names_in(lesson.beside("solutions")) == names
    section = "\n".join(cell.text for cell in sections(lesson)["Exercises"])
    assert all(f"`{name}(" in section for name in names)


@pytest.mark.parametrize("lesson, exercise", EXERCISES, ids=[named(e) for e in EXERCISES])
def test_exercise_has_three_hints_and_three_to_twelve_mistakes(lesson, exercise):
    assert len(exercise.hints) == 3 and all(exercise.hints)
    assert 3 <= len(exercise.mistakes) <= 12


def test_the_book_shows_hints_letter_by_letter(lesson):
    shown = html.unescape(solutions.html(check.exercises(lesson), {}, ENGLISH))
    assert all(f"<p>{hint}</p>" in shown for exercise in check.exercises(lesson) for hint in exercise.hints)


def test_solutions_pass(lesson):
    verdicts = check.check(lesson, "solutions")
    assert all(verdict.status == "passes" for verdict in verdicts.values()), verdicts


def test_right_values_of_another_dtype_get_no_other_cause(lesson):
    def double(value):
        if isinstance(value, tuple | list):
            return type(value)(map(double, value))
        return value.astype(np.float64) if getattr(value, "dtype", None) == np.float32 else value

    answers = check.load(lesson.beside("solutions"))
    for exercise in check.exercises(lesson):
        verdict = check.judge(exercise, lambda *a, of=answers[exercise.name]: double(of(*a)), lesson.beside("checks"))
        assert verdict.status == "passes" or "likely cause the values are right, the dtype is not" in " ".join(
            verdict.text.split()), verdict.text


def test_stubs_are_unfinished(lesson):
    for name, verdict in check.check(lesson).items():
        if verdict.status != "unfinished" and not os.environ.get("CI"):
            pytest.skip(f"{name} is written")
        assert verdict.status == "unfinished"
        assert re.fullmatch(f"not written yet: lessons/exercises/{lesson.stem}.py" + r", line \d+: raise \w+",
                            verdict.text)


@pytest.mark.parametrize("lesson, exercise, mistake", MISTAKES, ids=[named(m) for m in MISTAKES])
def test_a_common_mistake_is_found_and_gets_its_hint(lesson, exercise, mistake):
    verdict = check.judge(exercise, mistake.function, lesson.beside("checks"))
    assert verdict.status == "wrong"
    assert mistake.hint in " ".join(verdict.text.split())
