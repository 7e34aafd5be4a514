"""The format of the lessons, their exercises, and the framework. tests/lessons/ runs the lessons."""

import html
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from lessons import catalog, causes, check, helpers, limit, progress, report
from lessons.book import solutions
from lessons.catalog import cells, lessons
from lessons.translation import ENGLISH
from minigooglenet.errors import UserError

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


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGOOGLENET_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path / "progress.json"


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


# -- verdicts ----------------------------------------------------------------------------------------------------------

def cases():
    x = np.arange(24.0).reshape(2, 3, 4)
    yield check.Case("a small one", (x,), 2 * x + 1)
    yield check.Case("in float32", (x.astype(np.float32),), 2 * x.astype(np.float32) + 1)


TWICE = check.Exercise("twice", ("a", "b", "c"), cases, [check.Mistake(lambda x: 2 * x, "add the one")])


def writes_into_x(x):
    x *= 2
    return x


@pytest.mark.parametrize("attempt, fragments", [
    (lambda x: None, ("None", "does every way through it end in a return?")),
    (lambda x: 2 * x, ("case 1 of 2: a small one", "called with x (2, 3, 4) float64", "add the one", "24 of 24")),
    (lambda x: (2 * x + 1)[:, ::-1], ("worst at", "flipped along axis 1")),
    (lambda x: (2 * x + 1).transpose(0, 2, 1), ("(2, 4, 3), expected (2, 3, 4)", "axes 1 and 2 are swapped")),
    (lambda x: -2 * x - 1, ("the sign is wrong",)),
    (lambda x: x + 0.5, ("averaged over the batch",)),
    (lambda x: 2 * x.astype(np.float64) + 1, ("in float32", "float64, expected float32", "has the dtype of the input")),
    (lambda x: 2 * x + 1 + np.nan, ("NaN",)),
    (lambda x: np.zeros_like(x), ("all values are 0",)),
    (lambda x: (2 * x + 1)[:, 5:], ("(2, 0, 4), expected (2, 3, 4)", "P:-P is empty when P is 0")),
    (lambda x: "words", ("expected an array of numbers",)),
    (lambda x, y: x, ("TypeError", "does not take the arguments")),
    (lambda x: x[5], ("IndexError", "test_lessons.py, line")),
    (writes_into_x, ("read-only", "write into a new array")),
])
def test_verdict_names_what_is_wrong(attempt, fragments):
    verdict = check.judge(TWICE, attempt, catalog.Path(__file__))
    assert verdict.status == "wrong"
    for fragment in fragments:
        assert fragment in " ".join(verdict.text.split())


def test_a_mistake_in_the_first_wrong_part_is_recognized_despite_others():
    exercise = check.Exercise("both", ("a", "b", "c"), lambda: [check.Case("small", (3.0,), (6.0, np.ones(2)))],
                              [check.Mistake(lambda x: (x + 0.5, np.ones(2)), "double it")], returns=("y", "dx"))
    text = check.judge(exercise, lambda x: (x + 0.5, np.zeros(3)), catalog.Path(__file__)).text
    assert "y             3.5, expected 6.0" in text and "double it" in text


def test_a_factor_is_named_only_if_it_explains_every_case():
    def cause(*pairs):
        return causes.general_cause([causes.Outcome(got, expected, {}) for got, expected in pairs])
    assert cause((14.4, 7.2), (3.0, 1.5)) == "always 2 times too large"
    assert cause((14.4, 7.2)) == "" and cause((14.4, 7.2), (3.0, 1.0)) == ""


def test_arguments_are_described_in_few_words():
    assert causes.describe([np.ones((2, 3)), np.ones(4)]) == "a list of 2: (2, 3) float64, (4,) float64"
    assert causes.describe(len) == "a function"


