"""What a check says of an answer: which case is wrong, in what way, and what may be the cause."""

import sys
from pathlib import Path

import numpy as np
import pytest

from lessons import catalog, causes, check, limit
from lessons.catalog import lessons
from minigooglenet.errors import UserError


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
    (lambda x: x[5], ("IndexError", "test_lessons_verdicts.py, line")),
    (writes_into_x, ("read-only", "write into a new array")),
])
def test_verdict_names_what_is_wrong(attempt, fragments):
    verdict = check.judge(TWICE, attempt, Path(__file__))
    assert verdict.status == "wrong"
    for fragment in fragments:
        assert fragment in " ".join(verdict.text.split())


def test_a_mistake_in_the_first_wrong_part_is_recognized_despite_others():
    exercise = check.Exercise("both", ("a", "b", "c"), lambda: [check.Case("small", (3.0,), (6.0, np.ones(2)))],
                              [check.Mistake(lambda x: (x + 0.5, np.ones(2)), "double it")], returns=("y", "dx"))
    text = check.judge(exercise, lambda x: (x + 0.5, np.zeros(3)), Path(__file__)).text
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
    text = check.judge(exercise, lambda: 72, Path(__file__)).text
    assert "how many" in text and "72 boxes" in text and "mirror each crop, too" in text


def test_a_file_that_does_not_load_is_explained(tmp_path, monkeypatch):
    lesson = lessons()[0]
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
    verdict = check.judge(TWICE, attempt, Path(__file__))
    assert verdict.status == "wrong" and said in verdict.text
    assert "test_lessons_verdicts.py, line" in verdict.text  # the line where it happened
