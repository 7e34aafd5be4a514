"""Parts of the book that need neither Jupyter nor a browser; tests/lessons/test_book.py builds and opens it."""

import types

import javascript
import pytest

from lessons import catalog, check, helpers
from lessons.book import guesses, notebooks, search, solutions
from lessons.book.body import parts
from lessons.catalog import lessons
from lessons.translation import ENGLISH

LESSONS = lessons()
needs_node = pytest.mark.skipif(javascript.NODE is None, reason="no Node.js")


@pytest.mark.parametrize("topic", ["first_look", "pooling", "inception"])  # a constant, a helper, another exercise
def test_each_solution_stands_alone_and_passes(topic):
    lesson = next(lesson for lesson in LESSONS if lesson.topic == topic)
    answers = solutions.of_each(lesson.beside("solutions").read_text(encoding="utf-8"))
    for exercise in check.exercises(lesson):
        space = {}
        exec(answers[exercise.name], space)
        assert check.judge(exercise, space[exercise.name], lesson.beside("solutions")).status == "passes"
    only = solutions.of_each("import a, b\nC = 1\n\ndef f(x):\n    return b.x(C)\n\ndef g():\n    return a.f()\n")
    assert only == {"f": "import a, b\nC = 1\n\n\ndef f(x):\n    return b.x(C)\n",
                    "g": "import a, b\n\n\ndef g():\n    return a.f()\n"}


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.number)
def test_every_question_is_asked_and_compared(lesson):
    code = [cell.text for cell in lesson.source() if cell.kind == "code"]
    asked = [name for text in code for name in catalog.questions(text)]
    assert asked and sorted(asked) == sorted(name for text in code for name in guesses.compared(text))


def test_assertions_are_separated_from_code():
    source = "x = 1\nassert x\n\nassert (x ==\n        1)  # true\nif x:\n    assert x\nassert x, 'end'"
    assert parts(source) == [(0, "x = 1"), (2, "assert x\n\nassert (x ==\n        1)  # true"),
                             (0, "if x:\n    assert x"), (1, "assert x, 'end'")]
    assert parts("assert 1") == [(1, "assert 1")] and parts("# only\n") == [(0, "# only")]
    for lesson in LESSONS:
        for cell in lesson.source():
            if cell.kind == "code":
                lines = [line for _, text in parts(cell.text) for line in text.splitlines() if line.strip()]
                assert lines == [line for line in cell.text.splitlines() if line.strip()]


def notebook(*cells):
    return types.SimpleNamespace(cells=[types.SimpleNamespace(
        cell_type="code", source=source, get=lambda *_, text=text: [{"text": text}]) for source, text in cells])


def test_outcomes_are_read_from_what_was_printed():
    done = notebook(('compare("a & b", guess_a, 1)', "before\na & b: 1,234.5. (No guess was written down.)\n"),
                    ('compare("c", guess_c, 1)', "c: edges, too. You guessed nothing. Worth finding out why.\n"),
                    ('compare("d", guess_d, 1)', "no weights, so nothing is compared\n"))
    found = guesses.outcomes(done)
    assert found == {"guess_a": ("a & b", "1,234.5", "(No guess was written down.)"),
                     "guess_c": ("c", "edges, too", "You guessed nothing. Worth finding out why.")}
    html = guesses.asked({"guess_a": "Is 1 < 2?", "guess_d": "And d?"}, found, ENGLISH)
    assert 'data-outcome="1,234.5"' in html and "Is 1 &lt; 2?" in html and html.count("<details") == 1
    assert guesses.marked("<pre>a &amp; b: 1,234.5. (No guess was written down.)</pre>", found) == (
        '<pre>a &amp; b: 1,234.5. <span data-verdict="guess_a">(No guess was written down.)</span></pre>')


@needs_node
def test_a_guess_gets_the_verdict_of_compare():
    pairs = [(9, 9), (18, 9), (3, 9), (8, 9), (8.9, 9), (-1, 9), ("Yes ", "yes"), ("no", "yes"), (5e11, 121379815424),
             (0.25, 0.3333), (0.3, 0), (1e-7, 1.5e-7), (12345.5, 2.25), ("a clock", 3)]
    said = javascript.evaluate("pairs.map(([guess, outcome]) => verdict(String(guess), outcome))", "guesses.js",
                               pairs=[(guess, helpers._text(outcome)) for guess, outcome in pairs])
    wanted = [helpers._verdict(int(guess) if guess == 5e11 else guess, outcome) for guess, outcome in pairs]
    assert said == [" ".join(text.split()) if "Yes" not in text else text for text in wanted]
    texts = ["112,896,000", " 1e6", "1.6 M", "−.5", "40 %", "50k", "1,234.5", "ten", "", "1 2", "0,5", "1,00"]
    numbers = javascript.evaluate("texts.map(number)", "guesses.js", texts=texts)
    assert numbers == [112896000, 1e6, 1.6e6, -0.5, 0.4, 50000, 1234.5, *[None] * 5]


@needs_node
def test_a_search_finds_all_words_and_prefers_titles():
    index = [["a.html", "", "Pooling", "the maximum of a window"], ["b.html", "s", "Other", "pooling, window, pooling"],
             ["c.html", "", "Other", "nothing"], ["d.html", "", "卷积", "步幅"]]
    found = javascript.evaluate('["Pooling window", "maximum", "absent", "  ", "积"].map((q) => search(index, q)'
                                '.map((one) => one.page))', "search.js", index=index)
    assert found == [["a.html", "b.html"], ["a.html"], [], [], ["d.html"]]
    before, word, after = javascript.evaluate('excerpt("x ".repeat(99) + "the Kink of a ReLU", "relu kink", 10)',
                                              "search.js")
    assert word == "Kink" and before == "… x x x the " and after == " of a ReLU …"


def test_the_index_has_plain_text():
    assert search.plain("## a\n| **b** | `c` |\n|---|---|\n* [d](e.html)\n") == "a b c d"


def test_a_notebook_is_built_again_if_a_module_has_changed_that_it_imports(monkeypatch, tmp_path):
    monkeypatch.setattr(notebooks, "HERE", tmp_path)
    lesson = types.SimpleNamespace(path=tmp_path / "22_mine.py")
    for name in ("22_mine.py", "03_speed.py", "helpers.py", "measured.py", "mine_run.py"):
        (tmp_path / name).write_text(name)

    def changed_by(name):
        before = notebooks.fingerprint(lesson, quick=True)
        (tmp_path / name).write_text("changed")
        return notebooks.fingerprint(lesson, quick=True) != before

    assert all(map(changed_by, ("22_mine.py", "helpers.py", "measured.py", "mine_run.py")))
    assert not changed_by("03_speed.py")


def test_the_set_up_cell_names_the_wheel_and_compiles(monkeypatch):
    monkeypatch.setattr(notebooks.metadata, "metadata", lambda name: {"": ""} and types.SimpleNamespace(
        get_all=lambda key: ["Homepage, https://example.org", "Repository, https://example.org/project"]))
    assert notebooks.address() == "git+https://example.org/project"
    monkeypatch.setattr(notebooks.metadata, "metadata", lambda name: types.SimpleNamespace(get_all=lambda key: None))
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    assert notebooks.address() == ""
    monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/project")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://example.org")
    assert notebooks.address() == "git+https://example.org/somebody/project"
    code = notebooks.SET_UP.format(address="", wheel=notebooks.WHEEL)
    compile(code, "set-up", "exec")
    assert notebooks.WHEEL in code