def test_values_are_compared_according_to_their_type():
    assert not causes.difference(3, 3) and causes.difference(3, 4)
    assert not causes.difference(0.1 + 0.2, 0.3)
    assert not causes.difference(0.1 + 1e-8, np.float32(0.1)) and causes.difference(0.1 + 1e-8, 0.1)
    assert causes.difference(0.1001, np.float32(0.1))
    assert causes.difference((1.0, np.ones(2)), (1.0, np.zeros(2)), returns=("loss", "dx"))[0][0] == "dx"
    assert causes.difference([1, 2], (1, 3)) and not causes.difference([1, 2], (1, 2))
    assert causes.difference("floor", "ceil") and not causes.difference("ceil", "ceil")
    assert causes.difference({"a": 1}, {"a": 2})[0][0] == "a"
    assert causes.difference(5, (1, 2)) == [("your answer", "5, expected (2,)")]
    assert causes.difference(5, (1, 2), returns=("MACs", "FLOPs")) == [("your answer",
                                                                        "5, expected 2 values (MACs, FLOPs)")]
    assert causes.difference(np.ones(3), (1, 2)) == [("your answer", "(3,), expected (2,)")]


def test_a_property_reports_what_it_found():
    def test(attempt):
        if attempt() != 144:
            raise check.Wrong(f"{attempt()} boxes", "mirror each crop, too")
    exercise = check.Exercise("boxes", ("a", "b", "c"), lambda: [check.Property("how many", test)])
    text = check.judge(exercise, lambda: 72, catalog.Path(__file__)).text
    assert "how many" in text and "72 boxes" in text and "mirror each crop, too" in text


def test_a_file_that_does_not_load_is_explained(tmp_path, monkeypatch):
    lesson = LESSONS[0]
    broken = tmp_path / "exercises.py"
    monkeypatch.setattr(catalog.Lesson, "beside", lambda self, folder: broken if folder == "mine" else
                        catalog.HERE / folder / f"{self.stem}.py")
    for text, said in (("def output_size(size, K)\n    return 1\n", r"line 1: SyntaxError: .*, in: def output_size"),
                       ("import nothing_of_that_name\n", r"ModuleNotFoundError: .*, line 1: import nothing"),
                       ("x = 1\nexit(3)\n", r"SystemExit: 3, in .*, line 2: exit")):
        broken.write_text(text)
        with pytest.raises(UserError, match=said):
            check.check(lesson, "mine")


def leaves(x):
    sys.exit(0)


def never_ends(x):
    while True:
        x = x + 1


@pytest.mark.parametrize("attempt, said", [(leaves, "exit() ends the whole program"), (never_ends, "an endless loop")])
def test_an_answer_cannot_end_or_block_the_check(attempt, said, monkeypatch):
    monkeypatch.setattr(limit, "SECONDS", 0.05)
    verdict = check.judge(TWICE, attempt, catalog.Path(__file__))
    assert verdict.status == "wrong" and said in verdict.text
    assert "test_lessons.py, line" in verdict.text  # the line where it happened


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
    lesson, exercise = EXERCISES[0]
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


# -- helpers -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("guess, outcome, said", [
    (None, 9, "No guess"), (9, 9, "exactly right"), (9.0, 9, "exactly right"), (18, 9, "2.0 times too high"),
    (3, 9, "3.0 times too low"), (8, 9, "11 % too low"), (8.9, 9, "very close"), (-1, 9, "10 too low"),
    ("Yes ", "yes", "right"), ("no", "yes", "Worth finding out why"), ([1], 9, "Worth finding out why")])
def test_compare_accepts_any_guess(guess, outcome, said, capsys):
    helpers.compare("something", guess, outcome)
    assert said in capsys.readouterr().out


def test_cells_know_kind_line_and_tags():
    found = cells('# %% [markdown]\n# # Title\n#\n# text\n\n# %% tags=["figure"]\nx = 1\n\n\n# %%\ny = 2\n')
    assert [(c.kind, c.text, c.line, c.tags) for c in found] == [
        ("markdown", "# Title\n\ntext", 2, ()), ("code", "x = 1", 7, ("figure",)), ("code", "y = 2", 11, ())]
